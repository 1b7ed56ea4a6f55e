"""Tells systemd how the service stands, by its notify protocol (sd_notify(3)); does nothing where systemd is not."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from datetime import timedelta

# What a child must not inherit: it does not speak for the service, and would else try to.
VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_LONGEST_STATUS = 500  # characters; systemd shows one line


def notify(environ: Mapping[str, str], *assignments: str) -> bool:
    """Send `assignments`, each "NAME=value", in one message; True where one was sent.

    Never raises and never waits: where there is no systemd, or it does not listen, a service works on without it.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    # Others exist (vsock), for virtual machines; systemd gives a service one of these two.
    if address[:1] not in ("/", "@") or not assignments:
        return False
    # A leading @ stands for the NUL of an abstract name, which has no file.
    target = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)
            channel.sendto("\n".join(assignments).encode("utf-8", "replace"), target)
    except (OSError, ValueError):
        return False
    return True


def ready(environ: Mapping[str, str], status: str) -> bool:
    """The start, or a reload, is done; `status` is what `systemctl status` shows."""
    return notify(environ, "READY=1", _status(status))


def status(environ: Mapping[str, str], text: str) -> bool:
    """What `systemctl status` shows from now on; one line."""
    return notify(environ, _status(text))


def reloading(environ: Mapping[str, str], status: str) -> bool:
    """The configuration is read anew; `ready` says when that is over, also when the old one was kept."""
    # systemd tells by the time whether this answers the reload that it asked for.
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    return notify(environ, "RELOADING=1", f"MONOTONIC_USEC={now}", _status(status))


def stopping(environ: Mapping[str, str], status: str) -> bool:
    """The service comes to its end by its own doing."""
    return notify(environ, "STOPPING=1", _status(status))


def alive(environ: Mapping[str, str]) -> bool:
    """Feed the watchdog: at least once in `watchdog_interval`, better twice."""
    return notify(environ, "WATCHDOG=1")


def watchdog_interval(environ: Mapping[str, str], pid: int | None = None) -> timedelta | None:
    """How long systemd waits for a sign of life before it kills the service; None where it does not watch this process.

    `pid` is the process that asks, by default this one: systemd names the one that it watches.
    """
    try:
        interval = timedelta(microseconds=int(environ.get("WATCHDOG_USEC", "")))
        watched = int(environ.get("WATCHDOG_PID") or (os.getpid() if pid is None else pid))
    except (ValueError, OverflowError):
        return None
    if interval <= timedelta(0) or watched != (os.getpid() if pid is None else pid):
        return None
    return interval


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without what only the service's own process may use."""
    return {name: value for name, value in environ.items() if name not in VARIABLES}


def _status(text: str) -> str:
    # A line break would begin another assignment, so whoever wrote part of the text could say READY=1.
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return f"STATUS={line[:_LONGEST_STATUS]}"
