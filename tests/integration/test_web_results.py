"""Results of hooks, and buttons in Slack: open doors, at which the credential is in what is sent."""

from __future__ import annotations

import json
import logging

import pytest

from alerts.incident import State
from monitor.domain.run import RunKind
from monitor.store import incidents
from monitor.store.tables import audit
from monitor.web import doors
from monitor.web.service import SlackAnswer
from tests.fakes.daemon import ACT, GATE, OPEN, READ
from tests.fakes.incident_scenes import DEPLOY, TOKEN, asked, offered

DONE = {"status": "done", "now_serving": "prompt"}
RIGHT = f"{TOKEN}-hook-1"


@pytest.fixture
def web(daemon, house):
    offered(house)
    asked(house)
    house.clock.move(minutes=30)
    return daemon(OPEN + DEPLOY)


def post(web, body=DONE, token=RIGHT, hook="hook-1", bearer=None):
    query = "" if token is None else f"?token={token}"
    return web.ask(f"/api/v1/hooks/{hook}/result{query}", "POST", body=body, token=bearer)


def state_of(house):
    with house.database.read() as connection:
        return incidents.get(connection, "incident-1").state


def test_a_result_has_what_serves_now_measured_and_counts_once(web, house):
    first = post(web)
    assert (first.status, first.json) == (
        200,
        {
            "schema": 1,
            "hook": "hook-1",
            "status": "done",
            "again": False,
            "incident": "incident-1",
            "state": "verifying",
        },
    )
    assert [run.target for run in house.runs if run.kind is RunKind.VERIFY] == ["prompt"]
    assert web.woken == 1
    house.clock.move(days=3)
    again = post(web)
    assert (again.status, again.json["again"], again.json["state"]) == (200, True, "verifying")
    assert post(web, {"status": "done"}).json["again"] is True
    for other in ({"status": "failed"}, {"status": "done", "now_serving": "ft"}):
        assert post(web, other).status == 409
    assert (web.woken, len([run for run in house.runs if run.kind is RunKind.VERIFY])) == (1, 1)
    assert [(row.who, row.via, row.action) for row in house.rows(audit)] == [("hook deploy", "hook", "incident result")]


def test_a_tool_that_could_not_do_it_says_so(web, house):
    assert post(web, {"status": "failed"}).json["state"] == "escalated"
    assert (state_of(house), web.woken) == (State.ESCALATED, 1)


def test_a_wrong_token_changes_nothing(web, house):
    for token in ("", "wrong", RIGHT[:-1], RIGHT + "x", "%00", "%C3%A9", "%ED%A0%80"):
        assert post(web, token=token).status == 403
    assert post(web, hook="hook-9").status == 403
    assert (state_of(house), web.woken, house.rows(audit)) == (State.ACTING, 0, [])


def test_a_token_is_good_until_the_hook_expires(web, house):
    house.clock.move(hours=24)
    late = post(web)
    assert (late.status, "expired" in late.json["error"]) == (403, True)
    assert state_of(house) is State.ACTING
    assert post(web, token=None, bearer=ACT).status == 200


def test_who_may_act_needs_no_token_of_the_hook_and_nobody_else_may(web, house):
    statuses = [post(web, token=None, bearer=bearer).status for bearer in (None, "wrong", READ, GATE)]
    assert statuses == [401, 401, 403, 403]
    assert post(web, token=None, hook="hook-9", bearer=ACT).status == 404
    assert post(web, token=None, bearer=ACT).json["state"] == "verifying"
    assert [(row.who, row.via) for row in house.rows(audit)] == [("operations", "api")]


NO_RESULTS = [
    {},
    {"status": "maybe"},
    {"status": "done", "now_serving": 3},
    {"status": "done", "now_serving": ""},
    {"status": "done", "now_serving": "x" * 201},
    {"status": "done", "now_servng": "prompt"},
    b"done",
    b"[]",
]


def test_what_is_no_result_is_not_taken(web, house):
    assert {post(web, body).status for body in NO_RESULTS} == {422}
    assert state_of(house) is State.ACTING


def test_the_token_stands_in_no_log_and_no_answer(web, caplog):
    with caplog.at_level(logging.DEBUG):
        answers = [post(web, token=token) for token in ("not-the-token", RIGHT, RIGHT)]
        answers.append(post(web, {"status": "failed"}))
        answers.append(post(web, b" " * 70_000))
        answers.append(post(web, b"{"))
    assert [answer.status for answer in answers] == [403, 200, 200, 409, 413, 422]
    said = caplog.text + repr([line.__dict__ for line in caplog.records]) + "".join(one.text for one in answers)
    assert "a result with a wrong token came from 127.0.0.1" in said
    assert [text for text in (TOKEN, "not-the-token") if text in said] == []


def test_one_address_may_not_try_for_ever(web):
    assert {post(web, token="wrong").status for _ in range(doors.REQUESTS)} == {403}
    late = post(web)
    assert (late.status, late.json["permanent"]) == (429, False)


# --- Slack ---

FORM = {"Content-Type": "application/x-www-form-urlencoded", "X-Slack-Signature": "v0=abc"}
PRESSED = b"payload=" + json.dumps({"type": "block_actions"}).encode()


class Pressed:
    """What stands behind the door: it keeps what it is handed, and answers what a test says."""

    def __init__(self, answer: SlackAnswer) -> None:
        self.answer = answer
        self.taken: list[tuple[str, bytes]] = []

    def __call__(self, headers, body):
        self.taken.append((headers["x-slack-signature"], body))
        return self.answer


def press(web, body=PRESSED, **headers):
    return web.ask("/slack/interactions", "POST", body=body, headers=FORM | headers)


def test_a_button_is_handed_on_as_it_came_and_its_presser_is_answered(daemon):
    slack = Pressed(SlackAnswer(200, "You are <no> approver."))
    web = daemon(OPEN, slack=slack)
    answer = press(web)
    assert answer.json == {
        "response_type": "ephemeral",
        "replace_original": False,
        "text": "You are <no> approver.",
    }
    assert slack.taken == [("v0=abc", PRESSED)]
    assert press(web, b"x" * 70_000).status == 413
    assert press(web, Host="evil.example").status == 421
    assert len(slack.taken) == 1
    assert {press(web).status for _ in range(doors.REQUESTS + 2)} == {200, 429}


def test_what_is_not_slacks_is_refused(daemon):
    slack = Pressed(SlackAnswer(200, ""))
    web = daemon(OPEN, slack=slack)
    for status in (400, 401, 404):
        slack.answer = SlackAnswer(status, "The signature is not Slack's.")
        answer = press(web)
        assert (answer.status, answer.json["error"]) == (status, "The signature is not Slack's.")


def test_without_slack_there_is_no_such_door(daemon):
    answer = press(daemon(OPEN))
    assert (answer.status, "signing_secret under [alerts.slack]" in answer.json["error"]) == (404, True)
