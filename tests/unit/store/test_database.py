"""Opening a database: what is created, what is refused and with which words, and how writers wait for one another."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from monitor.store import answers, runs
from monitor.store.database import HEAD, Database, DatabaseError, NoDatabaseError, connect, open_database, revision
from monitor.store.migrate import upgrade
from monitor.store.tables import metadata
from tests.fakes import databases
from tests.unit.store.rows import answer, run

ROOT = Path(__file__).parents[3]


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def set_revision(database: Database, to: str) -> None:
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :to"), {"to": to})
    database.close()


def test_the_migrations_build_the_tables_that_the_code_uses(database):
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_newest_migration_is_the_one_the_code_expects(database):
    scripts = ScriptDirectory(str(ROOT / "monitor/store/migrations"))
    assert scripts.get_current_head() == HEAD
    assert revision(database) == HEAD


@pytest.mark.sqlite_only("pragmas are SQLite's")
def test_pragmas_keep_what_was_paid_for(database):
    with database.read() as connection:
        values = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert values == ["wal", 2, 1]


def test_an_upgrade_of_the_newest_schema_changes_nothing(database):
    assert upgrade(database) == (HEAD, HEAD)


def test_a_schema_from_the_future_is_refused_and_not_touched(database, tmp_path):
    set_revision(database, "9999")
    with pytest.raises(DatabaseError, match=rf"at 9999, which is newer .* \({HEAD}\); install the version"):
        open_database(databases.filled(tmp_path))
    with pytest.raises(DatabaseError, match="nothing was changed"):
        upgrade(database)
    assert revision(database) == "9999"


def test_an_older_schema_says_how_to_upgrade(database, tmp_path):
    set_revision(database, "0000")
    with pytest.raises(
        DatabaseError, match=rf"at 0000 and this version needs {HEAD}; run `heldout db upgrade`"
    ) as raised:
        open_database(databases.filled(tmp_path))
    assert raised.value.permanent


def test_a_database_that_holds_something_else_is_refused_and_not_touched(tmp_path):
    address = databases.empty(tmp_path)
    other = connect(address)
    with other.write() as connection:
        connection.exec_driver_sql("CREATE TABLE recipes (id INTEGER)")
    with pytest.raises(DatabaseError, match=r"this is not a heldout database \(it holds recipes\)"):
        open_database(address)
    with other.read() as connection:
        assert sa.inspect(connection).get_table_names() == ["recipes"]
    other.close()


@pytest.mark.sqlite_only("it is about the file's mode")
def test_the_file_of_somebody_elses_database_stays_as_it_is(tmp_path):
    with sqlite3.connect(tmp_path / "other.db") as raw:
        raw.execute("CREATE TABLE recipes (id)")
    raw.close()
    before = (tmp_path / "other.db").stat().st_size
    with pytest.raises(DatabaseError, match=r"other\.db: this is not a heldout database \(it holds recipes\)"):
        open_database(url(tmp_path / "other.db"))
    with sqlite3.connect(tmp_path / "other.db") as raw:
        assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]
    raw.close()
    assert (tmp_path / "other.db").stat().st_size == before


@pytest.mark.sqlite_only("it is about the file")
def test_a_file_that_is_no_database_is_refused(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("Buy milk. " * 500)
    with pytest.raises(DatabaseError, match=r"notes\.txt: file is not a database; see that the file is a database"):
        open_database(url(text))
    assert text.read_text().startswith("Buy milk.")


@pytest.mark.sqlite_only("it is about the file")
def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DatabaseError, match=r"the folder .*/nowhere does not exist; create it"):
        open_database(url(tmp_path / "nowhere/heldout.db"))


@pytest.mark.sqlite_only("SQLite alone can be in memory")
@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(address):
    with pytest.raises(DatabaseError, match="would lose every answer"):
        open_database(address)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("mysql://heldout:secret@127.0.0.1/heldout", "mysql is not in this version; use sqlite:///FILE or postgresql:"),
        ("postgres://heldout:secret@127.0.0.1/heldout", "postgres:// is an old spelling; write postgresql://USER@"),
        ("postgresql+asyncpg://heldout:secret@127.0.0.1/heldout", r"postgresql\+asyncpg:// is not in this version"),
        ("postgresql://heldout:secret@127.0.0.1:port/heldout", "cannot be read as an address"),
        ("heldout:secret", "cannot be read as an address"),
    ],
)
def test_another_kind_of_database_is_refused_without_its_password(address, why):
    with pytest.raises(DatabaseError, match=why) as raised:
        open_database(address)
    assert "secret" not in "".join(traceback.format_exception(raised.value))


def test_looking_at_an_empty_database_creates_nothing(tmp_path):
    address = databases.empty(tmp_path)
    with pytest.raises(NoDatabaseError, match=r"no such database yet|nothing is stored here yet"):
        open_database(address, create=False)
    database = connect(address)
    assert revision(database) is None
    database.close()


@pytest.mark.sqlite_only("it is about the file")
def test_looking_creates_nothing(tmp_path):
    with pytest.raises(NoDatabaseError, match="no such database yet"):
        open_database(url(tmp_path / "heldout.db"), create=False)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty.db").touch()
    with pytest.raises(NoDatabaseError, match="nothing is stored here yet"):
        open_database(url(tmp_path / "empty.db"), create=False)


@pytest.mark.sqlite_only("it is about the file")
def test_a_file_that_may_only_be_read_is_named_with_the_remedy():
    # Root may write to any file, so where the tests run as root they become another user first.
    folder = Path(tempfile.mkdtemp(prefix="heldout-read-only-"))
    try:
        open_database(url(folder / "heldout.db")).close()
        (folder / "heldout.db").chmod(0o444)
        folder.chmod(0o555)
        program = (
            "import os\n"
            "from monitor.store.database import DatabaseError, open_database\n"
            f"open_database({url(folder / 'heldout.db')!r}).close()\n"
            "if os.getuid() == 0:\n"
            "    os.setgroups([]), os.setgid(65534), os.setuid(65534)\n"
            "try:\n"
            f"    with open_database({url(folder / 'heldout.db')!r}).write() as connection:\n"
            "        connection.exec_driver_sql('CREATE TABLE more (id)')\n"
            "except DatabaseError as error:\n"
            "    print(error)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60)
        assert "see that this user may write to the file and its folder" in done.stdout, done.stderr
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.sqlite_only("the disk is the server's")
def test_a_full_disk_says_that_what_is_stored_is_intact(begun):
    with pytest.raises(DatabaseError, match="free some space") as raised:
        _fill(begun)
    assert raised.value.permanent
    begun.close()
    with begun.read() as connection:
        assert runs.get(connection, "run-1") == run()
        assert list(answers.scored(connection, "run-1", answer("a").phase, [])) == []


def _fill(database: Database) -> None:
    with database.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
        answers.add(connection, [answer(f"case-{i}", text="x" * 4000) for i in range(20)], [{}] * 20)


def test_a_write_that_fails_leaves_nothing_behind(begun):
    def fail() -> None:
        with begun.write() as connection:
            answers.add(connection, [answer("a")], [{}])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with begun.read() as connection:
        assert answers.stored(connection, "run-1", answer("a").phase) == {}


@pytest.mark.sqlite_only("it is about the file")
def test_the_folder_may_have_any_name(tmp_path):
    folder = tmp_path / "Q&A 100% ünïcode"
    folder.mkdir()
    opened = open_database(url(folder / "held out.db"))
    assert revision(opened) == HEAD
    opened.close()
    assert (folder / "held out.db").exists()


def test_what_contradicts_the_store_is_told_without_what_was_to_be_written(begun):
    private = "the patient's own words"
    with (
        pytest.raises(DatabaseError, match=r"(UNIQUE constraint failed: answer|unique constraint)") as raised,
        begun.write() as connection,
    ):
        answers.add(connection, [answer("a", text=private), answer("a", text=private)], [{}, {}])
    assert raised.value.permanent
    assert "none of it was kept" in str(raised.value)
    assert private not in "".join(traceback.format_exception(raised.value))
    with begun.read() as connection:
        assert answers.stored(connection, "run-1", answer("a").phase) == {}


def test_a_slot_that_is_taken_is_no_error(begun):
    with begun.write() as connection:
        assert not runs.begin(connection, run())


@pytest.mark.sqlite_only("PostgreSQL has many writers; test_postgresql.py has what holds there")
def test_a_writer_waits_for_another_and_a_reader_for_nobody(begun):
    entered, may_end = threading.Event(), threading.Event()
    order: list[str] = []

    def first() -> None:
        with begun.write() as connection:
            answers.add(connection, [answer("a")], [{}])
            entered.set()
            assert may_end.wait(30)
            order.append("first")

    def second() -> None:
        assert entered.wait(30)
        with begun.write() as connection:
            # It sees what the first one wrote, so it began after that was committed.
            order.append(f"second sees {len(answers.stored(connection, 'run-1', answer('a').phase))}")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    assert entered.wait(30)
    with begun.read() as connection:
        assert answers.stored(connection, "run-1", answer("a").phase) == {}
    may_end.set()
    for thread in threads:
        thread.join(30)
    assert order == ["first", "second sees 1"]


@pytest.mark.sqlite_only("PostgreSQL has many writers; test_postgresql.py has what holds there")
def test_a_writer_that_waits_in_vain_says_that_waiting_helps(begun):
    other = connect(str(begun.engine.url))
    # The product waits for half a minute; here the wait itself is not what is tested.
    with begun.write(), other.engine.connect() as impatient:
        impatient.exec_driver_sql("PRAGMA busy_timeout = 0")
    with begun.write(), pytest.raises(DatabaseError, match="another program holds the database") as raised:
        _write_at_once(other)
    assert not raised.value.permanent
    other.close()


def _write_at_once(database: Database) -> None:
    with database.write():
        pytest.fail("two writers at a time")


def test_many_processes_may_open_a_new_database_at_once(tmp_path):
    address = databases.empty(tmp_path)
    program = (
        "from monitor.store.database import open_database, revision\n"
        f"database = open_database({address!r})\n"
        "print(revision(database))\n"
        "database.close()\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    ended = [process.communicate(timeout=60) for process in started]
    assert [(out.strip(), err) for out, err in ended] == [(HEAD, "")] * 4


def test_times_are_utc_and_a_naive_one_is_refused(begun):
    with begun.read() as connection:
        found = runs.get(connection, "run-1")
    assert found.created_at.utcoffset().total_seconds() == 0
    with pytest.raises(sa.exc.StatementError, match="a naive time reached the store"), begun.write() as connection:
        runs.begin(connection, run(2, created_at=run().created_at.replace(tzinfo=None)))
