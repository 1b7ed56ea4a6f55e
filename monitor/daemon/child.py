"""The one child: `heldout run --due` as a process that may hang, leak or die without harm to the daemon."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from monitor.daemon.pace import Pace
from monitor.sdnotify import child_environment

logger = logging.getLogger(__name__)

# Seconds that a child has to end by itself after SIGTERM: more than answers under way are waited for.
GRACE = 12.0


async def _nothing_left() -> int:
    return 0


class Child:
    """At most one process at a time. `ended` is called in the event loop when one has come to its end.

    `sweep` ends what a child has left behind, and says how many that were: for a process that has no other children.
    """

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        ended: Callable[[], None],
        pace: Pace,
        sweep: Callable[[], Awaitable[int]] = _nothing_left,
    ) -> None:
        self._command = command
        # It does not speak to systemd for the daemon.
        self._environ = child_environment(environ)
        self._ended = ended
        self._pace = pace
        self._sweep = sweep
        self._process: asyncio.subprocess.Process | None = None
        self._over: asyncio.Task[None] | None = None
        self._began = 0.0
        self._due: frozenset[str] = frozenset()
        self._in_vain = 0
        self._failed = False
        self._not_before = 0.0

    @property
    def pid(self) -> int | None:
        """The process that is at work, if there is one."""
        return None if self._process is None else self._process.pid

    @property
    def seconds(self) -> float:
        """How long the process that is at work has been there."""
        return time.monotonic() - self._began

    def may_start(self, due: frozenset[str]) -> bool:
        """Whether a child is to be started for `due`: not while there is one, nor again and again for the same."""
        if self._process is not None:
            return False
        return due != self._due or time.monotonic() >= self._not_before

    def forget(self) -> None:
        """Start the next one without a pause: somebody may have mended what kept the last one from its work."""
        self._in_vain, self._not_before = 0, 0.0

    async def start(self, content: bytes, due: frozenset[str]) -> None:
        """Start a child that works by the configuration `content`. It ends by itself when this process is gone."""
        if due != self._due:
            self._in_vain = 0
        self._due, self._began = due, time.monotonic()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                env=self._environ,
                # Ctrl-C on a terminal reaches a whole group; the child is told by us, and once.
                start_new_session=True,
            )
        except OSError as error:
            logger.error("no child could be started", extra={"error": error.strerror})
            self._pause(failed=True)
            return
        self._process = process
        self._over = asyncio.create_task(self._wait(process))
        logger.info("a child is at work", extra={"pid": process.pid, "due": len(due)})
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.write(json.dumps({"config": content.decode("utf-8", "surrogateescape")}).encode() + b"\n")
                await process.stdin.drain()

    async def _wait(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        # What it may have started itself, a program that answers for instance, ends with it: where it was ended by
        # force, nobody keeps these to their time any more.
        _signal(process.pid, signal.SIGKILL)
        if left := await self._sweep():
            logger.warning("the child left programs behind, and they were ended", extra={"programs": left})
        self._process = None
        pause = self._pause(failed=code != 0)
        told = {"pid": process.pid, "exit": code, "seconds": round(self.seconds, 1)}
        # What went wrong stands in the child's own lines; here, when the same is tried again if it is still due.
        retry = {} if code == 0 else {"retry_after_seconds": round(pause, 1)}
        logger.log(logging.WARNING if retry else logging.INFO, "the child has ended", extra=told | retry)
        self._ended()

    def _pause(self, *, failed: bool) -> float:
        """Wait before the same is tried again; returns for how many seconds."""
        pauses = self._pace.after_failure if failed else self._pace.again
        if failed != self._failed:
            self._in_vain, self._failed = 0, failed
        pause = pauses[min(self._in_vain, len(pauses) - 1)]
        self._not_before = time.monotonic() + pause
        self._in_vain += 1
        return pause

    async def stop(self, grace: float = GRACE) -> None:
        """End the child: politely, then by force after `grace` seconds; returns when it is gone."""
        process, over = self._process, self._over
        if process is None or over is None:
            return
        _signal(process.pid, signal.SIGTERM)
        done, _ = await asyncio.wait([over], timeout=grace)
        if not done:
            logger.warning("the child did not end when it was asked to", extra={"pid": process.pid})
            self.kill()
            await asyncio.wait([over], timeout=5.0)

    def kill(self) -> None:
        """End the child, and whatever it has started, at once."""
        if self._process is not None:
            _signal(self._process.pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
