"""Backup and restore: all that is stored, as of one moment, in every direction between SQLite and PostgreSQL."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from alerts.incident import Event, What
from monitor.domain.case import Case, Suite
from monitor.domain.judgement import Marked, Purpose, StoredCanary
from monitor.domain.run import RunState
from monitor.domain.score import Score
from monitor.store import answers, audit, calibrations, hooks, incidents, judgements, leases, runs, usage
from monitor.store.backup import BackupError, back_up, restore
from monitor.store.database import HEAD, Database, NoDatabaseError, connect, open_database, revision
from monitor.store.hooks import HookRow, HookState
from monitor.store.migrate import upgrade
from monitor.store.rows import copy_rows
from monitor.store.tables import metadata
from tests.fakes import databases
from tests.unit.store.rows import NOW, answer, calibration, failure, judgement, label, run, tell

ROOT = Path(__file__).parents[3]
ODD = "Grüße, 東京 \N{ROCKET}\n\t\"'\\ \x01 NULL"
POSTGRESQL = pytest.mark.postgresql_only("one end is PostgreSQL")
WAYS = [
    pytest.param("sqlite", "sqlite", marks=pytest.mark.sqlite_only("no end is PostgreSQL")),
    pytest.param("sqlite", "postgresql", marks=POSTGRESQL),
    pytest.param("postgresql", "sqlite", marks=POSTGRESQL),
    pytest.param("postgresql", "postgresql", marks=POSTGRESQL),
]


def address(kind: str, folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    return databases.empty(folder) if kind == "postgresql" else f"sqlite:///{folder / 'heldout.db'}"


@pytest.fixture
def opened() -> Iterator[Callable[[str], Database]]:
    """Opens databases that are closed in the end."""
    made: list[Database] = []

    def one(url: str) -> Database:
        made.append(open_database(url))
        return made[-1]

    yield one
    for database in made:
        database.close()


def fill(database: Database, seed: int = 1) -> None:
    """Something in every table, with the odd values that each column can have."""
    rng = random.Random(seed)
    with database.write() as connection:
        runs.remember_suite(connection, Suite("support", (Case("a", ODD, expected="yes"),)), NOW)
        runs.begin(connection, run(state=RunState.DONE, slot=NOW, progress={"odd": ODD, "empty": None, "x": [1.5, {}]}))
        runs.begin(connection, run(2, requested_by=ODD))
        several = [
            answer(f"case-{i}", text=ODD * i, contexts=(ODD,) * (i % 3), usd=rng.random(), latency=rng.random())
            for i in range(5)
        ]
        answers.add(connection, several, [{"exact": Score(rng.random()), ODD: Score(None, ODD)}] * 5)
        answers.add_failures(connection, [failure("z", message=ODD, usd=1e-12)])
        fill_judges(connection)
        runs.pin(connection, run(), NOW + timedelta(microseconds=1), ODD)
        tell(connection, "alert-1", ["slack", "email"])
        fill_incidents(connection)
        usage.sum_up(connection, "run-1")
        leases.take(connection, leases.look(connection, leases.RUNNER), "host:1", NOW)
        for table in metadata.sorted_tables:
            if table.name == "timetable":
                connection.execute(table.insert(), {"since": NOW, "cron": "0 6 * * mon", "timezone": "UTC"})


def fill_judges(connection: Connection) -> None:
    """What the tables of judges can hold."""
    said = [
        judgement("m-1", votes={ODD: ("met", ODD)}, case_id=ODD, model=ODD, fingerprint=ODD, usd=1e-12),
        judgement("m-2", votes=None, value=None, reason=ODD, purpose=Purpose.CANARY, cached_input_tokens=2**31 - 1),
    ]
    judgements.add(connection, said)
    marked = {"m-1": Marked(1 / 3, None, (ODD, "polite")), "m-2": Marked(None, ODD)}
    judgements.add_marks(connection, "run-1", "tone@1", marked)
    judgements.pin_canaries(connection, "run-1", [StoredCanary("null", ODD, "print", ODD)])
    calibrations.add_labels(connection, [label(ODD), label(criterion="", verdict=None, value=0.1, labelled_by=ODD)])
    calibrations.add(connection, [calibration(), calibration(None, judge="strict", payload={ODD: [1.5, None]})])


def fill_incidents(connection: Connection) -> None:
    """What the tables of incidents can hold, and two rows of the audit log."""
    incidents.begin(connection, "incident-1", "ft", "support", NOW, Event(What.OPENED, NOW, ODD, ODD, level="rollback"))
    incidents.record(connection, "incident-1", Event(What.ACKNOWLEDGED, NOW, ODD, ODD, others=(ODD,)))
    incidents.shown_by(connection, "incident-1", "alert-1")
    asked = HookRow("hook-1", ODD[:90], "rollback", "auto", HookState.DONE, "ft", "support", 1, NOW, NOW)
    hooks.add(connection, replace(asked, incident_id="incident-1", event={ODD: [1.5, None]}, result={"status": ODD}))
    reference = {"incident_id": "incident-1", "channel": "slack", "reference": ODD, "created_at": NOW}
    connection.execute(metadata.tables["thread"].insert(), reference)
    connection.execute(
        metadata.tables["picture"].insert(), {"alert_id": "alert-1", "png": bytes(range(256)), "alt": ODD}
    )
    for who in ("ada", ODD):
        detail = {ODD: [1 / 3, None, 2**70]}
        audit.append(connection, who=who, via="api", action="look", subject=ODD, detail=detail, now=NOW)


def content(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every value of every row."""
    with database.read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(table.select().order_by(*table.primary_key.columns))]
            for table in metadata.sorted_tables
        }


WRITER = """
import sys
import time
from tests.unit.store.rows import answer, run
from monitor.domain.score import Score
from monitor.store import answers, runs
from monitor.store.database import open_database
database = open_database(sys.argv[1])
for number in range(100_000):
    with database.write() as connection:
        batch = [answer(f"w{number}-{i}", text="x" * 500) for i in range(20)]
        answers.add(connection, batch, [{"exact": Score(0.5)}] * 20)
        runs.save(connection, run(progress={"written": (number + 1) * 20}))
    if number == 20:
        print("under way", flush=True)
"""


@pytest.mark.parametrize(("source", "target"), WAYS)
def test_a_backup_that_is_made_while_another_process_writes_is_restored_whole(source, target, tmp_path, opened):
    url = address(source, tmp_path / "source")
    database = opened(url)
    fill(database)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, url], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout.readline() == "under way\n"
        done = back_up(database, tmp_path / "all.backup")
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.communicate(timeout=30)

    kept = (tmp_path / "all.backup").read_bytes()
    back = restore(tmp_path / "all.backup", address(target, tmp_path / "target"))
    assert back.rows == done.rows
    assert (tmp_path / "all.backup").read_bytes() == kept
    restored = opened(address(target, tmp_path / "target"))
    found = content(restored)
    assert {name: len(rows) for name, rows in found.items()} == done.rows
    assert all(found.values()), "a table that the test does not fill is a table that is not tested"

    # It is one moment's: what one transaction wrote is there together.
    (written,) = (row[metadata.tables["run"].c.keys().index("progress")] for row in found["run"] if row[0] == "run-1")
    mine = [row for row in found["answer"] if row[3].startswith("w")]
    assert len(mine) == written["written"] >= 20 * 21
    # Every row, against what went in: the writer only ever added after it.
    whole = content(database)
    for name, rows in found.items():
        ids = {row[0] for row in rows}
        if name in ("answer", "score"):
            assert rows == [row for row in whole[name] if row[0] in ids], name
        elif name not in ("run",):
            assert rows == whole[name], name
    # It can be worked with: the next rows get numbers of their own.
    with restored.write() as connection:
        tell(connection, "alert-2", ["slack"])
        answers.add(connection, [answer("new")], [{"exact": Score(1.0)}])
    assert len(content(restored)["answer"]) == len(found["answer"]) + 1


@pytest.mark.parametrize(("source", "target"), WAYS)
def test_a_quiet_database_is_the_same_afterwards(source, target, tmp_path, opened):
    database = opened(address(source, tmp_path / "source"))
    fill(database)
    done = back_up(database, tmp_path / "all.backup")
    restore(tmp_path / "all.backup", address(target, tmp_path / "target"))
    restored = opened(address(target, tmp_path / "target"))
    assert content(restored) == content(database)
    assert done.revision == HEAD
    assert done.size == (tmp_path / "all.backup").stat().st_size
    # And of the restored one a backup can be made, which says the same.
    again = back_up(restored, tmp_path / "again.backup")
    assert again.rows == done.rows
    with restored.write() as connection:
        # The chain is whole on the other kind of database, too, and goes on there.
        audit.append(connection, who="ada", via="command", action="db restore", subject="", detail={}, now=NOW)
        assert audit.verify(connection) == audit.Verified(3, audit.entries(connection, 1)[0].hash, None)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["again.backup", "all.backup"]
    assert (tmp_path / "all.backup").stat().st_mode & 0o077 == 0


@pytest.fixture
def backup(tmp_path, opened) -> Path:
    """A backup of a filled database of this pass's kind."""
    database = opened(address(databases.KIND, tmp_path / "source"))
    fill(database)
    back_up(database, tmp_path / "all.backup")
    return tmp_path / "all.backup"


def test_a_file_that_exists_is_never_overwritten(backup, tmp_path, opened):
    before = backup.read_bytes()
    with pytest.raises(BackupError, match=r"all\.backup: it exists, and a backup never overwrites"):
        back_up(opened(address(databases.KIND, tmp_path / "source")), backup)
    assert backup.read_bytes() == before


def test_a_folder_that_is_not_there_is_named(tmp_path, opened):
    database = opened(address(databases.KIND, tmp_path / "source"))
    with pytest.raises(BackupError, match=r"the folder .*/nowhere does not exist; create it"):
        back_up(database, tmp_path / "nowhere" / "all.backup")


def test_of_nothing_there_is_no_backup(tmp_path):
    with (
        closing(connect(address(databases.KIND, tmp_path / "source"))) as database,
        pytest.raises(NoDatabaseError, match="nothing to back up"),
    ):
        back_up(database, tmp_path / "all.backup")
    assert not (tmp_path / "all.backup").exists()


def test_a_database_that_holds_something_is_not_restored_over(backup, tmp_path, opened):
    target = opened(address(databases.KIND, tmp_path / "target"))
    with target.write() as connection:
        runs.begin(connection, run())
    before = content(target)
    with pytest.raises(BackupError, match=r"it is not empty \(it holds rows in run\), and a restore never overwrites"):
        restore(backup, address(databases.KIND, tmp_path / "target"))
    assert content(target) == before


def test_an_empty_database_with_its_tables_is_filled(backup, tmp_path, opened):
    target = opened(address(databases.KIND, tmp_path / "target"))
    restore(backup, address(databases.KIND, tmp_path / "target"))
    assert content(target) == content(opened(address(databases.KIND, tmp_path / "source")))


def spoil(backup: Path, how: str) -> None:
    whole = backup.read_bytes()
    if how == "cut":
        backup.write_bytes(whole[: len(whole) // 2])
    elif how == "empty":
        backup.write_bytes(b"")
    elif how == "text":
        backup.write_text("my diary\n" * 1000)
    elif how == "scribbled":
        backup.write_bytes(whole[:8192] + b"\xff" * 8192 + whole[16384:])
    else:
        statements = {
            "other": "CREATE TABLE recipes (id)",
            "future": "UPDATE alembic_version SET version_num = '9999'",
            "orphan": "DELETE FROM run",
        }
        if how == "other":
            backup.unlink()
        with closing(sqlite3.connect(backup)) as raw, raw:
            raw.execute(statements[how])


SPOILT = {
    "cut": "damaged or cut short",
    "empty": "this is not a backup of heldout",
    "text": "it is no backup, or is damaged",
    "scribbled": "damaged or cut short",
    "other": r"this is not a backup of heldout \(it holds recipes\)",
    "future": "its schema is at 9999, which is newer",
    "orphan": "damaged or cut short",
}


@pytest.mark.parametrize("how", SPOILT)
def test_what_is_no_whole_backup_is_refused_before_anything_is_touched(backup, tmp_path, how):
    spoil(backup, how)
    before = backup.read_bytes()
    with pytest.raises(BackupError, match=SPOILT[how]) as raised:
        restore(backup, address(databases.KIND, tmp_path / "target"))
    assert raised.value.permanent
    assert backup.read_bytes() == before
    with closing(connect(address(databases.KIND, tmp_path / "target"))) as target:
        assert revision(target) is None


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BackupError, match=r"none\.backup: there is no such file"):
        restore(tmp_path / "none.backup", address(databases.KIND, tmp_path / "target"))


@pytest.mark.parametrize(
    "spoilt", ["alert SET payload = 'the patient, in no JSON'", "outbox SET due_at = 'the patient'"]
)
def test_a_restore_that_fails_half_way_leaves_no_row_and_quotes_none(backup, tmp_path, opened, spoilt):
    with closing(sqlite3.connect(backup)) as raw, raw:
        raw.execute(f"UPDATE {spoilt}")
    with pytest.raises(BackupError, match="it holds a value that cannot be read") as raised:
        restore(backup, address(databases.KIND, tmp_path / "target"))
    assert "patient" not in "".join(traceback.format_exception(raised.value))
    assert not any(content(opened(address(databases.KIND, tmp_path / "target"))).values())


def test_a_backup_for_which_there_is_no_room_says_so_and_leaves_no_file(tmp_path, opened):
    url = address(databases.KIND, tmp_path / "source")
    database = opened(url)
    with database.write() as connection:
        runs.begin(connection, run())
        answers.add(connection, [answer(str(i), text="x" * 2000) for i in range(1000)], [{}] * 1000)
    (tmp_path / "out").mkdir()
    program = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from monitor.store.backup import back_up\n"
        "from monitor.store.database import DatabaseError, open_database\n"
        "database = open_database(sys.argv[1])\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        "try:\n"
        "    back_up(database, Path(sys.argv[2]))\n"
        "except DatabaseError as error:\n"
        "    print(error)\n"
        "database.close()\n"
    )
    command = [sys.executable, "-c", program, url, str(tmp_path / "out" / "all.backup")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert "all.backup" in done.stdout, done.stderr
    assert "disk" in done.stdout
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("old", ["0001"])
def test_a_backup_of_an_older_schema_is_upgraded_on_the_way_and_stays_as_it_is(tmp_path, opened, old):
    older = connect(address(databases.KIND, tmp_path / "source"))
    upgrade(older, old)
    with older.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO run "
            "(id, target, suite, kind, state, created_at, suite_fingerprint, target_fingerprint, progress) VALUES "
            "('r', 'ft', 's', 'week', 'done', '2026-11-16 06:00:00.000000+00:00', 'a', 'b', '{}')"
        )
    done = back_up(older, tmp_path / "all.backup")
    assert (done.revision, revision(older), done.rows["run"]) == (old, old, 1)
    older.close()
    before = (tmp_path / "all.backup").read_bytes()
    restore(tmp_path / "all.backup", address(databases.KIND, tmp_path / "target"))
    assert (tmp_path / "all.backup").read_bytes() == before
    restored = opened(address(databases.KIND, tmp_path / "target"))
    assert revision(restored) == HEAD
    assert [row[0] for row in content(restored)["run"]] == ["r"]


@pytest.mark.postgresql_only("it is about a server's patience")
def test_a_disk_that_takes_its_time_does_not_end_a_backup(tmp_path):
    address = f"{databases.filled(tmp_path)}?options=-c%20idle_in_transaction_session_timeout%3D200ms"
    with closing(open_database(address)) as database:
        done = back_up(database, tmp_path / "slow.db", lambda table, rows: time.sleep(0.5 if table == "run" else 0))
    assert done.size == (tmp_path / "slow.db").stat().st_size


def test_memory_does_not_grow_with_what_is_stored(tmp_path, opened):
    database = opened(address(databases.KIND, tmp_path / "source"))
    with database.write() as connection:
        runs.begin(connection, run())
        for number in range(20):
            batch = [answer(f"{number}-{i}", text="x" * 2000) for i in range(500)]
            answers.add(connection, batch, [{"exact": Score(1.0)}] * 500)
    back_up(database, tmp_path / "all.backup")
    target = opened(address(databases.KIND, tmp_path / "target"))
    tracemalloc.start()
    with database.read() as source, target.write() as written:
        assert copy_rows(source, written, lambda table, rows: None)["answer"] == 10_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 10,000 answers are 20 MB of text alone.
    assert peak < 12e6
