"""Connections that are slow, many, large or broken, and how listening begins and ends."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress

import pytest

from monitor.web import connections
from monitor.web.server import ListenError, Server
from tests.fakes.daemon import ACT
from tests.fakes.scenes import decided

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def dial(web):
    return closing(socket.create_connection((web.host, web.port), timeout=20))


def one_of(connection):
    """One answer to a question whether it lives."""
    got = b""
    while not got.endswith(b'{"status": "alive"}'):
        part = connection.recv(65_536)
        assert part, got
        got += part
    return got


def all_of(connection):
    """Everything until the other side closes; a reset is an end, too."""
    got = b""
    try:
        while part := connection.recv(65_536):
            got += part
    except ConnectionResetError:
        pass
    return got


def test_two_hundred_requests_at_once_are_all_answered(daemon, house):
    decided(house, "ft", "run-1")
    web = daemon()
    paths = ["/api/v1/verdicts", "/", "/readyz", "/api/v1/runs"] * 50
    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(web.ask, paths))
    assert [answer.status for answer in answers] == [200] * 200


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", b"POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"]
)
@pytest.mark.long(10)
def test_a_request_that_never_comes_is_not_waited_for(daemon, sent):
    web = daemon()
    began = time.monotonic()
    with dial(web) as connection:
        connection.sendall(sent.replace(b"\r\n\r\n", f"\r\nAuthorization: Bearer {ACT}\r\n\r\n".encode()))
        assert all_of(connection) == b""
    assert connections.REQUEST_WITHIN - 1 < time.monotonic() - began < connections.REQUEST_WITHIN + 3


@pytest.mark.long(10)
def test_a_request_that_comes_byte_by_byte_is_not_waited_for(daemon):
    web = daemon()
    began = time.monotonic()
    with dial(web) as connection, suppress(BrokenPipeError, ConnectionResetError):
        while time.monotonic() < began + 20:
            connection.sendall(b"X")
            time.sleep(0.25)
    assert time.monotonic() - began < connections.REQUEST_WITHIN + 3


def test_an_idle_connection_is_closed_and_one_that_is_used_is_kept(daemon):
    web = daemon()
    with dial(web) as connection:
        for _ in range(3):
            connection.sendall(GET)
            assert one_of(connection).startswith(b"HTTP/1.1 200 ")
            time.sleep(0.2)
        began = time.monotonic()
        assert all_of(connection) == b""
        assert connections.KEEP_ALIVE - 1 < time.monotonic() - began < connections.KEEP_ALIVE + 3


def test_requests_that_come_together_are_answered_in_order(daemon):
    web = daemon()
    with dial(web) as connection:
        connection.sendall(GET * 3 + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert all_of(connection).count(b"HTTP/1.1 200 OK") == 4


def test_connections_that_wait_make_room_for_new_ones(daemon):
    web = daemon()
    with ExitStack() as stack:
        silent = [stack.enter_context(dial(web)) for _ in range(connections.MOST_CONNECTIONS + 20)]
        for _ in range(5):
            assert web.ask("/api/v1/verdicts").status == 200
        # Those that waited longest had to go; the newest are still there.
        silent[0].settimeout(5)
        assert all_of(silent[0]) == b""
        silent[-1].sendall(GET)
        assert one_of(silent[-1]).startswith(b"HTTP/1.1 200 ")


def chunks(number, size):
    return b"".join(f"{size:x}\r\n".encode() + b" " * size + b"\r\n" for _ in range(number)) + b"0\r\n\r\n"


def posted(web, headers, body):
    head = f"POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ACT}\r\nConnection: close\r\n"
    with dial(web) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(head.encode() + headers + b"Content-Type: application/json\r\n\r\n" + body)
        return all_of(connection)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (b"Content-Length: 65537\r\n", b" " * 65_537),
        (b"Content-Length: 99999999999\r\n", b" "),
        (b"Transfer-Encoding: chunked\r\n", chunks(17, 4096)),
    ],
    ids=["declared", "enormous", "chunked"],
)
def test_a_body_that_is_too_large_is_refused(daemon, house, headers, body):
    web = daemon()
    answer = posted(web, headers, body)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"larger than 64 kB" in answer
    assert house.runs == []
    assert web.ask("/healthz").status == 200


def test_a_body_of_the_largest_size_is_read(daemon):
    body = b'{"target": "summaries"}'.ljust(65_536)
    assert (
        daemon().ask("/api/v1/runs", "POST", token=ACT, body=body, headers={"Content-Type": "application/json"}).status
        == 202
    )


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 400_000, 400),
    ],
    ids=["tls", "short", "header", "address", "endless"],
)
def test_what_is_no_http_or_too_much_of_it_is_refused(daemon, head, status):
    web = daemon()
    with dial(web) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(head)
        connection.shutdown(socket.SHUT_WR)
        got = all_of(connection)
    assert got.startswith(f"HTTP/1.1 {status} ".encode()) or (status == 400 and got == b"")
    assert web.ask("/healthz").status == 200


async def hello(scope, receive, send):
    """An application that takes its time."""
    await asyncio.sleep(1.0 if scope["path"] == "/slow" else 0.0 if scope["path"] == "/" else 60.0)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def request(port, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_stopping_lets_what_is_under_way_end_and_cuts_off_the_rest():
    server = Server(hello, "127.0.0.1:0")
    _, port = await server.start()
    slow, endless = (asyncio.create_task(request(port, path)) for path in ("/slow", "/endless"))
    await asyncio.sleep(0.3)
    began = time.monotonic()
    await server.stop(2.0)
    assert 1.5 < time.monotonic() - began < 4
    assert (await slow).endswith(b"ok")
    assert b"200 OK" not in await endless
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await server.stop(1.0)


async def test_stopping_an_idle_server_is_quick():
    server = Server(hello, "127.0.0.1:0")
    _, port = await server.start()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    await server.stop(10.0)
    assert time.monotonic() - began < 1
    writer.close()


async def test_signals_are_left_to_whoever_runs_the_loop():
    import signal

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    server = Server(hello, "127.0.0.1:0")
    await server.start()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    await server.stop(1.0)


async def test_a_port_that_is_taken_is_told_with_the_key_to_change():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ListenError, match=r"another program listens there.*\[web\] listen") as caught:
            await Server(hello, f"127.0.0.1:{port}").start()
        assert caught.value.exit_code == 1
        with pytest.raises(ListenError):
            await Server(hello, f"localhost:{port}").start()


async def test_an_address_of_another_machine_is_told_with_the_key_to_change():
    with pytest.raises(ListenError, match=r"this machine has no such address.*\[web\] listen") as caught:
        await Server(hello, "192.0.2.1:8787").start()
    assert caught.value.exit_code == 2


async def test_a_refused_start_leaves_nothing_open_and_the_port_can_be_had_afterwards():
    first = Server(hello, "127.0.0.1:0")
    _, port = await first.start()
    with pytest.raises(ListenError):
        await Server(hello, f"127.0.0.1:{port}").start()
    await first.stop(1.0)
    second = Server(hello, f"127.0.0.1:{port}")
    assert (await second.start()) == ("127.0.0.1", port)
    await second.stop(1.0)


def test_a_probe_makes_no_line_at_info(daemon, caplog):
    web = daemon()
    with caplog.at_level(logging.INFO):
        web.ask("/healthz")
        web.ask("/readyz")
        web.ask("/api/v1/verdicts")
    assert [record for record in caplog.records if record.name.startswith(("monitor", "uvicorn"))] == []
