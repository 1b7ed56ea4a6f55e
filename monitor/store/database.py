"""Opening the database, SQLite or PostgreSQL: transactions to read and to write in, and the schema's revision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, make_url

# The newest migration this version knows; a test holds it against the migrations themselves. It stands here so that
# opening a database does not cost the import of Alembic.
HEAD = "0004"
# How long a writer waits for another one before it gives up, in seconds.
BUSY_TIMEOUT = 30.0


class DatabaseError(Exception):
    """The database cannot be used: which one, why, and what to do. `permanent`: waiting does not help."""

    def __init__(self, message: str, *, permanent: bool = True) -> None:
        super().__init__(message)
        self.permanent = permanent


class NoDatabaseError(DatabaseError):
    """There is no database yet: nothing was ever measured."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a database said, what to do about it, and whether it may pass by itself."""

    said: str
    remedy: str
    passes: bool


class Database:
    """An open database. `read()` and `write()` give a connection inside a transaction; `write()` commits at the end."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view, however many statements look at it; nothing can be written."""
        with self._guard(), self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction.

        SQLite takes the write lock at once, because a transaction that upgrades later fails without waiting, and has
        one writer at a time. PostgreSQL has many: each statement sees what others have committed until then, and what
        was read may have changed when something is written. Where that matters, `alone` makes writers stand in line.
        """
        with self._guard(), self.engine.connect() as connection:
            connection.execution_options(heldout_write=True)
            with connection.begin():
                yield connection

    @contextmanager
    def change_schema(self) -> Iterator[Connection]:
        """A write in which tables may be built anew; whoever else wants to do so waits, and then sees what was done.

        SQLite changes a column by copying its table, and dropping the old one would take along what refers to it: there
        references are checked at the end instead of at each step.
        """
        with self._guard(), self.engine.connect() as connection:
            connection.execution_options(heldout_write=True, heldout_schema=True)
            try:
                with connection.begin():
                    if connection.dialect.name == "postgresql":
                        alone(connection, "schema")
                        # Large tables take their time.
                        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
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
        except sa.exc.TimeoutError:
            remedy = "this process has too much to do at once; try again"
            raise DatabaseError(f"{self.describe()}: no connection is free; {remedy}", permanent=False) from None
        except sa.exc.DBAPIError as error:
            found = self._trouble(error)
            # Without its cause: what a driver says further on quotes rows, answers among them.
            text = f"{self.describe()}: {found.said}; {found.remedy}"
            raise DatabaseError(text, permanent=not found.passes) from None

    def _trouble(self, error: sa.exc.DBAPIError) -> Trouble:
        if self.engine.dialect.name == "postgresql":
            from monitor.store import postgresql

            return postgresql.trouble(error, self.engine.url)
        from monitor.store import sqlite

        return sqlite.trouble(error)

    def describe(self) -> str:
        """The database's address without a password."""
        if self.engine.dialect.name == "postgresql":
            from monitor.store import postgresql

            return postgresql.describe(self.engine.url)
        return self.engine.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def open_database(url: str, *, create: bool = True) -> Database:
    """Open `url`, create the schema in an empty database (where `create`), and refuse one that is older or newer.

    Raises DatabaseError; nothing that is stored is touched by a refusal.
    """
    database = connect(url, create=create)
    try:
        _prepare(database, create)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: Database, create: bool) -> None:
    """See to it that the schema is this version's."""
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


def connect(url: str, *, create: bool = True) -> Database:
    """Connect without looking at the schema; raises DatabaseError where `url` is no database that heldout can use."""
    try:
        parsed = make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise DatabaseError("[database] url cannot be read as an address") from None
    if parsed.drivername.startswith("postgres"):
        from monitor.store import postgresql

        return Database(postgresql.engine(parsed))
    if parsed.get_backend_name() != "sqlite":
        raise DatabaseError(
            f"{parsed.get_backend_name()} is not in this version; use sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        )
    from monitor.store import sqlite

    return Database(sqlite.engine(parsed, create))


def alone(connection: Connection, what: str) -> None:
    """Until its transaction ends, no other that wants to be alone with `what` goes on; SQLite has one writer anyway.

    Under READ COMMITTED the next statement sees everything that those before it in the line have committed.
    """
    if connection.dialect.name == "postgresql":
        key = sa.func.hashtextextended(f"heldout {what}", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def insert_new(connection: Connection, table: sa.Table) -> sa.Insert:
    """An insert that leaves rows alone that are there already, whoever wrote them, and however lately."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table).on_conflict_do_nothing()


def revision(database: Database) -> str | None:
    """The schema's revision, or None where the database is empty. Raises DatabaseError where it is somebody else's."""
    with database.read() as connection:
        names = set(sa.inspect(connection).get_table_names())
        if "alembic_version" in names:
            return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    if names:
        raise DatabaseError(
            f"{database.describe()}: this is not a heldout database (it holds {', '.join(sorted(names)[:3])}); "
            "name another in [database] url"
        )
    return None
