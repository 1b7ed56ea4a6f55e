"""Weeks of a target with a fallback: asked as often as production, compared, and never in production's way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from scipy import stats

from monitor.collect import collect
from monitor.config.secrets import SecretError
from monitor.domain.run import Run, RunKind, RunState
from monitor.replay.budget import Pricer
from monitor.rounds import run_now, run_slot
from monitor.schedule import look
from monitor.site import Unbuilt
from monitor.store import history, runs, usage
from monitor.store.tables import judgement
from monitor.targets.build import TargetConfigError
from tests.fakes import databases
from tests.fakes.house import MONDAY, CrashError, FakeModel, House
from tests.fakes.judged_house import Wordy, go_on, judged_house, judged_twice, right, whole_week
from tests.fakes.judged_house import pinned as judged_pinned

CASES = 40
HALF = frozenset(f"case-{i:03}" for i in range(20))
FEW = frozenset(f"case-{i:03}" for i in range(3))


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    built = House(tmp_path, CASES)
    built.concurrency = 20
    yield built
    built.close()


async def pinned(house: House) -> None:
    await house.collect()
    house.clock.now = MONDAY
    house.model = FakeModel()


def beside(house: House) -> list[Run]:
    return [one for one in house.runs if one.kind is RunKind.REFERENCE]


async def test_a_week_without_a_change_asks_it_as_often_as_production(house):
    await pinned(house)
    rag = house.falls_back_to("rag", FakeModel(wrong=FEW))
    await house.due()
    assert len(rag.asked) == len(house.model.asked) == CASES
    assert house.said[-1]["verdict"] == "pass"
    assert house.said[-1]["fallback"] == {
        "target": "rag",
        "ready": False,
        "better_by": {"points": -7.5, "low": -18.92, "high": 3.92, "confidence": 0.99},
        "repeats": 1,
        "why": "it has 1 answer a case; 8 are needed.",
    }
    (run,) = beside(house)
    assert (run.target, run.suite, run.slot, run.state) == ("rag", "support", MONDAY, RunState.DONE)
    assert house.told == []


async def test_where_production_falls_it_has_eight_answers_a_case_and_is_ready(house):
    await pinned(house)
    rag, house.model.wrong = house.falls_back_to("rag", FakeModel(wrong=FEW)), HALF
    said = [one.verdict for one in await whole_week(house)]
    assert [(one.level.value, one.stage.value) for one in said][-1] == ("rollback", "confirmed")
    assert len(rag.asked) == 8 * CASES
    found = house.said[-1]["fallback"]
    assert (found["target"], found["ready"], found["repeats"], found["why"]) == ("rag", True, 8, None)
    assert found["better_by"]["points"] == 42.5
    assert found["better_by"]["low"] > 35.0
    # Ready already when the rollback was pending, so that whoever is asked then can see it.
    assert [one["fallback"]["ready"] for one in house.said] == [False, True, True, True]
    (fact,) = [one for one in house.told[-1].details if one.label == "Fallback"]
    assert fact.value.startswith("rag: better by 42.5 points (")
    assert fact.value.endswith("), ready")
    assert len(beside(house)) == 1


async def test_a_fallback_that_is_no_better_is_not_ready(house):
    await pinned(house)
    house.falls_back_to("rag", FakeModel(wrong=HALF))
    house.model.wrong = HALF
    await whole_week(house)
    found = house.said[-1]["fallback"]
    assert (found["ready"], found["repeats"], found["better_by"]["points"]) == (False, 8, 0.0)
    assert found["why"].startswith("that it is better than production is not shown")


async def test_without_one_a_verdict_has_none_and_on_demand_nobody_asks_it(house):
    await pinned(house)
    await house.due()
    assert house.said[-1]["fallback"] is None
    rag = house.falls_back_to("rag")
    app = house.app()
    await run_now(app, [app.sites["ft", "support"]])
    assert (house.said[-1]["fallback"], rag.asked, beside(house)) == (None, [], [])


def in_production(house: House) -> list[object]:
    """All that production's weeks have come to, but for what is said of a fallback."""
    said = [{k: v for k, v in one.items() if k not in ("run", "fallback")} for one in house.said]
    told = [(one.kind, one.verdict, one.stage, one.reasons) for one in house.told]
    return [said, told, house.model.asked, house.messages]


@pytest.fixture
async def undisturbed(tmp_path) -> list[object]:
    """What production's week with a rollback comes to without a fallback."""
    (tmp_path / "undisturbed").mkdir()
    house = House(tmp_path / "undisturbed", CASES)
    house.concurrency = 20
    await pinned(house)
    house.model.wrong = HALF
    await whole_week(house)
    found = in_production(house)
    house.close()
    return found


async def test_what_keeps_it_from_being_measured_is_said_and_changes_nothing_else(house, undisturbed, tmp_path):
    await pinned(house)
    house.close()
    down = FakeModel(down=lambda case: True)
    for number, (model, cannot, price, why) in enumerate(
        [
            (down, None, None, "20 questions in a row got no answer; the last one: overloaded"),
            (FakeModel(), SecretError("RAG_TOKEN is not set"), None, "[targets.rag]: RAG_TOKEN is not set"),
            (FakeModel(), TargetConfigError("no documents"), None, "[targets.rag]: no documents"),
            (FakeModel(), Unbuilt("rag", "documents: there is no folder"), None, "documents: there is no folder"),
            (FakeModel(), None, Pricer(1e6, 1e6), "The run stopped, because the next call could pass the cap of 10.00"),
        ]
    ):
        one = another(tmp_path, number)
        one.falls_back_to("rag", model)
        one.no_fallback = cannot
        one.prices = {} if price is None else {"rag": price}
        one.model.wrong = HALF
        await whole_week(one)
        assert in_production(one) == undisturbed
        found = one.said[-1]["fallback"]
        assert (found["target"], found["ready"], found["better_by"]) == ("rag", False, None)
        assert found["why"].startswith(why)
        assert [run.state for run in one.runs] == [RunState.DONE] * len(one.runs)
        one.close()


def another(folder: Path, number: int) -> House:
    """A house with the same baseline, on the Monday after."""
    (folder / str(number)).mkdir()
    databases.copy(folder, folder / str(number))
    house = House(folder / str(number), CASES, now=MONDAY)
    house.ids, house.concurrency = 1, 20
    return house


async def test_one_that_was_down_is_asked_again_at_the_next_look(house):
    await pinned(house)
    rag = house.falls_back_to("rag", FakeModel(down=lambda case: True))
    house.model.wrong = HALF
    (done,) = (await house.due()).done
    assert house.said[-1]["fallback"]["why"].endswith("overloaded")
    rag.down = lambda case: False
    await go_on(house, done)
    assert house.said[-1]["fallback"]["ready"]


async def test_where_production_does_not_answer_its_fallback_is_not_asked(house):
    await pinned(house)
    rag = house.falls_back_to("rag")
    house.model.down = lambda case: True
    (done,) = (await house.due()).done
    assert rag.asked == []
    assert house.said[-1]["fallback"]["why"] == "it was not asked, because production could not be measured."
    house.model.down = lambda case: False
    await go_on(house, done)
    assert len(rag.asked) == CASES


async def test_without_a_baseline_nothing_is_compared(house):
    house.clock.now = MONDAY
    rag = house.falls_back_to("rag")
    await house.due()
    assert rag.asked == []
    assert house.said[-1]["fallback"]["why"].startswith("production has no baseline")


# Processes that die.


async def test_a_process_that_dies_while_it_is_asked_goes_on_and_asks_nothing_twice(house, tmp_path):
    await pinned(house)
    house.close()
    whole = another(tmp_path, 0)
    rag, whole.model.wrong = whole.falls_back_to("rag", FakeModel(wrong=FEW)), HALF
    readings = whole.clock.readings
    await whole_week(whole)
    readings, wanted = whole.clock.readings - readings, [whole.said[-1]["fallback"], in_production(whole)]
    calls = len(rag.asked)
    whole.close()
    # While it is asked, in the first look and in the one that says rollback, and between commits.
    deaths = [(5, None), (CASES + 1, None), (calls, None), *((None, at) for at in range(9, readings, 25))]
    for number, (at_call, at_reading) in enumerate(deaths, 1):
        one = another(tmp_path, number)
        rag, one.model.wrong = one.falls_back_to("rag", FakeModel(wrong=FEW, dies_at=at_call)), HALF
        one.clock.dies_at = at_reading
        with pytest.raises(CrashError):
            await whole_week(one)
        stored, asked = sum(one.stored(run.id) for run in beside(one)), len(rag.asked)
        assert asked - stored <= one.concurrency
        one.clock.dies_at = None
        await whole_week(one)
        assert len(rag.asked) - asked == calls - stored
        assert one.said[-1]["fallback"] == wanted[0]
        assert [run.state for run in beside(one)] == [RunState.DONE]
        one.close()


async def test_one_that_nobody_goes_on_with_ends(house):
    await pinned(house)
    house.falls_back_to("rag", FakeModel(dies_at=20))
    with pytest.raises(CrashError):
        await house.due()
    assert [run.state for run in beside(house)] == [RunState.RUNNING]
    house.keys["target"] = ""
    await house.due()
    assert house.said[-1]["fallback"] is None
    assert [run.state for run in beside(house)] == [RunState.DONE]


async def test_a_week_that_the_next_slot_ends_says_what_was_measured_of_it(house):
    await pinned(house)
    rag = house.falls_back_to("rag", FakeModel(wrong=FEW))
    house.model.wrong = HALF
    await house.due()
    asked = len(rag.asked)
    house.clock.move(days=7)
    await house.due()
    (over,) = [one for one in house.said if one["slot"] == "2026-11-16T06:00:00Z" and one["stage"] == "final"]
    assert over["fallback"] == house.said[0]["fallback"]
    assert len(rag.asked) == asked + CASES
    assert [run.slot for run in beside(house)] == [MONDAY, MONDAY + timedelta(days=7)]


# Runs beside production are nobody's slots.


async def test_two_that_fall_back_to_the_same_share_its_run(house):
    await house.collect()
    rag = house.falls_back_to("rag", FakeModel(wrong=FEW), also="other")
    app = house.app()
    await collect(app, app.sites["other", "support"], "ada", lambda offer: True, spread=False)
    house.clock.now = MONDAY
    house.model = FakeModel(wrong=HALF)
    await house.due()
    assert len(rag.asked) == CASES
    house.clock.move(hours=1)
    await house.due()
    assert len(rag.asked) == 8 * CASES
    assert len(beside(house)) == 1
    assert {one["target"]: one["fallback"]["repeats"] for one in house.said} == {"other": 1, "ft": 8}


async def test_a_fallback_that_is_in_production_itself_has_its_own_slots(house):
    await house.collect()
    rag = house.falls_back_to("rag")
    house.clock.now = MONDAY
    await house.due()
    house.keys["more"] = house.keys["more"].replace('role = "reference"', 'role = "production"')
    looked = look(house.database, house.config, (), house.clock.now, house.new_id)
    assert [(run.target, run.kind, run.slot) for run in looked.due] == [("rag", RunKind.WEEK, MONDAY)]
    app = house.app()
    await run_slot(app, [app.sites["rag", "support"]], house.timetable, MONDAY)
    assert len(rag.asked) == 2 * CASES
    assert {run.kind for run in house.runs if run.target == "rag"} == {RunKind.WEEK, RunKind.REFERENCE}
    assert house.said[-1]["target"] == "rag"
    with house.database.read() as connection:
        slots = runs.newest_slots(connection, MONDAY, MONDAY)
        assert slots == {("ft", "support"): MONDAY, ("rag", "support"): MONDAY}
        assert len(runs.recorded(connection, "rag", "support", MONDAY)) == 1


async def test_its_calls_and_money_count_under_its_own_name_and_in_the_month(house):
    await pinned(house)
    house.falls_back_to("rag", FakeModel(tokens=10))
    house.model.tokens = 10
    house.prices["rag"] = Pricer(1000.0, 1000.0, most_output=10)
    app = house.app()
    await run_slot(app, app.scheduled, house.timetable, MONDAY)
    with house.database.read() as connection:
        (used,) = [one for one in usage.totals(connection) if one.target == "rag"]
        assert [run.kind for run in history.page(connection, 10, target="rag")] == [RunKind.REFERENCE]
        assert runs.unfinished(connection) == []
    assert (used.kind, used.outcome, used.calls, used.usd) == ("reference", "answered", CASES, pytest.approx(0.8))
    assert app.month.spent == pytest.approx(0.8)
    assert house.said[-1]["usd"] is None
    assert house.said[-1]["calls"] == CASES


# Judged ones.


@pytest.fixture
def judged(tmp_path) -> Iterator[House]:
    built = judged_house(tmp_path, CASES)
    yield built
    built.close()


async def test_its_answers_are_judged_by_the_same_panel_in_a_run_of_their_own(judged):
    await judged_pinned(judged)
    rag = judged.falls_back_to("rag", Wordy(word="found", wrong=FEW))
    judged.model.wrong = HALF
    await whole_week(judged)
    found = judged.said[-1]["fallback"]
    assert (found["ready"], found["repeats"], found["better_by"]["points"]) == (True, 8, 42.5)
    assert len(rag.asked) == 8 * CASES
    (run,) = beside(judged)
    by_run = {row.run_id for row in judged.rows(judgement) if row.occasion == run.id}
    assert by_run == {run.id}
    assert judged_twice(judged) == []


async def test_where_the_judge_cannot_be_asked_it_cannot_be_compared(judged):
    await judged_pinned(judged)
    judged.falls_back_to("rag", Wordy(word="found"))
    judged.judges["strict"].down = lambda case: True
    await judged.due()
    assert judged.said[-1]["fallback"]["why"] == "it was not asked, because production could not be measured."


async def test_a_judge_that_fails_its_canaries_makes_the_comparison_worthless(judged):
    await judged_pinned(judged)
    rag = judged.falls_back_to("rag", Wordy(word="found"))
    judged.judges["strict"].passes = lambda answer, case: True
    await judged.due()
    assert judged.said[-1]["cause"] == "judge"
    assert judged.said[-1]["fallback"]["why"].startswith("what it says cannot be judged now. The judge strict cannot")
    assert rag.asked == []


async def test_its_answers_are_judged_anew_where_production_is_judged_on_another_day(judged):
    await judged_pinned(judged)
    judged.falls_back_to("rag", Wordy(word="found"))
    judged.model.wrong = FEW
    (done,) = (await judged.due()).done
    assert done.run.due_at is not None
    judged.clock.now = done.run.due_at + timedelta(hours=20)
    judged.judges["strict"].passes = lambda answer, case: right(answer, case) and not answer.endswith(" 1")
    await judged.due()
    (run,) = beside(judged)
    assert {row.sitting for row in judged.rows(judgement) if row.occasion == run.id} == {"main", "main+2"}


async def test_a_judge_that_production_did_without_judges_its_fallback_neither(tmp_path):
    house = judged_house(tmp_path, CASES, judges=("one", "two", "three"))
    await judged_pinned(house)
    rag = house.falls_back_to("rag", Wordy(word="found", wrong=FEW))
    # It answers again just when the fallback's answers are there: it was shown no canary.
    house.judges["three"].down = lambda case: not rag.asked
    await house.due()
    assert house.said[-1]["judge"]["away"][0]["judge"] == "three"
    assert house.said[-1]["fallback"]["better_by"]["points"] == -7.5
    assert house.judges["three"].answered == []
    house.close()


async def test_equal_answers_are_judged_once_and_what_that_hides_of_the_judges_noise_is_added(judged):
    await judged_pinned(judged)
    judged.falls_back_to("rag", FakeModel())
    judged.model.wrong = HALF
    (done,) = (await judged.due()).done
    await go_on(judged, done)
    found = judged.said[-1]["fallback"]
    assert (found["ready"], found["better_by"]["points"]) == (True, 50.0)
    # No flip in 160 anchors; production's answers all differ, and the fallback's are eight times the same.
    sigma2 = (1.0 + stats.norm.isf(0.1)) / (2 * 161)
    assert found["better_by"]["high"] - 50.0 == pytest.approx(
        100 * stats.t.isf(0.005, CASES - 1) * (sigma2 / CASES) ** 0.5, abs=0.01
    )
