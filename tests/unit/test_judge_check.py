"""A look at judges on demand: canaries and every stored answer, by a run of its own that pays, and what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor import judge_check, judge_run
from monitor.collect import DeclinedError
from monitor.domain.answer import ErrorKind, TargetError
from monitor.domain.run import HaltKind, RunKind, RunState
from monitor.judge_check import JudgeCheck
from monitor.judge_run import JudgeError, JudgeOffer
from tests.fakes.house import CrashError, House
from tests.fakes.judged_house import judged_house, judged_twice, pinned, right, stricter

CASES = 24


@pytest.fixture
def house(tmp_path: Path):
    built = judged_house(tmp_path, cases=CASES)
    yield built
    built.close()


def strict_on_stored(answer: str, case: str) -> bool:
    """Stricter with a quarter of the stored answers; it still tells known ones."""
    return right(answer, case) and (" " not in answer or answer.startswith("It") or stricter(0.25)(answer, case))


async def check(house: House, agree: Callable[[JudgeOffer], bool] = lambda offer: True) -> JudgeCheck:
    app = house.app()
    site = app.sites["ft", "support"]
    baseline = judge_run.pinned(app, site)
    assert baseline is not None
    return await judge_check.check(app, site, baseline, agree)


async def test_a_judge_that_stayed_is_said_to_have_stayed_and_the_run_pays(house):
    await pinned(house)
    offers: list[JudgeOffer] = []
    found = await check(house, lambda offer: offers.append(offer) or True)
    (one,) = found.judges
    assert (found.changed, found.unusable, found.halt) == (False, False, None)
    assert (one.seen.judged, one.seen.up, one.seen.down, one.churn) == (4 * CASES, 0, 0, 0.0)
    assert (one.then, one.now, one.missing) == (("judge-1",), ("judge-1",), None)
    asked = len(house.judges["strict"].asked)
    assert 4 * CASES < found.calls == asked <= offers[0].cost.calls
    (run,) = [run for run in house.runs if run.kind is RunKind.JUDGE]
    assert (run.id, run.state) == (found.run, RunState.DONE)
    # What a judge said yesterday is not what it says now: a second look asks everything again.
    again = await check(house)
    assert again.calls == found.calls
    json.dumps(again.as_json(), allow_nan=False)


async def test_a_stricter_judge_has_changed(house):
    await pinned(house)
    # It still tells known answers, which are few.
    house.judges["strict"].passes = strict_on_stored
    found = await check(house)
    (one,) = found.judges
    assert (found.changed, found.unusable) == (True, False)
    assert one.seen.down > 10
    assert one.seen.points == pytest.approx(-100 * one.seen.down / (4 * CASES))
    assert one.churn == pytest.approx(one.seen.down / (4 * CASES))


async def test_another_model_behind_the_same_name_is_told(house):
    await pinned(house)
    house.judges["strict"].model = "judge-2"
    found = await check(house)
    (one,) = found.judges
    assert (found.changed, one.seen.moved, one.then, one.now) == (True, False, ("judge-1",), ("judge-2",))


async def test_a_judge_that_obeys_what_it_judges_cannot_be_trusted(house):
    await pinned(house)
    house.judges["strict"].passes = lambda answer, case: right(answer, case) or "met" in answer.lower()
    found = await check(house)
    (one,) = found.judges
    assert found.unusable
    assert "wrong answers with" in (one.seen.untrusted or "")
    assert one.seen.judged == 0


async def test_a_judge_that_is_away_is_said_and_gone_on_with(house):
    await pinned(house)
    judge = house.judges["strict"]
    judge.error = TargetError(ErrorKind.AUTHENTICATION, "the key is refused", fatal=True)
    judge.down = lambda case: len(judge.asked) > 110
    found = await check(house)
    assert found.unusable
    assert found.halt is not None
    assert found.halt.kind is HaltKind.FATAL
    assert found.judges[0].missing == "it could not be asked about everything"
    judge.down = lambda case: False
    over = await check(house)
    assert (over.run, over.unusable) == (found.run, False)
    assert judged_twice(house) == []


async def test_after_a_crash_nothing_is_judged_twice(house):
    await pinned(house)
    house.judges["strict"].dies_at = 110
    with pytest.raises(CrashError):
        await check(house)
    house.judges["strict"].dies_at = None
    found = await check(house)
    assert found.judges[0].seen.judged == 4 * CASES
    assert judged_twice(house) == []
    assert len([run for run in house.runs if run.kind is RunKind.JUDGE]) == 1


async def test_what_was_left_open_days_ago_is_closed_and_begun_anew(house):
    await pinned(house)
    house.judges["strict"].dies_at = 110
    with pytest.raises(CrashError):
        await check(house)
    house.judges["strict"].dies_at = None
    house.clock.move(days=2)
    found = await check(house)
    first, second = [run for run in house.runs if run.kind is RunKind.JUDGE]
    assert (first.state, second.state, found.run) == (RunState.DONE, RunState.DONE, second.id)


async def test_who_says_no_spends_nothing(house):
    await pinned(house)
    with pytest.raises(DeclinedError):
        await check(house, lambda offer: False)
    assert house.judges["strict"].asked == []
    assert [run for run in house.runs if run.kind is RunKind.JUDGE] == []


@pytest.mark.parametrize(
    ("budget", "said"),
    [("calls_per_run = 150", "calls_per_run leaves 150"), ("usd_per_run = 0.01", "usd_per_run leaves 0.01")],
)
async def test_a_cap_that_would_be_passed_is_named_before_anything_is_asked(house, budget, said):
    await pinned(house)
    house.keys["budget"] = budget
    with pytest.raises(JudgeError) as caught:
        await check(house)
    assert said in str(caught.value)
    assert house.judges["strict"].asked == []


async def test_a_new_judge_has_to_be_bridged_before_it_can_be_compared(house):
    await pinned(house)
    house.judged_by("other")
    house.judges["other"].model = "judge-9"
    house.judges["other"].passes = right
    house.judged_by("other")
    found = await check(house, lambda offer: pytest.fail("there is nothing to agree to"))
    (one,) = found.judges
    assert (found.unusable, found.calls) == (True, 0)
    assert "`heldout judge bridge ft support`" in (one.missing or "")


async def test_of_a_panel_each_judge_is_looked_at(house):
    house.judged_by("a", "b", "c")
    for judge in house.judges.values():
        judge.passes = right
    await pinned(house)
    house.judges["b"].passes = strict_on_stored
    found = await check(house)
    assert {one.seen.judge: one.seen.changed for one in found.judges} == {"a": False, "b": True, "c": False}
    # Where two agree the third is not asked.
    assert all(CASES < one.seen.judged < 4 * CASES for one in found.judges)
