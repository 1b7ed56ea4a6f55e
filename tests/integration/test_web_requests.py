"""Asking for runs over real HTTP: who may, what comes of it, how often, and what cannot be read."""

from __future__ import annotations

import json
import logging
import time

import pytest

from monitor.domain.run import RunKind, RunState
from monitor.web import acting
from tests.fakes.daemon import ACT, GATE, OPEN, READ

RUNS = "/api/v1/runs"
JSON = {"Content-Type": "application/json"}


def pairs(answer):
    return [(run["target"], run["suite"]) for run in answer.json["runs"]]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"target": "summaries", "suite": "support"}, [("summaries", "support")]),
        ({"target": "ft"}, [("ft", "support"), ("ft", "general")]),
        ({"target": "prompt"}, [("prompt", "support")]),
        ({"suite": "general"}, [("ft", "general")]),
        ({}, [("ft", "support"), ("ft", "general"), ("summaries", "support")]),
        ({"target": None, "suite": "support"}, [("ft", "support"), ("summaries", "support")]),
    ],
)
def test_what_is_asked_for_is_recorded_and_the_schedule_is_woken(daemon, house, body, expected):
    web = daemon()
    answer = web.ask(RUNS, "POST", token=ACT, body=body)
    assert (answer.status, pairs(answer), web.woken) == (202, expected, 1)
    stored = [(run.target, run.suite, run.kind, run.state, run.requested_by, run.begun) for run in house.runs]
    assert sorted(stored) == sorted((*pair, RunKind.AD_HOC, RunState.WAITING, "operations", False) for pair in expected)


def test_asking_again_while_it_is_open_is_the_same_run(daemon, house):
    web = daemon()
    first, again = (web.ask(RUNS, "POST", token=ACT, body={"target": "ft"}).json for _ in range(2))
    assert first == again
    assert len(house.runs) == 2


def test_it_is_logged_with_who_asked_and_without_the_token(daemon, caplog):
    web = daemon()
    with caplog.at_level(logging.DEBUG, "monitor.web"):
        web.ask(RUNS + "?x=secret-query", "POST", token=ACT, body={"target": "summaries"})
        # The request's own line is written after its answer.
        until = time.monotonic() + 10
        while len(lines := [record for record in caplog.records if record.name == "monitor.web"]) < 2:
            assert time.monotonic() < until
            time.sleep(0.01)
    assert [(line.levelno, line.__dict__.get("by")) for line in lines] == [(logging.INFO, "operations")] * 2
    assert lines[0].getMessage() == "operations asked for 1 run: id-0001"
    assert (lines[1].method, lines[1].path, lines[1].status) == ("POST", RUNS, 202)
    assert ACT not in caplog.text
    assert "secret-query" not in caplog.text


@pytest.mark.parametrize(("token", "status"), [(None, 401), (READ, 403), (GATE, 403), ("wrong", 401), (ACT, 202)])
@pytest.mark.parametrize("web", ["", OPEN], ids=["loopback", "open"])
def test_it_takes_a_token_that_may_act_on_loopback_too(daemon, house, web, token, status):
    started = daemon(web)
    answer = started.ask(RUNS, "POST", token=token, body={"target": "summaries"})
    assert answer.status == status
    assert (answer.headers.get("www-authenticate") is not None) is (status == 401)
    assert len(house.runs) == started.woken == (1 if status == 202 else 0)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"target": "fft"}, 'There is no target "fft"; did you mean "ft"?'),
        ({"target": "ft", "suite": "suport"}, 'did you mean "support"?'),
        ({"suite": "suport"}, 'There is no suite "suport"; did you mean "support"?'),
        ({"target": "writer"}, 'The target "writer" has no suite'),
        ({"targets": "ft"}, "body.targets: this key is not known."),
        ({"target": ["ft"]}, "body.target: "),
        ({"target": "x" * 201}, "body.target: "),
        ({"target": 1}, "body.target: "),
        ({"target": "zzzzzzzz"}, 'There is no target "zzzzzzzz".'),
        (b'["ft"]', "body: must be a JSON object, sent with the header Content-Type"),
        (b"null", "body: must be a JSON object"),
        (b"", "body: must be a JSON object"),
        (b"{", "this is no valid JSON."),
        (b'{"target": "\\ud800"}', "body.target: "),
        (b'{"target": NaN}', "body.target: "),
    ],
)
def test_what_cannot_be_asked_for_says_why(daemon, house, body, said):
    web = daemon()
    answer = web.ask(RUNS, "POST", token=ACT, body=body, headers=JSON)
    assert (answer.status, web.woken, house.runs) == (422, 0, [])
    assert said in answer.json["error"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("body", [b'{"target": "\xff"}', b"[" * 60_000], ids=["encoding", "depth"])
def test_what_cannot_be_read_is_a_bad_request(daemon, house, body):
    answer = daemon().ask(RUNS, "POST", token=ACT, body=body, headers=JSON)
    assert (answer.status, house.runs) == (400, [])
    assert "JSON in UTF-8" in answer.json["error"]


def test_a_form_of_another_site_cannot_ask(daemon, house):
    headers = {"Content-Type": "text/plain", "Origin": "https://evil.example"}
    answer = daemon().ask(RUNS, "POST", body=json.dumps({"target": "ft"}).encode(), headers=headers)
    assert (answer.status, house.runs) == (401, [])


def test_one_token_asks_sixty_times_a_minute_at_the_most(daemon):
    web = daemon()
    answers = [web.ask(RUNS, "POST", token=ACT, body={"target": "summaries"}) for _ in range(acting.REQUESTS + 6)]
    late = [answer for answer in answers if answer.status == 429]
    assert 1 <= len(late) <= 6
    assert [answer.status for answer in answers[: acting.REQUESTS]] == [202] * acting.REQUESTS
    assert 1 <= int(late[0].headers["retry-after"]) <= 60
    assert late[0].json["permanent"] is False
    assert web.ask(RUNS, token=ACT).status == 200
