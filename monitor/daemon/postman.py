"""Delivery while the daemon runs: looks twice a second whether something is due, and sends it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from alerts.channel import Channel
from alerts.sending import is_slow
from monitor.config.secrets import SecretError
from monitor.delivery import deliver_and_close
from monitor.store.database import Database, DatabaseError
from monitor.store.outbox import Observer, StoredOutbox
from monitor.threads import in_thread

logger = logging.getLogger(__name__)

EVERY = 0.5
# Seconds that one pass may take; the end of the daemon waits for it.
PASS = 10.0
# The part of these in which what takes longer than a pass, and is broken off at the end, is written down.
BREAKING_OFF = 0.2


class Postman:
    """Sends what is due, one pass after the other, while `wanted` says so. Errors are told once, until they change.

    There are two lanes, which never wait for each other: one for channels of which a send may take long, and one for
    all others. `make` gives new channels for each pass, with their secrets; it raises SecretError.
    """

    def __init__(
        self,
        database: Database,
        make: Callable[[], Mapping[str, Channel]],
        clock: Callable[[], datetime],
        wanted: Callable[[], bool],
        observer: Observer | None = None,
        a_pass: float = PASS,
    ) -> None:
        self._outbox = StoredOutbox(database, observer)
        self._clock = clock
        self._wanted = wanted
        self._a_pass = a_pass
        self._lanes = [_Lane(self._outbox, make, clock, a_pass, slow=slow) for slow in (False, True)]
        self._passes: dict[_Lane, asyncio.Task[None]] = {}
        self._told: dict[object, str | None] = {}
        self._woken = True
        self._over = asyncio.Event()

    def wake(self) -> None:
        """Try at once whatever waits: somebody may have mended what it waits for."""
        self._woken = True

    async def run(self) -> None:
        """Until `stop`, and then until what is under way has come to its end, or was broken off."""
        while not self._over.is_set():
            if self._wanted():
                await self._look()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), EVERY)
        if self._passes:
            await asyncio.wait(self._passes.values(), timeout=(1.0 - BREAKING_OFF) * self._a_pass)
        for lane in self._passes:
            lane.break_off()
        if self._passes:
            await asyncio.wait(self._passes.values(), timeout=BREAKING_OFF * self._a_pass)

    def stop(self) -> None:
        """No pass begins any more; those under way come to their end, or are broken off, within a pass."""
        self._over.set()

    async def _look(self) -> None:
        due: list[str] = []

        async def find() -> None:
            due.extend(await in_thread(self._due))

        await self._bounded(self, find)
        idle = [lane for lane in self._lanes if lane not in self._passes]
        for lane in idle if due else ():
            self._passes[lane] = asyncio.create_task(self._pass(lane, due))

    async def _pass(self, lane: _Lane, due: Sequence[str]) -> None:
        try:
            await self._bounded(lane, lambda: in_thread(lambda: lane.send(due)))
        finally:
            del self._passes[lane]

    async def _bounded(self, who: object, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work`; nothing that goes wrong with it may end the daemon."""
        problem = None
        try:
            await work()
        except (DatabaseError, SecretError) as error:
            problem = str(error)
        except Exception as error:  # the delivery's boundary
            logger.exception("delivery failed")
            problem = type(error).__name__
        if problem is not None and problem not in self._told.values():
            logger.warning("messages wait in the database", extra={"reason": problem})
        self._told[who] = problem

    def _due(self) -> Sequence[str]:
        now = self._clock()
        if self._woken:
            self._outbox.wake(now)
            self._woken = False
        return self._outbox.due(now)


class _Lane:
    """One delivery at a time, in a thread and a loop of its own: a channel that blocks holds up nobody else."""

    def __init__(
        self,
        outbox: StoredOutbox,
        make: Callable[[], Mapping[str, Channel]],
        clock: Callable[[], datetime],
        a_pass: float,
        *,
        slow: bool,
    ) -> None:
        self._outbox = outbox
        self._make = make
        self._clock = clock
        self._a_pass = a_pass
        self._slow = slow
        self._sending: tuple[asyncio.AbstractEventLoop, asyncio.Task[None]] | None = None

    def send(self, due: Sequence[str]) -> None:
        """One pass for those of the channels `due` that belong here."""
        with suppress(asyncio.CancelledError):
            asyncio.run(self._send(due))

    def break_off(self) -> None:
        """End the pass, from another thread: what is being sent is put off, and the rest given back."""
        if self._sending is not None:
            loop, task = self._sending
            # The loop is closed when the pass has just ended by itself.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(task.cancel)

    async def _send(self, due: Sequence[str]) -> None:
        channels = self._make()
        slow = {name for name, channel in channels.items() if is_slow(channel)}
        mine = {name for name in due if (name in slow) is self._slow}
        task = asyncio.current_task()
        if task is not None:
            self._sending = (asyncio.get_running_loop(), task)
        until = self._clock() + timedelta(seconds=self._a_pass if mine else 0.0)
        done = await deliver_and_close(
            self._outbox, channels, self._clock, until, lambda name: (name in slow) is self._slow
        )
        if done.sent:
            logger.info("messages were delivered", extra={"sent": done.sent})
