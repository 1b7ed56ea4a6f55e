"""The e-mail channel through the real smtplib to real SMTP servers on loopback."""

import asyncio
import gc
import logging
import socket
import ssl
import subprocess
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from urllib.parse import quote

import pytest

from alerts.channel import TransportError
from alerts.channels.email import EmailChannel
from alerts.channels.email_message import message
from alerts.channels.email_settings import EmailSettings, mailbox
from alerts.channels.smtp_server import Tls
from alerts.channels.smtp_server import smtp_server as address
from alerts.deliver import State, deliver
from tests.fakes.outbox import START, Clock, MemoryOutbox
from tests.fakes.smtp_server import PASSWORD, USER, playback, smtp_server
from tests.unit.alerts.samples import ROLLBACK, going, numbered

TO = ("oncall@example.com", "zoe@example.com")
NOW = datetime(2026, 11, 16, 13, tzinfo=UTC)
LOGIN = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@"


@pytest.fixture(scope="module", autouse=True)
def nothing_left_open():
    yield
    gc.collect()  # a socket left open would warn here, and warnings are errors


@pytest.fixture
async def server():
    async with smtp_server() as mails:
        yield mails


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost, with its key, that signs itself."""
    folder = tmp_path_factory.mktemp("certificate")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    paths = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(
        [*made, "-addext", "subjectAltName=DNS:localhost", *paths], check=True, capture_output=True, timeout=60
    )
    return folder


@pytest.fixture
def served(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


@pytest.fixture
def trusting(certificate):
    return ssl.create_default_context(cafile=certificate / "cert.pem")


def settings_for(url, to=TO, **settings):
    settings = {"timeout": 2.0, "limit": 5.0} | settings
    return EmailSettings(tuple(map(mailbox, to)), mailbox("heldout@example.com"), address(url), **settings)


def channel(url, **settings):
    return EmailChannel(settings_for(url, **settings), lambda: NOW)


def plain(port, **settings):
    return channel(f"smtp://127.0.0.1:{port}", **settings)


async def failure(way):
    with pytest.raises(TransportError) as caught:
        await way.send(going(ROLLBACK))
    assert PASSWORD not in repr(caught.value)
    assert USER not in repr(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


async def test_a_message_arrives_whole_and_once(server):
    receipt = await plain(server.port).send(going(ROLLBACK))
    (found,) = server.messages
    assert server.recipients == [list(TO)]
    assert receipt.reference == found["Message-ID"] == f"<{ROLLBACK.id}@heldout.example.com>"
    sent = message_from_bytes(message(ROLLBACK, settings_for("smtp://localhost"), NOW).as_bytes(), policy=default)
    for kind in ("plain", "html"):
        assert found.get_body((kind,)).get_content() == sent.get_body((kind,)).get_content()
    (said,) = [command for command in server.commands if command.startswith("EHLO")]
    assert said == "EHLO [127.0.0.1]" or "." in socket.gethostname()


async def test_starttls_is_asked_for_and_its_certificate_looked_at(served, trusting):
    async with smtp_server(served) as server:
        await channel(f"smtp://localhost:{server.port}?starttls=require", context=trusting).send(going(ROLLBACK))
        assert server.encrypted == [True]
        assert sum(command.startswith("EHLO") for command in server.commands) == 2
        error = await failure(channel(f"smtp://localhost:{server.port}?starttls=require"))
        assert (error.permanent, error.this_message) == (True, False)
        assert "is not accepted (self" in error.message
        assert "SSL_CERT_FILE" in error.message
        error = await failure(channel(f"smtp://127.0.0.1:{server.port}?starttls=require", context=trusting))
        assert error.permanent
        assert "certificate is not valid for '127.0.0.1'" in error.message
        assert "530" in (await failure(plain(server.port))).message
        assert len(server.messages) == 1


async def test_starttls_is_used_where_it_is_offered_and_not_missed_where_it_is_not(served, trusting, server):
    async with smtp_server(served) as offering:
        for mails, used in ((offering, True), (server, False)):
            settings = settings_for(f"smtp://localhost:{mails.port}", context=trusting)
            settings = replace(settings, server=replace(settings.server, tls=Tls.OFFERED))
            await EmailChannel(settings).send(going(ROLLBACK))
            assert mails.encrypted == [used]


async def test_tls_from_the_start(served, trusting):
    async with smtp_server(served, at_once=True) as server:
        await channel(f"smtps://localhost:{server.port}", context=trusting).send(going(ROLLBACK))
        assert len(server.messages) == 1
        health = await channel(f"smtps://localhost:{server.port}", context=trusting).verify()
        assert (health.working, "answers by TLS;" in health.detail) == (True, True)


async def test_tls_that_is_not_there_is_never_done_without(server):
    error = await failure(channel(f"smtp://localhost:{server.port}?starttls=require"))
    assert error.permanent
    assert "offers no STARTTLS, without which nothing is sent" in error.message
    error = await failure(channel(f"smtps://localhost:{server.port}"))
    assert error.permanent
    assert "smtps:// is for a port that is encrypted at once (465)" in error.message
    assert "MAIL" not in server.commands


async def test_a_login_goes_by_tls_and_a_wrong_one_says_what_to_do(served, trusting):
    async with smtp_server(served, login=True) as server:
        right = channel(f"smtp://{LOGIN}localhost:{server.port}?starttls=require", context=trusting)
        await right.send(going(ROLLBACK))
        assert (server.logins, server.encrypted) == ([True], [True])
        wrong = channel(
            f"smtp://{quote(USER)}:{quote(PASSWORD[:-1])}@localhost:{server.port}?starttls=require", context=trusting
        )
        error = await failure(wrong)
        assert (error.permanent, error.this_message) == (True, False)
        assert "answered 535 while logging in" in error.message
        assert "check the user and password" in error.message
        health = await right.verify()
        assert health.working is True
        assert "answers by TLS and takes the login" in health.detail
        assert len(server.messages) == 1


async def test_a_server_without_logins_is_told(server):
    error = await failure(channel(f"smtp://{LOGIN}127.0.0.1:{server.port}"))
    assert error.permanent
    assert "offers no login that is known here" in error.message


async def test_the_servers_words_do_not_give_the_login_away():
    said = f"535 {USER} may not use {PASSWORD} here\r\n"
    async with playback("220 hi\r\n", "250-hi\r\n250 AUTH PLAIN\r\n", said) as port:
        error = await failure(channel(f"smtp://{LOGIN}127.0.0.1:{port()}"))
    assert "535 while logging in (“[…] may not use […] here”)" in error.message


@pytest.mark.parametrize(
    ("place", "reply", "permanent", "this_message"),
    [
        ("MAIL", "451 try later", False, False),
        ("MAIL", "550 not your address", True, False),
        ("MAIL", "552 too big", True, True),
        ("DATA", "451 busy", False, False),
        ("DATA", "452 full", False, False),
        ("DATA", "552 too big", True, True),
        ("DATA", "554 looks like spam", True, True),
    ],
)
async def test_a_refusal_is_understood(server, place, reply, permanent, this_message):
    server.replies[place] = reply
    error = await failure(plain(server.port))
    assert (error.permanent, error.this_message) == (permanent, this_message)
    assert f"answered {reply[:3]} while" in error.message
    assert f"(“{reply[4:]}”)" in error.message
    assert server.messages == []


async def test_some_recipients_that_are_refused_are_logged_and_the_others_have_it(server, caplog):
    server.replies[TO[1]] = "550 unknown"
    with caplog.at_level(logging.WARNING):
        await plain(server.port).send(going(ROLLBACK))
    assert server.recipients == [[TO[0]]]
    (record,) = [one for one in caplog.records if one.name == "alerts.channels.email"]
    assert (record.getMessage(), record.refused, record.of, record.codes) == (
        "recipients were refused",
        [TO[1]],
        2,
        [550],
    )


@pytest.mark.parametrize(("second", "permanent"), [("550 unknown", True), ("450 greylisted", False)])
async def test_all_recipients_refused_is_a_failure(server, second, permanent):
    server.replies |= {TO[0]: "550 unknown", TO[1]: second}
    error = await failure(plain(server.port))
    assert (error.permanent, error.this_message) == (permanent, False)
    assert "all 2 recipients were refused" in error.message


@pytest.mark.parametrize(
    "lines", [(), ("220 hi\r\n",), ("220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n")]
)
async def test_a_connection_that_breaks_is_tried_again(lines):
    async with playback(*lines) as port:
        error = await failure(plain(port()))
    assert not error.permanent
    assert "closed the connection while" in error.message or "broke while" in error.message


@pytest.mark.parametrize("said", ["HTTP/1.1 400 Bad Request\r\n", "\r\n", "554 go away\r\n", "421 busy\r\n"])
async def test_a_greeting_that_is_none(said):
    async with playback(said) as port:
        error = await failure(plain(port()))
    assert error.permanent is said.startswith("554")
    assert ("does not speak SMTP" in error.message) is (not said[:3].isdigit())


async def test_silence_ends_in_the_time_out_of_a_step():
    async with playback(5.0) as port:
        error = await failure(plain(port(), timeout=0.2))
    assert not error.permanent
    assert "did not answer within 0.2 s while greeting" in error.message


async def test_a_slow_drip_ends_at_the_limit_and_leaves_no_thread():
    async with playback("220-" + "x" * 1000 + "\r\n", drip=0.05) as port:
        began = time.monotonic()
        error = await failure(plain(port(), limit=0.4))
        assert time.monotonic() - began < 2.0
        assert not error.permanent
        assert "took longer than 0.4 s" in error.message
        await asyncio.to_thread(_no_thread_is_left)


async def test_a_sender_that_is_given_up_hangs_up():
    async with playback(5.0) as port:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await plain(port(), timeout=30.0, limit=30.0).send(going(ROLLBACK))
        await asyncio.to_thread(_no_thread_is_left)


def _no_thread_is_left():
    until = time.monotonic() + 3.0
    while any(thread.name == "smtp" for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)


async def test_nobody_listening_is_tried_again():
    async with playback() as gone:
        way = plain(gone())
    error = await failure(way)
    assert not error.permanent
    assert "cannot be reached" in error.message
    assert (await way.verify()).working is False


async def test_a_name_that_is_nobodys_is_tried_again():
    error = await failure(channel("smtp://nobody.invalid"))
    assert not error.permanent
    assert "nobody.invalid" in error.message


async def test_verify_sends_nothing(server):
    health = await plain(server.port).verify()
    assert health.working is True
    assert "answers without TLS; whether it delivers shows with the first message" in health.detail
    assert "NOOP" in server.commands
    assert "MAIL" not in server.commands


async def test_a_server_that_is_down_delays_every_message_and_loses_none(server):
    clock, outbox = Clock(), MemoryOutbox()
    rows = [outbox.put(numbered(i), START, channel="email") for i in range(3)]
    server.replies["DATA"] = "451 later"
    channels = {"email": plain(server.port)}
    tally = await deliver(outbox, channels, clock, until=clock() + timedelta(seconds=20), sleep=clock.sleep)
    assert (tally.sent, tally.retried) == (0, 2)
    server.replies.clear()
    clock.now += timedelta(minutes=5)
    await deliver(outbox, channels, clock, until=clock() + timedelta(minutes=1), sleep=clock.sleep)
    assert [row.state for row in rows] == ["sent"] * 3
    assert [found["X-Heldout-Alert"] for found in server.messages] == [f"alert-{i}" for i in range(3)]
    assert [row.receipt for row in rows] == [found["Message-ID"] for found in server.messages]


async def test_a_wrong_password_blocks_until_it_is_replaced(served, trusting):
    async with smtp_server(served, login=True) as server:
        clock, outbox = Clock(), MemoryOutbox()
        row = outbox.put(ROLLBACK, START, channel="email")
        for login, state in (("u:p@", State.BLOCKED), (LOGIN, "sent")):
            way = channel(f"smtp://{login}localhost:{server.port}?starttls=require", context=trusting)
            until = clock() + timedelta(minutes=1)
            await deliver(outbox, {"email": way}, clock, until=until, sleep=clock.sleep)
            assert row.state == state
            clock.now = row.due_at
