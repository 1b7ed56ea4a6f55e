"""Runs and baselines: one a slot however many ask, found by their id's beginning, pinned and read back."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.domain.case import Case, Suite
from monitor.domain.run import RunKind, RunState
from monitor.store import runs
from monitor.store.tables import suite_version
from tests.unit.store.rows import NOW, run

ROOT = Path(__file__).parents[3]


def begin(database, *new):
    with database.write() as connection:
        return [runs.begin(connection, one) for one in new]


def test_a_run_comes_back_as_it_was(database):
    whole = run(
        state=RunState.WAITING,
        slot=NOW,
        due_at=NOW + timedelta(hours=1),
        baseline_id=7,
        requested_model="ft:x",
        progress={"repeats": 2},
    )
    assert begin(database, whole) == [True]
    with database.read() as connection:
        assert runs.get(connection, "run-1") == whole
        assert runs.of_slot(connection, "ft", "support", NOW) == whole
        assert runs.get(connection, "run-2") is None
        assert runs.of_slot(connection, "ft", "general", NOW) is None


def test_one_run_a_slot(database):
    one, same, later = run(1, slot=NOW), run(2, slot=NOW), run(3, slot=NOW + timedelta(days=7))
    elsewhere = run(4, slot=NOW, suite="general")
    assert begin(database, one, same, later, elsewhere) == [True, False, True, True]
    # Runs without a slot are as many as one likes.
    assert begin(database, run(5), run(6)) == [True, True]


def test_a_slot_asked_for_by_threads_at_once_is_given_to_one(database):
    gate, won = threading.Barrier(6), []

    def ask(number: int) -> None:
        gate.wait(30)
        won.extend(begin(database, run(number, slot=NOW)))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(won) == [False] * 5 + [True]


def test_a_slot_asked_for_by_processes_at_once_is_given_to_one(database):
    program = (
        "import sys\n"
        "from monitor.store import runs\n"
        "from monitor.store.database import open_database\n"
        "from tests.unit.store.rows import NOW, run\n"
        f"database = open_database({str(database.engine.url)!r})\n"
        "sys.stdin.readline()\n"
        "with database.write() as connection:\n"
        "    print(runs.begin(connection, run(int(sys.argv[1]), slot=NOW)))\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(number)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    said = [process.communicate("go\n", timeout=60) for process in started]
    assert sorted(out.strip() for out, _ in said) == ["False", "False", "True"], said


def test_what_is_not_done_is_found_oldest_first(database):
    begin(
        database,
        run(1, created_at=NOW + timedelta(minutes=2)),
        run(2, state=RunState.DONE),
        run(3, state=RunState.WAITING, due_at=NOW),
    )
    with database.read() as connection:
        assert [one.id for one in runs.unfinished(connection)] == ["run-3", "run-1"]


def test_the_slots_that_have_a_row(database):
    week = timedelta(days=7)
    begin(database, run(1, slot=NOW), run(2, slot=NOW - week), run(3, slot=NOW, target="other"))
    with database.read() as connection:
        found = runs.recorded(connection, "ft", "support", NOW - week)
        assert [(one.run_id, one.slot) for one in found] == [("run-2", NOW - week), ("run-1", NOW)]
        assert [one.slot for one in runs.recorded(connection, "ft", "support", NOW - timedelta(days=1))] == [NOW]
        newest = runs.newest_slots(connection, NOW, NOW)
        assert newest == {("ft", "support"): NOW, ("other", "support"): NOW}
        assert runs.newest_slots(connection, NOW - timedelta(days=1), NOW) == {
            ("ft", "support"): NOW - week,
            ("other", "support"): None,
        }


def test_a_slot_has_one_row_whoever_writes_it(database):
    noted = run(1, slot=NOW, state=RunState.WAITING)
    with database.write() as connection:
        assert runs.record(connection, noted)
        assert not runs.record(connection, replace(noted, id="run-2"))
        assert not runs.record(connection, replace(noted, id="run-3", state=RunState.MISSED))


def test_a_slot_called_missed_by_a_clock_that_was_ahead_is_due_when_its_time_comes(database):
    ahead = NOW + timedelta(days=20)
    missed = run(1, slot=NOW, state=RunState.MISSED, created_at=ahead, finished_at=ahead)
    with database.write() as connection:
        assert runs.record(connection, missed)
        assert runs.newest_slots(connection, NOW, NOW) == {}
        assert runs.newest_slots(connection, ahead, ahead) == {("ft", "support"): NOW}
        assert runs.record(connection, run(2, slot=NOW, state=RunState.WAITING, due_at=NOW))
        (found,) = runs.recorded(connection, "ft", "support", NOW)
    assert (found.run_id, found.state, found.created_at) == ("run-1", RunState.WAITING, NOW)


def test_the_schedule_in_force_is_the_one_that_was_set_last(database):
    with database.write() as connection:
        assert runs.timetable_in_force(connection) is None
        runs.set_timetable(connection, "0 6 * * mon", "UTC", NOW)
        runs.set_timetable(connection, "0 7 * * mon", "UTC", NOW + timedelta(days=1))
        assert runs.timetable_in_force(connection) == ("0 7 * * mon", "UTC", NOW + timedelta(days=1))
        # What was set by a clock that was ahead is forgotten.
        runs.set_timetable(connection, "0 8 * * mon", "UTC", NOW + timedelta(hours=1))
        assert runs.timetable_in_force(connection) == ("0 8 * * mon", "UTC", NOW + timedelta(hours=1))


@pytest.mark.parametrize(
    ("prefix", "ids"), [("run-1", ["run-12", "run-1"]), ("run-12", ["run-12"]), ("%", []), ("run_", [])]
)
def test_a_run_is_found_by_how_its_id_begins(database, prefix, ids):
    begin(database, run(1), run(12), run(2))
    with database.read() as connection:
        assert [one.id for one in runs.find(connection, prefix)] == ids


def test_the_newest_pin_counts_and_older_ones_stay(database):
    begin(database, run(1, kind=RunKind.BASELINE), run(2, kind=RunKind.BASELINE, suite_fingerprint="suite-b"))
    with database.write() as connection:
        first = runs.pin(connection, run(1), NOW, "ada")
        second = runs.pin(connection, run(2), NOW + timedelta(days=1), "grace")
        assert second.suite_fingerprint == "suite-b"
        assert runs.current_baseline(connection, "ft", "support") == second
        assert [one.id for one in runs.baselines(connection, "ft", "support")] == [second.id, first.id]
        assert runs.baseline_by_id(connection, first.id) == first
        assert runs.baseline_by_id(connection, 99) is None
        assert runs.current_baseline(connection, "ft", "general") is None
        # The same run may be pinned again, and counts again.
        assert runs.pin(connection, run(1), NOW + timedelta(days=2), "ada").run_id == "run-1"


def test_a_baseline_that_is_being_collected(database):
    begin(database, run(1), run(2, kind=RunKind.BASELINE, state=RunState.DONE), run(3, kind=RunKind.BASELINE))
    with database.write() as connection:
        found = runs.collecting(connection, "ft", "support")
        assert found.id == "run-3"
        over = runs.finish(connection, found, NOW)
        assert (over.state, over.finished_at) == (RunState.DONE, NOW)
        assert runs.collecting(connection, "ft", "support") is None
        assert runs.latest(connection, "ft", "support", [RunKind.WEEK]).id == "run-1"
        assert runs.latest(connection, "ft", "support", [RunKind.AD_HOC]) is None


def test_a_suite_is_remembered_once_a_content(database):
    suite = Suite("support", (Case("a", "Hello?", expected="Hi"),))
    edited = Suite("support", (Case("a", "Hello!", expected="Hi"),))
    with database.write() as connection:
        for one in (suite, suite, edited):
            runs.remember_suite(connection, one, NOW)
        rows = connection.execute(suite_version.select().order_by(suite_version.c.fingerprint)).all()
    assert {row.fingerprint for row in rows} == {suite.fingerprint, edited.fingerprint}
    assert [{"id": "a", "input": "Hello?", "expected": "Hi"}] in [row.cases for row in rows]
