"""Sessions: what a cookie proves, for how long, and that forms of other sites are known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.web import sessions
from monitor.web.auth import How
from monitor.web.service import Token

NOW = datetime(2026, 11, 16, 6, 0, tzinfo=UTC)
ADA = Token("ada.l-1", "a-secret", "read")
BOB = Token("bob", "b-secret", "act")
TOKENS = {token.name: token for token in (ADA, BOB)}
NONCE = "0123456789abcdef" * 2


@pytest.fixture
def cookie():
    return sessions.begin(ADA, NOW, NONCE)


@pytest.mark.parametrize("hours", [0, 11.99, -0.08])
def test_a_session_is_its_tokens_for_twelve_hours(cookie, hours):
    found = sessions.read(cookie, TOKENS, NOW + timedelta(hours=hours))
    assert (found.how, found.name, found.role, found.nonce) == (How.SESSION, "ada.l-1", "read", NONCE)


@pytest.mark.parametrize("hours", [12, 24 * 365, -0.1])
def test_it_ends_and_is_not_from_the_future(cookie, hours):
    assert sessions.read(cookie, TOKENS, NOW + timedelta(hours=hours)) is None


def test_it_dies_with_its_token_and_follows_its_role(cookie):
    changed = {"ada.l-1": replace(ADA, secret="another")}
    assert sessions.read(cookie, changed, NOW) is None
    assert sessions.read(cookie, {"bob": BOB}, NOW) is None
    assert sessions.read(cookie, {"ada.l-1": replace(ADA, role="act")}, NOW).role == "act"


def test_every_part_of_it_is_signed(cookie):
    for place in range(len(cookie)):
        for other in "0a.":
            forged = cookie[:place] + other + cookie[place + 1 :]
            assert forged == cookie or sessions.read(forged, TOKENS, NOW) is None, forged
    assert sessions.read(cookie.replace("ada.l-1", "bob"), TOKENS, NOW) is None


@pytest.mark.parametrize(
    "value", ["", ".", "...", "x" * 10_000, "1.2.3.4", "\ud800", "9" * 12 + f".{NONCE}.bob." + "0" * 64]
)
def test_what_is_no_session_is_none(value):
    assert sessions.read(value, TOKENS, NOW) is None


def test_a_forms_key_is_its_sessions_own_and_no_signature_of_a_session(cookie):
    keys = {sessions.form_key(ADA, NONCE), sessions.form_key(BOB, NONCE), sessions.form_key(ADA, "0" * 32)}
    assert len(keys) == 3
    assert not keys & {cookie.rpartition(".")[2]}
    assert sessions.same("abc", "abc")
    assert not sessions.same("abd", "abc")
    assert not sessions.same("\ud800", "abc")


@pytest.mark.parametrize(
    ("headers", "public_url", "here"),
    [
        ({}, None, True),
        ({"sec-fetch-site": "same-origin"}, None, True),
        ({"sec-fetch-site": "same-site"}, None, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://localhost:1"}, None, False),
        ({"sec-fetch-site": "none"}, None, False),
        ({"origin": "http://localhost:1"}, None, True),
        ({"origin": "HTTP://LOCALHOST:1"}, None, True),
        ({"origin": "http://localhost:2"}, None, False),
        ({"origin": "https://evil.example"}, None, False),
        ({"origin": "null"}, None, False),
        ({"origin": ""}, None, False),
        ({"origin": "https://heldout.internal"}, "https://heldout.internal/", True),
        ({"origin": "https://heldout.internal.evil.example"}, "https://heldout.internal", False),
    ],
)
def test_a_form_of_another_site_is_known(headers, public_url, here):
    assert sessions.from_here({"host": "localhost:1"} | headers, public_url) is here


def test_a_session_that_was_ended_is_remembered_as_long_as_its_cookie_would_live():
    ended = sessions.Ended()
    ended.add("one", NOW)
    ended.add("two", NOW + timedelta(hours=12))
    assert "one" in ended
    assert "three" not in ended
    ended.add("three", NOW + timedelta(hours=13))
    assert [name in ended for name in ("one", "two", "three")] == [False, True, True]
