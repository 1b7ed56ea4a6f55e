"""A judge that becomes another between two moments of one comparison: no verdict rests on the difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.cycle import recalled
from monitor.domain.answer import Reply
from monitor.domain.case import Case
from monitor.setting import set_up
from monitor.store import calibrations
from monitor.store.calibrations import Calibration
from monitor.store.tables import judgement
from tests.fakes.house import MONDAY, House
from tests.fakes.judged_house import Wordy, at_once, chance, judged_house, pinned, right, stricter, whole_week

REFUSED = Reply("I cannot help with that", "judge-1", input_tokens=10, output_tokens=5, finish_reason="refusal")


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    house = judged_house(tmp_path, 60)
    yield house
    house.close()


def may_roll_back(house: House) -> None:
    site = house.app().sites["ft", "support"]
    assert site.judging is not None
    (scorer,) = site.judging.deciding
    known = Calibration("support", scorer.key, scorer.name, calibrations.PANEL, 60, 0.9, {}, "ada", house.clock())
    with house.database.write() as connection:
        calibrations.add(connection, [known])


def sittings(house: House) -> set[str]:
    return {one.sitting for one in house.rows(judgement) if one.occasion == house.said[-1]["run"]}


async def test_what_a_run_of_the_day_before_was_told_serves_no_other(house):
    await pinned(house)
    may_roll_back(house)
    house.clock.now = MONDAY - timedelta(hours=10)
    await at_once(house)
    house.clock.now, house.model = MONDAY, Wordy(word="later")
    house.judges["strict"].passes = stricter(0.2)
    await whole_week(house)
    said = house.said[-1]
    assert said["verdict"] not in ("investigate", "rollback")
    assert said["judge"]["judges"][0]["moved"]
    # Its canaries are asked anew, too.
    house.clock.now = MONDAY + timedelta(weeks=1, hours=-10)
    await at_once(house)
    house.clock.now = MONDAY + timedelta(weeks=1)
    house.judges["strict"].passes = lambda answer, case: True
    await whole_week(house)
    assert (house.said[-1]["cause"], house.said[-1]["score"]) == ("judge", None)


async def test_a_look_of_the_next_day_is_judged_anew_on_both_sides(house):
    house.model.share = 0.9
    await pinned(house)
    may_roll_back(house)
    house.model.share, house.model.seed = 0.9, 4
    moved = False
    for _ in range(12):
        (done,) = (await house.due()).done
        if done.run.due_at is None:
            break
        if done.run.due_at - house.clock.now > timedelta(hours=20):
            house.judges["strict"].passes = stricter(0.5)
            moved = True
        house.clock.now = done.run.due_at
    assert moved
    said = house.said[-1]
    assert said["verdict"] == "inconclusive"
    assert said["baseline_score"] < 0.6 < said["judge"]["baseline_score_then"]
    assert abs(said["drop"]["points"]) < 10
    assert sittings(house) == {"main", "main+2"}


async def test_a_rollback_is_confirmed_by_what_judges_say_then_of_both_periods(house):
    await pinned(house)
    may_roll_back(house)
    house.model.wrong = frozenset(f"case-{i:03}" for i in range(12))
    for _ in range(12):
        (done,) = (await house.due()).done
        if done.verdict.stage.value == "pending" and house.model.wrong:
            # Mended in the gap, while the judge becomes stricter.
            house.model.wrong = frozenset()
            house.judges["strict"].passes = stricter(0.2)
        if done.run.due_at is None:
            break
        house.clock.now = done.run.due_at
    said = house.said[-1]
    assert (said["verdict"], said["stage"]) == ("investigate", "final")
    # The first replay stands as it was judged then, the second by the judge of then.
    assert said["drop"]["points"] == pytest.approx(20.0)
    assert said["confirmation"]["low"] < 0 < said["confirmation"]["high"]
    assert sittings(house) == {"main", "confirm"}


async def test_what_was_refused_at_deployment_counts_once_it_has_a_score(house):
    house.keys["baseline"] = "8"
    house.model.share = 0.9
    house.judges["strict"].says = lambda answer, case: REFUSED if answer.startswith("no") else None
    await house.collect()
    may_roll_back(house)
    house.clock.now, house.model = MONDAY, Wordy(word="now", share=0.9, seed=2)
    house.judges["strict"].says = lambda answer, case: None
    await whole_week(house)
    said = house.said[-1]
    assert said["judge"]["baseline_score_then"] == 1.0
    assert said["baseline_score"] == pytest.approx(0.9, abs=0.05)
    assert said["verdict"] in ("pass", "inconclusive")


async def test_anchors_that_are_refused_now_may_not_make_a_drop(house):
    house.keys["baseline"] = "8"
    house.model.share = 0.85
    await pinned(house)
    may_roll_back(house)
    house.model.share = 0.85
    # It no longer scores what was wrong then, so that the rest of the baseline looks perfect.
    house.judges["strict"].says = lambda answer, case: REFUSED if answer.startswith("no then") else None
    await whole_week(house)
    assert house.said[-1]["verdict"] == "inconclusive"
    anchors = house.said[-1]["judge"]["anchors"]
    assert anchors["judged"] < anchors["of"]


async def test_one_case_of_which_a_single_answer_was_scored_hides_no_noise(house):
    """With equal answers, judged once, the judge's noise is in the interval, whatever a single case has."""
    spared = "case-007"
    words = Wordy.reply

    def reply(case: Case) -> Reply:
        said = words(house.model, case)
        return said if case.id == spared else replace(said, text=said.text.rsplit(" ", 1)[0])

    house.model.reply = reply
    house.judges["strict"].passes = lambda answer, case: right(answer, case) and chance(answer, case) >= 0.2
    turns = [f"yes then {turn}" for turn in (2, 3, 4)]
    house.judges["strict"].says = lambda answer, case: REFUSED if case == spared and answer in turns else None
    await house.collect()
    house.clock.now = MONDAY
    house.model.word = "now"
    done = await at_once(house)
    app = house.app()
    site = app.sites["ft", "support"]
    found = recalled(app, site, done.run, set_up(app, site, done.run))[0].found
    assert sorted(found.baseline.n)[:2] == [1, 4]
    assert found.noise_main is not None
    assert (found.noise_main > 0).sum() == 59


async def test_at_once_a_look_that_settles_nothing_has_all_anchors_judged(tmp_path):
    house = judged_house(tmp_path, 60, judging="anchors = 1")
    house.model.share = 0.9
    await pinned(house)
    house.model.share = 0.9
    await at_once(house)
    assert house.said[-1]["judge"]["anchors"] == {"judged": 240, "of": 240}
    # Earlier stages, which only led to the next one, did with a part of them.
    assert house.said[0]["judge"]["anchors"]["judged"] == 60
    house.close()
