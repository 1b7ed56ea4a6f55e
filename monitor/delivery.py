"""Delivering what waits in the outbox: for commands that end, and for one pass of the daemon."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from alerts.channel import Channel
from alerts.deliver import Tally, deliver
from alerts.outbox import Outbox
from monitor.store.database import Database
from monitor.store.outbox import Observer, StoredOutbox

logger = logging.getLogger(__name__)


async def deliver_due(
    database: Database,
    channels: Mapping[str, Channel],
    clock: Callable[[], datetime],
    seconds: float,
    observer: Observer | None = None,
) -> Tally:
    """Send what is due, for `seconds` at the most; what is left goes out with the next run. Closes `channels`.

    The tally says what was not sent and why.
    """
    outbox = StoredOutbox(database, observer)
    # Somebody may just have mended what a message waits for; a command's own start is a good time to see.
    outbox.wake(clock())
    return await deliver_and_close(outbox, channels, clock, clock() + timedelta(seconds=seconds))


async def deliver_and_close(
    outbox: Outbox,
    channels: Mapping[str, Channel],
    clock: Callable[[], datetime],
    until: datetime,
    only: Callable[[str], bool] = lambda channel: True,
) -> Tally:
    """Send what is due, as `alerts.deliver.deliver` does, and give back what the channels hold, however it ends."""
    try:
        return await deliver(outbox, channels, clock, until=until, only=only)
    finally:
        for name, channel in channels.items():
            try:
                await channel.aclose()
            except Exception as error:  # noqa: BLE001  # the delivery's boundary: what was sent is sent
                logger.warning("a channel was not closed", extra={"channel": name, "error": type(error).__name__})
