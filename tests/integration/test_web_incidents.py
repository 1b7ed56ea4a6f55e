"""Incidents over the API: what is told of them, what people may do about them, and what is refused."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from alerts.incident import State
from monitor.domain.verdict import Level
from monitor.store import hooks
from monitor.store.tables import audit, outbox
from monitor.web import acting
from tests.fakes.daemon import ACT, GATE, OPEN, READ
from tests.fakes.house import MONDAY
from tests.fakes.incident_scenes import DEPLOY, NONCE, TOKEN, offer, offered, opened
from tests.fakes.scenes import HOSTILE, store_verdict

INCIDENTS = "/api/v1/incidents"


@pytest.fixture
def web(daemon, house):
    offered(house)
    house.clock.move(minutes=10)
    return daemon(OPEN + DEPLOY)


def do(web, step, body=None, token=ACT, incident="incident-1"):
    return web.ask(f"{INCIDENTS}/{incident}/{step}", "POST", token=token, body=body)


def noted(house):
    """What the audit log says, oldest first."""
    return [(row.who, row.via, row.action) for row in house.rows(audit)]


def hook_of(house, hook_id="hook-1"):
    with house.database.read() as connection:
        return hooks.get(connection, hook_id)


def test_open_ones_are_told_and_with_all_those_that_are_over(web, house):
    opened(house, "incident-2", "summaries", level=Level.INVESTIGATE)
    assert do(web, "resolve", {"why": "a known outage"}).status == 200
    found = web.ask(INCIDENTS, token=READ).json
    assert (found["schema"], [one["id"] for one in found["incidents"]]) == (1, ["incident-2"])
    every = web.ask(f"{INCIDENTS}?all=true", token=READ).json["incidents"]
    assert [(one["id"], one["state"], one["verdict"]) for one in every] == [
        ("incident-2", "open", "investigate"),
        ("incident-1", "resolved", "rollback"),
    ]
    assert (every[1]["closed_at"], every[1]["outcome"]) == ("2026-11-16T06:10:00Z", "a known outage")


def test_one_is_told_with_its_steps_and_hooks_and_without_their_secrets(web):
    answer = web.ask(f"{INCIDENTS}/incident", token=READ)
    story = answer.json["incident"]
    assert [(step["what"], step["by"], step["verdict"]) for step in story["events"]] == [
        ("opened", "heldout", "rollback"),
        ("offered", "heldout", None),
    ]
    (hook,) = story["hooks"]
    assert (hook["id"], hook["state"], hook["fallback"], hook["status"]) == ("hook-1", "offered", "prompt", None)
    assert story["approvals"] == [
        {"hook": "hook-1", "name": "deploy", "action": "rollback", "expires_at": "2026-11-17T06:00:00Z"}
    ]
    assert [text for text in (NONCE, TOKEN, "secret-path") if text in answer.text] == []


def test_somebody_takes_note_of_it_and_says_why(web, house):
    after = do(web, "ack", {"why": "looking"}).json["incident"]
    assert (after["acknowledged_by"], after["acknowledged_at"]) == ("operations", "2026-11-16T06:10:00Z")
    assert do(web, "ack").json["incident"]["acknowledged_by"] == "operations"
    story = web.ask(f"{INCIDENTS}/incident-1", token=READ).json["incident"]
    assert [(step["what"], step["by"], step["why"]) for step in story["events"][2:]] == [
        ("acknowledged", "operations", "looking"),
        ("acknowledged", "operations", "operations sees to it."),
    ]
    assert noted(house) == [("operations", "api", "incident acknowledge")] * 2


def test_it_is_silenced_for_a_time(web):
    for body, until in (
        ({"for": "7d"}, "2026-11-23T06:10:00Z"),
        ({"until": "2026-11-17T09:00:00+01:00", "why": "known"}, "2026-11-17T08:00:00Z"),
    ):
        after = do(web, "silence", body).json["incident"]
        assert (after["silenced_until"], after["silenced_by"]) == (until, "operations")


def test_an_approval_lets_the_hook_go_out_once(web, house):
    after = do(web, "approve", {"why": "yes", "hook": "deploy"})
    assert (after.status, after.json["incident"]["state"], after.json["incident"]["approvals"]) == (200, "acting", [])
    assert [row.channel for row in house.rows(outbox) if row.hook_id == "hook-1"] == ["hook:deploy"]
    assert (hook_of(house).state, hook_of(house).decided_by) == (hooks.HookState.ASKED, "operations")
    again = do(web, "approve")
    assert (again.status, again.json["permanent"]) == (409, True)
    assert "waits for no approval" in again.json["error"]
    assert len([row for row in house.rows(outbox) if row.hook_id]) == 1
    assert noted(house) == [("operations", "api", "incident approve rollback")]


def test_the_guard_looks_once_more_and_says_why_not(web, house):
    store_verdict(house, _week(house), Level.PASS, house.clock.now)
    refused = do(web, "approve")
    assert (refused.status, refused.json["permanent"]) == (409, False)
    assert "has recovered" in refused.json["error"]
    assert [row for row in house.rows(outbox) if row.hook_id] == []
    assert noted(house) == [("operations", "api", "incident approve rollback")]


def _week(house):
    return next(run for run in house.runs if run.id == "run-incident-1")


def test_of_several_that_wait_one_is_named(web, house):
    offer(house, hook_id="hook-2", name="trainer", action="retrain")
    refused = do(web, "reject")
    assert (refused.status, "name the hook" in refused.json["error"]) == (409, True)
    assert do(web, "reject", {"hook": "nobody"}).status == 409
    after = do(web, "reject", {"hook": "trainer"}).json["incident"]
    assert [one["name"] for one in after["approvals"]] == ["deploy"]
    assert (hook_of(house, "hook-2").state, hook_of(house).state) == ("rejected", "offered")


IMPOSSIBLE = [
    ("resolve", {}, 422, "body.why: is missing."),
    ("resolve", {"why": ""}, 422, "body.why: "),
    ("resolve", {"why": "x" * 1001}, 422, "body.why: "),
    ("silence", {}, 422, 'give either {"for": "7d"} or'),
    ("silence", {"for": "7d", "until": "2026-11-30T06:00:00Z"}, 422, "give either"),
    ("silence", {"for": "a week"}, 422, "for: must be a duration"),
    ("silence", {"for": "0s"}, 422, "end later than now"),
    ("silence", {"for": "99999999d"}, 422, "for: must be at most"),
    ("silence", {"until": "2026-11-30T06:00:00"}, 422, "body.until: "),
    ("silence", {"until": "2026-11-01T06:00:00Z"}, 422, "end later than now"),
    ("ack", {"reason": "x"}, 422, "body.reason: this key is not known."),
    ("approve", {"hook": 3}, 422, "body.hook: "),
    ("resolve", b"[", 422, "body: must be a JSON object"),
    ("approves", None, 404, "There is nothing at this address."),
]


def test_what_cannot_be_done_says_why(web, house):
    for step, body, status, said in IMPOSSIBLE:
        answer = do(web, step, body)
        assert (answer.status, said in answer.json["error"]) == (status, True), (step, body, answer.text)
    assert noted(house) == []


def test_an_incident_that_is_over_or_unknown_takes_no_step(web, house):
    opened(house, "incident-2", "summaries")
    for name in ("nothing", "%D8%00", "incident-"):
        for answer in (do(web, "ack", incident=name), web.ask(f"{INCIDENTS}/{name}", token=READ)):
            assert answer.status == 404
            assert "`heldout incident list --all` tells the ids." in answer.json["error"]
    assert do(web, "resolve", {"why": "over"}).status == 200
    for step, body in (("ack", None), ("silence", {"for": "7d"}), ("resolve", {"why": "again"}), ("approve", None)):
        assert do(web, step, body).status == 409
    assert len(noted(house)) == 1


@pytest.mark.parametrize("open_to_all", [True, False], ids=["open", "loopback"])
def test_only_a_token_that_may_act_acts(daemon, house, open_to_all):
    offered(house)
    web = daemon((OPEN if open_to_all else "") + DEPLOY)
    bodies = {"ack": None, "silence": {"for": "7d"}, "resolve": {"why": "x"}, "approve": None, "reject": None}
    for step, body in bodies.items():
        statuses = [do(web, step, body, token).status for token in (None, "wrong", READ, GATE)]
        assert statuses == [401, 401, 403, 403]
    assert web.ask(INCIDENTS, token=GATE).status == 403
    assert web.ask(INCIDENTS).status == (401 if open_to_all else 200)
    assert noted(house) == []


def test_what_one_token_changes_is_bounded_over_all_ways(web):
    statuses = [do(web, "ack", incident="none").status for _ in range(acting.REQUESTS)]
    assert set(statuses) == {404}
    late = do(web, "ack")
    assert (late.status, late.json["permanent"]) == (429, False)
    assert web.ask("/api/v1/runs", "POST", token=ACT, body={"target": "ft"}).status == 429


def test_it_is_logged_who_did_what_and_hostile_texts_stay_texts(daemon, house, caplog):
    offered(house, HOSTILE)
    web = daemon(OPEN + DEPLOY)
    with caplog.at_level(logging.INFO):
        assert do(web, "ack", {"why": HOSTILE.encode("utf-8", "replace").decode()}).status == 200
    (line,) = [one for one in caplog.records if one.getMessage() == "operations acknowledged incident incident-1"]
    assert (line.by, line.incident) == ("operations", "incident-1")
    answer = web.ask(f"{INCIDENTS}/incident-1", token=READ)
    assert answer.body.isascii()
    assert answer.json["incident"]["state"] == State.OPEN
    assert "<script>" in answer.json["incident"]["events"][-1]["why"]


def test_a_run_that_is_asked_for_is_in_the_audit_log(web, house):
    assert web.ask("/api/v1/runs", "POST", token=ACT, body={"target": "ft"}).status == 202
    (row,) = house.rows(audit)
    assert (row.who, row.via, row.action, row.subject) == ("operations", "api", "run request", "ft")
    assert len(row.detail["runs"]) == 2
    assert row.at - MONDAY == timedelta(minutes=10)
