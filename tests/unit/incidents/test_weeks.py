"""Incidents through weeks: opened by a verdict, closed by weeks, a person or a baseline; silences, repetitions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.alert import Kind
from alerts.incident import NotAllowedError, State, What, fold
from monitor.incidents import chores
from monitor.incidents.actions import Actions
from monitor.incidents.office import Actor, Office, UnknownError
from monitor.store import audit, incidents
from monitor.store.tables import alert, outbox
from tests.fakes.house import MONDAY, FakeModel, House

WEEK = timedelta(weeks=1)
HALF = frozenset(f"case-{i:03}" for i in range(20))
ADA = Actor("ada", "command")


@pytest.fixture
async def house(tmp_path) -> AsyncIterator[House]:
    built = House(tmp_path)
    await built.collect()
    built.clock.now = MONDAY
    built.model = FakeModel()
    yield built
    built.close()


async def week(house: House, number: int, wrong: frozenset[str]) -> None:
    """A slot with all that follows from it on that day, hour by hour."""
    house.clock.now = MONDAY + number * WEEK
    house.model = FakeModel(wrong=wrong)
    for _ in range(12):
        await house.due()
        house.clock.move(hours=1)


def actions(house: House) -> Actions:
    return Actions(house.database, house.config, house.channels, house.clock.now, house.new_id)


def every(house: House):
    return actions(house).list(every=True)


def look(house: House) -> bool:
    """What the daemon does at each tick."""
    return chores.do(house.database, Office(house.config, house.channels, house.clock.now, house.new_id))


def routes(house: House) -> list[tuple[str, str]]:
    return [(row.kind, row.route) for row in house.rows(alert)]


def is_the_sum_of_its_events(house: House) -> bool:
    with house.database.read() as connection:
        return all(
            fold(one.id, one.target, one.suite, one.slot, incidents.events(connection, one.id)) == one
            for one in every(house)
        )


async def test_a_fall_opens_one_and_two_clear_weeks_close_it(house):
    house.keys["more"] = '[alerts]\nrepeat_every = "60d"'
    for number, wrong in enumerate([HALF, HALF, frozenset(), frozenset()]):
        await week(house, number, wrong)
    (one,) = every(house)
    assert (one.state, one.level, one.worst, one.slot) == (State.RESOLVED, "pass", "rollback", MONDAY)
    assert [step.what for step in actions(house).story(one.id).events] == [
        What.OPENED,
        What.WORSE,
        What.REPEATED,
        What.BETTER,
        What.RECOVERED,
    ]
    assert routes(house) == [
        ("worse", "first"),
        ("worse", "worse"),
        ("again", "repeat"),
        ("recovering", "better"),
        ("recovered", "recovered"),
    ]
    assert {told.incident.id for told in house.told} == {one.id}
    assert [told.mention for told in house.told] == [False, True, True, False, False]
    assert is_the_sum_of_its_events(house)


async def test_a_rollback_that_nobody_acknowledges_is_told_every_day_and_then_not(house):
    await week(house, 0, HALF)
    told = len(house.told)
    assert not look(house)
    house.clock.move(hours=24)
    assert look(house)
    assert not look(house), "once a day"
    again = house.told[-1]
    assert (len(house.told), again.kind, again.mention, again.verdict) == (told + 1, Kind.AGAIN, True, "rollback")
    assert again.meaning.startswith("Nobody has acknowledged it since 2026-11-16 07:00 UTC.")
    assert again.id != house.told[-2].id
    (one,) = every(house)
    assert actions(house).acknowledge(one.id, ADA).acknowledged_by == "ada"
    house.clock.move(days=3)
    assert not look(house)
    assert (house.told[-1].kind, house.told[-1].step, house.told[-1].mention) == (Kind.STEP, "acknowledged", False)
    assert house.told[-1].event == "ACKNOWLEDGED by ada"
    assert (house.told[-1].score, house.told[-1].drop) == (again.score, again.drop), "with what the verdict said"


async def test_in_a_silence_nothing_is_told_but_its_end_and_that_it_is_over(house):
    await week(house, 0, HALF)
    (one,) = every(house)
    actions(house).silence(one.id, ADA, house.clock.now + timedelta(days=10))
    messages = house.messages
    await week(house, 1, HALF)
    assert house.messages == messages
    assert routes(house)[-1] == ("again", "silenced")
    assert house.rows(alert)[-1].why == "silenced by ada until 2026-11-26 18:00 UTC"
    house.clock.now = MONDAY + timedelta(days=11)
    assert look(house)
    assert (house.told[-1].event, house.told[-1].mention) == ("THE SILENCE HAS ENDED", True)
    assert is_the_sum_of_its_events(house)


async def test_a_recovery_is_told_in_a_silence_too(house):
    await week(house, 0, HALF)
    (one,) = every(house)
    actions(house).silence(one.id, ADA, house.clock.now + timedelta(days=60))
    messages = house.messages
    await week(house, 1, frozenset())
    assert house.messages == messages, "clear once can wait"
    await week(house, 2, frozenset())
    assert (house.told[-1].kind, house.messages) == (Kind.RECOVERED, messages + 1)


async def test_what_a_person_has_closed_is_told_as_new_when_it_falls_again(house):
    await week(house, 0, HALF)
    (one,) = every(house)
    closed = actions(house).resolve(one.id, ADA, "a document was missing")
    assert (closed.state, closed.outcome, house.told[-1].event) == (
        State.RESOLVED,
        "a document was missing",
        "RESOLVED by ada",
    )
    with pytest.raises(NotAllowedError, match="is over since"):
        actions(house).acknowledge(one.id, ADA)
    await week(house, 1, frozenset())
    assert house.told[-1].event == "RESOLVED by ada", "a week without an alert says nothing"
    assert house.said[-1]["verdict"] == "pass"
    await week(house, 2, HALF)
    second, first = every(house)
    assert (first.id, second.slot, second.worst) == (one.id, MONDAY + 2 * WEEK, "rollback")
    assert routes(house)[-2:] == [("worse", "first"), ("worse", "worse")]


async def test_a_new_baseline_closes_it_too(house):
    await week(house, 0, HALF)
    await house.collect()
    (one,) = every(house)
    assert (one.state, one.outcome) == (State.RESOLVED, "ada pinned a new baseline, which this was not about.")
    assert house.told[-1].event == "RESOLVED, a new baseline was pinned"


async def test_a_pending_rollback_that_is_not_confirmed_is_better(house):
    house.model = FakeModel(wrong=HALF)
    await house.due()
    house.clock.move(hours=1)
    await house.due()
    house.model = FakeModel()
    for _ in range(10):
        house.clock.move(hours=1)
        await house.due()
    (one,) = every(house)
    assert (one.state, one.level) == (State.OPEN, "investigate")
    assert routes(house) == [("worse", "first"), ("note", "better")]


async def test_everything_people_do_is_in_the_audit_log(house):
    await week(house, 0, HALF)
    (one,) = every(house)
    desk = actions(house)
    desk.acknowledge(one.id, ADA)
    desk.silence(one.id, Actor("grace", "api"), house.clock.now + timedelta(days=7), "known")
    desk.resolve(one.id, Actor("U1", "slack"), "mended")
    with house.database.read() as connection:
        entries = list(audit.entries(connection, limit=10))
        assert audit.verify(connection).fault is None
    subject = f"incident {one.id} (ft · support)"
    assert [(entry.who, entry.via, entry.action, entry.subject) for entry in reversed(entries)][-3:] == [
        ("ada", "command", "incident acknowledge", subject),
        ("grace", "api", "incident silence", subject),
        ("U1", "slack", "incident resolve", subject),
    ]


async def test_what_there_is_not_is_said_with_where_to_look(house):
    desk = actions(house)
    for act in (desk.story, desk.find, lambda i: desk.acknowledge(i, ADA), lambda i: desk.approve(i, ADA)):
        with pytest.raises(UnknownError, match="heldout incident list --all"):
            act("nothing")
    await week(house, 0, HALF)
    with pytest.raises(NotAllowedError, match="waits for no approval"):
        desk.approve(every(house)[0].id, ADA)
    assert desk.find(every(house)[0].id[:5]).target == "ft"


async def test_without_a_channel_it_is_an_incident_all_the_same(house):
    house.channels = ()
    await week(house, 0, HALF)
    assert [row.route for row in house.rows(alert)] == ["none", "none"]
    assert (len(every(house)), house.rows(outbox)) == (1, [])


async def test_a_run_on_demand_opens_nothing(house):
    from monitor.rounds import run_now

    house.model = FakeModel(wrong=HALF)
    app = house.app()
    await run_now(app, list(app.sites.values()))
    assert (house.said[-1]["verdict"], every(house)) == ("rollback", [])


async def test_a_step_never_stands_without_its_message_nor_a_message_without_its_step(house):
    await week(house, 0, HALF)
    (one,) = every(house)
    events, told = len(actions(house).story(one.id).events), len(house.told)
    broken = replace(one, id="x" * 37)
    with pytest.raises(UnknownError):
        actions(house).resolve(broken.id, ADA, "no")
    assert (len(actions(house).story(one.id).events), len(house.told)) == (events, told)
