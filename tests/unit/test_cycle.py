"""One run as a story, with a fake model: what is asked, decided, stored and told, and what a crash repeats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from alerts.alert import Kind
from monitor import cycle
from monitor.domain.answer import ErrorKind, TargetError
from monitor.domain.case import Case
from monitor.domain.run import HaltKind, RunKind, RunState
from monitor.replay.budget import Pricer
from monitor.replay.runner import RunInterruptedError
from monitor.rounds import run_now
from monitor.store.database import DatabaseError
from monitor.store.tables import alert, answer, failure, outbox, run, score, verdict
from tests.fakes import databases
from tests.fakes.house import MONDAY, CrashError, FakeModel, House

HALF = frozenset(f"case-{i:03}" for i in range(20))


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    built = House(tmp_path)
    yield built
    built.close()


async def pinned(house: House) -> None:
    """A baseline, and the Monday after it; the model's record begins anew."""
    await house.collect()
    house.clock.now = MONDAY
    house.model = FakeModel()


async def now(house: House) -> cycle.Done:
    app = house.app()
    (done,) = (await run_now(app, list(app.sites.values()))).done
    return done


async def test_a_run_without_a_baseline_says_how_to_get_one(house):
    done = await now(house)
    said = house.said[-1]
    assert (said["verdict"], said["stage"], said["cause"]) == ("inconclusive", "final", "no-baseline")
    assert "`heldout baseline collect ft support`" in said["reasons"][0]
    assert (said["score"], said["baseline_score"], said["drop"]) == (1.0, None, None)
    assert (done.run.state, house.stored(done.run.id)) == (RunState.DONE, 40)
    assert house.told == []


async def test_a_week_without_a_change_asks_each_case_once(house):
    await pinned(house)
    await house.due()
    said = house.said[-1]
    assert (said["verdict"], said["stage"], said["cases"], said["answers"]) == ("pass", "final", 40, 40)
    assert said["drop"]["points"] == 0.0
    assert said["drop"]["new_case_se"] == 0.0
    assert said["coverage"] == 1.0
    assert len(house.model.asked) == 40
    assert (house.told, house.messages) == ([], 0)


async def test_a_run_on_demand_goes_through_stages_and_confirmation_at_once_and_tells_nobody(house):
    await pinned(house)
    house.model.wrong = HALF
    done = await now(house)
    assert (done.verdict.level.value, done.verdict.stage.value) == ("rollback", "confirmed")
    assert [(v["verdict"], v["stage"]) for v in house.said] == [
        ("inconclusive", "waiting"),
        ("investigate", "pending"),
        ("investigate", "pending"),
        ("rollback", "confirmed"),
    ]
    assert house.said[-1]["confirmation"]["points"] == 50.0
    # Two stages of the week's own, and two of the separate replay.
    assert len(house.model.asked) == house.stored(done.run.id) == 160
    assert house.told == []


BREAK = {
    "sqlite": ["CREATE TRIGGER broken BEFORE {fails} BEGIN SELECT RAISE(ABORT, 'broken'); END"],
    "postgresql": [
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken'; END $$",
        "CREATE TRIGGER broken BEFORE {fails} FOR EACH ROW EXECUTE FUNCTION fail()",
    ],
}
MEND = {"sqlite": ["DROP TRIGGER broken"], "postgresql": ["DROP TRIGGER broken ON {table}"]}


@pytest.mark.parametrize("fails", ["UPDATE ON run", "INSERT ON verdict", "INSERT ON alert", "INSERT ON outbox"])
async def test_verdict_alert_message_and_the_runs_state_are_written_together_or_not_at_all(house, fails):
    await pinned(house)
    house.model.wrong = HALF
    await house.due()
    house.clock.move(hours=1)
    before = [house.rows(table) for table in (run, verdict, alert, outbox)]
    with house.database.write() as connection:
        for statement in BREAK[connection.dialect.name]:
            connection.exec_driver_sql(statement.format(fails=fails))
    (stopped,) = (await house.due()).broken
    assert isinstance(stopped.error, DatabaseError)
    assert "broken" in str(stopped.error)
    assert [house.rows(table) for table in (run, verdict, alert, outbox)] == before
    with house.database.write() as connection:
        for statement in MEND[connection.dialect.name]:
            connection.exec_driver_sql(statement.format(table=fails.split()[-1]))
    await house.due()
    assert [len(house.rows(table)) for table in (verdict, alert, outbox)] == [2, 1, 1]
    assert house.told[0].kind is Kind.WORSE
    # What that stage had asked for was stored before it broke.
    assert len(house.model.asked) == 80


async def whole_week(house: House) -> None:
    """What is due, each time in a new process and when the run wants to go on, until nothing is left to do."""
    for _ in range(10):
        await house.due()
        (week,) = [run for run in house.runs if run.kind is RunKind.WEEK]
        if week.state is RunState.DONE:
            return
        house.clock.now = week.due_at
    pytest.fail("the week did not end")


async def outcome(house: House) -> list[object]:
    said = [{k: v for k, v in one.items() if k not in ("run", "finished_at")} for one in house.said]
    stored = sorted((row.phase, row.case_id, row.repeat) for row in house.rows(answer) if row.run_id != "id-0001")
    return [said, stored, [(one.kind, one.verdict, one.stage) for one in house.told], house.messages]


@pytest.fixture
async def undisturbed(tmp_path) -> tuple[list[object], int, int]:
    """The outcome of a week with a rollback, its calls, and its readings of the clock."""
    (tmp_path / "undisturbed").mkdir()
    house = House(tmp_path / "undisturbed")
    await pinned(house)
    house.close()
    # With this many at once a stage is committed in few parts, and there are few places to die at.
    house.concurrency = 20
    databases.copy(tmp_path / "undisturbed", tmp_path)
    house.model.wrong = HALF
    readings = house.clock.readings
    await whole_week(house)
    found = await outcome(house), len(house.model.asked), house.clock.readings - readings
    house.close()
    return found


def another(folder: Path, number: int) -> House:
    """A house with the same baseline, on the Monday after."""
    (folder / str(number)).mkdir()
    databases.copy(folder, folder / str(number))
    house = House(folder / str(number), now=MONDAY)
    house.ids = 1
    house.concurrency = 20
    return house


async def test_a_process_that_dies_at_any_reading_of_the_clock_repeats_nothing_that_is_stored(undisturbed, tmp_path):
    wanted, calls, readings = undisturbed
    assert 10 < readings < 60
    for at in range(1, readings + 1):
        house = another(tmp_path, at)
        house.model.wrong = HALF
        house.clock.dies_at = at
        with pytest.raises(CrashError):
            await whole_week(house)
        stored = sum(house.stored(run.id) for run in house.runs if run.kind is RunKind.WEEK)
        asked = len(house.model.asked)
        house.clock.dies_at = None
        await whole_week(house)
        assert len(house.model.asked) - asked == calls - stored
        assert (await outcome(house)) == wanted
        house.close()


async def test_a_process_that_dies_at_any_call_loses_no_more_than_what_was_under_way(undisturbed, tmp_path):
    wanted, calls, _ = undisturbed
    for at in range(1, calls + 1, 31):
        house = another(tmp_path, at)
        house.model = FakeModel(wrong=HALF, dies_at=at)
        with pytest.raises(CrashError):
            await whole_week(house)
        stored = sum(house.stored(run.id) for run in house.runs if run.kind is RunKind.WEEK)
        assert stored >= at - house.app().sites["ft", "support"].concurrency
        lost = len(house.model.asked) - stored
        await whole_week(house)
        assert len(house.model.asked) == calls + lost
        assert (await outcome(house)) == wanted
        house.close()


# What changed since the baseline.


async def test_a_changed_configuration_is_said_in_every_verdict_until_someone_collects(house):
    await pinned(house)
    house.fingerprint = "configuration-b"
    house.model.wrong = HALF
    await now(house)
    assert len(house.said) == 4
    for said in house.said:
        assert said["configuration_changed"] is True
        assert any("configuration changed since its baseline of 2026-11-12" in reason for reason in said["reasons"])
    house.model.wrong = frozenset()
    await house.collect()
    await now(house)
    assert house.said[-1]["configuration_changed"] is False


async def test_a_configuration_that_changes_while_a_run_waits_is_said_too(house):
    await pinned(house)
    house.model.wrong = HALF
    await house.due()
    assert house.said[-1]["configuration_changed"] is False
    house.fingerprint = "configuration-b"
    house.clock.move(hours=1)
    await house.due()
    assert house.said[-1]["configuration_changed"] is True


async def test_another_model_is_said_with_both_names(house):
    await pinned(house)
    house.model.name = "model-2"
    await now(house)
    said = house.said[-1]
    assert said["model"] == {"requested": "model", "reported": "model-2", "fingerprint": None, "changed": True}
    assert "Another model answers than at deployment: model-2 (then: model-1)." in said["reasons"]


async def test_an_edited_test_set_is_compared_on_the_cases_in_common(house):
    await pinned(house)
    house.cases = [*house.cases[:38], *(Case(f"new-{i}", "Is it?", expected="yes") for i in range(6))]
    await now(house)
    said = house.said[-1]
    assert (said["cases"], said["verdict"]) == (38, "pass")
    assert any("6 of its cases are new or different" in reason for reason in said["reasons"])
    assert set(house.model.asked) == {case.id for case in house.cases[:38]}


async def test_a_case_whose_question_changed_is_another_case(house):
    await pinned(house)
    house.cases[0] = replace(house.cases[0], input="Is 0 a letter?")
    await now(house)
    assert house.said[-1]["cases"] == 39


async def test_a_test_set_that_is_mostly_new_asks_for_a_new_baseline(house):
    await pinned(house)
    house.cases = [*house.cases[:10], *(Case(f"new-{i}", "Is it?", expected="yes") for i in range(30))]
    await now(house)
    said = house.said[-1]
    assert (said["verdict"], said["cause"]) == ("inconclusive", "test-set")
    assert "Only 10 cases stand as they did" in said["reasons"][0]
    assert said["drop"] is None


@pytest.mark.parametrize(("local", "noted"), [(True, False), (False, True)])
async def test_identical_answers_from_afar_are_doubted(house, local, noted):
    house.local = local
    await pinned(house)
    await now(house)
    assert any("cached?" in reason for reason in house.said[-1]["reasons"]) is noted


async def test_a_scorer_that_came_after_the_baseline_scores_it_too(house):
    await pinned(house)
    house.keys |= {"metrics": '"exact_match", "f1"', "headline": "{ exact_match = 0.5, f1 = 0.5 }"}
    before = len(house.rows(score))
    await now(house)
    assert house.said[-1]["verdict"] == "pass"
    assert house.said[-1]["baseline_score"] == 1.0
    # The baseline's 160 answers by the new scorer, and 40 new ones by both.
    assert len(house.rows(score)) == before + 160 + 80


async def test_a_verdict_holds_each_scorers_own_mean_over_the_cases_that_are_compared(house):
    await pinned(house)
    house.cases = [*house.cases[:30], *(Case(f"new-{i}", "Is it?", expected="no 0") for i in range(4))]
    house.keys |= {"metrics": '"exact_match", "contains", "numeric"', "headline": "{ exact_match = 1.0 }"}
    house.model.wrong = frozenset(f"case-{i:03}" for i in range(3))
    await now(house)
    first, last = house.said[0], house.said[-1]
    assert first["scores"] == {"exact_match": 0.9, "contains": 0.9, "numeric": None}
    assert (last["score"], last["cases"]) == (last["scores"]["exact_match"], 30)


async def test_a_verdict_without_a_baseline_holds_the_means_of_all_that_was_answered(house):
    house.model.down = lambda case: case == "case-007"
    house.model.wrong = frozenset({"case-000"})
    await now(house)
    assert house.said[-1]["scores"] == {"exact_match": house.said[-1]["score"]}
    assert house.said[-1]["scores"] == {"exact_match": round(38 / 39, 4)}


async def test_a_week_that_nobody_answered_has_no_means(house):
    await pinned(house)
    house.model.down = lambda case: True
    await now(house)
    assert house.said[-1]["scores"] == {"exact_match": None}


async def test_a_scorer_that_came_while_a_run_waited_scores_what_it_has(house):
    await pinned(house)
    house.model.wrong = HALF
    await house.due()
    house.keys |= {"metrics": '"exact_match", "f1"', "headline": "{ f1 = 1.0 }"}
    house.clock.move(hours=1)
    await house.due()
    assert (house.said[-1]["stage"], house.said[-1]["answers"]) == ("pending", 80)
    assert len({row.answer_id for row in house.rows(score) if row.scorer == "f1"}) == 240


async def test_a_case_that_changes_back_is_compared_again(house):
    await pinned(house)
    old = house.cases[0]
    house.cases[0] = replace(old, expected="no")
    house.keys |= {"metrics": '"exact_match", "f1"', "headline": "{ f1 = 1.0 }"}
    await now(house)
    assert house.said[-1]["cases"] == 39
    house.cases[0] = old
    await now(house)
    assert house.said[-1]["cases"] == 40


# What ends a run early.


async def test_a_refused_key_ends_the_run_at_once_and_is_tried_again_the_next_day(house):
    await pinned(house)
    house.model.down = lambda case: True
    house.model.error = TargetError(ErrorKind.AUTHENTICATION, "the key was refused; put a valid one.", fatal=True)
    (done,) = (await house.due()).done
    assert (done.halt.kind, len(house.model.asked)) == (HaltKind.FATAL, 4)
    assert (done.run.state, done.run.due_at) == (RunState.WAITING, MONDAY + timedelta(days=1))
    said = house.said[-1]
    assert (said["verdict"], said["cause"], said["score"]) == ("inconclusive", "provider", None)
    assert "the key was refused; put a valid one." in said["reasons"][0]
    assert [one.kind for one in house.told] == [Kind.UNMEASURED]
    house.clock.move(days=1)
    house.model.down = lambda case: False
    (done,) = (await house.due()).done
    assert (done.verdict.level.value, house.told[-1].kind) == ("pass", Kind.RECOVERED)


async def test_a_failure_is_never_a_score(house):
    await pinned(house)
    house.model.down = lambda case: case == "case-007"
    await now(house)
    last = house.said[-1]
    assert (last["score"], last["cases"], last["coverage"]) == (1.0, 40, 0.975)
    # Counted as wrong, the case would matter with so few; so it was asked again, and then said.
    assert (last["verdict"], last["cause"]) == ("inconclusive", None)
    assert "2.5% of the cases got no answer" in last["reasons"][0]
    assert len(house.rows(failure)) > 1
    assert {row.case_id for row in house.rows(failure)} == {"case-007"}
    assert last["calls"] == len(house.model.asked)


async def test_why_questions_got_no_answer_is_said(house):
    await pinned(house)
    house.model.down = lambda case: case == "case-007"
    await now(house)
    assert any("got no answer after all tries" in reason for reason in house.said[-1]["reasons"])


async def test_cases_that_are_gone_are_counted(house):
    await pinned(house)
    house.cases = house.cases[:30]
    await now(house)
    assert any("10 of the cases then are gone; the 30 in common" in reason for reason in house.said[-1]["reasons"])
    house.cases = house.cases[:10]
    await now(house)
    assert (house.said[-1]["verdict"], house.said[-1]["cause"]) == ("inconclusive", "test-set")


async def test_an_outage_ends_the_run_without_asking_everyone(house):
    house.cases = [replace(house.cases[0], id=f"case-{i:03}") for i in range(200)]
    await pinned(house)
    house.model.down = lambda case: True
    (done,) = (await house.due()).done
    assert done.halt.kind is HaltKind.OUTAGE
    assert len(house.model.asked) < 20
    assert "in a row got no answer; the last one: overloaded" in house.said[-1]["reasons"][0]


@pytest.mark.parametrize(
    ("budget", "pricer", "said", "calls"),
    [
        ("calls_per_run = 25", Pricer(None, None), "cap of 25 calls ([budget] calls_per_run)", 25),
        ("usd_per_run = 0.02", Pricer(1.0, 1.0, 500), "0.02 USD ([budget] usd_per_run)", 20),
        ("usd_per_month = 0.02", Pricer(1.0, 1.0, 500), "month's cap of 0.02 USD ([budget] usd_per_month)", 20),
    ],
)
async def test_a_cap_ends_the_run_before_it_is_passed(house, budget, pricer, said, calls):
    await pinned(house)
    house.keys["budget"] = budget
    house.pricer = lambda: replace(pricer)
    house.model.tokens = 500
    (done,) = (await house.due()).done
    assert done.halt.kind is HaltKind.BUDGET
    # Every answer cost 0.001 USD, and a few calls fewer are made, because each is reserved at the most it may cost.
    assert calls - 5 <= len(house.model.asked) <= calls
    verdict_ = house.said[-1]
    assert verdict_["usd"] is None or verdict_["usd"] <= 0.02
    assert (verdict_["verdict"], verdict_["stage"], verdict_["cause"]) == ("inconclusive", "final", "budget")
    assert said in verdict_["reasons"][0]
    assert house.told[-1].kind is Kind.NOTE
    assert "[budget]" in house.told[-1].actions[0].do


async def test_the_month_counts_what_all_runs_have_spent(house):
    house.pricer = lambda: Pricer(1.0, 1.0, 100)
    house.model.tokens = 100
    await pinned(house)
    house.model.tokens = 100
    # The baseline took 160 answers at 0.0002 USD.
    house.keys["budget"] = "usd_per_month = 0.033"
    (done,) = (await house.due()).done
    assert done.halt.kind is HaltKind.BUDGET
    assert 0 < len(house.model.asked) < 40
    house.clock.now = MONDAY.replace(month=12, day=7)
    (done,) = (await house.due()).done
    assert done.verdict.level.value == "pass"


async def test_a_person_who_stops_it_loses_nothing(house):
    await pinned(house)
    house.model.on_call = lambda number: house.stop.set() if number == 10 else None
    with pytest.raises(RunInterruptedError):
        await house.due()
    (run,) = [run for run in house.runs if run.kind is RunKind.WEEK]
    assert run.state is RunState.RUNNING
    asked = len(house.model.asked)
    assert house.stored(run.id) == asked < 15
    house.stop.clear()
    await house.due()
    assert len(house.model.asked) == 40
    assert house.said[-1]["verdict"] == "pass"


# What an alert says.


@pytest.mark.parametrize("shown", [False, True])
async def test_the_texts_of_cases_that_fell_are_in_the_alert_only_where_they_may_be_shown(house, shown):
    await pinned(house)
    house.show_cases = shown
    house.model.wrong = HALF
    await house.due()
    house.clock.move(hours=1)
    await house.due()
    (told,) = house.told
    assert len(told.examples) == 5
    example = told.examples[0]
    assert (example.case, example.score_before, example.score_now) == ("case-000", 1.0, 0.0)
    if shown:
        assert (example.input, example.expected, example.answer_before) == ("Is 0 a number?", "yes", "yes")
        assert example.answer_now.startswith("no")
    else:
        assert (example.input, example.expected, example.answer_before, example.answer_now) == (None,) * 4


async def test_the_uncertainty_for_new_cases_goes_by_cluster(house):
    house.cases = [replace(case, cluster=f"group-{i // 10}") for i, case in enumerate(house.cases)]
    await pinned(house)
    house.model.wrong = frozenset(f"case-{i:03}" for i in range(10))
    await now(house)
    clustered = house.said[-1]["drop"]["new_case_se"]
    house.cases = [replace(case, cluster=None) for case in house.cases]
    await now(house)
    assert clustered > 2 * house.said[-1]["drop"]["new_case_se"] > 0


async def test_a_candidate_is_compared_with_the_target_it_stands_against(house):
    await pinned(house)
    app = house.app()
    site = replace(app.sites["ft", "support"], target="candidate", fingerprint="another", role="candidate")
    (done,) = (await run_now(app, [site])).done
    assert (done.verdict.target, done.verdict.level.value, done.verdict.configuration_changed) == (
        "candidate",
        "pass",
        False,
    )
    assert replace(app, sites={("candidate", "support"): site}).scheduled == []
