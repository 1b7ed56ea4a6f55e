"""Which Host headers are welcome."""

from __future__ import annotations

import pytest

from monitor.config.models import Web
from monitor.web.host import fault, host_of, is_local, names_of


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost", "localhost"),
        ("LOCALHOST:8787", "localhost"),
        ("heldout.internal.:443", "heldout.internal"),
        ("127.0.0.1:8787", "127.0.0.1"),
        ("[::1]:8787", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("::1", None),
        ("[::1", None),
        ("[::1]x", None),
        ("[1.2.3.4]", None),
        ("[fe80::1%25eth0]", None),
        ("", None),
        (".", None),
        ("localhost:", None),
        ("localhost:80:80", None),
        ("localhost@evil.example", None),
        ("evil.example/localhost", None),
        ("localhost evil", None),
        ("localhost\n", None),
        ("ev\u0131l", None),
        ("a" * 255, None),
    ],
)
def test_the_host_of_a_header(header, host):
    assert host_of(header) == host


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.8.7", "::1"])
def test_loopback_is_local(host):
    assert is_local(host)
    assert fault(host if ":" not in host else f"[{host}]:1", frozenset()) is None


@pytest.mark.parametrize("host", ["localhost.evil.example", "127.0.0.1.nip.io", "128.0.0.1", "0.0.0.0", "2130706433"])
def test_what_only_looks_like_loopback_is_not(host):
    assert not is_local(host)
    assert fault(host, frozenset())[0] == 421


def test_names_come_from_hosts_public_url_and_the_address_that_is_listened_on():
    web = Web(listen="[2001:db8:0::5]:8787", public_url="https://Heldout.Internal:8443/x", hosts=("h.example.",))
    assert names_of(web) == {"h.example", "heldout.internal", "2001:db8::5"}
    assert fault("[2001:DB8::5]:8787", names_of(web)) is None
    assert fault("H.EXAMPLE.:1", names_of(web)) is None


@pytest.mark.parametrize("listen", ["0.0.0.0:8787", "[::]:8787", "localhost:8787"])
def test_every_address_is_no_name(listen):
    assert names_of(Web(listen=listen)) == frozenset()


def test_a_refusal_names_the_key_and_does_not_repeat_a_long_name():
    status, message = fault("evil.example" + "a" * 200, frozenset())
    assert status == 421
    assert "hosts under [web]" in message
    assert "a" * 120 not in message


def test_a_missing_or_malformed_header_is_a_bad_request():
    assert fault(None, frozenset())[0] == 400
    assert fault("a b", frozenset())[0] == 400
