"""New judges and a baseline that others judged: within the budget, over it, and gone on with; and what it will cost."""

from __future__ import annotations

import pytest

from monitor.domain.run import Baseline, HaltKind
from monitor.judging import bridging
from monitor.judging.bridging import Bridged, Outcome
from monitor.judging.forecast import Cost, of_canaries, outstanding
from monitor.replay.budget import Budget, Caps, Month
from tests.fakes.judged_house import forget
from tests.unit.judging.conftest import Court


async def collected(court: Court, model: str = "judge-2") -> Baseline:
    """A baseline by the judge of then, whose model has become another."""
    found = await court.house.collect()
    assert found.baseline is not None
    if "strict" in court.house.judges:
        court.house.judges["strict"].model = model
        court.house.judged_by("strict")
    court.begin()
    forget(court.house)
    return found.baseline


async def bridge(court: Court, baseline: Baseline, budget: Budget | None) -> Outcome:
    async with court.judging.convene(court.budget) as jury:
        return await bridging.bridge(
            court.app.place,
            court.sitting(),
            jury,
            court.scorer,
            court.judging,
            budget,
            baseline,
            court.site.scorable,
        )


def cost(court: Court, baseline: Baseline) -> Cost:
    return outstanding(court.house.database, court.scorer, court.judging, baseline.run_id, court.site.scorable)


async def test_the_same_judges_have_nothing_to_bridge(court):
    baseline = await collected(court, "judge-1")
    assert cost(court, baseline) == Cost(0, 0, 0.0)
    assert await bridge(court, baseline, None) == Outcome()
    assert court.asked() == []


async def test_new_ones_judge_each_answer_of_then_once_and_it_is_said_as_often_as_it_is_asked(court):
    baseline = await collected(court)
    assert (cost(court, baseline).answers, cost(court, baseline).calls) == (160, 160)
    for _ in range(2):
        assert await bridge(court, baseline, court.budget) == Outcome(bridged=Bridged("support_answer", 160))
    assert len(court.asked()) == 160
    court.begin()
    assert await bridge(court, baseline, court.budget) == Outcome()


@pytest.mark.parametrize(
    ("caps", "month", "why"),
    [
        (Caps(100.0, 159), 100.0, "takes up to 160 calls, and [budget] calls_per_run leaves 159."),
        (Caps(0.05, 1000), 100.0, "USD, and [budget] usd_per_run leaves 0.05."),
        (Caps(100.0, 1000), 0.05, "USD, and [budget] usd_per_month leaves 0.05."),
    ],
)
async def test_over_the_budget_nobody_is_asked_and_the_command_is_named(court, caps, month, why):
    baseline = await collected(court)
    came = await bridge(court, baseline, Budget(caps, Month(month, 0.0)))
    assert came.blocked is not None
    assert why in came.blocked
    assert "`heldout judge bridge ft support`" in came.blocked
    assert court.asked() == []


async def test_what_a_run_has_spent_and_set_aside_is_left_to_it_no_more(court):
    baseline = await collected(court)
    budget = Budget(Caps(100.0, 300), Month(1000.0, 0.0), calls=100)
    for _ in range(50):
        budget.reserve(0.0)
    came = await bridge(court, baseline, budget)
    assert came.blocked is not None
    assert "leaves 150" in came.blocked


async def test_one_that_is_cut_short_is_gone_on_with(court):
    baseline = await collected(court)
    judge = court.house.judges["strict"]
    judge.down = lambda case: len(judge.asked) > 100
    came = await bridge(court, baseline, court.budget)
    assert came.halt is not None
    assert came.halt.kind is HaltKind.OUTAGE
    judge.down = lambda case: False
    left = cost(court, baseline).answers
    assert left == 160 - len(judge.answered)
    assert 50 < left < 100
    came = await bridge(court, baseline, court.budget)
    assert came == Outcome(bridged=Bridged("support_answer", 160))
    assert len(judge.answered) == 160


async def test_a_panel_that_grows_asks_only_whom_was_not_asked_before(panel):
    panel.house.judged_by("a")
    baseline = await collected(panel)
    panel.house.judged_by("a", "b", "c")
    panel.begin()
    forget(panel.house)
    came = await bridge(panel, baseline, panel.budget)
    assert came.bridged is not None
    assert panel.asked("a") == []
    # Two of three agree everywhere: of each answer one of the two new ones was asked, or at most both.
    assert 160 <= len(panel.asked("b")) + len(panel.asked("c")) <= 240


async def test_what_canaries_will_cost(court):
    found = of_canaries(court.house.database, court.judging, court.site.scorable)
    assert (found.answers, found.calls) == (80, 80)
    assert found.usd is not None
    assert of_canaries(court.house.database, court.judging, ()) == Cost(0, 0, 0.0)
