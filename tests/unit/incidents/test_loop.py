"""The loop closed: a fall, an approval, a hook, its result, a verification; real database, fake provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from alerts.channel import Receipt
from alerts.incident import NotAllowedError, State, What
from alerts.outbox import PutOff, Sent
from alerts.outbox import State as Undelivered
from monitor.domain.answer import ErrorKind, TargetError
from monitor.domain.run import RunKind
from monitor.incidents import chores
from monitor.incidents.actions import Actions
from monitor.incidents.calls import HookObserver
from monitor.incidents.office import Actor, ConflictError, Office, RefusedError, WrongTokenError
from monitor.incidents.retiring import retired
from monitor.store import hooks, outbox
from monitor.store.hooks import HookState
from monitor.store.tables import hook
from monitor.store.tables import outbox as outbox_table
from monitor.telemetry.snapshot import take
from tests.fakes.house import MONDAY, FakeModel, House

WEEK = timedelta(weeks=1)
HALF = frozenset(f"case-{i:03}" for i in range(20))
ADA, TOOL = Actor("ada", "command"), Actor("hook deploy", "hook")
DEPLOY = """
[hooks.deploy]
on = "rollback"
url = "https://deploy.internal/rollback"
secret = {{ env = "HOOK_SECRET" }}
mode = "{mode}"
"""
LISTEN = """
[hooks.listen]
on = "verdict"
url = "https://listen.internal/"
secret = { env = "HOOK_SECRET" }
[hooks.learn]
on = "retrain"
mode = "auto"
url = "https://train.internal/"
secret = { env = "HOOK_SECRET" }
"""


async def fallen(folder, mode: str, more: str = "") -> House:
    house = House(folder)
    await house.collect()
    house.clock.now = MONDAY
    house.falls_back_to("prompt")
    house.keys["more"] += DEPLOY.format(mode=mode) + more
    house.model = FakeModel(wrong=HALF)
    for _ in range(12):
        await house.due()
        house.clock.move(hours=1)
    return house


@pytest.fixture
async def house(tmp_path) -> AsyncIterator[House]:
    built = await fallen(tmp_path, "approve")
    yield built
    built.close()


def actions(house: House) -> Actions:
    return Actions(house.database, house.config, house.channels, house.clock.now, house.new_id)


def office(house: House) -> Office:
    return Office(house.config, house.channels, house.clock.now, house.new_id)


def look(house: House) -> bool:
    return chores.do(house.database, office(house))


def incident(house: House):
    (one,) = actions(house).list(every=True)
    return one


def rows(house: House) -> list[hooks.HookRow]:
    with house.database.read() as connection:
        return [found for row in house.rows(hook) if (found := hooks.get(connection, row.id)) is not None]


def settled(house: House, name: str = "deploy", error: str | None = None) -> list[str]:
    """Whoever is called takes it, or refuses it with `error`; the ids of what was called."""
    box = outbox.StoredOutbox(house.database, HookObserver(lambda: office(house)))
    leased = box.lease(house.clock.now, f"hook:{name}", 8, timedelta(minutes=1))
    later = house.clock.now + timedelta(minutes=5)
    box.settle(
        house.clock.now,
        [
            Sent(row, Receipt("HTTP 202"))
            if error is None
            else PutOff(row, later, error, Undelivered.BLOCKED, attempted=True)
            for row in leased
        ],
    )
    return [row.subject for row in leased]


async def test_an_approved_rollback_is_sent_once_verified_and_told(house):
    found = incident(house)
    (offer,) = found.approvals
    assert (offer.action, offer.name, found.state) == ("rollback", "deploy", State.OPEN)
    assert [row.hook_id for row in house.rows(outbox_table) if row.hook_id] == [], "nobody is called before a yes"
    with pytest.raises(NotAllowedError, match="this button is of an earlier one"):
        actions(house).approve(found.id, ADA, nonce="another")
    assert actions(house).approve(found.id, ADA, nonce=offer.nonce).state is State.ACTING
    with pytest.raises(NotAllowedError, match="waits for no approval"):
        actions(house).approve(found.id, ADA)
    assert settled(house) == [offer.hook]
    assert settled(house) == []
    (row,) = rows(house)
    with pytest.raises(WrongTokenError):
        actions(house).result(row.id, "done", "prompt", TOOL, token="wrong")
    assert not actions(house).result(row.id, "done", "prompt", TOOL, token=row.token).again
    assert actions(house).result(row.id, "done", "prompt", TOOL, token=row.token).again
    with pytest.raises(ConflictError, match="already known"):
        actions(house).result(row.id, "failed", None, TOOL, token=row.token)
    assert incident(house).state is State.VERIFYING
    await house.due()
    done = incident(house)
    assert (done.state, done.now_serving, done.retires) == (State.RESOLVED, "prompt", True)
    assert done.outcome.startswith(
        "prompt serves now, and is as good as at deployment: score 100.0, at deployment 100.0"
    )
    assert "back up by 50.0 points" in done.outcome
    assert house.told[-1].event == "RESOLVED, the score came back"
    (verified,) = [run for run in house.runs if run.kind is RunKind.VERIFY]
    assert (verified.target, verified.incident_id, verified.state.over) == ("prompt", found.id, True)
    # What was rolled back is measured no more, until it is pinned again.
    asked = len(house.model.asked)
    house.clock.now = MONDAY + WEEK
    assert "it was rolled back on 2026-11-16" in " ".join((await house.due()).idle)
    with house.database.read() as connection:
        (said,) = retired(connection, ["ft", "prompt"])
    assert said.startswith("ft was rolled back on ")
    seen = take(house.database, house.config, house.clock.now)
    assert {one.standing.target: one.scheduled for one in seen.sites} == {"ft": False, "prompt": False}
    assert len(house.model.asked) == asked
    house.model = FakeModel()
    await house.collect()
    house.clock.now = MONDAY + 2 * WEEK
    assert [one.run.target for one in (await house.due()).done] == ["ft"]


async def test_what_serves_now_and_is_no_better_calls_somebody(house):
    actions(house).approve(incident(house).id, ADA)
    settled(house)
    house.models["prompt"].wrong = HALF
    actions(house).result(rows(house)[0].id, "done", "prompt", TOOL, token=rows(house)[0].token)
    await house.due()
    assert incident(house).state is State.ESCALATED
    assert (house.told[-1].step, house.told[-1].mention) == ("escalated", True)
    assert "not shown to be as good as at deployment" in house.told[-1].reasons[0]


async def test_a_provider_that_is_down_ends_no_verification(house):
    actions(house).approve(incident(house).id, ADA)
    settled(house)
    actions(house).result(rows(house)[0].id, "done", "prompt", TOOL, token=rows(house)[0].token)
    there = house.models["prompt"]
    there.down, there.error = (lambda case: True), TargetError(ErrorKind.OVERLOADED, "overloaded")
    await house.due()
    assert incident(house).state is State.VERIFYING
    there.down = lambda case: False
    house.clock.move(hours=1)
    await house.due()
    assert incident(house).state is State.RESOLVED
    assert len([run for run in house.runs if run.kind is RunKind.VERIFY]) == 2


async def test_what_nobody_approves_expires_and_calls_somebody(house):
    actions(house).acknowledge(incident(house).id, ADA)
    house.clock.move(hours=24)
    assert look(house)
    assert (incident(house).state, incident(house).approvals) == (State.ESCALATED, ())
    assert [row.state for row in rows(house)] == [HookState.EXPIRED]
    assert "nobody approved it in time" in house.told[-1].reasons[0]
    with pytest.raises(NotAllowedError):
        actions(house).approve(incident(house).id, ADA)
    assert not look(house)


async def test_the_guard_is_asked_again_at_the_approval(house):
    actions(house).silence(incident(house).id, ADA, house.clock.now + timedelta(days=7))
    with pytest.raises(RefusedError, match="is silenced until"):
        actions(house).approve(incident(house).id, ADA)
    assert settled(house) == []
    with house.database.read() as connection:
        from monitor.store import audit

        newest = audit.entries(connection, limit=1)[0]
    assert (newest.action, newest.detail["allowed"]) == ("incident approve rollback", False)


async def test_a_rejection_sends_nothing(house):
    found = incident(house)
    assert actions(house).reject(found.id, ADA, why="the documents are being mended").approvals == ()
    assert (settled(house), rows(house)[0].state) == ([], HookState.REJECTED)


async def test_a_refused_delivery_is_told_once_and_expires(house):
    actions(house).approve(incident(house).id, ADA)
    for _ in range(3):
        settled(house, error="hook deploy answered 401")
        house.clock.move(minutes=6)
    said = [told for told in house.told if told.step == "refused"]
    assert [told.reasons[0][:24] for told in said] == ["hook deploy answered 401"]
    house.clock.move(hours=24)
    assert look(house)
    assert incident(house).state is State.ESCALATED
    assert "could not be delivered in time (hook deploy answered 401)" in house.told[-1].reasons[0]


async def test_without_a_better_fallback_there_is_no_hook_but_a_reason(tmp_path):
    house = House(tmp_path)
    await house.collect()
    house.clock.now = MONDAY
    house.falls_back_to("prompt")
    house.keys["more"] += DEPLOY.format(mode="auto")
    house.model = FakeModel(wrong=HALF)
    house.models["prompt"].wrong = HALF
    for _ in range(12):
        await house.due()
        house.clock.move(hours=1)
    try:
        (row,) = rows(house)
        assert row.state is HookState.REFUSED
        assert row.why is not None
        assert "No rollback is asked for (deploy)" in house.told[-1].reasons[0]
        assert settled(house) == []
    finally:
        house.close()


async def test_what_nobody_has_to_approve_goes_out_and_listeners_hear_of_every_change(tmp_path):
    house = await fallen(tmp_path, "auto", LISTEN)
    try:
        assert incident(house).state is State.ACTING
        by_name = {row.name: row for row in rows(house)}
        assert {row.name: row.state for row in rows(house)} == dict.fromkeys(
            ["deploy", "learn", "listen"], HookState.ASKED
        )
        assert len([row for row in rows(house) if row.name == "listen"]) == 2, "investigate, then rollback"
        event = str(by_name["learn"].event)
        for case in house.cases:
            assert str(case.input) not in event
        assert by_name["deploy"].event["data"]["fallback"] == "prompt"
        what = [step.what for step in actions(house).story(incident(house).id).events]
        assert (what.count(What.ASKED), settled(house), len(settled(house, "learn"))) == (2, [by_name["deploy"].id], 1)
    finally:
        house.close()


async def test_what_slack_does_not_take_goes_to_the_other_channel_once(house):
    house.keys["more"] += (
        '[alerts.slack]\ntoken = { env = "T" }\nchannel = "C0123456789"\nfallback_channel = "C9876543210"\n'
    )
    house.clock.move(minutes=16)
    assert look(house)
    copies = [row for row in house.rows(outbox_table) if row.channel == "slack-fallback"]
    assert len(copies) == len([row for row in house.rows(outbox_table) if row.channel == "slack"])
    assert not look(house)
