"""The audit log: what is written comes back, its chain stays whole, and whatever is done behind its back shows."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from datetime import timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from monitor.store import audit
from monitor.store.audit import LONGEST, NOTHING, Entry, Verified
from monitor.store.database import Database, DatabaseError, open_database
from monitor.store.tables import audit as table
from tests.fakes import databases
from tests.unit.store.rows import NOW

ROOT = Path(__file__).parents[3]
ODD = "Grüße, 東京 \N{ROCKET}\n\"'\\ \x01 NULL"


def write(database: Database, who: str = "ada", **changes: object) -> int:
    values = {"via": "command", "action": "look", "subject": "ft", "detail": {}, "now": NOW}
    with database.write() as connection:
        return audit.append(connection, who=who, **{**values, **changes})


def look(database: Database, expect: str | None = None) -> Verified:
    with database.read() as connection:
        return audit.verify(connection, expect)


def log(database: Database, limit: int = 100, *filters: object, **more: object) -> list[Entry]:
    with database.read() as connection:
        return audit.entries(connection, limit, *filters, **more)


@pytest.fixture
def five(database: Database) -> Database:
    for number in range(5):
        write(database, f"user-{number}", detail={"number": number}, now=NOW + timedelta(minutes=number))
    return database


def behind_its_back(database: Database, *statements: str) -> None:
    """What somebody can do who may change the schema."""
    with database.write() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(sa.text("DROP TRIGGER audit_no_update"))
            connection.execute(sa.text("DROP TRIGGER audit_no_delete"))
        else:
            connection.execute(sa.text("DROP TRIGGER audit_only_grows ON audit"))
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_what_was_written_comes_back_and_each_row_takes_in_the_one_before(database):
    detail = {"why": ODD, "numbers": [1, 0.1, 1e300, None, True], "deep": {ODD: ["x"]}}
    assert write(database, ODD, via="api", action="incident silence", subject=ODD, detail=detail) == 1
    assert write(database, now=NOW.astimezone(timezone(timedelta(hours=9))) + timedelta(microseconds=7)) == 2
    newest, first = log(database)
    assert (first.at, first.who, first.via, first.action, first.subject) == (NOW, ODD, "api", "incident silence", ODD)
    assert first.detail == detail
    assert (first.previous, newest.previous, newest.at) == (NOTHING, first.hash, NOW + timedelta(microseconds=7))
    assert look(database) == Verified(2, newest.hash, None)


def test_an_empty_log_is_whole(database):
    assert look(database) == look(database, NOTHING) == Verified(0, NOTHING, None)
    assert log(database) == []


def test_what_is_cut_to_is_what_the_columns_hold():
    assert {name: table.c[name].type.length for name in audit._LENGTHS} == audit._LENGTHS


@pytest.mark.parametrize("page", [1, 2, 5, 6])
def test_a_log_of_several_pages_is_read_whole(five, page):
    with five.read() as connection:
        found = audit.verify(connection, page=page)
    assert (found.rows, found.fault) == (5, None)


def test_what_no_database_holds_is_written_as_what_it_can(database):
    write(database, "a\x00\ud800" + "b" * 500, action="c" * 500, detail={"why": "\x00" * 9_000, "\ud800": 1})
    (only,) = log(database)
    assert (only.who[:3], len(only.who), len(only.action)) == ("a\ufffd\ufffd", 200, 60)
    assert only.detail == {"why": "\ufffd" * LONGEST, "\ufffd": 1}
    assert look(database).fault is None


def test_detail_that_never_ends_is_cut(database):
    detail: dict[str, object] = {}
    for _ in range(500):
        detail = {"a": [detail]}
    write(database, detail=detail)
    assert len(json.dumps(log(database)[0].detail)) < 200


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), NOW], ids=["nan", "inf", "object", "time"])
def test_what_is_no_json_is_not_written(database, value):
    with pytest.raises((ValueError, TypeError)):
        write(database, detail={"value": value})
    assert log(database) == []


def test_the_log_is_read_from_its_newest_row_page_by_page_and_by_who_and_what(database):
    for number in range(6):
        write(database, ("ada", "grace")[number % 2], action=("incident ack", "incident_ack", "pin")[number % 3])
    assert [one.id for one in log(database, 2)] == [6, 5]
    assert [one.id for one in log(database, 2, 5)] == [4, 3]
    assert [one.id for one in log(database, who="grace")] == [6, 4, 2]
    assert [one.id for one in log(database, action="incident ")] == [4, 1]
    assert [one.id for one in log(database, action="%")] == []
    assert [one.id for one in log(database, who="ada", action="incident_")] == [5]


def test_a_transaction_that_comes_to_nothing_leaves_the_chain_whole(five):
    def fails():
        with five.write() as connection:
            audit.append(connection, who="eve", via="api", action="x", subject="", detail={}, now=NOW)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    write(five)
    assert (look(five).rows, look(five).fault) == (6, None)


# What somebody changes, the rows that are still as they were, and the words that say where it no longer fits.
SWAP = "UPDATE audit SET who = (SELECT CASE audit.id WHEN 2 THEN 'user-2' ELSE 'user-1' END) WHERE id IN (2, 3)"
TAMPERED = {
    "who": (["UPDATE audit SET who = 'eve' WHERE id = 3"], 2, "row 3 was changed"),
    "via": (["UPDATE audit SET via = 'slack' WHERE id = 1"], 0, "row 1 was changed"),
    "action": (["UPDATE audit SET action = 'loot' WHERE id = 5"], 4, "row 5 was changed"),
    "subject": (["UPDATE audit SET subject = '' WHERE id = 2"], 1, "row 2 was changed"),
    "detail": (["""UPDATE audit SET detail = '{"number": 3}' WHERE id = 3"""], 2, "row 3 was changed"),
    "at": (["UPDATE audit SET at = '2026-11-16 06:02:00.000001' WHERE id = 3"], 2, "row 3 was changed"),
    "hash": ([f"UPDATE audit SET hash = '{'a' * 64}' WHERE id = 3"], 2, "row 3 was changed: its hash is aaaa"),
    "previous": ([f"UPDATE audit SET previous = '{'b' * 64}' WHERE id = 3"], 2, "row 3 does not follow row 2"),
    "id": (["UPDATE audit SET id = 9 WHERE id = 5"], 4, "row 9 was changed"),
    "first": (["DELETE FROM audit WHERE id = 1"], 0, "row 2 is to be the first"),
    "middle": (["DELETE FROM audit WHERE id IN (2, 3)"], 1, "row 4 does not follow row 1"),
    "swapped": ([SWAP], 1, "row 2 was changed"),
    "exchanged": (
        [
            "UPDATE audit SET id = 20 WHERE id = 2",
            "UPDATE audit SET id = 2 WHERE id = 3",
            "UPDATE audit SET id = 3 WHERE id = 20",
        ],
        1,
        "row 2 does not follow row 1",
    ),
    "inserted": (
        [
            "UPDATE audit SET id = 7 WHERE id = 5",
            "INSERT INTO audit SELECT 5, at, 'eve', via, action, subject, detail, hash, 'c' FROM audit WHERE id = 4",
        ],
        4,
        "row 5 was changed",
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_is_done_behind_its_back_shows_where_it_was_done(five, name):
    statements, rows, said = TAMPERED[name]
    behind_its_back(five, *statements)
    found = look(five)
    assert found.rows == rows
    assert found.fault is not None
    assert found.fault.startswith(said)


@pytest.mark.sqlite_only("PostgreSQL holds nothing else in these columns")
@pytest.mark.parametrize(
    "change",
    [
        "detail = 'no json'",
        "detail = x'00ff'",
        "at = 'yesterday'",
        "at = 7",
        "who = x'00ff'",
        f"detail = '{'[' * 9999}'",
    ],
)
def test_what_cannot_even_be_read_is_a_fault_and_no_traceback(five, change):
    behind_its_back(five, f"UPDATE audit SET {change} WHERE id = 3")
    found = look(five)
    assert (found.rows, found.fault) == (2, "row 3 was changed: what it holds cannot be read")


def test_a_row_that_is_written_anew_with_a_hash_that_fits_breaks_the_link_after_it(five):
    (third,) = [one for one in log(five) if one.id == 3]
    row = {name: getattr(third, name) for name in Entry.__dataclass_fields__} | {"who": "eve"}
    forged = audit._hash(row)
    behind_its_back(five, f"UPDATE audit SET who = 'eve', hash = '{forged}' WHERE id = 3")
    found = look(five)
    assert found.rows == 3
    assert found.fault is not None
    assert found.fault.startswith(f"row 4 does not follow row 3: it names {third.hash} as the hash before it")


def test_rows_that_were_removed_at_the_end_are_missed_by_who_kept_a_hash(five):
    kept = look(five).newest
    write(five)
    # An older hash is still in the chain, and so nothing was removed before it.
    assert (look(five, kept).rows, look(five, kept).fault) == (6, None)
    behind_its_back(five, "DELETE FROM audit WHERE id >= 5")
    assert look(five).fault is None
    found = look(five, kept)
    assert found.rows == 4
    assert found.fault is not None
    assert found.fault.startswith(f"no row has the hash {kept}: rows at the end were removed")
    with five.write() as connection:
        connection.execute(sa.text("DELETE FROM audit"))
    assert "the log is empty" in str(look(five, kept).fault)


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'eve' WHERE id = 3", "DELETE FROM audit WHERE id = 5"])
def test_the_database_refuses_to_change_or_remove_a_row(five, statement):
    with pytest.raises(DatabaseError, match="can only grow"), five.write() as connection:
        connection.execute(sa.text(statement))
    assert (look(five).rows, look(five).fault) == (5, None)


@pytest.mark.postgresql_only("SQLite has no TRUNCATE")
def test_the_database_refuses_to_empty_the_log(five):
    with pytest.raises(DatabaseError, match="can only grow"), five.write() as connection:
        connection.execute(sa.text("TRUNCATE audit"))
    assert look(five).rows == 5


WRITER = """
import sys
from datetime import UTC, datetime
from monitor.store import audit
from monitor.store.database import open_database
database = open_database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(40):
    with database.write() as connection:
        audit.append(connection, who=sys.argv[2], via="api", action="x", subject="", detail={"n": number},
                     now=datetime(2026, 11, 16, tzinfo=UTC))
"""


def test_two_processes_that_write_at_once_make_one_chain(tmp_path):
    url = databases.filled(tmp_path)
    database = open_database(url)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("ada", "grace")
    ]
    try:
        assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 2
        for writer in writers:
            writer.stdin.write("go\n")
            writer.stdin.flush()
        for writer in writers:
            writer.communicate(timeout=60)
        assert [writer.returncode for writer in writers] == [0, 0]
        assert (look(database).rows, look(database).fault) == (80, None)
        for name in ("ada", "grace"):
            assert [one.detail["n"] for one in log(database, who=name)] == list(range(39, -1, -1))
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
        database.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    databases.keep(folder)
    database = open_database(databases.filled(folder))
    yield database
    database.close()


@given(who=st.text(), subject=st.text(), detail=st.dictionaries(st.text(), JSON, max_size=4))
def test_whatever_is_written_verifies(shared, who, subject, detail):
    with shared.engine.connect() as connection:
        connection.execution_options(heldout_write=True)
        with connection.begin() as transaction:
            audit.append(connection, who=who, via="api", action="x", subject=subject, detail=detail, now=NOW)
            assert audit.verify(connection).fault is None
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 1
            transaction.rollback()
