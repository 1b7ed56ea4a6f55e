"""What people press in Slack, by Socket Mode: one line after the other for as long as this daemon leads."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from alerts.channel import TransportError
from monitor.config.secrets import SecretError

if TYPE_CHECKING:
    from alerts.channels.slack_socket import SocketSettings

logger = logging.getLogger(__name__)

# Seconds between two looks at whether to listen at all; and before another line, where one failed or ended before it
# had settled: the last holds from then on.
LOOK = 1.0
WAITS = (0.1, 1.0, 5.0, 15.0, 60.0)
SETTLED = 30.0

Heard = Callable[[Mapping[str, Any]], Awaitable[str | None]]
Answer = Callable[[Mapping[str, Any], str], Awaitable[None]]


class Ear:
    """Listens while `wanted` gives settings; it may never take the daemon down, nor hold up its end.

    `heard` does what a payload asks for, and returns what to tell whoever pressed, which `answer` does. An approval is
    possible by HTTP and by command too: Socket Mode has been known to go deaf.
    """

    def __init__(
        self,
        wanted: Callable[[], SocketSettings | None],
        heard: Heard,
        answer: Answer,
        *,
        look: float = LOOK,
        waits: tuple[float, ...] = WAITS,
    ) -> None:
        self._wanted = wanted
        self._heard = heard
        self._answer = answer
        self._look = look
        self._waits = waits
        self._over = asyncio.Event()
        self._failures = 0
        self._told: str | None = None
        self._state = "off"
        self._opened_at: float | None = None
        self.lines = 0
        self.presses = 0

    @property
    def state(self) -> str:
        """`off`, `connecting`, `listening`, or `waiting: ` with the reason."""
        return self._state

    def stop(self) -> None:
        """`run` comes to its end within a second."""
        self._over.set()

    async def run(self) -> None:
        """Until `stop`."""
        while not self._over.is_set():
            try:
                settings = self._wanted()
                if settings is None:
                    self._state = "off"
                    await self._rest(self._look)
                else:
                    await self._line(settings)
            except SecretError as error:
                await self._failed(str(error))
            except Exception as error:  # this one's boundary: whatever goes wrong with Slack, the daemon goes on
                logger.exception("listening to Slack failed")
                await self._failed(f"an error in heldout itself ({type(error).__name__})")
        self._state = "off"

    async def _line(self, settings: SocketSettings) -> None:
        """One line, until it ends, or is not wanted any more."""
        from alerts.channels.slack_socket import listen

        self._state, self._opened_at = "connecting", None
        line = asyncio.create_task(listen(settings, self._hear, self._opened))
        watch = asyncio.create_task(self._until_unwanted(settings))
        try:
            await asyncio.wait({line, watch}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended = line.done()
            for task in (line, watch):
                task.cancel()
            await asyncio.gather(line, watch, return_exceptions=True)
        if not ended:
            return
        try:
            why = line.result()
        except TransportError as error:
            await self._failed(error.message)
            return
        if self._opened_at is None or time.monotonic() - self._opened_at < SETTLED:
            # Slack gives out few addresses a minute: lines that end as soon as they begin must not use them up.
            await self._failed(why)
            return
        logger.info("Slack's line has ended, and another is opened", extra={"why": why})
        self._failures, self._told = 0, None

    async def _until_unwanted(self, settings: SocketSettings) -> None:
        while self._wanted() == settings:
            if await self._rest(self._look):
                return

    def _opened(self) -> None:
        self.lines += 1
        self._opened_at = time.monotonic()
        self._state = "listening"
        logger.info("listening to Slack", extra={"lines": self.lines})

    async def _failed(self, why: str) -> None:
        self._state = f"waiting: {why}"
        if why != self._told:
            logger.warning("Slack cannot be listened to", extra={"why": why})
            self._told = why
        wait = self._waits[min(self._failures, len(self._waits) - 1)]
        self._failures += 1
        await self._rest(wait)

    async def _rest(self, seconds: float) -> bool:
        """Wait; True where it is over meanwhile."""
        try:
            await asyncio.wait_for(self._over.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _hear(self, payload: Mapping[str, Any]) -> None:
        self.presses += 1
        try:
            said = await self._heard(payload)
            if said is not None:
                await self._answer(payload, said)
        except TransportError as error:
            # What was asked for is done; only its answer did not get through.
            logger.warning("nobody could be told in Slack", extra={"why": error.message})
        except Exception:  # the press's boundary: the line stays, and whoever pressed sees nothing happen
            logger.exception("a press in Slack came to nothing")
