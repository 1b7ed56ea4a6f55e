"""Delivering what waits in the outbox, for commands that end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from alerts.channel import Channel
from alerts.deliver import Tally, deliver
from monitor.store.database import Database
from monitor.store.outbox import StoredOutbox


async def deliver_due(
    database: Database, channels: Mapping[str, Channel], clock: Callable[[], datetime], seconds: float
) -> Tally:
    """Send what is due, for `seconds` at the most; what is left goes out with the next run.

    The tally says what was not sent and why.
    """
    outbox = StoredOutbox(database)
    # Somebody may just have mended what a message waits for; a command's own start is a good time to see.
    outbox.wake(clock())
    return await deliver(outbox, channels, clock, until=clock() + timedelta(seconds=seconds))
