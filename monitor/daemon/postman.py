"""Delivery while the daemon runs: looks every few seconds whether a message is due, and sends it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from alerts.deliver import deliver
from monitor import wiring
from monitor.config.secrets import SecretError
from monitor.store.database import Database, DatabaseError
from monitor.store.outbox import StoredOutbox
from monitor.threads import in_thread

if TYPE_CHECKING:
    from monitor.config.models import Config

logger = logging.getLogger(__name__)

EVERY = 2.0
# Seconds that one pass may take; the end of the daemon waits for it.
PASS = 10.0


class Postman:
    """Sends what is due, one pass after the other, while `wanted` says so. Errors are told once, until they change."""

    def __init__(
        self,
        database: Database,
        config: Callable[[], Config],
        environ: Mapping[str, str],
        clock: Callable[[], datetime],
        wanted: Callable[[], bool],
    ) -> None:
        self._outbox = StoredOutbox(database)
        self._config = config
        self._environ = environ
        self._clock = clock
        self._wanted = wanted
        self._told: str | None = None
        self._woken = True
        self._over = asyncio.Event()

    def wake(self) -> None:
        """Try at once whatever waits: somebody may have mended what it waits for."""
        self._woken = True

    async def run(self) -> None:
        """Until `stop`."""
        while not self._over.is_set():
            if self._wanted():
                await self._pass()
            try:
                await asyncio.wait_for(self._over.wait(), EVERY)
            except TimeoutError:
                continue

    def stop(self) -> None:
        """No pass begins any more; the one under way comes to its end within PASS."""
        self._over.set()

    async def _pass(self) -> None:
        try:
            await in_thread(self._send)
        except (DatabaseError, SecretError) as error:
            self._tell(str(error))
        except Exception as error:  # the delivery's boundary: nothing that goes wrong here may end the daemon
            logger.exception("delivery failed")
            self._tell(type(error).__name__)
        else:
            self._told = None

    def _send(self) -> None:
        now = self._clock()
        if self._woken:
            self._outbox.wake(now)
            self._woken = False
        if not self._outbox.anything_due(now):
            return
        channels = wiring.channels(self._config(), self._environ)
        until = now + timedelta(seconds=PASS)
        done = asyncio.run(deliver(self._outbox, channels, self._clock, until=until))
        if done.sent:
            logger.info("messages were delivered", extra={"sent": done.sent})

    def _tell(self, problem: str) -> None:
        if problem != self._told:
            logger.warning("messages wait in the database", extra={"reason": problem})
            self._told = problem
