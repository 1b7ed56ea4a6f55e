"""New judges judge the stored baseline: what it costs, what it changes, and that later runs can compare by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor import judge_bridge, judge_run
from monitor.collect import DeclinedError
from monitor.domain.answer import ErrorKind, TargetError
from monitor.domain.run import RunKind, RunState
from monitor.judge_bridge import Bridge
from monitor.judge_run import JudgeError, JudgeOffer
from tests.fakes.house import House
from tests.fakes.judged_house import at_once, forget, judged_house, judged_twice, pinned, stricter

CASES = 24


@pytest.fixture
def house(tmp_path: Path):
    built = judged_house(tmp_path, cases=CASES)
    yield built
    built.close()


def take_another(house: House, share: float = 0.0) -> None:
    """Another judge on the panel, which fails a share of what the first one passed."""
    house.judged_by("other")
    house.judges["other"].model = "judge-9"
    house.judges["other"].passes = stricter(share)
    house.judged_by("other")


async def bridge(house: House, agree: Callable[[JudgeOffer], bool] = lambda offer: True) -> Bridge:
    app = house.app()
    site = app.sites["ft", "support"]
    baseline = judge_run.pinned(app, site)
    assert baseline is not None
    return await judge_bridge.bridge(app, site, baseline, agree)


async def test_there_is_nothing_to_do_while_the_judges_are_the_same(house):
    await pinned(house)
    found = await bridge(house, lambda offer: pytest.fail("there is nothing to agree to"))
    assert found.idle
    assert [run.kind for run in house.runs] == [RunKind.BASELINE]


async def test_a_new_judge_is_compared_with_the_one_before_it(house):
    await pinned(house)
    take_another(house, 0.25)
    offers: list[JudgeOffer] = []
    found = await bridge(house, lambda offer: offers.append(offer) or True)
    (one,) = found.rubrics
    (contrast,) = one.contrasts
    stored = {(case, answer) for case, answer in house.judges["other"].asked if answer.startswith("yes then")}
    failed = sum(not stricter(0.25)(answer, case) for case, answer in stored)
    assert (one.judged, contrast.answers, contrast.up, contrast.down) == (4 * CASES, 4 * CASES, 0, failed)
    assert failed > 10
    assert contrast.points == pytest.approx(-100 * failed / (4 * CASES), abs=0.01)
    assert contrast.low is not None
    assert contrast.low < contrast.points < contrast.high
    assert (contrast.then, contrast.now) == (1.0, pytest.approx(1 - failed / (4 * CASES), abs=1e-4))
    assert 4 * CASES < found.calls == len(house.judges["other"].asked) <= offers[0].cost.calls
    json.dumps(found.as_json(), allow_nan=False)
    assert [(run.kind, run.state) for run in house.runs][1:] == [(RunKind.JUDGE, RunState.DONE)]
    assert (await bridge(house)).idle
    # The next run asks nothing of the baseline again but its canaries and anchors.
    forget(house)
    done = await at_once(house)
    assert done.verdict.judged is not None
    assert done.verdict.judged.bridged == ()


async def test_who_says_no_spends_nothing(house):
    await pinned(house)
    take_another(house)
    with pytest.raises(DeclinedError):
        await bridge(house, lambda offer: False)
    assert house.judges["other"].asked == []


async def test_a_yes_goes_beyond_the_budget_of_a_run_but_not_of_a_baseline(house):
    await pinned(house)
    take_another(house)
    house.keys["budget"] = "usd_per_run = 0.0\nbaseline_usd = 0.01"
    with pytest.raises(JudgeError, match=r"baseline_usd leaves 0\.01"):
        await bridge(house)
    house.keys["budget"] = "usd_per_run = 0.0\nbaseline_usd = 50.0"
    assert not (await bridge(house)).idle


async def test_a_judge_that_is_away_is_gone_on_with(house):
    await pinned(house)
    take_another(house)
    judge = house.judges["other"]
    judge.error = TargetError(ErrorKind.AUTHENTICATION, "the key is refused", fatal=True)
    judge.down = lambda case: len(judge.asked) > 30
    with pytest.raises(JudgeError, match=r"\[judges.other\].*the key is refused.*the same command goes on"):
        await bridge(house)
    judge.down = lambda case: False
    found = await bridge(house)
    assert found.rubrics[0].contrasts[0].answers == 4 * CASES
    assert judged_twice(house) == []


async def test_what_canaries_cannot_show_is_said(house):
    await pinned(house)
    take_another(house)
    house.judges["other"].passes = lambda answer, case: True
    found = await bridge(house)
    assert any("[judges.other] with support_answer" in weak for weak in found.rubrics[0].weak)
