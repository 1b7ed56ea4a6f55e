"""What is run when: weeks taken up by an hourly timer on a clock that tests move, slots, and runs on demand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.alert import Kind
from monitor.app import App
from monitor.config.faults import Fault
from monitor.config.secrets import SecretError
from monitor.domain.run import RunKind, RunState
from monitor.domain.verdict import CauseKind, Level
from monitor.replay.runner import RunInterruptedError
from monitor.rounds import Broken, NothingToRunError, Round, run_due, run_now, run_slot
from monitor.store.database import DatabaseError
from monitor.suites.load import SuiteError
from tests.fakes.house import MONDAY, CrashError, FakeModel, House

HALF = frozenset(f"case-{i:03}" for i in range(20))
WEEK = timedelta(days=7)


@pytest.fixture
async def house(tmp_path) -> Iterator[House]:
    """A house with a baseline, on the Monday after, at the slot."""
    built = House(tmp_path)
    await built.collect()
    built.clock.now = MONDAY
    built.model = FakeModel()
    yield built
    built.close()


def week_runs(house: House) -> list[tuple[str, str]]:
    return [(f"{run.slot:%m-%d}", run.state.value) for run in house.runs if run.kind is RunKind.WEEK]


async def slot(house: House, when) -> Round:
    app = house.app()
    return await run_slot(app, list(app.sites.values()), house.timetable, when)


async def now(house: House) -> Round:
    app = house.app()
    return await run_now(app, list(app.sites.values()))


async def test_a_slot_is_run_once(house):
    assert len((await house.due()).done) == 1
    again = await house.due()
    assert (again.done, again.idle) == ((), ("ft · support: the slot of 2026-11-16 06:00 UTC has its run",))
    assert len(house.model.asked) == 40


async def test_before_the_slot_nothing_is_due(house):
    house.clock.move(seconds=-1)
    house.keys["schedule"] = 'catch_up = "1d"'
    assert (await house.due()).idle == ("ft · support: no slot within the time that is caught up",)
    assert house.model.asked == []


async def test_a_week_with_a_drop_waits_between_its_stages_and_before_its_confirmation(house):
    house.model.wrong = HALF
    steps = []
    for _ in range(20):
        done = (await house.due()).done
        steps += [(house.clock.now - MONDAY, one.verdict.stage.value, len(house.model.asked)) for one in done]
        house.clock.move(minutes=30)
    hour = timedelta(hours=1)
    assert steps == [
        (0 * hour, "waiting", 40),
        (1 * hour, "pending", 80),
        (7 * hour, "pending", 120),
        (8 * hour, "confirmed", 160),
    ]
    assert [(one.kind, one.verdict, one.stage) for one in house.told] == [
        (Kind.WORSE, "investigate", "pending"),
        (Kind.WORSE, "rollback", "confirmed"),
    ]
    assert "The run goes on by itself on Mon 16 Nov 2026, 13:00 UTC" in house.told[0].meaning
    assert house.told[1].previous_verdict == "investigate"


async def test_a_run_that_waits_is_not_taken_up_a_second_early(house):
    house.model.wrong = HALF
    await house.due()
    house.clock.move(seconds=3599)
    waits = await house.due()
    assert waits.idle == ("ft · support: its run of 2026-11-16 06:00 UTC waits until 2026-11-16 07:00 UTC",)
    house.clock.move(seconds=1)
    assert len((await house.due()).done) == 1


async def test_weeks_follow_one_another_from_a_fall_to_recovery(house):
    house.keys["more"] = '[alerts]\nrepeat_every = "60d"'
    house.model.wrong = HALF
    for number, wrong in enumerate([HALF, HALF, frozenset(), frozenset(), frozenset()]):
        house.clock.now = MONDAY + number * WEEK
        house.model = FakeModel(wrong=wrong)
        for _ in range(12):
            await house.due()
            house.clock.move(hours=1)
    assert [one.kind for one in house.told] == [
        Kind.WORSE,
        Kind.WORSE,
        Kind.AGAIN,
        Kind.RECOVERING,
        Kind.RECOVERED,
    ]
    assert [one.since for one in house.told[1:3]] == [MONDAY, MONDAY]
    assert all(state == "done" for _, state in week_runs(house))


async def test_an_inconclusive_week_is_looked_at_once_more_the_next_day(house):
    # 20 cases that never vary cannot rule out 3 points.
    house.cases = house.cases[:20]
    for _ in range(40):
        await house.due()
        house.clock.move(hours=1)
    assert await house.verdicts() == [
        ("inconclusive", "waiting"),
        ("inconclusive", "waiting"),
        ("inconclusive", "final"),
    ]
    # The look of the next day is at twice the cap.
    assert len(house.model.asked) == 20 * 16
    assert [one.kind for one in house.told] == [Kind.NOTE]


async def test_a_slot_that_was_missed_is_caught_up_when_it_is_not_too_old(house):
    house.clock.move(days=3)
    await house.due()
    assert week_runs(house) == [("11-16", "done")]
    house.clock.now = MONDAY + 3 * WEEK + timedelta(days=1)
    await house.due()
    # Of several missed slots only the newest is run; the others are said.
    assert sorted(week_runs(house)) == [("11-16", "done"), ("11-23", "missed"), ("11-30", "missed"), ("12-07", "done")]
    (alert,) = house.told
    assert (alert.kind, alert.target, alert.suite) == (Kind.MISSED, "ft", "support")
    assert alert.reasons == (
        "ft · support: 2 slots missed, from Mon 23 Nov 2026, 06:00 UTC to Mon 30 Nov 2026, 06:00 UTC",
    )
    assert house.messages == 1


async def test_a_run_still_waiting_when_the_next_slot_comes_ends_with_what_it_found(house):
    house.keys["schedule"] = 'catch_up = "1d"'
    house.model.wrong = HALF
    await house.due()
    house.clock.move(hours=1)
    await house.due()
    assert week_runs(house) == [("11-16", "waiting")]
    house.clock.now = MONDAY + WEEK
    await house.due()
    assert week_runs(house) == [("11-16", "done"), ("11-23", "waiting")]
    ended = house.said[2]
    assert (ended["slot"], ended["verdict"], ended["stage"]) == ("2026-11-16T06:00:00Z", "investigate", "final")
    assert ended["reasons"][0] == "The next slot (2026-11-23 06:00 UTC) came before this run was finished."
    assert [one.kind for one in house.told] == [Kind.WORSE, Kind.NOTE]
    # The alert it opened is what the new week knows of.
    assert house.said[3]["verdict"] == "investigate"


async def test_a_run_that_died_before_its_first_verdict_is_ended_as_inconclusive(house):
    house.model.dies_at = 5
    with pytest.raises(CrashError):
        await house.due()
    house.clock.now = MONDAY + WEEK
    await house.due()
    assert week_runs(house) == [("11-16", "done"), ("11-23", "done")]
    assert (await house.verdicts())[0] == ("inconclusive", "final")


# One slot.


async def test_one_slot_is_run_to_its_end_at_once_and_tells(house):
    house.clock.move(days=1)
    house.model.wrong = HALF
    (done,) = (await slot(house, MONDAY)).done
    assert (done.run.state, done.verdict.stage.value, done.run.slot) == (RunState.DONE, "confirmed", MONDAY)
    assert [one.kind for one in house.told] == [Kind.WORSE, Kind.WORSE]
    again = await slot(house, MONDAY)
    assert again.idle == ("ft · support: the slot of 2026-11-16 06:00 UTC has its run",)


async def test_a_slot_that_waits_is_finished_at_once(house):
    house.model.wrong = HALF
    await house.due()
    (done,) = (await slot(house, MONDAY)).done
    assert done.verdict.stage.value == "confirmed"
    assert len(house.model.asked) == 160


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (WEEK, "the slot 2026-11-23T06:00:00Z has not come yet"),
        (
            -timedelta(hours=1),
            r"05:00:00Z is not a slot .* \(0 6 \* \* mon\); the next after it is 2026-11-16",
        ),
    ],
)
async def test_what_is_no_slot_is_refused(house, after, said):
    with pytest.raises(NothingToRunError, match=said):
        await slot(house, MONDAY + after)
    assert week_runs(house) == []


# On demand.


async def test_a_run_on_demand_leaves_the_schedule_alone(house):
    await now(house)
    assert len((await house.due()).done) == 1
    assert [run.kind for run in house.runs] == [RunKind.BASELINE, RunKind.AD_HOC, RunKind.WEEK]


async def test_a_run_on_demand_that_died_is_gone_on_with(house):
    house.model.dies_at = 20
    with pytest.raises(CrashError):
        await now(house)
    house.clock.move(hours=23)
    (done,) = (await now(house)).done
    assert (done.run.kind, house.stored(done.run.id)) == (RunKind.AD_HOC, 40)
    assert len(house.model.asked) <= 44
    assert len(house.runs) == 2


@pytest.mark.parametrize("change", ["a day later", "configuration", "suite"])
async def test_a_run_on_demand_of_something_else_begins_anew(house, change):
    house.model.dies_at = 20
    with pytest.raises(CrashError):
        await now(house)
    if change == "a day later":
        house.clock.move(hours=24, seconds=1)
    elif change == "configuration":
        house.fingerprint = "configuration-b"
    else:
        house.cases = house.cases[:-1]
    await now(house)
    assert len([run for run in house.runs if run.kind is RunKind.AD_HOC]) == 2


# Several sites.


def two(house: House) -> tuple[App, FakeModel]:
    """An app with a second target, which has a model of its own and no baseline."""
    house.keys["target"] += '\n[targets.other]\nprovider = "command"\ncommand = ["never-started"]\nsuites = ["support"]'
    app, other = house.app(), House.__new__(House)
    other.__dict__ = {**house.__dict__, "model": FakeModel()}
    site = replace(other.site(house.config), target="other", compared_with="other")
    return replace(app, sites={**app.sites, ("other", "support"): site}), other.model


class BugError(Exception):
    """What nobody foresaw."""


def break_at(house: House, call: int, error: Exception) -> None:
    def fail(number: int) -> None:
        if number == call:
            raise error

    house.model.on_call = fail


@pytest.mark.parametrize("error", [BugError("a bug"), DatabaseError("the disk is full")], ids=["bug", "disk"])
async def test_a_target_that_fails_does_not_keep_another_from_being_measured_and_told(house, error):
    app, other = two(house)
    break_at(house, 3, error)
    found = await run_due(app)
    assert found.broken == (Broken("ft · support", error),)
    assert [one.verdict.target for one in found.done] == ["other"]
    assert len(other.asked) == 40
    kinds = [(one.target, one.kind) for one in house.told]
    # What nobody could be told of without a database is told when there is one again.
    unstarted = [] if isinstance(error, DatabaseError) else [("ft", Kind.UNMEASURED)]
    assert kinds == [("other", Kind.NOTE), *unstarted]
    # The run that broke is gone on with.
    again = await run_due(app)
    assert ([one.verdict.target for one in again.done], again.broken) == (["ft"], ())


@pytest.mark.parametrize("verb", [now, lambda house: slot(house, MONDAY)], ids=["now", "slot"])
async def test_an_error_is_kept_by_every_kind_of_run(house, verb):
    error = BugError("a bug")
    break_at(house, 3, error)
    found = await verb(house)
    assert (found.done, found.broken) == ((), (Broken("ft · support", error),))


async def test_an_error_before_anything_is_asked_is_kept_too(house):
    error = BugError("a bug")

    def connect(budget):
        raise error

    app, other = two(house)
    app = replace(app, sites={**app.sites, ("ft", "support"): replace(app.sites["ft", "support"], connect=connect)})
    found = await run_due(app)
    assert found.broken == (Broken("ft · support", error),)
    assert len(other.asked) == 40


def left_out(house: House) -> App:
    """An app whose one site could not be built."""
    broken = SuiteError([Fault(house.folder / "support.jsonl", "is no JSON", line=1)])
    return replace(house.app(), sites={}, left_out={("ft", "support"): broken})


async def test_that_slots_were_missed_does_not_hide_that_the_one_that_is_due_cannot_be_begun(house):
    await house.due()
    before = len(house.told)
    # Two weeks of sleep, and meanwhile somebody broke the suite: one look records what was missed and what is due.
    house.clock.now += 2 * WEEK
    for _ in range(2):
        await run_due(left_out(house))
        assert [one.kind for one in house.told[before:]] == [Kind.MISSED, Kind.UNMEASURED]
        house.clock.move(minutes=1)


async def test_a_run_that_begins_and_breaks_is_told_once(house):
    def now():
        house.clock.move(seconds=1)
        return house.clock.now

    def connect(budget):
        raise BugError("a bug")

    for _ in range(3):
        app = house.app()
        sites = {("ft", "support"): replace(app.sites["ft", "support"], connect=connect)}
        found = await run_due(replace(app, sites=sites, place=replace(app.place, now=now)))
        assert len(found.broken) == 1
    assert [one.kind for one in house.told] == [Kind.UNMEASURED]


async def test_a_baseline_that_breaks_silences_nothing(tmp_path):
    spread = House(tmp_path)
    spread.keys["baseline"] = "16"
    await spread.collect(spread=True)
    spread.clock.now = MONDAY
    error = BugError("a bug")
    spread.model = FakeModel()
    break_at(spread, 41, error)
    found = await spread.due()
    assert len(found.done) == 1
    assert (found.collected, found.broken) == ((), (Broken("ft · support", error),))
    spread.close()


async def test_a_stop_ends_the_round_though_another_target_broke(house):
    app, other = two(house)
    break_at(house, 3, BugError("a bug"))
    other.on_call = lambda number: house.stop.set() if number == 3 else None
    with pytest.raises(RunInterruptedError):
        await run_due(app)
    assert house.said == []


async def test_a_site_that_could_not_be_built_is_reported_with_the_round(house):
    error = BugError("no such file")
    app = replace(house.app(), left_out={("old", "support"): error})
    found = await run_due(app)
    assert found.broken == (Broken("old · support", error),)
    assert len(found.done) == 1


# Runs that nobody owns any more.


async def test_a_pending_rollback_of_a_target_that_was_renamed_is_a_failure(house):
    house.model.wrong = HALF
    await house.due()
    house.clock.move(hours=1)
    await house.due()
    assert await house.verdicts() == [("inconclusive", "waiting"), ("investigate", "pending")]
    for _ in range(2):
        found = await run_due(renamed(house))
        (said,) = found.failed
        assert said.startswith("ft · support: a rollback is pending since its run of 2026-11-16 06:00 UTC")
        assert "put them back to have it finished" in said
    assert week_runs(house)[0] == ("11-16", "waiting")
    # Put back, it is finished.
    house.clock.move(hours=6)
    assert (await house.due()).failed == ()
    assert (await house.verdicts())[-1][1] == "pending"


async def test_a_run_that_waits_without_an_owner_is_only_said(house):
    house.model.wrong = HALF
    await house.due()
    found = await run_due(renamed(house))
    assert found.failed == ()
    assert found.idle[-1].startswith("ft · support: its run of 2026-11-16 06:00 UTC is unfinished, and config.toml has")


async def test_a_target_that_became_a_reference_owns_no_week(house):
    house.model.wrong = HALF
    await house.due()
    house.keys["target"] = 'role = "reference"'
    app = house.app()
    app = replace(app, sites={key: replace(site, role="reference") for key, site in app.sites.items()})
    assert ["is unfinished" in one for one in (await run_due(app)).idle] == [True]


async def test_what_this_process_was_told_to_leave_out_is_owned_all_the_same(house):
    house.model.wrong = HALF
    await house.due()
    found = await run_due(replace(house.app(), sites={}))
    assert (found.idle, found.failed) == ((), ())


def renamed(house: House) -> App:
    """The same house after its target got another name, in the configuration and in what was built of it."""
    app = house.app()
    config = app.config.model_copy(update={"targets": {"new": app.config.targets["ft"]}})
    site = replace(app.sites["ft", "support"], target="new", compared_with="new")
    return replace(app, config=config, sites={("new", "support"): site})


async def test_all_targets_are_measured_in_one_round(house):
    app, _ = two(house)
    found = await run_due(app)
    assert {one.verdict.target for one in found.done} == {"ft", "other"}


async def test_a_key_that_is_gone_is_told_like_one_that_is_refused(house):
    @asynccontextmanager
    async def connect(budget):
        raise SecretError("environment variable KEY is not set: set it where heldout runs")
        yield

    app = house.app()
    keyless = replace(app.sites["ft", "support"], connect=connect)
    (done,) = (await run_due(replace(app, sites={("ft", "support"): keyless}))).done
    assert (done.verdict.level, done.verdict.causes[0].cause) == (Level.INCONCLUSIVE, CauseKind.PROVIDER)
    assert done.verdict.reasons[0].startswith("[targets.ft]: environment variable KEY is not set")
    assert [alert.kind for alert in house.told] == [Kind.UNMEASURED]
