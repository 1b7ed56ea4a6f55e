"""The tick: APScheduler calls it, and something that does not depend on APScheduler sees that it does."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from monitor.daemon.pace import Pace

logger = logging.getLogger(__name__)

# Two clocks part by this much only when one of them was set, or the machine slept.
JUMPED = 5.0
_GUARD = 5.0
_JOB = "tick"


class Ticker:
    """Calls `work` at its pace, and at once after `wake`; never twice at a time.

    APScheduler computes its next run by the wall clock and waits for it by the monotonic one: after the wall clock was
    set back by a day it would wait for a day. The guard compares the two, and makes it tick when they part.
    """

    def __init__(self, work: Callable[[], Awaitable[None]], pace: Pace) -> None:
        self._work = work
        self._pace = pace
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._running = False
        self._again = False
        self._last = time.monotonic()
        self._guard: asyncio.Task[None] | None = None

    @property
    def age(self) -> float:
        """Seconds since the last tick came to its end, on the monotonic clock."""
        return time.monotonic() - self._last

    @property
    def stale(self) -> bool:
        """Whether ticks have stopped coming to an end."""
        return self.age > self._pace.stale

    def start(self) -> None:
        """Tick now, and from now on; call it in the event loop."""
        trigger = IntervalTrigger(seconds=self._pace.tick, timezone=UTC)
        # A tick that comes late is a tick: there is no such thing as too late, and none is made up for.
        options = {"misfire_grace_time": None, "coalesce": True, "max_instances": 2}
        self._scheduler.add_job(self._tick, trigger, id=_JOB, next_run_time=datetime.now(UTC), **options)
        self._scheduler.start()
        self._guard = asyncio.create_task(self._watch())

    def wake(self) -> None:
        """Tick at once; where one is under way, once more after it."""
        if self._scheduler.running:
            self._scheduler.modify_job(_JOB, next_run_time=datetime.now(UTC))

    def wake_in(self, seconds: float) -> None:
        """Tick after `seconds`, where that is before the next tick would be."""
        if 0 <= seconds < self._pace.tick:
            asyncio.get_running_loop().call_later(seconds, self.wake)

    async def stop(self) -> None:
        """No more ticks; one that is under way is not waited for."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        if self._guard is not None:
            self._guard.cancel()
            with suppress(asyncio.CancelledError):
                await self._guard

    async def _tick(self) -> None:
        if self._running:
            self._again = True
            return
        self._running = True
        try:
            self._again = True
            while self._again:
                self._again = False
                await self._work()
                self._last = time.monotonic()
        finally:
            self._running = False

    async def _watch(self) -> None:
        apart = time.time() - time.monotonic()
        while True:
            await asyncio.sleep(_GUARD)
            now_apart = time.time() - time.monotonic()
            jump, apart = now_apart - apart, now_apart
            if abs(jump) > JUMPED:
                logger.warning("the clock was set, or this machine slept", extra={"seconds": round(jump)})
                self.wake()
