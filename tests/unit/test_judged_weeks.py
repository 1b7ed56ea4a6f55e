"""Weeks with a judge in the headline: what its moves, its silence and its mistakes make of a verdict, and what not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alerts.alert import Kind
from monitor.domain.answer import Reply
from monitor.domain.run import RunState
from monitor.store import calibrations
from monitor.store.calibrations import Calibration
from tests.fakes.house import MONDAY, House
from tests.fakes.judged_house import (
    Wordy,
    judged_house,
    judged_twice,
    lenient,
    pinned,
    right,
    stricter,
    whole_week,
)

FEW = frozenset(f"case-{i:03}" for i in range(8))
HALF = frozenset(f"case-{i:03}" for i in range(20))


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    built = judged_house(tmp_path)
    yield built
    built.close()


def calibrate(house: House, kappa: float | None) -> None:
    """People's labels, as far as a decision knows of them."""
    site = house.app().sites["ft", "support"]
    assert site.judging is not None
    (scorer,) = site.judging.deciding
    with house.database.write() as connection:
        known = Calibration("support", scorer.key, scorer.name, calibrations.PANEL, 60, kappa, {}, "ada", house.clock())
        calibrations.add(connection, [known])


def shift(said):
    return said["judge"]["judges"][0]["shift"]


# A judge that stays, and one that moves.


async def test_a_week_without_a_change_passes(house):
    await pinned(house)
    await whole_week(house)
    said = house.said[-1]
    assert (said["verdict"], said["stage"], said["score"], said["baseline_score"]) == ("pass", "final", 1.0, 1.0)
    assert said["judge"]["anchors"] == {"judged": 160, "of": 160}
    assert (shift(said)["judged"], shift(said)["points"], shift(said)["up"], shift(said)["down"]) == (160, 0.0, 0, 0)
    assert said["judge"]["unscored"] == 0.0
    assert house.told == []
    assert judged_twice(house) == []


async def test_a_judge_that_became_stricter_is_no_drop_and_is_told_of_once(house):
    await pinned(house)
    house.judges["strict"].passes = stricter(0.2)
    await whole_week(house)
    assert {said["verdict"] for said in house.said} <= {"pass", "inconclusive"}
    last = house.said[-1]
    assert last["drop"]["points"] == pytest.approx(100 * (last["baseline_score"] - last["score"]), abs=0.06)
    assert last["judge"]["baseline_score_then"] == 1.0
    assert 100 * (1.0 - last["baseline_score"]) == pytest.approx(-shift(last)["points"], abs=0.01)
    changed = [one for one in house.told if one.kind is Kind.JUDGE]
    assert len(changed) == 1
    assert "fewer (95% interval" in changed[0].reasons[0]
    assert not [one for one in house.told if one.kind is Kind.WORSE]
    house.clock.now = house.clock.now.replace(day=23, hour=6)
    house.model = Wordy(word="later")
    await whole_week(house)
    assert len([one for one in house.told if one.kind is Kind.JUDGE]) == 1


async def test_a_lenient_judge_does_not_hide_a_drop_and_says_that_it_shrinks(house):
    house.judged_by("strict", judging="anchors = 2")
    house.model.wrong = frozenset(f"case-{i:03}" for i in range(30, 38))
    await pinned(house)
    house.model.wrong = HALF | frozenset(f"case-{i:03}" for i in range(30, 38))
    house.judges["strict"].passes = lenient(0.5)
    await whole_week(house)
    said = house.said[-1]
    assert said["verdict"] == "investigate"
    # Half of the wrong ones are let pass, in both periods.
    assert 15 < said["drop"]["points"] < 35
    assert said["judge"]["anchors"] == {"judged": 160, "of": 160}
    (told,) = [reason for reason in said["reasons"] if "so a real drop now shows as" in reason]
    passes = said["judge"]["judges"][0]["shift"]["points"] / 20
    assert f"It lets pass {100 * passes:.0f}% of what it took off then" in told
    (worse,) = [one for one in house.told if one.kind is Kind.WORSE]
    assert any("shows as" in reason for reason in worse.reasons)
    # No alarm rests on a part of the anchors, and a look that was taken again with all of them is one look.
    alarms = [one for one in house.said if one["verdict"] == "investigate"]
    assert {one["judge"]["anchors"]["judged"] for one in alarms} == {160}
    assert [one["answers"] for one in house.said] == sorted({one["answers"] for one in house.said})


async def test_an_alarm_that_is_gone_once_all_anchors_were_judged_is_neither_stored_nor_told(house):
    house.keys["baseline"] = "8"
    house.judged_by("strict", judging="anchors = 1")
    await pinned(house)
    strict = stricter(0.3)
    # The answers of deployment that have their turn this week are the ones that the judge still passes.
    turn = MONDAY.toordinal() // 7 % 8 + 1
    house.judges["strict"].passes = lambda answer, case: (
        right(answer, case) and (answer == f"yes then {turn}" or not answer.startswith("yes") or strict(answer, case))
    )
    await whole_week(house)
    first, last = house.said[0], house.said[-1]
    assert (first["judge"]["anchors"], last["judge"]["anchors"]["judged"]) == ({"judged": 40, "of": 320}, 320)
    assert first["drop"]["points"] > 15
    assert abs(last["drop"]["points"]) < 10
    assert {one["verdict"] for one in house.said} <= {"pass", "inconclusive"}
    assert Kind.WORSE not in [one.kind for one in house.told]


# A judge that cannot be trusted.


async def test_a_judge_that_obeys_answers_is_not_trusted(house):
    await pinned(house)
    house.model.wrong = HALF
    house.judges["strict"].passes = lambda answer, case: right(answer, case) or "criteri" in answer
    (done,) = (await house.due()).done
    said = house.said[-1]
    assert (said["verdict"], said["stage"], said["cause"]) == ("inconclusive", "final", "judge")
    assert (said["score"], said["baseline_score"], said["drop"]) == (None, None, None)
    # What no judge has a say in is shown all the same.
    assert said["scores"] == {"exact_match": 0.0, "support_answer": None}
    assert "The judge strict cannot be trusted with support_answer now: " in said["reasons"][0]
    assert "wrong answers with orders to the judge passed, at baseline 0 of 20 did" in said["reasons"][0]
    assert [one.kind for one in house.told] == [Kind.UNMEASURED]
    assert "heldout judge check" in [action.command for action in house.told[0].actions]
    # Its canaries were judged, and nothing else was paid for; nor is anything said about what it was not asked.
    assert len(house.judges["strict"].asked) == 80
    assert said["judge"]["unscored"] is None
    assert said["judge"]["anchors"]["judged"] == 0
    assert (done.run.state, done.run.due_at) == (RunState.DONE, None)


async def test_a_judge_that_can_be_trusted_again_counts_again(house):
    await pinned(house)
    house.judges["strict"].passes = lambda answer, case: True
    await whole_week(house)
    assert house.said[-1]["cause"] == "judge"
    house.judges["strict"].passes = right
    house.clock.move(weeks=1)
    await whole_week(house)
    assert (house.said[-1]["verdict"], house.said[-1]["score"]) == ("pass", 1.0)
    assert house.told[-1].kind is Kind.RECOVERED


async def test_an_untrusted_rubric_beside_the_headline_keeps_nothing_from_being_decided(house):
    house.keys["metrics"] = '"contains"'
    house.judged_by("strict", headline="{ contains = 1.0 }")
    await pinned(house)
    house.judges["strict"].passes = lambda answer, case: True
    await whole_week(house)
    said = house.said[-1]
    assert said["scores"]["support_answer"] is None
    assert said["judge"]["judges"][0]["untrusted"] is not None
    assert said["cause"] is None


# Answers without a score.


def unreadable(share_of: frozenset[str]):
    return lambda answer, case: (
        Reply("well, well", "judge-1", input_tokens=10) if case in share_of and "now" in answer else None
    )


async def test_three_answers_of_a_hundred_without_a_score_are_told_of(tmp_path):
    house = judged_house(tmp_path, cases=100)
    await pinned(house)
    house.judges["strict"].says = unreadable(frozenset({"case-001", "case-002", "case-003"}))
    await whole_week(house)
    said = house.said[-1]
    assert said["judge"]["unscored"] == 0.03
    (told,) = [one for one in house.told if one.kind is Kind.JUDGE]
    assert told.reasons[0].startswith("3.0% of the answers have no score of the judges; ")
    assert "the judge's reply cannot be read" in told.reasons[0]
    # Counted as wrong they would be a drop of three points: nothing is decided by leaving them out.
    assert (said["verdict"], said["cause"]) == ("inconclusive", None)
    assert said["score"] == 1.0
    house.close()


async def test_an_answer_without_a_score_that_cannot_matter_changes_nothing(tmp_path):
    house = judged_house(tmp_path, cases=100)
    await pinned(house)
    house.judges["strict"].says = unreadable(frozenset({"case-001"}))
    await whole_week(house)
    said = house.said[-1]
    assert said["verdict"] == "pass"
    assert not [one for one in house.told if one.kind is Kind.JUDGE]
    house.close()


# Rollback.


async def test_a_rollback_never_rests_on_a_judge_that_nobody_compared_with_people(house):
    await pinned(house)
    house.model.wrong = HALF
    await whole_week(house)
    said = house.said[-1]
    assert (said["verdict"], said["stage"]) == ("investigate", "final")
    assert "were never compared with people's labels" in " ".join(said["reasons"])
    # Who is woken reads what it would have been, and what to do about it.
    (told,) = house.told
    assert "by enough for a rollback as its judges see it" in told.meaning
    assert [step.command for step in told.actions][1] == "heldout judge calibrate --help"


@pytest.mark.parametrize(("kappa", "verdict"), [(0.7, "rollback"), (0.39, "investigate"), (None, "investigate")])
async def test_a_rollback_rests_on_a_judge_that_agrees_with_people(house, kappa, verdict):
    await pinned(house)
    calibrate(house, kappa)
    house.model.wrong = HALF
    await whole_week(house)
    said = house.said[-1]
    assert said["verdict"] == verdict
    assert said["judge"]["judges"][0]["kappa"] == kappa
    assert (said["confirmation"] is not None) is (verdict == "rollback")


async def test_metrics_beside_the_judge_may_roll_back_by_themselves(house):
    house.keys["metrics"] = '"contains"'
    house.judged_by("strict", headline="{ contains = 0.5, support_answer = 0.5 }")
    await pinned(house)
    house.model.wrong = HALF
    await whole_week(house)
    assert house.said[-1]["verdict"] == "rollback"
