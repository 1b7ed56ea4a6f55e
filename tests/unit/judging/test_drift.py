"""Whether a judge has changed: its own scores of the same answers, then and now."""

from __future__ import annotations

import pytest

from monitor.domain.answer import Reply
from monitor.domain.judging import JudgeSeen
from monitor.domain.run import RunKind
from monitor.judging.drift import drifts
from tests.fakes.judged_house import chance, right
from tests.unit.judging.conftest import Court


async def seen(court: Court, texts: list[str], now: dict[str, object], cases: int = 20) -> list[JudgeSeen]:
    """The judges by what they say of `texts` to each case at a baseline, and then with their attributes as in `now`."""
    run = court.begin(RunKind.BASELINE)
    items = [court.item(i, text) for i in range(cases) for text in texts]
    await court.hear(items, everyone=True)
    court.begin()
    for judge in court.house.judges.values():
        for name, value in now.items():
            setattr(judge, name, value)
    await court.hear(items, everyone=True)
    return drifts(court.house.database, court.scorer, run.id, court.sitting(), {item.key: 1 for item in items})


async def test_a_judge_that_says_the_same_has_not_moved(court):
    (one,) = await seen(court, ["yes", "no"], {})
    assert (one.judged, one.up, one.down, one.p, one.moved, one.models) == (40, 0, 0, 1.0, False, None)
    assert (one.points, one.passes) == (0.0, 0.0)
    assert one.low is not None
    assert one.high is not None
    # That none flipped does not show that none would.
    assert one.low < 0 < one.high


async def test_a_stricter_one_gives_fewer_points(court):
    (one,) = await seen(court, ["yes", "no"], {"passes": lambda answer, case: False})
    assert (one.up, one.down, one.moved, one.points, one.passes) == (0, 20, True, -50.0, 0.0)
    assert one.p == pytest.approx(2 * 0.5**20)
    assert one.low is not None
    assert one.low < -50.0


async def test_a_more_lenient_one_lets_pass_a_share_of_what_it_took_off(court):
    half = lambda answer, case: right(answer, case) or chance(case) < 0.5  # noqa: E731
    (one,) = await seen(court, ["yes", "no"], {"passes": half})
    assert one.down == 0
    assert one.passes == one.up / 20
    assert one.points == pytest.approx(100 * one.up / 40)


async def test_points_count_an_answer_as_often_as_it_was_given_and_the_test_once(court):
    run = court.begin(RunKind.BASELINE)
    items = [court.item(i, text) for i in range(20) for text in ("yes", "no")]
    await court.hear(items, everyone=True)
    court.begin()
    court.house.judges["strict"].passes = lambda answer, case: True
    await court.hear(items, everyone=True)
    given = {item.key: 9 if item.material.answer == "yes" else 1 for item in items}
    (one,) = drifts(court.house.database, court.scorer, run.id, court.sitting(), given)
    assert (one.judged, one.up, one.points, one.passes) == (40, 20, pytest.approx(10.0), 1.0)
    assert one.p == pytest.approx(2 * 0.5**20)


async def test_flips_both_ways_are_noise(court):
    (one,) = await seen(
        court, ["yes", "no"], {"passes": lambda answer, case: right(answer, case) is (chance(case) < 0.8)}
    )
    assert one.up == one.down > 0
    assert not one.moved
    assert one.p == 1.0


async def test_what_has_no_score_on_one_side_does_not_count(court):
    unreadable = lambda answer, case: Reply("?", "judge-1") if answer == "no" else None  # noqa: E731
    (one,) = await seen(court, ["yes", "no"], {"says": unreadable})
    assert (one.judged, one.up, one.down) == (20, 0, 0)


async def test_each_judge_of_a_panel_is_held_against_itself(panel):
    panel.house.judges["b"].passes = lambda answer, case: False
    found = await seen(panel, ["yes"], {"passes": lambda answer, case: False})
    assert [(one.judge, one.down, one.moved) for one in found] == [("a", 20, True), ("b", 0, False), ("c", 20, True)]


@pytest.mark.parametrize(("model", "models"), [("judge-1", None), ("judge-1-0626", ("judge-1", "judge-1-0626"))])
async def test_another_model_under_the_same_name_is_said_with_both(court, model, models):
    (one,) = await seen(court, ["yes"], {"model": model}, cases=4)
    assert (one.models, one.changed, one.moved) == (models, models is not None, False)


async def test_without_anything_judged_on_both_sides_nothing_is_known(court):
    run = court.begin(RunKind.BASELINE)
    court.begin()
    (one,) = drifts(court.house.database, court.scorer, run.id, court.sitting(), {court.item(0, "yes").key: 1})
    assert (one.judged, one.moved, one.points, one.low, one.high, one.passes) == (0, False, None, None, None, None)
