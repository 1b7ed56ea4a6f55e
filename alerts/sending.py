"""Sending what was leased for one channel: how many at once, how far apart, for how long, and what came of each."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from alerts.channel import Channel, Outgoing, Receipt, TransportError, WithdrawnError
from alerts.codec import FormatError
from alerts.failpoint import reached
from alerts.outbox import Dropped, OutboxRow, Outcome, PutOff, Sent, State

SCHEDULE = (5.0, 30.0, 120.0, 600.0, 1800.0)  # seconds after the first, second, … attempt
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
# What a lease lasts beyond the longest send: what is leased together has this long to be begun.
SPARE = timedelta(seconds=30)
# Rows that are leased for each one that may be under way, so that none waits for the database. A process that dies
# holds up no more than these.
AHEAD = 8
# Of what cannot be sent for now: it is only put off.
UNSENDABLE = 50


@dataclass(frozen=True, slots=True)
class Times:
    """The clock, how to wait by it, and when the delivery ends."""

    clock: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]
    until: datetime


def next_attempt(attempts: int, now: datetime, retry_after: float | None = None) -> datetime:
    """When to try again after `attempts` (1 or more) tries: 5 s, 30 s, 2 min, 10 min, 30 min, then every hour.

    Not before `retry_after` seconds, as far as the other side asks for no more than an hour.
    """
    wait = SCHEDULE[attempts - 1] if 1 <= attempts <= len(SCHEDULE) else HOUR.total_seconds()
    if retry_after is not None and math.isfinite(retry_after):
        wait = max(wait, min(retry_after, HOUR.total_seconds()))
    return now + timedelta(seconds=wait)


def is_slow(channel: Channel) -> bool:
    """Whether one send may take longer than anybody who waits for a delivery would."""
    return channel.longest > MINUTE


class Sender:
    """One channel during one delivery; `channel` is None where the configuration has none of that name any more."""

    def __init__(self, name: str, channel: Channel | None, times: Times) -> None:
        self.name = name
        self._channel = channel
        self._times = times
        self._closed: tuple[datetime, str] | None = None
        self._open_again: datetime | None = None
        self._places = asyncio.Semaphore(channel.at_once if channel else 1)

    @property
    def most(self) -> int:
        """How many rows may be leased at a time."""
        if self._channel is None or self._obstacle() is not None:
            return UNSENDABLE
        waits = self._channel.pace > timedelta(0) or is_slow(self._channel)
        return self._channel.at_once * (1 if waits else AHEAD)

    @property
    def lease_for(self) -> timedelta:
        """Long enough that nobody else sends a row while it is being sent here."""
        return self._longest + SPARE

    @property
    def _longest(self) -> timedelta:
        # The store takes a lease of more than an hour for one that was written while a clock was ahead.
        return min(self._channel.longest, HOUR) if self._channel else MINUTE

    async def row(self, row: OutboxRow) -> Outcome | None:
        """What came of `row`; None where there is no time left to begin it."""
        obstacle = self._obstacle()
        if obstacle is not None:
            return PutOff(row, *obstacle, state=None, attempted=False)
        async with self._places:
            # What was under way before it may have closed the channel.
            obstacle = self._obstacle()
            if obstacle is not None:
                return PutOff(row, *obstacle, state=None, attempted=False)
            if self._times.clock() >= self._times.until:
                return None
            await self._pace()
            limit = self._limit()
            if self._times.clock() + limit > row.leased_until:
                return None
            return await self._send(row, limit)

    def _obstacle(self) -> tuple[datetime, str] | None:
        """What stands in the way before anything is tried: until when, and why."""
        now = self._times.clock()
        if self._channel is None:
            kind, _, name = self.name.partition(":")
            table = f"hooks.{name}" if kind == "hook" else f"alerts.{kind}"
            return now + HOUR, f"the channel {self.name} is not configured any more: add [{table}] again"
        return self._closed if self._closed is not None and self._closed[0] > now else None

    def _limit(self) -> timedelta:
        if self._channel is not None and is_slow(self._channel):
            return self._longest
        return min(self._longest, max(self._times.until - self._times.clock(), SECOND))

    async def _pace(self) -> None:
        assert self._channel is not None  # noqa: S101  # what has no channel has an obstacle
        now = self._times.clock()
        begin = max(now, self._open_again or now)
        # Taken before it is waited for, so that of several each gets a time of its own.
        self._open_again = begin + self._channel.pace
        if begin > now:
            await self._times.sleep((begin - now).total_seconds())

    async def _send(self, row: OutboxRow, limit: timedelta) -> Outcome:
        assert self._channel is not None  # noqa: S101
        tries, clock = row.attempts + 1, self._times.clock
        outgoing = Outgoing(row.subject, row.part, row.payload, row.thread, row.picture)
        try:
            async with asyncio.timeout(limit.total_seconds()):
                receipt = await self._channel.send(outgoing)
        except WithdrawnError as error:
            return Dropped(row, str(error))
        except TransportError as error:
            return self._transport(row, error)
        except FormatError as error:
            return _failed(row, clock() + HOUR, f"the stored alert cannot be read: {error}")
        except TimeoutError:
            error_text = f"{self.name} took longer than {limit.total_seconds():.0f} s"
            return self._close(row, next_attempt(tries, clock()), error_text)
        except asyncio.CancelledError:
            # The delivery's own end: whether the other side has it is not known.
            error_text = f"{self.name} was still at it when heldout came to its end"
            return PutOff(row, next_attempt(tries, clock()), error_text, State.PENDING, attempted=True)
        except Exception as error:  # noqa: BLE001  # the delivery's boundary: one row must not stop the others
            return _failed(row, next_attempt(tries, clock()), _unexpected(error))
        reached("outbox.sent")
        return Sent(row, receipt)

    def _transport(self, row: OutboxRow, error: TransportError) -> PutOff:
        now = self._times.clock()
        if not error.permanent:
            return self._close(row, next_attempt(row.attempts + 1, now, error.retry_after), error.message)
        if error.this_message:
            return _failed(row, now + HOUR, error.message)
        return self._close(row, now + HOUR, error.message, State.BLOCKED)

    def _close(self, row: OutboxRow, at: datetime, error: str, state: State = State.PENDING) -> PutOff:
        """The channel rests until then: what else waits for it would meet the same."""
        self._closed = (at, error)
        return PutOff(row, at, error, state, attempted=True)


class Threads:
    """The threads that began while rows of one line were sent: those behind were leased before they began."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def learn(self, row: OutboxRow, receipt: Receipt) -> None:
        """Remember what `row`'s receipt says."""
        if row.incident is not None and receipt.reference is not None:
            self._known.setdefault(row.incident, receipt.reference)

    def placed(self, row: OutboxRow) -> OutboxRow:
        """`row` with the thread that it belongs to by now."""
        if row.thread is not None or row.incident is None:
            return row
        return replace(row, thread=self._known.get(row.incident))


def _failed(row: OutboxRow, at: datetime, error: str) -> PutOff:
    return PutOff(row, at, error, State.FAILED, attempted=True)


def _unexpected(error: Exception) -> str:
    """Where an unforeseen error came from, without its text, which may hold anything, a secret too."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else "?"
    return f"an error in heldout itself ({type(error).__name__} at {where}); please report it"
