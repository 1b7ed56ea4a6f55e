"""The dead-man's switch against a real server: what is sent, and that nothing it does raises or takes too long."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator
from urllib.parse import parse_qs
from uuid import UUID

import pytest
from aiohttp import web

from monitor.deadman import LARGEST_BODY, AddressError, Deadman, Patience
from tests.fakes.deadman_server import SECRET_PATH, DeadmanServer, Step, deadman_server

QUICK = Patience(timeout=0.3, pause=0.05, start=0.3)
SLACK = 0.7  # seconds that a busy machine may take beside


@pytest.fixture
async def server() -> AsyncIterator[DeadmanServer]:
    async with deadman_server() as running:
        yield running


async def test_a_round_is_a_start_and_an_end_with_one_id(server):
    for ok, end in ((True, ""), (False, "/fail")):
        server.pings.clear()
        deadman = Deadman(server.url, QUICK)
        deadman.started("begins\n")
        await deadman.ended(ok, "measured bot · support: 40 answers\n")
        assert server.kinds == ["/start", end]
        rids = {parse_qs(ping.query)["rid"][0] for ping in server.pings}
        assert len(rids) == 1
        UUID(rids.pop())
        assert [ping.body for ping in server.pings] == ["begins\n", "measured bot · support: 40 answers\n"]


async def test_two_rounds_have_two_ids(server):
    for _ in range(2):
        await Deadman(server.url, QUICK).ended(True, "")
    assert len({ping.query for ping in server.pings}) == 2


async def test_a_query_and_a_slash_at_the_end_are_kept_right(server):
    deadman = Deadman(f"{server.url}/?create=1&tag=a%2Fb", QUICK)
    deadman.started("")
    await deadman.ended(True, "")
    assert server.kinds == ["/start", ""]
    assert all(ping.query.startswith("create=1&tag=a%2Fb&rid=") for ping in server.pings)


async def test_a_user_and_password_in_the_address_are_sent_and_not_said(server, caplog):
    server.always = Step(status=404)
    deadman = Deadman(server.url.replace("http://", "http://ann:pw-7a9c@"), QUICK)
    await deadman.ended(True, "")
    assert server.pings[0].headers["Authorization"].startswith("Basic ")
    assert "pw-7a9c" not in deadman.place + str([vars(one) for one in caplog.records])


@pytest.mark.parametrize(
    ("step", "tries", "why"),
    [
        (Step(404, "not found"), 1, "it answers 404"),
        (Step(500, "oops"), 2, "it answers 500"),
        (Step(429, "slow down"), 2, "it answers 429"),
        (Step(302, "", {"Location": "/elsewhere"}), 1, "a redirect, which is not followed"),
        (Step(200, "OK (not found)"), 1, "does not count it: not found"),
        (Step(hang=True), 2, "no answer within 0.3 s"),
    ],
    ids=["404", "500", "429", "redirect", "unknown", "hang"],
)
async def test_what_fails_is_tried_twice_where_that_may_help_and_logged_without_the_path(
    server, caplog, step, tries, why
):
    server.always = step
    began = time.monotonic()
    with caplog.at_level(logging.DEBUG):
        await Deadman(server.url, QUICK).ended(True, "")
    assert time.monotonic() - began < QUICK.within + SLACK
    assert server.kinds == [""] * tries
    (record,) = [one for one in caplog.records if one.name == "monitor.deadman"]
    assert (record.levelname, why in record.why) == ("WARNING", True)
    assert record.place == server.url.removesuffix(SECRET_PATH)
    assert "secret" not in str([vars(one) for one in caplog.records])


async def test_the_second_try_is_enough(server, caplog):
    server.script.append(Step(503))
    await Deadman(server.url, QUICK).ended(True, "")
    assert server.kinds == ["", ""]
    assert caplog.records == []


async def test_nobody_listens(caplog):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}{SECRET_PATH}"
        await Deadman(url, QUICK).ended(False, "")
    assert "no connection" in caplog.records[0].why
    assert "secret" not in str(vars(caplog.records[0]))


async def test_a_start_that_hangs_delays_the_end_by_its_bound_and_never_comes_after_it(server):
    server.script.append(Step(hang=True))
    deadman = Deadman(server.url, Patience(timeout=60.0, start=0.3))
    began = time.monotonic()
    deadman.started("")
    assert time.monotonic() - began < 0.1, "the start is sent while the work begins"
    await deadman.ended(True, "")
    assert 0.25 < time.monotonic() - began < 0.3 + SLACK
    assert server.kinds == ["/start", ""]


async def test_what_was_stopped_lets_go_of_its_start_and_tells_no_end(server):
    server.always = Step(hang=True)
    deadman = Deadman(server.url, Patience(timeout=60.0, start=60.0))
    deadman.started("")
    await asyncio.wait_for(server.arrived.wait(), 5.0)
    began = time.monotonic()
    await deadman.abandoned()
    assert time.monotonic() - began < SLACK
    assert server.kinds == ["/start"]


async def test_a_note_is_no_ping(server):
    deadman = Deadman(server.url, QUICK)
    assert await deadman.noted("here") is None
    assert server.kinds == ["/log"]
    server.always = Step(404)
    assert await deadman.noted("here") == "it answers 404"


async def test_a_body_is_cut_to_what_is_kept_there_and_stays_text(server):
    await Deadman(server.url, QUICK).ended(True, "ü" * 20_000)
    (ping,) = server.pings
    assert set(ping.body) == {"ü"}
    assert len(ping.body.encode()) <= LARGEST_BODY


async def test_the_environments_proxies_are_not_asked(server, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    await Deadman(server.url, QUICK).ended(True, "")
    assert server.kinds == [""]


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path, caplog):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command = [*made, "-keyout", str(key), "-out", str(cert)]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    seen: list[str] = []

    async def ping(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_post("/{path:.*}", ping)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        url = f"https://127.0.0.1:{runner.addresses[0][1]}{SECRET_PATH}"
        fault = await Deadman(url, Patience(timeout=10.0)).noted("")
    finally:
        await runner.cleanup()
    assert fault == "its certificate is not valid for it"
    assert seen == []


@pytest.mark.parametrize(
    "url", ["", "hc-ping.com/x", "ftp://host/x", "http://", "http://a b/", "http://h:x/", "http://[::1"]
)
def test_what_is_no_address_is_refused_without_repeating_it(url):
    with pytest.raises(AddressError) as raised:
        Deadman(url)
    assert not url or url not in str(raised.value)


async def test_a_name_is_looked_up(server):
    assert await Deadman(server.url.replace("127.0.0.1", "localhost"), QUICK).noted("") is None
    assert server.kinds == ["/log"]


async def test_a_name_that_is_nobodys_is_said_without_the_address():
    fault = await Deadman(f"http://nobody.invalid{SECRET_PATH}", QUICK).noted("")
    assert fault is not None
    assert "secret" not in fault


def test_a_name_server_that_is_gone_keeps_no_program_from_ending():
    asked, never = threading.Event(), threading.Event()

    def lookup(*_: object, **__: object) -> list[tuple[object, ...]]:
        asked.set()
        never.wait(60.0)
        raise OSError("too late")

    began = time.monotonic()
    fault = asyncio.run(Deadman(f"http://somebody.invalid{SECRET_PATH}", QUICK, lookup).noted(""))
    assert time.monotonic() - began < QUICK.within + SLACK
    assert asked.is_set()
    assert fault == "no answer within 0.3 s"
    never.set()
