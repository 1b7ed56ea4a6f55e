"""Migrations: from every earlier revision, with rows in each table, to the schema of today; nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from monitor.domain.run import Phase, RunState
from monitor.store import answers, audit, runs, usage, verdicts
from monitor.store.database import HEAD, Database, DatabaseError, connect, open_database, revision
from monitor.store.migrate import upgrade
from monitor.store.rows import set_sequences
from monitor.store.tables import metadata
from monitor.store.usage import Used
from tests.fakes import databases
from tests.unit.store.rows import NOW

ROOT = Path(__file__).parents[3]
EARLIER = [
    step.revision
    for step in ScriptDirectory(str(ROOT / "monitor/store/migrations")).walk_revisions()
    if step.revision != HEAD
]
AT = "2026-11-16 06:00:00.000000"
# A table of the newest revision alone: where it is there already, the upgrade breaks off.
LAST_TABLE = "picture"

# What each table held, in the words of the revision: what is there is never rewritten when tables change later on.
ROWS_0001: dict[str, list[dict[str, Any]]] = {
    "suite_version": [{"suite": "s", "fingerprint": "a", "cases": '[{"id": "c"}]', "first_seen": AT}],
    "run": [
        {"id": name, "target": "ft", "suite": "s", "kind": kind, "state": state, "slot": slot, "created_at": AT}
        | {"baseline_id": 1, "suite_fingerprint": "a", "target_fingerprint": "b", "progress": '{"repeats": 2}'}
        for name, kind, state, slot in (
            ("base", "baseline", "done", None),
            ("week", "week", "done", AT),
            ("open", "week", "running", "2026-11-23 06:00:00.000000"),
            ("idle", "ad_hoc", "done", None),
        )
    ],
    "baseline": [{"id": 1, "target": "ft", "suite": "s", "run_id": "base", "pinned_at": AT, "pinned_by": "ada"}],
    "answer": [
        {"id": number, "run_id": run, "phase": "main", "case_id": "c", "case_fingerprint": "f", "repeat": repeat}
        | {
            "text": f"Größe {number}",
            "contexts": '["p"]' if number == 1 else None,
            "latency": 0.5,
            "attempts": attempts,
        }
        | {"input_tokens": tokens, "output_tokens": tokens, "usd": usd, "answered_at": AT}
        for number, run, repeat, attempts, tokens, usd in (
            (1, "base", 0, 1, 10, 0.5),
            (2, "base", 1, 3, 20, 0.25),
            (3, "week", 0, 1, None, None),
            (4, "open", 0, 2, 30, 1.0),
        )
    ],
    "score": [
        {"answer_id": 1, "scorer": "exact_match", "value": 1.0, "reason": None},
        {"answer_id": 3, "scorer": "exact_match", "value": None, "reason": "no number"},
    ],
    "failure": [
        {"id": number, "run_id": run, "phase": "main", "case_id": "d", "repeat": number, "kind": kind, "message": "m"}
        | {"attempts": attempts, "usd": usd, "failed_at": AT}
        for number, run, kind, attempts, usd in (
            (1, "week", "timeout", 4, None),
            (2, "week", "timeout", 1, 0.125),
            (3, "week", "refused", 1, None),
            (4, "open", "timeout", 2, None),
        )
    ],
    "verdict": [
        {"id": 1, "run_id": "week", "target": "ft", "suite": "s", "slot": AT, "level": "pass", "stage": "final"}
        | {"clear": True, "cause": None, "payload": '{"verdict": "pass"}', "decided_at": AT}
    ],
    "alert": [
        {
            "id": "alert-1",
            "target": "ft",
            "suite": "s",
            "kind": "worse",
            "verdict_id": 1,
            "payload": '{"id": "alert-1"}',
        }
        | {"created_at": AT}
    ],
    "outbox": [
        {"id": 1, "alert_id": "alert-1", "channel": "slack", "state": "pending", "attempts": 2, "first_at": AT}
        | {"due_at": AT, "error": "busy"}
    ],
}
ROWS_0002: dict[str, list[dict[str, Any]]] = {
    **ROWS_0001,
    "run": [{**row, "requested_by": None} for row in ROWS_0001["run"]],
    "lease": [
        {"name": "leader", "holder": "h", "token": 3, "beats": 7, "beat_at": AT, "worked_at": None, "note": "{}"}
    ],
    "timetable": [{"since": AT, "cron": "0 6 * * mon", "timezone": "UTC"}],
    "usage": [
        {"run_id": run, "outcome": outcome, "calls": calls, "input_tokens": tokens, "output_tokens": tokens, "usd": usd}
        for run, outcome, calls, tokens, usd in (
            ("base", "answered", 2, 30, 0.75),
            ("base", "retried", 2, 0, None),
            ("week", "answered", 1, 0, None),
            ("week", "refused", 1, 0, None),
            ("week", "timeout", 5, 0, 0.125),
        )
    ],
}
_JUDGE = {"judge": "strict", "judge_fingerprint": "j", "rubric": "tone", "rubric_fingerprint": "r"}
ROWS_0003: dict[str, list[dict[str, Any]]] = {
    **ROWS_0002,
    "judgement": [
        {"id": 1, "run_id": "open", "occasion": "base", "sitting": "main", **_JUDGE, "material": "m", "case_id": "c"}
        | {"purpose": "answer", "votes": '{"polite": ["met", "Größe"]}', "value": 1.0, "position": 0, "length": 7}
        | {"latency": 0.5, "attempts": 1, "judged_at": AT}
    ],
    "mark": [
        {"occasion": "base", "sitting": "main", "scorer": "tone@1", "material": "m", "value": 1.0, "split": '["a"]'}
    ],
    "canary": [
        {"id": 1, "run_id": "base", "kind": "empty", "case_id": "c", "case_fingerprint": "f", "text": ""},
    ],
    "label": [
        {"id": 1, "suite": "s", "rubric": "tone", "case_id": "c", "answer_hash": "h", "criterion": "polite"}
        | {"verdict": "met", "labelled_by": "ada", "labelled_at": AT}
    ],
    "calibration": [
        {"id": 1, "suite": "s", "scorer": "tone@1", "rubric": "tone", "judge": "", "labels": 40, "kappa": 0.7}
        | {"payload": '{"alpha": 0.6}', "calibrated_by": "ada", "calibrated_at": AT}
    ],
}
ROWS = {"0001": ROWS_0001, "0002": ROWS_0002, "0003": ROWS_0003}
USED = [
    ("base", "answered", 2, 30, 30, 0.75),
    ("base", "retried", 2, 0, 0, None),
    ("week", "answered", 1, 0, 0, None),
    ("week", "refused", 1, 0, 0, None),
    ("week", "timeout", 5, 0, 0, 0.125),
]


def write(connection: sa.Connection, rows: dict[str, list[dict[str, Any]]]) -> None:
    """By names alone, because this version's tables are not those of then."""
    for table, of_table in rows.items():
        for row in of_table:
            values = ", ".join(_value(connection, name) for name in row)
            connection.execute(sa.text(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})"), row)


def _value(connection: sa.Connection, name: str) -> str:
    """PostgreSQL wants to be told what a text is; SQLite keeps it as it is."""
    if connection.dialect.name == "postgresql":
        if name.endswith("_at") or name in ("slot", "first_seen", "since"):
            return f"CAST(:{name} AS timestamptz)"
        if name in ("cases", "progress", "contexts", "payload", "note", "votes", "split"):
            return f"CAST(:{name} AS json)"
    return f":{name}"


@pytest.fixture(params=EARLIER)
def older(request, tmp_path) -> Iterator[Database]:
    """A database at an earlier revision, with rows in each of its tables."""
    with closing(connect(databases.empty(tmp_path))) as database:
        upgrade(database, request.param)
        with database.write() as connection:
            write(connection, ROWS[request.param])
            # As if the database had numbered them itself.
            set_sequences(connection)
            empty = [
                name
                for name in sa.inspect(connection).get_table_names()
                if not connection.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar()
            ]
        assert empty == []
        yield database


def test_every_earlier_revision_is_tested():
    assert set(ROWS) == set(EARLIER)


def test_an_older_database_is_not_opened_before_it_is_upgraded(older, tmp_path):
    with pytest.raises(DatabaseError, match="run `heldout db upgrade`"):
        open_database(databases.empty(tmp_path))
    before = revision(older)
    assert upgrade(older) == (before, HEAD)
    open_database(databases.empty(tmp_path)).close()


def test_what_comes_of_an_older_database_has_the_schema_that_the_code_uses(older):
    upgrade(older)
    with older.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def stored(connection: sa.Connection, rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[Any]]:
    """The columns of then, of the tables of then."""
    found = {}
    for name, of_table in rows.items():
        columns = ", ".join(of_table[0])
        order = ", ".join(column.name for column in metadata.tables[name].primary_key)
        query = sa.text(f"SELECT {columns} FROM {name} ORDER BY {order}")
        found[name] = [tuple(row) for row in connection.execute(query)]
    return found


def test_every_row_survives_as_it_was(older):
    before = revision(older)
    with older.read() as connection:
        then = stored(connection, ROWS[before])
    assert all(then.values())
    upgrade(older)
    with older.read() as connection:
        assert stored(connection, ROWS[before]) == then


def test_the_code_reads_and_goes_on_with_what_was_stored(older):
    upgrade(older)
    with older.write() as connection:
        week = runs.get(connection, "week")
        assert (week.slot, week.created_at, week.progress, week.requested_by) == (NOW, NOW, {"repeats": 2}, None)
        assert [one.id for one in runs.unfinished(connection)] == ["open"]
        assert runs.current_baseline(connection, "ft", "s").pinned_by == "ada"
        (said,) = verdicts.of_run(connection, "week")
        assert (said.payload, said.clear) == ({"verdict": "pass"}, True)
        assert answers.stored(connection, "base", Phase.MAIN) == {"c": {0, 1}}
        # Numbers go on behind those that are there, and an alert needs no verdict any more.
        again = runs.pin(connection, week, NOW, "grace")
        assert again.id == 2
        columns = "target, suite, kind, payload, created_at"
        connection.execute(sa.text(f"INSERT INTO alert (id, {columns}) SELECT 'alert-2', {columns} FROM alert"))


def test_what_waits_is_a_message_in_its_targets_line_and_a_slot_has_one_run_of_each_kind(older):
    upgrade(older)
    columns = "alert_id, hook_id, part, line, state, attempts"
    run = "target, suite, state, slot, created_at, suite_fingerprint, target_fingerprint, progress"
    with older.write() as connection:
        waiting = connection.execute(sa.text(f"SELECT {columns} FROM outbox")).fetchall()
        assert [tuple(row) for row in waiting] == [("alert-1", None, "post", "ft", "pending", 2)]
        again = "INSERT INTO run (id, kind, {0}) SELECT '{1}', '{1}', {0} FROM run WHERE id = 'week'"
        connection.execute(sa.text(again.format(run, "verify")))
    with pytest.raises(DatabaseError, match="contradicts what is stored"), older.write() as connection:
        connection.execute(sa.text(again.format(run, "week")))


def test_the_audit_log_can_only_grow(older):
    upgrade(older)
    with older.write() as connection:
        audit.append(connection, who="ada", via="command", action="look", subject="", detail={}, now=NOW)
    for statement in ("UPDATE audit SET who = 'eve'", "DELETE FROM audit"):
        with pytest.raises(DatabaseError, match="the audit log can only grow"), older.write() as connection:
            connection.execute(sa.text(statement))
    with older.read() as connection:
        assert audit.verify(connection).rows == 1


def test_references_hold_after_the_tables_were_built_anew(older):
    upgrade(older)
    with pytest.raises(DatabaseError, match="contradicts what is stored"), older.write() as connection:
        connection.execute(sa.text("DELETE FROM run WHERE id = 'week'"))


def test_what_finished_runs_have_used_is_summed_up_as_a_run_that_ends_now_would_be(older):
    upgrade(older)
    query = sa.select(*metadata.tables["usage"].columns).order_by("run_id", "outcome")
    with older.write() as connection:
        assert [tuple(row) for row in connection.execute(query)] == USED
        for run_id in ("base", "week", "idle"):
            usage.sum_up(connection, run_id)
        assert [tuple(row) for row in connection.execute(query)] == USED
        # The one that is not over is counted as it goes.
        assert Used("ft", "week", "timeout", 7, 0, 0, 0.125) in usage.totals(connection)
        assert Used("ft", "week", "answered", 2, 30, 30, 1.0) in usage.totals(connection)
        assert runs.get(connection, "open").state is RunState.RUNNING


def test_an_upgrade_that_breaks_off_changes_nothing(older):
    before = revision(older)
    with older.write() as connection:
        connection.execute(sa.text(f"CREATE TABLE {LAST_TABLE} (id INTEGER)"))
        then = stored(connection, ROWS[before]), sorted(sa.inspect(connection).get_table_names())
    with pytest.raises(DatabaseError):
        upgrade(older)
    with older.read() as connection:
        assert (stored(connection, ROWS[before]), sorted(sa.inspect(connection).get_table_names())) == then
    assert revision(older) == before
    with older.write() as connection:
        connection.execute(sa.text(f"DROP TABLE {LAST_TABLE}"))
    assert upgrade(older) == (before, HEAD)
