"""What is signed and how, and which settings are refused; what goes over the wire is in tests/integration."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from alerts.hooks.settings import WebhookSettings
from alerts.hooks.webhook import WebhookSender
from tests.fakes.hook_server import signed
from tests.unit.alerts.hooks import vectors

URL = "https://user:pass@deploy.internal:8443/secret-path?token=hidden"


def sender(secret=vectors.SECRET):
    return WebhookSender(WebhookSettings("deploy", URL, secret))


def headers(event=vectors.ID, body=vectors.BODY, now=vectors.AT, secret=vectors.SECRET):
    return sender(secret)._signed(event, body, now)


def test_the_standards_own_vector():
    made = headers()
    assert made["webhook-signature"] == vectors.SIGNATURE
    assert (made["webhook-id"], made["webhook-timestamp"]) == (vectors.ID, "1614265330")


def test_the_same_instant_in_another_zone_is_signed_alike():
    elsewhere = vectors.AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert headers(now=elsewhere)["webhook-signature"] == vectors.SIGNATURE


@given(
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")),
    st.builds(datetime.fromtimestamp, st.integers(10**9, 7 * 10**9), st.timezones()),
    st.binary(min_size=24, max_size=64),
)
def test_whatever_is_sent_verifies(body, at, key):
    secret = "whsec_" + base64.b64encode(key).decode()
    assert signed(secret, headers(body=body, now=at, secret=secret), body, at.timestamp())
    assert not signed(secret, headers(body=body, now=at, secret=secret), body + b" ", at.timestamp())


def test_the_reference_library_verifies_and_a_naive_time_is_refused():
    now = datetime.now(UTC)
    standardwebhooks.Webhook(vectors.SECRET).verify(vectors.BODY, headers(now=now))
    with pytest.raises(ValueError, match="time zone"):
        headers(now=now.replace(tzinfo=None))


@pytest.mark.parametrize("event", ["", "a.b", "a b", "a\r\nX-Evil: 1", "é", "x" * 256])
def test_an_id_that_could_be_taken_for_more_is_refused(event):
    with pytest.raises(ValueError, match="id must be"):
        headers(event=event)


def test_settings_show_the_host_and_nothing_else():
    settings = WebhookSettings("deploy", URL, vectors.SECRET)
    assert settings.place == "deploy.internal:8443"
    for hidden in ("pass", "secret-path", "hidden", vectors.SECRET):
        assert hidden not in repr(settings) + settings.place


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("", "is empty"),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "must be whsec_"),
        ("whsec_not*base64", "must be whsec_"),
        ("whsec_" + base64.b64encode(b"x" * 23).decode(), "holds 23 bytes"),
        ("whsec_" + base64.b64encode(b"x" * 65).decode(), "holds 65 bytes"),
        (f"{vectors.SECRET} whsec_c2hvcnQ=", "holds 5 bytes"),
    ],
)
def test_a_secret_is_checked_and_not_repeated(secret, why):
    with pytest.raises(ValueError, match=why) as caught:
        WebhookSettings("deploy", URL, secret)
    told = str(caught.value)
    assert told.startswith("hooks.deploy.secret ")
    assert "MfKQ" not in told
    assert "c2hvcnQ" not in told


@pytest.mark.parametrize("size", [24, 25, 26, 64])
def test_padding_may_be_left_out(size):
    WebhookSettings("deploy", URL, "whsec_" + base64.b64encode(b"x" * size).decode().rstrip("="))


@pytest.mark.parametrize(
    "url",
    [
        *("", "deploy.internal/x", "ftp://deploy.internal/", "https://", "https://[::1", "https://a:99999/"),
        *("https://a/b c", "https://a/\n", "https://größer.test/", "http://169.254.169.254/latest", "http://0x7f.1/"),
        *(
            "http://[fe80::1]/",
            "http://10.0.0.1\\@[::1]/",
            "http://[64:ff9b::1]/",
            "http://2130706433/",
            "http://0.0.0.0/",
        ),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused(url):
    with pytest.raises(ValueError, match=r"hooks\.deploy\.url "):
        WebhookSettings("deploy", url, vectors.SECRET)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[::1]:8080/x", "https://10.0.0.4/", "http://deploy/"])
def test_the_operators_own_network_is_allowed(url):
    WebhookSettings("deploy", url, vectors.SECRET)


def test_all_faults_are_named_at_once():
    with pytest.raises(ValueError, match=r"url .*; hooks\.deploy\.secret .*; hooks\.deploy: the time-out"):
        WebhookSettings("deploy", "nowhere", "", timeout=0)
