"""systemd is told by a datagram to a socket, whatever its kind; and nobody is told where there is none."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from monitor import sdnotify


@pytest.fixture(params=["file", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[socket.socket]:
    """The socket that systemd would listen on; its address is 108 bytes at most, so the folder has a short name."""
    path = f"{tmp_path_factory.mktemp('n')}/s" if request.param == "file" else f"\0heldout-{secrets.token_hex(8)}"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as heard:
        heard.bind(path)
        heard.settimeout(5.0)
        yield heard


def environ_of(listener: socket.socket) -> dict[str, str]:
    address = listener.getsockname()
    return {"NOTIFY_SOCKET": "@" + address[1:].decode() if isinstance(address, bytes) else address}


def lines(listener: socket.socket) -> list[str]:
    return listener.recv(4096).decode().split("\n")


def test_each_message_is_one_datagram_of_assignments(listener: socket.socket) -> None:
    environ = environ_of(listener)
    assert sdnotify.ready(environ, "serving on 127.0.0.1:8787")
    assert lines(listener) == ["READY=1", "STATUS=serving on 127.0.0.1:8787"]
    assert sdnotify.status(environ, "measuring")
    assert lines(listener) == ["STATUS=measuring"]
    assert sdnotify.stopping(environ, "draining")
    assert lines(listener) == ["STOPPING=1", "STATUS=draining"]
    assert sdnotify.alive(environ)
    assert lines(listener) == ["WATCHDOG=1"]


def test_a_reload_carries_the_time_of_the_monotonic_clock(listener: socket.socket) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert sdnotify.reloading(environ_of(listener), "reading the configuration")
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    first, moment, said = lines(listener)
    assert (first, said) == ("RELOADING=1", "STATUS=reading the configuration")
    assert before <= int(moment.removeprefix("MONOTONIC_USEC=")) <= after


def test_what_a_status_holds_cannot_say_anything_else(listener: socket.socket) -> None:
    assert sdnotify.status(environ_of(listener), "failed:\nREADY=1\r\x00\x1b[31m" + "x" * 9000)
    (line,) = lines(listener)
    assert line.startswith("STATUS=failed: READY=1 [31mxxx")
    assert len(line) < 600


@pytest.mark.parametrize(
    "address",
    ["", "/nowhere/at/all", "@heldout-nobody-listens", "vsock:2:1234", "relative", "/" + "long" * 50, "/nul\0inside"],
)
def test_without_a_listener_nothing_is_sent_and_nothing_raised(address: str) -> None:
    assert not sdnotify.ready({"NOTIFY_SOCKET": address}, "up")
    assert not sdnotify.ready({}, "up")


def test_a_listener_that_does_not_read_holds_nobody_up(listener: socket.socket) -> None:
    environ = environ_of(listener)
    started = time.monotonic()
    sent = [sdnotify.status(environ, "x" * 400) for _ in range(5000)]
    assert sent[0]
    assert not sent[-1]
    assert time.monotonic() - started < 30.0


def test_an_unpaired_surrogate_is_sent_as_a_question_mark(listener: socket.socket) -> None:
    assert sdnotify.notify(environ_of(listener), "STATUS=\udcff")
    assert lines(listener) == ["STATUS=?"]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "180000000"}, timedelta(minutes=3)),
        ({"WATCHDOG_USEC": "180000000", "WATCHDOG_PID": "4711"}, timedelta(minutes=3)),
        ({"WATCHDOG_USEC": "180000000", "WATCHDOG_PID": "4712"}, None),
        ({"WATCHDOG_USEC": "180000000", "WATCHDOG_PID": "me"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "9" * 40}, None),
    ],
)
def test_the_watchdog_watches_the_process_that_it_names(environ: dict[str, str], expected: timedelta | None) -> None:
    assert sdnotify.watchdog_interval(environ, pid=4711) == expected


def test_by_default_the_process_that_asks_is_this_one() -> None:
    watched = {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}
    assert sdnotify.watchdog_interval(watched) == timedelta(seconds=1)
    assert sdnotify.watchdog_interval({**watched, "WATCHDOG_PID": str(os.getppid())}) is None


def test_a_child_does_not_speak_for_the_service(tmp_path: Path) -> None:
    environ = {"NOTIFY_SOCKET": str(tmp_path), "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    assert sdnotify.child_environment(environ) == {"PATH": "/bin"}
