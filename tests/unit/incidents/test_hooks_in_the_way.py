"""Hooks, verifications and people in each other's way: nothing is lost, undone or stuck, and nobody is misled."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.alert import Action
from alerts.channel import Receipt
from alerts.incident import State
from alerts.outbox import Sent
from monitor.domain.run import RunKind, RunState
from monitor.incidents import chores, telling
from monitor.incidents import hooks as asking
from monitor.incidents.actions import Actions
from monitor.incidents.calls import HookObserver
from monitor.incidents.office import Actor, Office, RefusedError
from monitor.incidents.results import withdrawn
from monitor.store import hooks, incidents, outbox
from monitor.store.hooks import HookState
from monitor.store.tables import outbox as outbox_table
from tests.fakes.house import MONDAY, House
from tests.fakes.incident_scenes import DEPLOY, offer, offered, opened

ADA, TOOL = Actor("ada", "command"), Actor("hook deploy", "hook")
RETRAIN = """
[hooks.learn]
on = "retrain"
url = "https://train.internal/again"
secret = { env = "HOOK_SECRET" }
"""


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path, now=MONDAY)
    built.falls_back_to("prompt")
    built.keys["more"] += DEPLOY + RETRAIN
    yield built
    built.close()


def actions(house: House) -> Actions:
    return Actions(house.database, house.config, house.channels, house.clock.now, house.new_id)


def office(house: House) -> Office:
    return Office(house.config, house.channels, house.clock.now, house.new_id)


def look(house: House) -> bool:
    return chores.do(house.database, office(house))


def incident(house: House, incident_id: str = "incident-1"):
    return actions(house).story(incident_id).incident


def hook_of(house: House, hook_id: str = "hook-1"):
    found = actions(house).hook(hook_id)
    assert found is not None
    return found


def delivered(house: House, receipt: Receipt | None = None) -> None:
    """The tool takes what is on its way by now."""
    box = outbox.StoredOutbox(house.database, HookObserver(lambda: office(house)))
    rows = box.lease(house.clock.now, "hook:deploy", 8, timedelta(minutes=1))
    assert rows
    box.settle(house.clock.now, [Sent(row, receipt or Receipt("HTTP 202")) for row in rows])


def rolled_back(house: House) -> None:
    actions(house).approve("incident-1", ADA, hook="hook-1")
    delivered(house)
    actions(house).result("hook-1", "done", "prompt", TOOL)


def test_a_request_that_is_taken_while_its_incident_is_closed_is_kept_as_taken(house):
    offered(house)
    actions(house).approve("incident-1", ADA)
    box = outbox.StoredOutbox(house.database, HookObserver(lambda: office(house)))
    rows = box.lease(house.clock.now, "hook:deploy", 8, timedelta(minutes=1))
    actions(house).resolve("incident-1", ADA, "a document was missing")
    box.settle(house.clock.now, [Sent(row, Receipt("HTTP 202")) for row in rows])
    assert hook_of(house).state is HookState.ACCEPTED
    assert [row.state for row in house.rows(outbox_table) if row.hook_id] == ["sent"]


def test_a_retraining_that_nobody_approves_does_not_undo_a_verification(house):
    offered(house)
    offer(house, hook_id="hook-2", name="learn", action="retrain")
    house.clock.move(hours=23, minutes=50)
    rolled_back(house)
    assert incident(house).state is State.VERIFYING
    house.clock.move(hours=1)
    assert look(house)
    assert hook_of(house, "hook-2").state is HookState.EXPIRED
    assert incident(house).state is State.VERIFYING, "what serves now is still to be measured"
    assert incident(house).approvals == ()


def test_a_retraining_that_is_withdrawn_does_not_undo_a_verification(house):
    offered(house)
    offer(house, hook_id="hook-2", name="learn", action="retrain")
    actions(house).approve("incident-1", ADA, hook="hook-2")
    rolled_back(house)
    with house.database.write() as connection:
        withdrawn(connection, office(house), "hook-2", "ft was rolled back.")
    assert incident(house).state is State.VERIFYING
    assert not house.told[-1].mention


@pytest.mark.parametrize("end", ["failed", "withdrawn"])
def test_what_the_message_says_to_type_after_a_rollback_came_to_nothing_works(house, end):
    offered(house)
    actions(house).approve("incident-1", ADA)
    if end == "failed":
        delivered(house)
        actions(house).result("hook-1", "failed", None, TOOL)
    else:
        with house.database.write() as connection:
            withdrawn(connection, office(house), "hook-1", "it is not better.")
    typed = [action.command for action in house.told[-1].actions]
    assert "heldout incident result hook-1 done --now-serving TARGET" in typed
    actions(house).result("hook-1", "done", "prompt", ADA)
    assert incident(house).state is State.VERIFYING
    assert hook_of(house).state is HookState.DONE


def test_one_target_is_rolled_back_by_one_request_though_two_suites_fell(house):
    offered(house)
    actions(house).approve("incident-1", ADA)
    said = hook_of(house)
    with house.database.write() as connection:
        # The other suite has a baseline of its own.
        other = replace(said, id="hook-2", state=HookState.OFFERED, baseline_id=None, model="another", nonce="n-2")
        hooks.add(connection, other)
        found = incidents.get(connection, "incident-1")
        assert found is not None
        ruling = asking.ruling_of(connection, office(house), found, other)
    assert not ruling.allowed
    assert ruling.passing, "the one that is under way may fail"
    assert "under way" in ruling.reason


def test_a_verification_that_nobody_can_run_ends_in_a_call(house):
    offered(house)
    rolled_back(house)
    house.keys["more"] = house.keys["more"].replace("[targets.prompt]", "[targets.prompt-2]")
    house.keys["target"] = 'fallback = "prompt-2"'
    house.clock.move(hours=23)
    assert incident(house).state is State.VERIFYING
    house.clock.move(hours=3)
    assert look(house)
    after = house.told[-1]
    assert incident(house).state is State.ESCALATED
    assert (after.step, after.mention) == ("escalated", True)
    assert "prompt" in after.reasons[0]
    assert not look(house), "once"


def test_a_late_verification_of_what_does_not_serve_any_more_says_nothing(house):
    offered(house)
    rolled_back(house)
    waiting = [run for run in house.runs if run.kind is RunKind.VERIFY]
    assert [(run.target, run.state) for run in waiting] == [("prompt", RunState.WAITING)]


def test_each_repetition_says_only_once_that_nobody_has_acknowledged_it(house):
    opened(house)
    for _ in range(3):
        with house.database.write() as connection:
            found = incidents.get(connection, "incident-1")
            assert found is not None
            telling.repeat(connection, office(house), found)
    assert house.told[-1].meaning.count("Nobody has acknowledged it") == 1


def test_nobody_is_told_to_approve_what_was_decided(house):
    offered(house)
    with house.database.write() as connection:
        found = incidents.get(connection, "incident-1")
        assert found is not None
        latest = house.told[-1]
        waits = replace(
            latest,
            id="alert-2",
            incident=found,
            reasons=("A rollback (deploy) waits for approval until 2026-11-17 06:00 UTC.", "fell"),
            actions=(
                Action("Approve the rollback by deploy, or reject it", "heldout incident approve incident-1"),
                Action("Look"),
            ),
        )
        telling.send(connection, office(house), waits)
    actions(house).reject("incident-1", ADA)
    assert [action.do for action in house.told[-1].actions] == ["Look"]
    with house.database.write() as connection:
        telling.repeat(connection, office(house), incidents.get(connection, "incident-1"))
    assert [action.do for action in house.told[-1].actions] == ["Look"]
    assert house.told[-1].reasons == ("fell",)


def test_a_hook_that_is_for_something_else_by_now_is_refused(house):
    offered(house)
    house.keys["more"] = house.keys["more"].replace('on = "rollback"', 'on = "retrain"')
    with pytest.raises(RefusedError, match="not configured for this"):
        actions(house).approve("incident-1", ADA)
