"""Runs whose judges are down, cost too much, are new or shared, and processes that die: nothing is judged twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from alerts.alert import Kind
from monitor.collect import pin
from monitor.config.secrets import SecretError
from monitor.domain.answer import ErrorKind, TargetError
from monitor.domain.run import HaltKind
from monitor.rounds import run_now
from monitor.store.tables import answer, judgement, mark, score
from tests.fakes import databases
from tests.fakes.house import MONDAY, CrashError, House
from tests.fakes.judged_house import (
    Wordy,
    at_once,
    forget,
    go_on,
    judged_house,
    judged_twice,
    pinned,
    stricter,
    whole_week,
)

# A week that bridges: 160 answers of deployment and 80 canaries of then; 80 canaries, 40 answers, 160 anchors of now.
BRIDGED = 160 + 80 + 80 + 40 + 160
HALF = frozenset(f"case-{i:03}" for i in range(20))


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    built = judged_house(tmp_path)
    yield built
    built.close()


# A judge that is down.


async def test_a_judge_that_is_down_is_no_score_and_is_asked_again_the_next_day(house):
    await pinned(house)
    house.judges["strict"].down = lambda case: True
    (done,) = (await house.due()).done
    assert done.halt is not None
    assert done.halt.kind is HaltKind.OUTAGE
    said = house.said[-1]
    assert (said["verdict"], said["stage"], said["cause"], said["score"]) == (
        "inconclusive",
        "waiting",
        "provider",
        None,
    )
    assert said["reasons"][0].startswith("[judges.strict]: ")
    assert [one.kind for one in house.told] == [Kind.UNMEASURED]
    assert said["judge"]["unscored"] is None
    house.judges["strict"].down = lambda case: False
    asked = len(house.model.asked)
    await go_on(house, done)
    assert (house.said[-1]["verdict"], house.told[-1].kind) == ("pass", Kind.RECOVERED)
    assert asked == 40
    assert judged_twice(house) == []


async def test_a_refused_key_of_a_judge_is_said_as_one(house):
    await pinned(house)
    house.judges["strict"].down = lambda case: True
    house.judges["strict"].error = TargetError(ErrorKind.AUTHENTICATION, "the key was refused.", fatal=True)
    (done,) = (await house.due()).done
    assert done.halt is not None
    assert (done.halt.kind, done.halt.message) == (HaltKind.FATAL, "[judges.strict]: the key was refused.")
    assert house.said[-1]["cause"] == "provider"


async def test_a_judge_that_goes_down_among_anchors_loses_nothing(house):
    await pinned(house)
    judge = house.judges["strict"]
    judge.down = lambda case: len(judge.asked) > 150
    (done,) = (await house.due()).done
    assert house.said[-1]["cause"] == "provider"
    judge.down = lambda case: False
    await go_on(house, done)
    assert house.said[-1]["verdict"] == "pass"
    # A day later the judge may be another: what is compared is what it says that day.
    assert {one.sitting for one in house.rows(judgement) if one.run_id == done.run.id} == {"main", "main+2"}
    assert house.said[-1]["judge"]["calls"] == len(judge.answered)


# Money.


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ("calls_per_run = 190", "cap of 190 calls ([budget] calls_per_run)"),
        ("usd_per_run = 0.06", "0.06 USD ([budget] usd_per_run)"),
        ("usd_per_month = 0.20", "month's cap of 0.20 USD ([budget] usd_per_month)"),
    ],
)
async def test_caps_hold_with_judges(house, budget, said):
    await pinned(house)
    house.keys["budget"] = budget
    (done,) = (await house.due()).done
    assert done.halt is not None
    assert done.halt.kind is HaltKind.BUDGET
    verdict = house.said[-1]
    assert (verdict["verdict"], verdict["stage"], verdict["cause"]) == ("inconclusive", "final", "budget")
    assert said in verdict["reasons"][0]
    judged = len(house.judges["strict"].asked)
    assert verdict["judge"]["calls"] == judged
    assert verdict["calls"] == 40 + judged
    assert verdict["usd"] == pytest.approx(judged * 0.00048, abs=1e-4)
    # What is under way holds back what it may cost, and no more: the cap is nearly reached, and not passed.
    most = {"calls_per_run = 190": 150, "usd_per_run = 0.06": 125, "usd_per_month = 0.20": 176}[budget]
    assert most - 30 <= judged <= most
    assert verdict["judge"]["unscored"] in (None, 0.0)


# Other judges.


async def test_a_new_model_of_a_judge_judges_the_baseline_first(house):
    await pinned(house)
    house.judges["strict"].model = "judge-2"
    house.judged_by("strict")
    await whole_week(house)
    said = house.said[-1]
    assert (said["verdict"], said["score"], said["baseline_score"]) == ("pass", 1.0, 1.0)
    assert said["judge"]["bridged"] == ["support_answer"]
    assert any("are new; they have judged the answers of deployment too" in reason for reason in said["reasons"])
    (told,) = [one for one in house.told if one.kind is Kind.JUDGE]
    assert told.reasons[0].startswith("The judges of support_answer, or the rubric itself, are new")
    house.clock.now = house.clock.now.replace(day=23, hour=6)
    house.model = Wordy(word="later")
    await whole_week(house)
    assert house.said[-1]["judge"]["bridged"] == []
    assert len([one for one in house.told if one.kind is Kind.JUDGE]) == 1


async def test_a_stricter_new_model_is_no_drop(house):
    await pinned(house)
    house.judges["strict"].model = "judge-2"
    house.judges["strict"].passes = stricter(0.2)
    house.judged_by("strict")
    await whole_week(house)
    assert {said["verdict"] for said in house.said} <= {"pass", "inconclusive"}
    assert house.said[-1]["baseline_score"] < 0.9


async def test_a_bridge_over_the_budget_waits_for_a_yes(house):
    await pinned(house)
    house.judges["strict"].model = "judge-2"
    house.judged_by("strict")
    house.keys["budget"] = "calls_per_run = 150"
    await house.due()
    said = house.said[-1]
    assert (said["verdict"], said["stage"], said["cause"]) == ("inconclusive", "final", "judge")
    assert "takes up to 160 calls, and [budget] calls_per_run leaves 150" in said["reasons"][0]
    assert "`heldout judge bridge ft support`" in said["reasons"][0]
    assert house.judges["strict"].asked == []
    assert house.model.asked == []


async def test_a_judge_that_is_down_while_it_bridges_is_asked_again_the_next_day(house):
    await pinned(house)
    house.judges["strict"].model = "judge-2"
    house.judged_by("strict")
    judge = house.judges["strict"]
    judge.down = lambda case: len(judge.asked) > 100
    (done,) = (await house.due()).done
    assert house.said[-1]["cause"] == "provider"
    judge.down = lambda case: False
    await go_on(house, done)
    assert (house.said[-1]["verdict"], house.said[-1]["judge"]["bridged"]) == ("pass", ["support_answer"])
    assert len(judge.answered) == BRIDGED


@pytest.mark.parametrize("at", [50, 300])
async def test_a_process_that_dies_in_a_week_that_bridges_comes_to_the_same_end(house, at):
    await pinned(house)
    house.judges["strict"].model = "judge-2"
    house.judged_by("strict")
    house.judges["strict"].dies_at = at
    with pytest.raises(CrashError):
        await whole_week(house)
    await whole_week(house)
    assert [said["judge"]["bridged"] for said in house.said] == [["support_answer"]] * len(house.said)
    assert house.said[-1]["verdict"] == "pass"
    assert [one.kind for one in house.told] == [Kind.JUDGE]
    # As in the week before; lost is at most what was under way.
    assert 0 <= len(house.judges["strict"].answered) - BRIDGED <= house.concurrency


# Panels.


async def test_a_panel_decides_though_one_of_three_is_missing(tmp_path):
    house = judged_house(tmp_path, judges=("a", "b", "c"))
    await pinned(house)
    house.judges["c"].down = lambda case: True
    await whole_week(house)
    said = house.said[-1]
    assert (said["verdict"], said["score"], said["cause"]) == ("pass", 1.0, None)
    assert any("[judges.c]" in reason for reason in said["reasons"])
    house.close()


# Several runs, one judge.


async def test_two_targets_judged_at_the_same_time_come_to_what_each_would_alone(house):
    await pinned(house)
    app = house.app()
    mine = app.sites["ft", "support"]
    other = replace(mine, target="candidate", fingerprint="another", role="candidate")
    done = (await run_now(app, [mine, other])).done
    assert [(one.verdict.level.value, one.verdict.answers) for one in done] == [("pass", 40), ("pass", 40)]
    assert all(one.verdict.judged and one.verdict.judged.judges[0].judged == 160 for one in done)


# Baselines.


async def test_a_baseline_collected_over_days_is_judged_as_it_comes(house):
    house.keys["baseline"] = "8"
    collected = await house.collect(spread=True)
    days = 1
    while collected.run.due_at is not None:
        house.clock.now = collected.run.due_at
        (collected,) = (await house.due()).collected
        days += 1
    assert collected.baseline is not None
    assert days == 4
    # Each day its own answers, and with the last of them the canaries; no day judges what another has.
    assert len([row for row in house.rows(judgement) if row.occasion == collected.run.id]) == 8 * 40 + 80
    assert judged_twice(house) == []
    house.clock.now = MONDAY
    house.model = Wordy(word="now")
    forget(house)
    await whole_week(house)
    assert (house.said[-1]["verdict"], house.said[-1]["judge"]["bridged"]) == ("pass", [])
    assert judged_twice(house) == []


async def test_an_answer_that_no_judge_replied_to_is_asked_again_and_begins_no_epoch(house):
    judge = house.judges["strict"]
    judge.down = lambda case: case == "case-007" and judge.asked[-1][1] == "yes then 2"
    await pinned(house)
    judge.down = lambda case: False
    await whole_week(house)
    assert ("case-007", "yes then 2") in judge.answered
    assert (house.said[-1]["verdict"], house.said[-1]["judge"]["bridged"]) == ("pass", [])
    assert house.told == []


async def test_a_run_on_demand_that_is_pinned_is_a_baseline_whose_judges_are_watched(house):
    done = await at_once(house)
    assert len(house.judges["strict"].answered) == 40
    app = house.app()
    site = app.sites["ft", "support"]
    pin(app, site, done.run, "ada")
    house.clock.now = MONDAY
    house.model = Wordy(word="now")
    forget(house)
    await whole_week(house)
    said = house.said[-1]
    assert said["judge"]["anchors"] == {"judged": 40, "of": 40}
    assert said["judge"]["judges"][0]["shift"]["judged"] == 40
    assert said["judge"]["bridged"] == []
    # What its judges made of canaries then is found out now, and once more what they make of them now; nothing else.
    again = judged_twice(house)
    assert len(again) == 80
    assert not [answer for _, answer in again if answer.startswith("yes ")]
    house.clock.move(weeks=1)
    house.judges["strict"].passes = lambda answer, case: True
    await whole_week(house)
    assert house.said[-1]["cause"] == "judge"


# Superseded.


async def test_a_run_whose_successor_is_due_ends_with_what_its_judges_had_found(house):
    await pinned(house)
    house.model.wrong = HALF
    house.judges["strict"].passes = stricter(0.1)
    (first,) = (await house.due()).done
    assert first.run.due_at is not None
    house.clock.now = MONDAY + timedelta(weeks=1)
    asked = len(house.judges["strict"].asked)
    await house.due()
    ended = next(said for said in house.said if said["run"] == first.run.id and said["stage"] == "final")
    assert any("before this run was finished" in reason for reason in ended["reasons"])
    before = house.said[0]
    for key in ("score", "baseline_score", "drop", "scores"):
        assert ended[key] == before[key]
    assert ended["judge"]["judges"] == before["judge"]["judges"]
    assert ended["judge"]["anchors"] == before["judge"]["anchors"]
    assert len(house.judges["strict"].asked) > asked


async def test_a_run_of_other_judges_that_waits_can_be_superseded(house):
    await pinned(house)
    house.model.wrong = HALF
    (first,) = (await house.due()).done
    assert first.run.due_at is not None
    house.judges["strict"].model = "judge-2"
    house.judged_by("strict")
    house.clock.now = MONDAY + timedelta(weeks=1)
    done = await house.due()
    assert done.broken == ()
    ended = next(said for said in house.said if said["run"] == first.run.id and said["stage"] == "final")
    assert (ended["score"], ended["drop"]) == (None, None)
    assert house.said[-1]["judge"]["bridged"] == ["support_answer"]


# A process that dies.


async def outcome(house: House) -> list[object]:
    """What a week comes to, but for the calls that deaths wasted."""
    vague = ("calls", "usd")
    said = [{**one, "judge": {k: v for k, v in one["judge"].items() if k not in vague}} for one in house.said]
    said = [{k: v for k, v in one.items() if k not in vague} for one in said]
    marks = sorted((row.occasion, row.scorer, row.material, row.value) for row in house.rows(mark))
    judged = sorted((row.occasion, row.judge, row.material, row.value) for row in house.rows(judgement))
    return [said, marks, judged, len(house.rows(score)), [(one.kind, one.verdict, one.stage) for one in house.told]]


def another(folder: Path, name: str) -> House:
    """A house with the same baseline, on the Monday after, when its model is worse and one judge of three stricter."""
    (folder / name).mkdir()
    databases.copy(folder, folder / name)
    house = judged_house(folder / name, cases=20, judges=("a", "b", "c"), judging="anchors = 1")
    house.clock.now = MONDAY
    house.ids = 1
    house.model = Wordy(word="now", wrong=frozenset(f"case-{i:03}" for i in range(5)))
    house.judges["c"].passes = stricter(0.3)
    return house


@pytest.fixture
async def undisturbed(tmp_path) -> tuple[list[object], dict[str, int], int]:
    """The outcome of such a week, what each judge was asked, and its readings of the clock."""
    house = judged_house(tmp_path, cases=20, judges=("a", "b", "c"), judging="anchors = 1")
    await house.collect()
    house.close()
    house = another(tmp_path, "undisturbed")
    await whole_week(house)
    found = await outcome(house), {name: len(judge.asked) for name, judge in house.judges.items()}, house.clock.readings
    assert judged_twice(house) == []
    house.close()
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("steps", [(97, 17), pytest.param((7, 1), marks=pytest.mark.soak)])
async def test_a_process_that_dies_while_judging_repeats_nothing_that_is_stored(undisturbed, tmp_path, steps):
    wanted, asked, readings = undisturbed
    of_judge, of_clock = range(1, asked["a"] + 1, steps[0]), range(2, readings + 1, steps[1])
    deaths = [*(("a", at) for at in of_judge), *(("", at) for at in of_clock)]
    for name, at in deaths:
        house = another(tmp_path, f"{name}{at}")
        if name:
            house.judges[name].dies_at = at
        else:
            house.clock.dies_at = at
        with pytest.raises(CrashError):
            await whole_week(house)
        stored = len([row for row in house.rows(judgement) if row.run_id != "id-0001"])
        answered = sum(len(judge.answered) for judge in house.judges.values())
        # Lost is at most what was under way.
        assert answered - stored <= 3 * house.concurrency
        house.clock.dies_at = None
        house.model.turns.clear()
        for row in house.rows(answer):
            if row.run_id != "id-0001":
                house.model.turns[row.case_id] = max(house.model.turns.get(row.case_id, 0), int(row.text.split()[-1]))
        await whole_week(house)
        again = sum(len(judge.answered) for judge in house.judges.values())
        assert again == sum(asked.values()) + answered - stored
        assert (await outcome(house)) == wanted
        house.close()


async def test_where_nothing_was_answered_no_judge_is_paid(house):
    await pinned(house)
    house.model.down = lambda case: True
    (done,) = (await house.due()).done
    assert done.halt is not None
    assert house.said[-1]["cause"] == "provider"
    assert house.judges["strict"].asked == []


async def test_a_panels_judge_that_is_away_is_an_alert_of_its_own(tmp_path):
    house = judged_house(tmp_path, judges=("a", "b", "c"))
    await pinned(house)
    house.judges["c"].down = lambda case: True
    await whole_week(house)
    assert house.said[-1]["verdict"] == "pass"
    assert [one["judge"] for one in house.said[-1]["judge"]["away"]] == ["c"]
    (alert,) = house.told
    assert (alert.kind, alert.event) == (Kind.JUDGE, "A JUDGE IS AWAY")
    house.close()


async def test_where_judges_cannot_be_opened_no_answer_is_paid_unless_they_decide_nothing(house):
    house.keys["metrics"] = '"contains"'
    house.judged_by("strict")
    await pinned(house)
    house.no_judges = SecretError("[judges.strict] api_key: environment variable KEY is not set")
    (done,) = (await house.due()).done
    assert "KEY is not set" in house.said[-1]["reasons"][0]
    assert house.model.asked == []
    house.no_judges = None
    await go_on(house, done)
    assert house.said[-1]["verdict"] == "pass"
    house.judged_by("strict", headline="{ contains = 1.0 }")
    house.no_judges = SecretError("still not set")
    house.model = Wordy(word="yes yes")
    await at_once(house)
    assert house.said[-1]["score"] is not None
