"""Opening the database: pragmas, transactions that never upgrade from read to write, and the schema's revision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.pool import ConnectionPoolEntry

# The newest migration this version knows; a test holds it against the migrations themselves. It stands here so that
# opening a database does not cost the import of Alembic.
HEAD = "0002"
# How long a writer waits for another one before it gives up, in seconds.
BUSY_TIMEOUT = 30.0


class DatabaseError(Exception):
    """The database cannot be used: which one, why, and what to do. `permanent`: waiting does not help."""

    def __init__(self, message: str, *, permanent: bool = True) -> None:
        super().__init__(message)
        self.permanent = permanent


class NoDatabaseError(DatabaseError):
    """There is no database yet: nothing was ever measured."""


class Database:
    """An open database. `read()` and `write()` give a connection inside a transaction; `write()` commits at the end."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; nothing is written."""
        with self._guard(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that takes the write lock at once, because one that upgrades later fails without waiting."""
        with self._guard(), self.engine.connect() as connection:
            connection.execution_options(heldout_write=True)
            with connection.begin():
                yield connection

    @contextmanager
    def change_schema(self) -> Iterator[Connection]:
        """A write in which tables may be built anew: references are checked at its end instead of at each step.

        SQLite changes a column by copying its table, and dropping the old one would take along what refers to it.
        """
        with self._guard(), self.engine.connect() as connection:
            connection.execution_options(heldout_write=True, heldout_schema=True)
            try:
                with connection.begin():
                    yield connection
                    if connection.dialect.name == "sqlite":
                        lost = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                        if lost:
                            raise DatabaseError(f"{self.describe()}: {lost[0][0]} refers to rows that do not exist")
            finally:
                # The switched-off check must not outlive this change.
                connection.invalidate()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DatabaseError as error:
            # The driver's own words name tables and columns; the statement's parameters, answers among them, stay out.
            text = str(error.orig)
            waiting_helps = "locked" in text or "busy" in text
            raise DatabaseError(f"{self.describe()}: {text}; {_remedy(text)}", permanent=not waiting_helps) from error

    def describe(self) -> str:
        """The database's address without a password."""
        return self.engine.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def open_database(url: str, *, create: bool = True) -> Database:
    """Open `url`, create the schema in an empty database (where `create`), and refuse one that is older or newer.

    Raises DatabaseError; nothing that is stored is touched by a refusal.
    """
    database = connect(url, create=create)
    found = revision(database)
    if found is None and create:
        from monitor.store.migrate import upgrade

        upgrade(database)
        found = HEAD
    if found is None:
        raise NoDatabaseError(
            f"{database.describe()}: nothing is stored here yet; `heldout run` or `heldout baseline collect` begins"
        )
    if found < HEAD:
        raise DatabaseError(
            f"{database.describe()}: its schema is at {found} and this version needs {HEAD}; run `heldout db upgrade`"
        )
    if found > HEAD:
        raise DatabaseError(
            f"{database.describe()}: its schema is at {found}, which is newer than this version knows ({HEAD}); "
            "install the version of heldout that wrote it, or a later one"
        )
    return database


def connect(url: str, *, create: bool = True) -> Database:
    """Connect without looking at the schema."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        raise DatabaseError(f"{parsed.get_backend_name()} is not in this version; use sqlite:///FILE")
    return Database(_sqlite(parsed, create))


def revision(database: Database) -> str | None:
    """The schema's revision, or None where the database is empty. Raises DatabaseError where it is somebody else's."""
    with database.read() as connection:
        names = set(sa.inspect(connection).get_table_names())
        if "alembic_version" in names:
            return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    if names:
        raise DatabaseError(
            f"{database.describe()}: this is not a heldout database (it holds {', '.join(sorted(names)[:3])})"
        )
    return None


def _sqlite(url: URL, create: bool) -> Engine:
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
    engine = sa.create_engine(
        url, connect_args={"timeout": BUSY_TIMEOUT, "isolation_level": None}, hide_parameters=True
    )

    @sa.event.listens_for(engine, "connect")
    def pragmas(raw: sa.engine.interfaces.DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = raw.cursor()
        # The journal's mode is written into the file: somebody else's database is looked at, and left as it is.
        tables = {name for (name,) in cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables or "alembic_version" in tables:
            cursor.execute("PRAGMA journal_mode=WAL")
        # FULL: under WAL, NORMAL may lose committed answers when the power fails, and answers are paid for.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        writing = options.get("heldout_write", False)
        if options.get("heldout_schema", False):
            # Within a transaction this pragma has no effect.
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _remedy(text: str) -> str:
    if "locked" in text or "busy" in text:
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
