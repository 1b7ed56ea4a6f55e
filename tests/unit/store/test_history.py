"""Runs as people look at them: pages that neither skip nor repeat, and what each run found and used."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.domain.run import Failure, Phase, RunKind, RunState, StoredAnswer
from monitor.domain.verdict import Level
from monitor.store import answers, history, runs
from tests.fakes.house import MONDAY, House
from tests.fakes.scenes import run_row, store_run, store_verdict


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path)
    yield built
    built.close()


def pages(house, limit, **which):
    with house.database.read() as connection:
        found, before = [], None
        while page := history.page(connection, limit, before=before, **which):
            found.append([run.id for run in page])
            before = page[-1]
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_neither_skip_nor_repeat_even_where_times_are_equal(house, limit):
    for number in range(7):
        store_run(house, run_row(f"run-{number}", created_at=MONDAY + timedelta(hours=number // 3)))
    found = pages(house, limit)
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert [one for page in found for one in page] == [f"run-{number}" for number in range(6, -1, -1)]


def test_pages_of_one_target_and_suite(house):
    store_run(house, run_row("a-1", "a"))
    store_run(house, run_row("b-1", "b"))
    store_run(house, run_row("b-2", "b", suite="general"))
    assert pages(house, 10, target="b") == [["b-2", "b-1"]]
    assert pages(house, 10, target="b", suite="support") == [["b-1"]]
    assert pages(house, 10, target="c") == []


def test_missed_slots_of_late(house):
    slot = MONDAY
    for weeks, state in ((0, RunState.DONE), (1, RunState.MISSED), (2, RunState.MISSED), (9, RunState.MISSED)):
        at = slot - timedelta(weeks=weeks)
        store_run(house, run_row(f"run-{weeks}", kind=RunKind.WEEK, state=state, slot=at))
    with house.database.read() as connection:
        found = [run.id for run in history.missed(connection, slot - timedelta(weeks=2))]
    assert found == ["run-1", "run-2"]


def answered(run_id, number, **changes):
    made = StoredAnswer(
        run_id, Phase.MAIN, f"case-{number}", "f", 0, "yes", MONDAY, 0.5, 1, input_tokens=10, output_tokens=3
    )
    return replace(made, **changes)


def used(house, *ids):
    with house.database.read() as connection:
        found = [run for run_id in ids if (run := runs.get(connection, run_id)) is not None]
        return [[(s.outcome, s.calls, s.usd) for s in entry.used] for entry in history.entries(connection, found)]


def test_use_is_the_same_while_a_run_lasts_and_when_it_is_over(house):
    going = store_run(house, run_row("going", state=RunState.RUNNING))
    store_run(house, run_row("nothing", state=RunState.MISSED))
    with house.database.write() as connection:
        answers.add(connection, [answered("going", 1, usd=0.5), answered("going", 2, attempts=3)], [{}, {}])
        answers.add_failures(connection, [Failure("going", Phase.MAIN, "case-3", 0, "timeout", "late", 4, MONDAY)])
    expected = [("answered", 2, 0.5), ("retried", 2, None), ("timeout", 4, None)]
    assert used(house, "going", "nothing") == [expected, []]
    with house.database.write() as connection:
        runs.finish(connection, going, MONDAY)
    assert used(house, "nothing", "going") == [[], expected]


def test_the_newest_verdict_of_each_run(house):
    first, second = store_run(house, run_row("one")), store_run(house, run_row("two"))
    store_verdict(house, first, Level.INVESTIGATE)
    store_verdict(house, first, Level.ROLLBACK)
    with house.database.read() as connection:
        found = history.entries(connection, [second, first])
        assert history.entries(connection, []) == []
    assert [entry.verdict and entry.verdict["verdict"] for entry in found] == [None, "rollback"]
