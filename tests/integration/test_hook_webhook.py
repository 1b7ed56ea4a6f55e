"""Hooks over real HTTP to a receiver on loopback that fails in all the ways that receivers do."""

import asyncio
import gc
import json
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import aiohttp
import openai
import pytest

from alerts.channel import TransportError
from alerts.hooks.settings import WebhookSettings
from alerts.hooks.webhook import Accepted, GoneError, WebhookSender
from tests.fakes.hook_server import PATH, SECRET, TRAP, FixedNames, Step, hook_server
from tests.fakes.programs import installed

OTHER_SECRET = "whsec_" + "Zm9vYmFy" * 4
BODY = '{"type":"heldout.rollback.requested","data":{"hook":"deploy","why":"größer · 漢字"}}'.encode()
EVENT = "0193a7c2-5d1e-7f0a-9c3b-1f2e3d4c5b6a"


@pytest.fixture
async def receiver():
    async with hook_server() as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left_open():
    yield
    gc.collect()  # a session left open would warn here, and warnings are errors


def now():
    return datetime.now(UTC)


def settings(url, **changes):
    return replace(WebhookSettings("deploy", getattr(url, "url", url), SECRET, timeout=5.0), **changes)


async def send(url, *, at=None, names=None, tls=None, **changes):
    async with WebhookSender(settings(url, **changes), names, tls) as sender:
        return await sender.send(EVENT, BODY, at or now())


async def failure(url, **options):
    with pytest.raises(TransportError) as caught:
        await send(url, **options)
    told = repr(caught.value) + caught.value.message
    assert "secret-path" not in told
    assert SECRET not in told
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert caught.value.message.startswith("hook deploy (")
    return caught.value


async def test_an_event_arrives_signed_with_its_bytes_as_they_were(receiver):
    sent_at = now()
    assert await send(receiver, at=sent_at) == Accepted(200)
    (came,) = receiver.received
    assert (came.id, came.body.encode(), came.valid) == (EVENT, BODY, True)
    assert came.timestamp == str(int(sent_at.timestamp()))
    assert came.headers["Content-Type"] == "application/json"
    assert {"Cookie", "Authorization", "Transfer-Encoding"}.isdisjoint(came.headers)


async def test_the_clocks_of_every_zone_sign_alike(receiver):
    for hours in (-8, 0, 5.5, 13):
        await send(receiver, at=now().astimezone(timezone(timedelta(hours=hours))))
    assert [came.valid for came in receiver.received] == [True] * 4


async def test_another_packages_verifier_accepts_it(receiver):
    await send(receiver)
    (came,) = receiver.received
    client = openai.OpenAI(api_key="none", webhook_secret=SECRET)
    client.webhooks.verify_signature(came.body, came.headers)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.verify_signature(came.body + " ", came.headers)


@pytest.mark.parametrize("order", [(SECRET, OTHER_SECRET), (OTHER_SECRET, SECRET)])
async def test_while_a_secret_is_rotated_both_sign(receiver, order):
    await send(receiver, secret=" ".join(order))
    (came,) = receiver.received
    assert came.valid
    assert len(set(came.signature.split(" "))) == 2


async def test_a_wrong_secret_is_noticed_by_the_receiver(receiver):
    await send(receiver, secret=OTHER_SECRET)
    assert [came.valid for came in receiver.received] == [False]


async def test_each_attempt_has_the_same_id_and_its_own_time(receiver):
    async with WebhookSender(settings(receiver)) as sender:
        for seconds in (120, 60, 0):
            await sender.send(EVENT, BODY, now() - timedelta(seconds=seconds))
    assert {came.id for came in receiver.received} == {EVENT}
    assert len({came.timestamp for came in receiver.received}) == 3
    assert all(came.valid for came in receiver.received)
    assert len(receiver.connections) == 1


async def test_every_2xx_is_accepted(receiver):
    for status in (200, 202, 204, 299):
        receiver.script.append(Step(status))
        assert await send(receiver) == Accepted(status)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure_and_is_never_followed(receiver, status):
    receiver.script.append(Step(status, {"Location": receiver.origin + TRAP}))
    error = await failure(receiver)
    assert not error.permanent
    assert "redirect" in error.message
    assert (receiver.trapped, len(receiver.received)) == (0, 1)


@pytest.mark.parametrize(
    ("status", "this_message"), [(400, True), (401, False), (403, False), (404, False), (413, True), (451, False)]
)
async def test_what_somebody_has_to_act_on_is_permanent(receiver, status, this_message):
    receiver.script.append(Step(status, body=f"no such page {PATH}"))
    error = await failure(receiver)
    assert (error.permanent, error.this_message) == (True, this_message)
    assert str(status) in error.message
    assert not isinstance(error, GoneError)


async def test_410_switches_the_hook_off(receiver):
    receiver.script.append(Step(410))
    error = await failure(receiver)
    assert isinstance(error, GoneError)
    assert error.permanent


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_what_passes_says_when_to_come_back(receiver, status):
    # The receiver's clock is an hour fast, and its own Date header says so.
    theirs = now() + timedelta(hours=1)
    dates = {"Date": theirs, "Retry-After": theirs + timedelta(seconds=90)}
    dated = {name: format_datetime(moment, usegmt=True) for name, moment in dates.items()}
    cases = [({}, None), ({"Retry-After": "90"}, 90.0), (dated, 90.0), ({"Retry-After": "soon"}, None)]
    for headers, wait in cases:
        receiver.script.append(Step(status, headers))
        error = await failure(receiver)
        assert (error.permanent, error.retry_after) == (False, wait)


async def test_a_hang_ends_at_the_deadline(receiver):
    receiver.script.append(Step(hang=True))
    began = time.monotonic()
    error = await failure(receiver, timeout=0.3)
    assert not error.permanent
    assert "within 0.3 s" in error.message
    assert time.monotonic() - began < 2.0


async def test_a_head_that_drips_ends_at_the_deadline_too():
    async def drip(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)

    error = await answered_by(drip, timeout=0.4)
    assert "within 0.4 s" in error.message


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "closed the connection"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 999999 secret-path\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 20", "closed the connection"),
    ],
)
async def test_what_is_no_answer_passes_in_words_of_our_own(said, words):
    async def say(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)

    error = await answered_by(say)
    assert not error.permanent
    assert words in error.message


async def answered_by(handler, **options):
    """The error of one event that a bare server of TCP answers."""

    async def answer(reader, writer):
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        return await failure(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{PATH}", **options)
    finally:
        server.close()


async def test_an_address_is_asked_as_it_was_written():
    asked = []

    async def listen(reader, writer):
        asked.append(await reader.readuntil(b"\r\n"))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    try:
        await failure(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a%2Db/../secret-path?c=%7e+d")
    finally:
        server.close()
    assert asked == [b"POST /a%2Db/../secret-path?c=%7e+d HTTP/1.1\r\n"]


async def test_a_connection_that_is_closed_without_an_answer_passes(receiver):
    receiver.script.append(Step(close=True))
    error = await failure(receiver)
    assert not error.permanent
    assert "closed the connection" in error.message


async def test_nobody_there_passes():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        error = await failure(f"http://127.0.0.1:{taken.getsockname()[1]}{PATH}")
    assert not error.permanent
    assert "cannot be reached (Connect" in error.message


async def test_a_status_counts_whatever_becomes_of_the_body(receiver):
    receiver.script.extend([Step(200, drip=0.1), Step(503, {"Retry-After": "7"}, drip=0.1)])
    began = time.monotonic()
    assert await send(receiver) == Accepted(200)
    assert (await failure(receiver, timeout=0.5)).retry_after == 7.0
    assert time.monotonic() - began < 3.0


async def test_ten_megabytes_are_not_read(receiver):
    receiver.script.extend([Step(200, size=10_000_000), Step(200)])
    async with WebhookSender(settings(receiver)) as sender:
        assert await sender.send(EVENT, BODY, now()) == Accepted(200)
        assert await sender.send(EVENT, BODY, now()) == Accepted(200)
    assert len(receiver.connections) == 2  # what was cut cannot be used again


async def test_a_body_that_is_not_what_it_says_changes_nothing(receiver):
    receiver.script.append(Step(200, {"Content-Encoding": "gzip"}, body="no gzip at all"))
    assert await send(receiver) == Accepted(200)


async def test_the_environment_has_no_say_and_no_cookie_is_kept(receiver, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("default login me password mine")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    receiver.script.append(Step(200, {"Set-Cookie": "a=b"}))
    url = receiver.url.replace("127.0.0.1", "deploy.test")
    async with WebhookSender(settings(url), FixedNames("127.0.0.1")) as sender:
        await sender.send(EVENT, BODY, now())
        await sender.send(EVENT, BODY, now())
    assert len(receiver.received) == 2
    assert all({"Cookie", "Authorization"}.isdisjoint(came.headers) for came in receiver.received)


async def test_a_name_is_looked_up_once_and_its_vetted_address_connected_to(receiver):
    names = FixedNames("127.0.0.1")
    url = receiver.url.replace("127.0.0.1", "deploy.test")
    assert await send(url, names=names) == Accepted(200)
    assert names.asked == ["deploy.test"]
    assert receiver.received[0].headers["Host"].startswith("deploy.test:")


async def test_a_name_with_one_bad_address_is_never_connected_to(receiver):
    url = receiver.url.replace("127.0.0.1", "deploy.test")
    error = await failure(url, names=FixedNames("127.0.0.1", "169.254.169.254"))
    assert error.permanent
    assert "deploy.test leads to 169.254.169.254, an address where a cloud keeps its metadata" in error.message
    assert receiver.received == []


async def test_a_name_that_changes_between_two_passes_is_vetted_again(receiver):
    url = receiver.url.replace("127.0.0.1", "deploy.test")
    names = FixedNames("127.0.0.1")
    assert await send(url, names=names) == Accepted(200)
    names.addresses = ("64:ff9b::a9fe:a9fe",)
    assert "NAT64" in (await failure(url, names=names)).message


async def test_a_name_that_does_not_exist_passes():
    error = await failure("http://no-such-host.invalid/hooks/secret-path")
    assert not error.permanent
    assert "has a host name that was not found" in error.message


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate for deploy.test alone, that vouches for itself."""
    (openssl,) = installed("openssl", package="openssl")
    key, cert = (tmp_path_factory.mktemp("tls") / name for name in ("key.pem", "cert.pem"))
    subject = ["-subj", "/CN=deploy.test", "-addext", "subjectAltName=DNS:deploy.test"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    made = [openssl, "req", *kind, *subject, "-keyout", str(key), "-out", str(cert)]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    return key, cert


async def test_tls_verifies_the_name_although_the_address_was_chosen_before(authority):
    key, cert = authority
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(cert, key)
    ours = ssl.create_default_context(cafile=str(cert))
    names = FixedNames("127.0.0.1")
    async with hook_server(tls=theirs) as server:
        url = server.url.replace("127.0.0.1", "deploy.test")
        assert await send(url, names=names, tls=ours) == Accepted(200)
        for error in (
            await failure(url, names=names),
            await failure(url.replace("deploy.test", "other.test"), names=names, tls=ours),
            await failure(server.url, tls=ours),
        ):
            assert not error.permanent
            assert "certificate that is not valid for it" in error.message
        assert len(server.received) == 1
        plain = await failure(url.replace("https", "http"), names=names)
        assert not plain.permanent


async def test_a_receiver_without_tls_is_told_apart(receiver):
    error = await failure(receiver.url.replace("http:", "https:"))
    assert not error.permanent


async def test_a_sender_needs_its_connections():
    with pytest.raises(RuntimeError, match="async with"):
        await WebhookSender(settings("http://127.0.0.1:9/")).send(EVENT, BODY, now())


async def test_the_receiver_runs_as_a_process_and_is_told_what_to_do():
    program = [sys.executable, "tests/fakes/hook_server.py", "--port", "0"]
    process = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        origin = f"http://127.0.0.1:{int(line.split()[1])}"
        async with aiohttp.ClientSession() as client:
            await client.post(f"{origin}/control", json={"script": [{"status": 410}], "always": {"status": 202}})
            assert isinstance(await failure(origin + PATH), GoneError)
            assert await send(origin + PATH) == Accepted(202)
            async with client.get(f"{origin}/control") as told:
                came = (await told.json())["received"]
    finally:
        process.terminate()
        await process.wait()
    assert [one["valid"] for one in came] == [True, True]
    assert json.loads(came[0]["body"])["type"] == "heldout.rollback.requested"
