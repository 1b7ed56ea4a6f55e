"""What a child leaves behind: programs that it had started when it was ended by force, and that nobody watches over."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

# Linux' number for "what loses its parent below this process becomes a child of this one".
_PR_SET_CHILD_SUBREAPER = 36
_WITHIN = 2.0  # seconds; what the kernel holds for longer is left to the next time


def adopt() -> None:
    """From now on, processes below this one that lose their parent become children of this one, wherever that works."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


async def end() -> int:
    """End every child of this process and what is in its group, and whatever comes to light by that; returns how many.

    Only for a process that has no child of its own at the time.
    """
    seen: set[int] = set()
    until = time.monotonic() + _WITHIN
    while (left := _children()) and time.monotonic() < until:
        for pid in left:
            seen.add(pid)
            _end(pid)
        await asyncio.sleep(0.01)
    return len(seen)


def _end(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
        # A program of a target leads a group of its own; what it has started is in there.
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _children() -> list[int]:
    with suppress(OSError):
        return [
            int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()
        ]
    return []
