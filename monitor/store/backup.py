"""Backups: one SQLite file, whatever database it was made from, written while others go on working."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import URL

from monitor.store import sqlite
from monitor.store.database import HEAD, Database, DatabaseError, NoDatabaseError, open_database, revision
from monitor.store.migrate import upgrade
from monitor.store.rows import Watch, copy_rows, count_rows, hold_all, set_sequences


class BackupError(DatabaseError):
    """A backup cannot be written, or what is given is none; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a backup or a restore came to: the schema's revision in the backup, and rows by table."""

    revision: str
    rows: dict[str, int]
    size: int  # bytes of the file


def back_up(database: Database, file: Path, watch: Watch = lambda table, rows: None) -> Copied:
    """Write all that is stored as of one moment into the new `file`; others may go on writing meanwhile.

    The file appears under its name when it is whole and checked. Raises BackupError and DatabaseError.
    """
    _may_be_written(file)
    found = revision(database)
    if found is None:
        raise NoDatabaseError(f"{database.describe()}: nothing is stored here yet, and so there is nothing to back up")
    with _beside(file) as part:
        if database.engine.dialect.name == "sqlite":
            _copy_pages(database, part)
        else:
            _copy_tables(database, part, found, watch)
        rows = _checked(part)
        _sync(part)
        _may_be_written(file)
        part.rename(file)
        _sync(file.parent)
    return Copied(found, rows, file.stat().st_size)


def restore(file: Path, url: str, watch: Watch = lambda table, rows: None) -> Copied:
    """Write a backup's rows into the empty or absent database at `url`; the file itself is never changed.

    A backup with an older schema is upgraded on the way, in a copy. Raises BackupError and DatabaseError; then the
    database has no row.
    """
    with _readable(file) as (source, found):
        database = open_database(url)
        try:
            with source.begin(), database.write() as target:
                hold_all(target)
                _must_be_empty(database, count_rows(target))
                rows = _copied(file, source, target, watch)
                set_sequences(target)
                if count_rows(target) != rows:
                    raise BackupError(f"{database.describe()}: not every row arrived; nothing was kept")
        finally:
            database.close()
    return Copied(found, rows, file.stat().st_size)


def _copied(file: Path, source: sa.Connection, target: sa.Connection, watch: Watch) -> dict[str, int]:
    try:
        return copy_rows(source, target, watch)
    except ValueError as error:
        # JSON or a time that is none. The error's own words quote it.
        what = type(error).__name__
        raise BackupError(f"{file}: it holds a value that cannot be read ({what}); take an earlier backup") from None


def _must_be_empty(database: Database, rows: dict[str, int]) -> None:
    held = [table for table, count in rows.items() if count]
    if held:
        raise BackupError(
            f"{database.describe()}: it is not empty (it holds rows in {', '.join(held[:3])}), and a restore never "
            "overwrites; name another database in [database] url, or move this one away first"
        )


def _may_be_written(file: Path) -> None:
    if file.exists() or file.is_symlink():
        raise BackupError(f"{file}: it exists, and a backup never overwrites; choose another name or move it away")
    if not file.parent.is_dir():
        raise BackupError(f"{file}: the folder {file.parent} does not exist; create it, or choose another")


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A temporary name in the same folder, for this user's eyes only; what is left of it is removed."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".part", dir=file.parent)
    except OSError as error:
        raise BackupError(f"{file}: {error.strerror}; see that this user may write to its folder") from None
    os.close(handle)
    try:
        yield Path(name)
    except OSError as error:
        raise BackupError(f"{file}: {error.strerror}; nothing of it was kept") from None
    finally:
        for ending in ("", "-wal", "-shm", "-journal"):
            with suppress(OSError):
                Path(name + ending).unlink()


def _copy_pages(database: Database, part: Path) -> None:
    """SQLite's own online backup, in one go: writers are not held up, and their changes do not make it begin anew."""
    with database.read() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - the dialect was looked at
        with _explained(part), closing(sqlite3.connect(part, isolation_level=None)) as copy:
            raw.backup(copy)
            _single(copy)


def _copy_tables(database: Database, part: Path, found: str, watch: Watch) -> None:
    """All tables in one view of the database, into a file whose schema is the same revision's."""
    made = Database(sqlite.engine(URL.create("sqlite", database=str(part)), create=True))
    try:
        upgrade(made, found)
        with database.read() as source, made.write() as target:
            # The server would end a reader that is silent for long, as this one is while a large file goes to its disk.
            source.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            copied = copy_rows(source, target, watch)
            if count_rows(target) != copied:
                raise BackupError(f"{part}: not every row arrived in the backup; nothing of it was kept")
    finally:
        made.close()
    with _explained(part), closing(sqlite3.connect(part, isolation_level=None)) as copy:
        _single(copy)


def _single(copy: sqlite3.Connection) -> None:
    """Make it one file, without a journal beside it."""
    copy.execute("PRAGMA journal_mode=DELETE")


def _checked(part: Path) -> dict[str, int]:
    """Read the whole file back, as whoever restores it will; returns its rows by table."""
    with _readable(part, again=False) as (source, _), source.begin():
        return count_rows(source)


@contextmanager
def _readable(file: Path, *, again: bool = True) -> Iterator[tuple[sa.Connection, str]]:
    """The backup's rows, with this version's schema where `again`, and the revision that it was written with."""
    if not file.is_file():
        raise BackupError(f"{file}: there is no such file")
    found = _inspected(file)
    with tempfile.TemporaryDirectory(prefix="heldout-restore-") as folder:
        path = file
        if again and found < HEAD:
            path = Path(folder) / "upgraded.db"
            with _explained(path), _opened(file) as raw, closing(sqlite3.connect(path)) as copy:
                raw.backup(copy)
            older = Database(sqlite.engine(URL.create("sqlite", database=str(path)), create=False))
            try:
                upgrade(older)
            finally:
                older.close()
        engine = sa.create_engine("sqlite://", creator=lambda: _connection(path), poolclass=sa.pool.NullPool)
        with _explained(file), engine.connect() as connection:
            yield connection, found


def _inspected(file: Path) -> str:
    """The revision of a file that is a whole backup of this version or an earlier one."""
    with _explained(file), _opened(file) as raw:
        (sound,) = raw.execute("PRAGMA integrity_check(1)").fetchone()
        tables = {name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "alembic_version" not in tables:
            raise BackupError(f"{file}: this is not a backup of heldout (it holds {', '.join(sorted(tables)[:3])})")
        lost = raw.execute("PRAGMA foreign_key_check").fetchone()
        row = raw.execute("SELECT version_num FROM alembic_version").fetchone()
    if sound != "ok" or lost is not None or row is None:
        raise BackupError(f"{file}: it is damaged or cut short; take an earlier backup")
    if row[0] > HEAD:
        raise BackupError(
            f"{file}: its schema is at {row[0]}, which is newer than this version knows ({HEAD}); install the version "
            "of heldout that wrote it, or a later one"
        )
    return str(row[0])


def _connection(file: Path) -> sqlite3.Connection:
    # Only to be read: to look at a backup must not change it.
    return sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True, isolation_level=None)


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(_connection(file)) as raw:
        yield raw


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """What SQLite says of a file of ours becomes a BackupError."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
    except sa.exc.DBAPIError as error:
        text = str(error.orig)
    else:
        return
    if "not a database" in text or "malformed" in text:
        raise BackupError(f"{file}: it is no backup, or is damaged or cut short; take an earlier backup")
    remedy = "free some space on its disk" if "full" in text else "see that its disk is healthy and has room"
    raise BackupError(f"{file}: {text}; {remedy}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
