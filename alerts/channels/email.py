"""E-mail: one message for all recipients, by the operator's own SMTP server."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from alerts.alert import Kind
from alerts.channel import Health, Outgoing, Receipt, TransportError
from alerts.channels.email_errors import AGAIN
from alerts.channels.email_message import message
from alerts.channels.email_settings import EmailSettings
from alerts.channels.smtp_session import SmtpSession

NAME = "email"
T = TypeVar("T")
logger = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class EmailChannel:
    """Mails alerts. `clock` dates them."""

    def __init__(self, settings: EmailSettings, clock: Callable[[], datetime] = _utc_now) -> None:
        self._settings = settings
        self._clock = clock

    @property
    def name(self) -> str:
        """`email`."""
        return NAME

    @property
    def pace(self) -> timedelta:
        """A mail server says itself when it has enough."""
        return timedelta(0)

    @property
    def at_once(self) -> int:
        """One after the other, so that they stand in their order."""
        return 1

    @property
    def longest(self) -> timedelta:
        """One message with its connection."""
        return timedelta(seconds=self._settings.limit)

    async def aclose(self) -> None:
        """Nothing is held between two messages."""

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Mail one alert to all recipients; the receipt is its Message-ID, the same over all retries.

        A step of an incident that the whole channel need not see is not mailed: the next message shows it.

        Delivered is what one recipient at least was accepted for: sent again, the others would have it twice. Those
        refused are logged. Raises TransportError.
        """
        alert = outgoing.alert
        if alert.kind is Kind.STEP and not alert.broadcast:
            return Receipt()
        png = outgoing.picture.png if outgoing.picture is not None else None
        built = message(alert, self._settings, self._clock(), picture=png, root=outgoing.thread)
        refused = await self._converse(lambda session: session.send(built))
        if refused:
            codes = sorted({code for code, _ in refused.values()})
            about = {"channel": NAME, "alert": alert.id, "of": len(self._settings.to), "codes": codes}
            logger.warning("recipients were refused", extra={"refused": sorted(refused), **about})
        return Receipt(str(built["Message-ID"]))

    async def verify(self) -> Health:
        """Connect, encrypt and log in as a message would, without sending one."""
        try:
            return Health(True, await self._converse(SmtpSession.verify))
        except TransportError as error:
            return Health(False, error.message)

    async def _converse(self, talk: Callable[[SmtpSession], T]) -> T:
        """What `talk` returns or raises, in a thread; at the limit, or when nobody waits any more, it hangs up."""
        session, limit = SmtpSession(self._settings), self._settings.limit
        try:
            async with asyncio.timeout(limit):
                return await _in_thread(lambda: talk(session))
        except TimeoutError:
            said = f"{self._settings.server} took longer than {limit:g} s for one message"
            raise TransportError(f"{said}{AGAIN}", permanent=False) from None
        finally:
            session.hang_up()


async def _in_thread(work: Callable[[], T]) -> T:
    """As `asyncio.to_thread`, in a thread that dies with the process: a name server may hold it up for minutes."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(set_: Callable[[], None]) -> None:
        if not done.done():
            set_()

    def call(set_: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody asks any more
            loop.call_soon_threadsafe(settle, set_)

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  # it is raised where the result is awaited
            failure = error
            call(lambda: done.set_exception(failure))
        else:
            call(lambda: done.set_result(result))

    threading.Thread(target=run, name="smtp", daemon=True).start()
    return await done
