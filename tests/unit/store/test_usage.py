"""What runs have used: the same whether a run is done, goes on or was killed, and never less than before."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from monitor.domain.run import Phase, RunKind, RunState
from monitor.store import answers, judgements, runs, usage
from monitor.store.usage import Used
from tests.unit.store.rows import NOW, answer, failure, judgement, run

WEEK = timedelta(days=7)


def begin(database, *new):
    with database.write() as connection:
        for one in new:
            assert runs.begin(connection, one)


def store(database, stored, failures=()):
    with database.write() as connection:
        answers.add(connection, stored, [{}] * len(stored))
        answers.add_failures(connection, failures)


def judge(database, *said):
    with database.write() as connection:
        judgements.add(connection, said)


def finish(database, done):
    with database.write() as connection:
        runs.finish(connection, done, NOW)


def totals(database, since=None):
    with database.read() as connection:
        return usage.totals(connection, since)


def test_nothing_was_used_before_anything_was_asked(begun):
    assert totals(begun) == []
    finish(begun, run())
    assert totals(begun) == []


def test_answers_retries_and_failures_are_told_apart(begun):
    stored = [
        answer("a", attempts=3, input_tokens=100, output_tokens=7, usd=0.25),
        answer("b", attempts=1, input_tokens=50, output_tokens=3, usd=0.5),
        answer("b", phase=Phase.CONFIRM, attempts=2),
    ]
    lost = [failure("c", attempts=4, usd=0.125), failure("d", attempts=1), failure("e", kind="overloaded", attempts=2)]
    store(begun, stored, lost)
    wanted = [
        Used("ft", "week", "answered", 3, 150, 10, 0.75),
        Used("ft", "week", "overloaded", 2, 0, 0, None),
        Used("ft", "week", "retried", 3, 0, 0, None),
        Used("ft", "week", "timeout", 5, 0, 0, 0.125),
    ]
    assert totals(begun) == wanted
    with begun.read() as connection:
        assert sum(one.calls for one in wanted) == answers.spend(connection, "run-1").calls
    finish(begun, run())
    assert totals(begun) == wanted
    with begun.read() as connection:
        assert len(connection.execute(usage.usage.select()).all()) == 4


def test_what_judges_used_is_told_apart_and_counts_for_the_run_that_paid(database):
    looked = run(3, slot=None, kind=RunKind.JUDGE)
    begin(database, run(), run(2, slot=None, kind=RunKind.BASELINE), looked)
    store(
        database, [answer("a", usd=0.5, input_tokens=10)], [failure("b", kind="judge_timeout", attempts=2, usd=0.125)]
    )
    judge(
        database,
        judgement("m-1", attempts=3, input_tokens=1000, cached_input_tokens=900, output_tokens=80, usd=0.25),
        judgement("m-2", votes=None, value=None, reason="it cannot be read", usd=0.25),
        # It is the baseline's moment, and this week pays.
        judgement("m-1", occasion="run-2", input_tokens=500, usd=0.5),
        judgement("m-3", run_id="run-3", occasion="run-3"),
    )
    wanted = [
        Used("ft", "judge", "judged", 1, 0, 0, None),
        Used("ft", "week", "answered", 1, 10, 0, 0.5),
        Used("ft", "week", "judge_timeout", 2, 0, 0, 0.125),
        Used("ft", "week", "judged", 5, 1500, 80, 1.0),
    ]
    assert totals(database) == wanted
    with database.read() as connection:
        shares = usage.of_runs(connection, ["run-1", "run-2"])
        assert {(one.run_id, one.outcome, one.calls) for one in shares} == {
            ("run-1", "answered", 1),
            ("run-1", "judge_timeout", 2),
            ("run-1", "judged", 5),
        }
        assert sum(one.calls for one in shares) == answers.spend(connection, "run-1").calls
    for one in (looked, run()):
        finish(database, one)
        assert totals(database) == wanted


def test_runs_add_up_by_target_and_kind_whatever_state_they_are_in(database):
    begun = {
        1: run(1, slot=NOW),
        2: run(2, slot=NOW + WEEK, state=RunState.WAITING, due_at=NOW),
        3: run(3, slot=NOW + 2 * WEEK),
        4: run(4, slot=None, kind=RunKind.BASELINE),
        5: run(5, slot=None, target="other", kind=RunKind.AD_HOC),
        6: run(6, slot=NOW + 3 * WEEK, state=RunState.MISSED),
    }
    begin(database, *begun.values())
    for number in (1, 2, 3, 4, 5):
        store(database, [answer(f"case-{i}", run_id=f"run-{number}", usd=0.01) for i in range(number)])
    wanted = [
        Used("ft", "baseline", "answered", 4, 0, 0, 0.04),
        Used("ft", "week", "answered", 6, 0, 0, 0.06),
        Used("other", "adhoc", "answered", 5, 0, 0, 0.05),
    ]
    assert totals(database) == wanted
    for number in (1, 4, 5):
        finish(database, begun[number])
        assert totals(database) == wanted


def test_a_run_that_was_killed_is_counted_and_so_is_what_it_asks_when_it_is_taken_up(begun):
    store(begun, [answer("a", usd=0.5)], [failure("b", attempts=2)])
    before = {one.outcome: one.calls for one in totals(begun)}
    store(begun, [answer("b", attempts=2, usd=0.5)])
    finish(begun, run())
    after = {one.outcome: one.calls for one in totals(begun)}
    assert (before, after) == ({"answered": 1, "timeout": 2}, {"answered": 2, "retried": 1, "timeout": 2})


def test_summing_up_twice_counts_once(begun):
    store(begun, [answer("a", usd=0.5)])
    finish(begun, run())
    store(begun, [answer("b", usd=0.25)])
    finish(begun, run())
    assert totals(begun) == [Used("ft", "week", "answered", 2, 0, 0, 0.75)]


@pytest.mark.parametrize("seed", range(5))
def test_no_total_shrinks_by_a_digit_when_a_run_is_done(database, seed):
    draw = random.Random(seed)
    begun = [run(number, slot=NOW + number * WEEK) for number in range(8)]
    begin(database, *begun)
    for one in begun:
        prices = [draw.randint(1, 4000) * 7.5e-8 + draw.randint(1, 900) * 3e-7 for _ in range(60)]
        store(database, [answer(f"case-{i}", run_id=one.id, usd=usd) for i, usd in enumerate(prices)])
        said = [
            judgement(f"m-{i}", run_id=one.id, occasion=one.id, usd=draw.choice(prices) * draw.random())
            for i in range(60)
        ]
        judge(database, *said)
    before = totals(database)
    assert [one.outcome for one in before] == ["answered", "judged"]
    for one in draw.sample(begun, len(begun)):
        finish(database, one)
        assert totals(database) == before


def test_what_the_runs_since_an_instant_have_cost(database):
    old, new, free = (
        run(1),
        run(2, slot=NOW + WEEK, created_at=NOW + WEEK),
        run(3, target="free", created_at=NOW + WEEK),
    )
    begin(database, old, new, free)
    for one, usd in ((old, 1.0), (new, 0.25), (free, None)):
        store(database, [answer("a", run_id=one.id, usd=usd)])
    wanted = {"ft": (1.25, 0.25), "free": (None, None)}
    assert {one.target: (one.usd, one.usd_since) for one in totals(database, NOW + WEEK)} == wanted
    finish(database, new)
    assert {one.target: (one.usd, one.usd_since) for one in totals(database, NOW + WEEK)} == wanted
    assert {one.target: one.usd_since for one in totals(database, NOW)} == {"ft": 1.25, "free": None}
    assert {one.target: one.usd_since for one in totals(database)} == {"ft": None, "free": None}
