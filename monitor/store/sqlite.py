"""SQLite as the database: a file of its own, opened so that what was paid for outlives a power failure."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.pool import ConnectionPoolEntry

from monitor.store.database import BUSY_TIMEOUT, DatabaseError, NoDatabaseError, Trouble


def engine(url: URL, create: bool) -> Engine:
    """Connections to the file; raises DatabaseError where it cannot be one, or where it is not there and not wanted."""
    path = Path(url.database or "")
    if not url.database or url.database == ":memory:":
        raise DatabaseError(
            "sqlite://: an in-memory database would lose every answer; name a file: sqlite:///heldout.db"
        )
    if not path.parent.is_dir():
        raise DatabaseError(f"{path}: the folder {path.parent} does not exist; create it, or change [database] url")
    if not create and not path.exists():
        raise NoDatabaseError(f"{path}: no such database yet; `heldout run` or `heldout baseline collect` creates it")
    # isolation_level None leaves BEGIN to the listener below, instead of sqlite3's own guess.
    # hide_parameters: what a model wrote may be private, and an error's text ends in logs.
    made = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT, "isolation_level": None}, hide_parameters=True)
    sa.event.listen(made, "connect", _pragmas)
    sa.event.listen(made, "begin", _begin)
    return made


def _pragmas(raw: sa.engine.interfaces.DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = raw.cursor()
    # The journal's mode is written into the file: somebody else's database is looked at, and left as it is.
    tables = {name for (name,) in cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables or "alembic_version" in tables:
        cursor.execute("PRAGMA journal_mode=WAL")
    # FULL: under WAL, NORMAL may lose committed answers when the power fails, and answers are paid for.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("heldout_schema", False):
        # Within a transaction this pragma has no effect.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("heldout_write", False) else "BEGIN")


def trouble(error: sa.exc.DBAPIError) -> Trouble:
    """What SQLite said, and what to do. Its own words name tables and columns, and no value."""
    text = str(error.orig)
    passes = "locked" in text or "busy" in text
    return Trouble(text, _remedy(text, passes), passes)


def _remedy(text: str, passes: bool) -> str:
    if passes:
        return "another program holds the database; try again when it is done"
    if "full" in text:
        return "free some space on its disk and run the same command again: what is stored is intact"
    if "disk I/O error" in text:
        # SQLite's words for a disk without room for the journal's index, too.
        return "its disk is full or broken; free some space on it and run the same command again"
    if "readonly" in text or "unable to open" in text:
        return "see that this user may write to the file and its folder"
    if "constraint failed" in text:
        return "what was to be written contradicts what is stored; none of it was kept, and what is stored is intact"
    return "see that the file is a database and its disk is healthy"
