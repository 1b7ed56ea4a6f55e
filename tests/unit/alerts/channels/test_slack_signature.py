"""Slack's signature on a request: a window of five minutes, and nothing that comes in can do more than be refused."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.channels.slack_client import verify
from tests.fakes.slack_server import pressed, signed

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NOW = datetime(2026, 11, 16, 13, 0, tzinfo=UTC)


def signed_at(moment):
    headers, body = signed(pressed("heldout.ack", "a"), SECRET, int(moment.timestamp()))
    return headers["X-Slack-Request-Timestamp"], headers["X-Slack-Signature"], body


def test_slacks_own_example_is_accepted():
    # The example of Slack's guide on verifying requests.
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    then = datetime.fromtimestamp(1531420618, UTC)
    assert verify(SECRET, "1531420618", signature, body, then) is None
    assert verify(SECRET, "1531420618", signature, body + b"x", then) is not None
    assert verify("other", "1531420618", signature, body, then) is not None


@pytest.mark.parametrize(
    ("age", "accepted"), [(0, True), (300, True), (-300, True), (302, False), (-302, False), (10**6, False)]
)
def test_the_window_is_five_minutes_either_way(age, accepted):
    assert (verify(SECRET, *signed_at(NOW - timedelta(seconds=age)), NOW) is None) == accepted


@settings(max_examples=150, deadline=None)
@given(
    timestamp=st.sampled_from(["1.5", "", "nan", "١٢٣", "9" * 400, "9" * 5_000, str(int(NOW.timestamp()))]) | st.text(),
    signature=st.text(max_size=80),
    body=st.binary(max_size=80),
)
def test_whatever_else_comes_is_a_fault_in_words(timestamp, signature, body):
    said = verify(SECRET, timestamp, signature, body, NOW)
    assert said is not None
    assert SECRET not in said
