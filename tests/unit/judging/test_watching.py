"""Canaries: pinned with the baseline, judged by everybody, and what a judge that fails them, or is away, means."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from monitor.domain.answer import Reply
from monitor.domain.run import HaltKind, RunKind
from monitor.judging import watching
from monitor.judging.watching import Watched
from monitor.replay.budget import Budget, Caps, Month
from monitor.store.tables import canary, judgement
from tests.fakes.judged_house import right
from tests.unit.judging.conftest import Court

KINDS = {"empty", "colon", "thought", "injection_order", "injection_forged", "good", "bad"}


def pin(court: Court) -> None:
    with court.house.database.write() as connection:
        watching.pin(connection, court.run.id, court.house.cases, 20)


async def baseline(court: Court) -> str:
    """A baseline with its canaries judged."""
    run = court.begin(RunKind.BASELINE)
    pin(court)
    async with court.judging.convene(court.budget) as jury:
        pinned, halt = await watching.first_look(
            court.app.place, court.sitting(), jury, court.scorer, {case.id: case for case in court.house.cases}
        )
    assert halt is None
    assert {name: one.reason for name, one in pinned.items()} == dict.fromkeys(court.house.judges)
    for judge in court.house.judges.values():
        judge.asked.clear()
    court.begin()
    return run.id


async def watch(court: Court, run_id: str) -> Watched:
    async with court.judging.convene(court.budget) as jury:
        return await watching.watch(
            court.app.place, court.sitting(), jury, court.scorer, run_id, {case.id: case for case in court.house.cases}
        )


async def test_twenty_of_each_kind_are_pinned_once(court):
    pin(court)
    rows = court.house.rows(canary)
    assert Counter(row.kind for row in rows) == dict.fromkeys(KINDS, 20)
    pin(court)
    assert court.house.rows(canary) == rows


async def test_only_what_takes_a_model_reaches_a_judge(court):
    run_id = await baseline(court)
    assert await watch(court, run_id) == Watched()
    assert len(court.asked()) == 80
    assert {row.purpose for row in court.house.rows(judgement)} == {"canary"}
    # On this occasion they are judged once.
    await watch(court, run_id)
    assert len(court.asked()) == 80


@pytest.mark.parametrize(
    ("passes", "reason"),
    [
        (lambda answer, case: True, "20 of 20 known bad answers passed, at baseline 0 of 20 did"),
        (lambda answer, case: False, "20 of 20 known good answers failed, at baseline 0 of 20 did"),
        (lambda answer, case: "met" in answer or "Evaluator" in answer, None),
    ],
)
async def test_a_judge_that_fails_them_is_distrusted_and_why_is_said(court, passes, reason):
    run_id = await baseline(court)
    court.house.judges["strict"].passes = passes
    (found,) = (await watch(court, run_id)).distrusted
    assert (found.judge, found.rubric) == ("strict", "support_answer")
    assert reason is None or reason in found.reason


async def test_one_mistake_more_than_at_baseline_is_none(court):
    run_id = await baseline(court)
    (one,) = [row for row in court.house.rows(canary) if row.kind == "bad"][:1]
    court.house.judges["strict"].passes = lambda answer, case: right(answer, case) or answer == one.text
    assert await watch(court, run_id) == Watched()


async def test_a_judge_that_says_nothing_readable_about_them_is_distrusted(court):
    run_id = await baseline(court)
    court.house.judges["strict"].says = lambda answer, case: Reply("?", "judge-1")
    (found,) = (await watch(court, run_id)).distrusted
    assert "20 of 20 known good answers have no score" in found.reason


async def test_every_judge_of_a_panel_judges_all_of_them_and_the_one_that_fails_is_named(panel):
    run_id = await baseline(panel)
    panel.house.judges["b"].passes = lambda answer, case: True
    (found,) = (await watch(panel, run_id)).distrusted
    assert found.judge == "b"
    assert [len(panel.asked(name)) for name in "abc"] == [80, 80, 80]


async def test_a_judge_that_is_away_is_left_out_where_the_others_are_a_majority(panel):
    run_id = await baseline(panel)
    panel.house.judges["c"].down = lambda case: True
    found = await watch(panel, run_id)
    assert (found.distrusted, list(found.away), found.halt) == ((), ["c"], None)
    panel.house.judges["b"].down = lambda case: True
    panel.begin()
    found = await watch(panel, run_id)
    assert found.halt is not None
    assert found.halt.kind is HaltKind.OUTAGE


async def test_what_the_budget_ends_is_ended_by_it(panel):
    run_id = await baseline(panel)
    panel.budget = Budget(Caps(100.0, 150), Month(1000.0, 0.0))
    found = await watch(panel, run_id)
    assert found.halt is not None
    assert found.halt.kind is HaltKind.BUDGET


async def test_judges_that_are_newer_than_the_baseline_judge_its_canaries_first(court):
    run = court.begin(RunKind.BASELINE)
    pin(court)
    court.begin()
    assert await watch(court, run.id) == Watched()
    rows = court.house.rows(judgement)
    assert Counter(row.occasion for row in rows) == {run.id: 80, court.run.id: 80}
    assert {row.run_id for row in rows} == {court.run.id}


async def test_canaries_of_a_case_that_has_changed_are_left_out(court):
    run_id = await baseline(court)
    court.house.cases = [replace(one, input=f"{one.input}?") for one in court.house.cases]
    assert await watch(court, run_id) == Watched()
    assert court.asked() == []


async def test_a_rubric_that_does_not_tell_right_from_wrong_is_said_to(court):
    court.house.judges["strict"].passes = lambda answer, case: True
    court.begin(RunKind.BASELINE)
    pin(court)
    async with court.judging.convene(court.budget) as jury:
        pinned, _ = await watching.first_look(
            court.app.place, court.sitting(), jury, court.scorer, {case.id: case for case in court.house.cases}
        )
    assert "it does not tell them apart by this rubric" in (pinned["strict"].reason or "")
