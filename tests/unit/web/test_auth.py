"""Who may do what: every role on every kind of route."""

from __future__ import annotations

import pytest

from monitor.web import auth
from monitor.web.auth import ANONYMOUS, Caller, How, Need, by_token, need_of, refusal
from monitor.web.service import Token

TOKENS = {
    "a": Token("a", "alpha-secret", "read"),
    "b": Token("b", "beta-sécret", "act"),
    "c": Token("c", "gamma-secret", "gate"),
}


@pytest.mark.parametrize(
    ("method", "path", "need"),
    [
        ("GET", "/healthz", Need.NOTHING),
        ("HEAD", "/readyz", Need.NOTHING),
        ("POST", "/login", Need.NOTHING),
        ("POST", "/logout", Need.NOTHING),
        ("POST", "/flagger/s3cret/gate", Need.NOTHING),
        ("POST", "/flagger/half/half/rollback-check", Need.NOTHING),
        ("POST", "/api/v1/hooks/id-1/result", Need.NOTHING),
        ("POST", "/slack/interactions", Need.NOTHING),
        *[
            ("POST", f"/incidents/id-1/{step}", Need.FORM)
            for step in ("ack", "silence", "resolve", "approve", "reject")
        ],
        ("GET", "/incidents/id-1/approve", Need.READ),
        ("POST", "/incidents/id-1/delete", Need.ACT),
        ("POST", "/incidents/id/1/ack", Need.ACT),
        ("POST", "/incidents", Need.ACT),
        ("POST", "/api/v1/incidents/id-1/ack", Need.ACT),
        ("GET", "/flagger/s3cret/gate", Need.READ),
        ("PUT", "/flagger/s3cret/gate", Need.ACT),
        ("POST", "/flaggers/s3cret/gate", Need.ACT),
        ("POST", "/api/v1/hooks/id-1/other", Need.ACT),
        ("POST", "/api/v1/hooks/a/b/result", Need.ACT),
        ("POST", "/slack/interactions/x", Need.ACT),
        ("GET", "/api/v1/verdicts", Need.VERDICTS),
        ("GET", "/api/v1/verdicts/ft", Need.VERDICTS),
        ("GET", "/api/v1/verdictsx", Need.READ),
        ("GET", "/api/v1/runs", Need.READ),
        ("GET", "/", Need.READ),
        ("GET", "/metrics", Need.READ),
        ("GET", "/openapi.json", Need.READ),
        ("GET", "/of/a/later/version", Need.READ),
        ("GET", "/healthz/", Need.READ),
        ("POST", "/api/v1/runs", Need.ACT),
        ("POST", "/api/v1/verdicts/ft", Need.ACT),
        ("DELETE", "/of/a/later/version", Need.ACT),
        ("OPTIONS", "/api/v1/runs", Need.ACT),
        ("BREW", "/", Need.ACT),
    ],
)
def test_what_a_request_needs(method, path, need):
    assert need_of(method, path) is need


READER, ACTOR, GATE = (Caller(How.TOKEN, token.name, token.role) for token in TOKENS.values())
SESSION = Caller(How.SESSION, "b", "act", "0" * 32)
LOOKER = Caller(How.SESSION, "a", "read", "0" * 32)
WRONG = Caller(How.WRONG_TOKEN)


@pytest.mark.parametrize(
    ("caller", "nothing", "verdicts", "read", "act", "form"),
    [
        (ANONYMOUS, None, 401, 401, 401, 401),
        (WRONG, None, 401, 401, 401, 401),
        (GATE, None, None, 403, 403, 403),
        (READER, None, None, None, 403, 403),
        (ACTOR, None, None, None, None, 403),
        (SESSION, None, None, None, 403, None),
        (LOOKER, None, None, None, 403, 403),
    ],
)
def test_every_role_may_what_it_may(caller, nothing, verdicts, read, act, form):
    found = [refusal(need, caller, open_to_read=False) for need in Need]
    assert [one and one.status for one in found] == [nothing, verdicts, read, act, form]


@pytest.mark.parametrize(
    ("caller", "verdicts", "read", "act"),
    [(ANONYMOUS, None, None, 401), (WRONG, 401, 401, 401), (GATE, None, 403, 403), (SESSION, None, None, 403)],
)
def test_on_loopback_reading_needs_no_token_and_acting_does(caller, verdicts, read, act):
    found = [refusal(need, caller, open_to_read=True) for need in (Need.VERDICTS, Need.READ, Need.ACT)]
    assert [one and one.status for one in found] == [verdicts, read, act]


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ([b"Bearer alpha-secret"], "a"),
        ([b"bearer   alpha-secret  "], "a"),
        (["Bearer beta-sécret".encode()], "b"),
        ([b"Bearer alpha-secre"], None),
        ([b"Bearer alpha-secrett"], None),
        ([b"Bearer "], None),
        ([b"Bearer"], None),
        ([b""], None),
        ([b"alpha-secret"], None),
        ([b"Basic alpha-secret"], None),
        ([b"Bearer alpha-secret", b"Bearer alpha-secret"], None),
    ],
)
def test_who_a_header_says_it_is(headers, name):
    found = by_token(headers, TOKENS)
    assert (found.how, found.name) == (How.TOKEN if name else How.WRONG_TOKEN, name)
    assert name is None or found.role == TOKENS[name].role


def test_no_header_is_nobody_and_no_tokens_let_nobody_in():
    assert by_token([], TOKENS) is ANONYMOUS
    assert by_token([b"Bearer "], {}).how is How.WRONG_TOKEN


def test_a_token_does_not_show_its_secret():
    assert "alpha" not in repr(TOKENS["a"])


@pytest.mark.parametrize("header", ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"])
def test_a_proxy_is_known_by_its_headers(header):
    assert auth.came_by_proxy([(b"host", b"localhost"), (header.encode(), b"1")])
    assert not auth.came_by_proxy([(b"host", b"localhost"), (b"x-" + header.encode(), b"1")])
