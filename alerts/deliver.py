"""Delivery: what waits in the outbox goes out; a channel that is down delays a message and loses none."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from alerts.channel import POST, Channel, Outgoing, TransportError
from alerts.codec import FormatError

logger = logging.getLogger(__name__)

SCHEDULE = (5.0, 30.0, 120.0, 600.0, 1800.0)  # seconds after the first, second, … attempt
HOUR = timedelta(hours=1)
LEASE = timedelta(seconds=90)
LONGEST_SEND = timedelta(seconds=60)  # under the lease, so that nobody else sends the row meanwhile
PACE = timedelta(seconds=1)  # Slack takes about one message a second in a channel


class State(StrEnum):
    """How an undelivered row waits. None is final: each is tried again, because each can be put right."""

    PENDING = "pending"  # passes by itself
    BLOCKED = "blocked"  # somebody has to act on the channel; the row keeps its place in the line
    FAILED = "failed"  # this one message cannot be sent; it stands beside the line, so that the others go on


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One message for one channel. `alert` is `Alert.to_json`'s object; `attempts` were made before this lease."""

    id: int
    channel: str
    alert: object
    attempts: int
    first_at: datetime


class Outbox(Protocol):
    """What the store keeps of messages. Every method is one transaction; all times are UTC."""

    def lease(self, now: datetime, limit: int, lease_for: timedelta) -> Sequence[OutboxRow]:
        """Up to `limit` undelivered rows that are due and not leased, oldest first, now leased until `now + lease_for`.

        A row is passed over while an older pending or blocked row of the same channel and target is undelivered:
        nobody may read of a recovery before the fall.
        """
        ...

    def sent(self, row_id: int, now: datetime, receipt: str | None) -> None:
        """The row is delivered; what else waits for its channel, pending or blocked, is due now: the channel works."""
        ...

    def postpone(self, row_id: int, at: datetime, error: str, *, state: State | None, attempted: bool) -> None:
        """The row is free again and due at `at`, for the reason `error`.

        A `state` of None leaves it as it is; `attempted` adds one to its attempts.
        """
        ...


@dataclass(frozen=True, slots=True)
class Tally:
    """What one call did: counts of messages; `problems` are the different reasons for what was not sent."""

    sent: int = 0
    retried: int = 0
    blocked: int = 0
    failed: int = 0
    held: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Delay:
    """Why a row was not sent; its `state` is None where nothing was tried; `closes` the whole channel until `at`."""

    at: datetime
    error: str
    state: State | None = State.PENDING
    closes: bool = False


_COUNTED = {State.PENDING: "retried", State.BLOCKED: "blocked", State.FAILED: "failed", None: "held"}


def next_attempt(attempts: int, now: datetime, retry_after: float | None = None) -> datetime:
    """When to try again after `attempts` (1 or more) tries: 5 s, 30 s, 2 min, 10 min, 30 min, then every hour.

    Not before `retry_after` seconds, as far as the other side asks for no more than an hour.
    """
    wait = SCHEDULE[attempts - 1] if 1 <= attempts <= len(SCHEDULE) else HOUR.total_seconds()
    if retry_after is not None and math.isfinite(retry_after):
        wait = max(wait, min(retry_after, HOUR.total_seconds()))
    return now + timedelta(seconds=wait)


async def deliver(
    outbox: Outbox,
    channels: Mapping[str, Channel],
    clock: Callable[[], datetime],
    *,
    until: datetime,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Tally:
    """Send what is due, and what becomes due again before `until`; ends when nothing is left, or a second after it.

    A message may go out twice with the same id (when the process dies between sending and marking), never not at all.
    Errors of the outbox itself are the caller's; anything else that goes wrong with a row is put down on the row.
    """
    return await _Delivery(outbox, channels, clock, until, sleep).run()


class _Delivery:
    """One call of `deliver`: which channels are closed until when, and the counts."""

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        clock: Callable[[], datetime],
        until: datetime,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._outbox = outbox
        self._channels = channels
        self._clock = clock
        self._until = until
        self._patience = until - clock()
        self._sleep = sleep
        self._closed: dict[str, tuple[datetime, str]] = {}
        self._open_again: dict[str, datetime] = {}
        self._wake: set[datetime] = set()
        self._counts: Counter[str] = Counter()
        self._problems: dict[str, None] = {}

    async def run(self) -> Tally:
        while (now := self._clock()) < self._until:
            # One at a time: a lease that dies with its process then holds up one message, and for a minute and a half.
            rows = self._outbox.lease(now, 1, LEASE)
            if rows:
                await self._row(rows[0])
                continue
            self._wake = {at for at in self._wake if at > now}
            wait = min(self._wake, default=self._until) - now
            # Counted down too, so that a clock set back in the meantime cannot hold the caller for the difference.
            if now + wait >= self._until or wait > self._patience:
                break
            self._patience -= wait
            await self._sleep(wait.total_seconds())
        return Tally(**self._counts, problems=tuple(self._problems))

    async def _row(self, row: OutboxRow) -> None:
        delay = self._obstacle(row) or await self._send(row)
        if delay is None:
            self._counts["sent"] += 1
            logger.info("alert delivered", extra=_about(row))
            return
        self._outbox.postpone(row.id, delay.at, delay.error, state=delay.state, attempted=delay.state is not None)
        self._wake.add(delay.at)
        self._problems[delay.error] = None
        self._counts[_COUNTED[delay.state]] += 1
        if delay.closes:
            self._closed[row.channel] = (delay.at, delay.error)
        if delay.state is not None:
            level = logging.WARNING if delay.state is State.PENDING else logging.ERROR
            why = {"state": delay.state.value, "tries": row.attempts + 1, "next": delay.at, "why": delay.error}
            logger.log(level, "delivery postponed", extra=_about(row) | why)

    def _obstacle(self, row: OutboxRow) -> _Delay | None:
        """What stands in the way before anything is tried."""
        now = self._clock()
        if row.channel not in self._channels:
            error = f"the channel {row.channel} is not configured any more: add [alerts.{row.channel}] again"
            return _Delay(now + HOUR, error, state=None)
        closed, error = self._closed.get(row.channel, (now, ""))
        return _Delay(closed, error, state=None) if closed > now else None

    async def _send(self, row: OutboxRow) -> _Delay | None:
        await self._pace(row.channel)
        channel, tries = self._channels[row.channel], row.attempts + 1
        limit = min(LONGEST_SEND, max(self._until - self._clock(), PACE))
        try:
            async with asyncio.timeout(limit.total_seconds()):
                receipt = await channel.send(Outgoing(str(row.id), POST, row.alert))
        except TransportError as error:
            return self._transport(error, tries)
        except FormatError as error:
            return _Delay(self._clock() + HOUR, f"the stored alert cannot be read: {error}", State.FAILED)
        except TimeoutError:
            error_text = f"{row.channel} took longer than {limit.total_seconds():.0f} s"
            return _Delay(next_attempt(tries, self._clock()), error_text, closes=True)
        except Exception as error:  # noqa: BLE001  # the delivery's boundary: one row must not stop the others
            return _Delay(next_attempt(tries, self._clock()), _unexpected(error), State.FAILED)
        self._outbox.sent(row.id, self._clock(), receipt.reference)
        return None

    def _transport(self, error: TransportError, tries: int) -> _Delay:
        now = self._clock()
        if not error.permanent:
            return _Delay(next_attempt(tries, now, error.retry_after), error.message, closes=True)
        if error.this_message:
            return _Delay(now + HOUR, error.message, State.FAILED)
        return _Delay(now + HOUR, error.message, State.BLOCKED, closes=True)

    async def _pace(self, channel: str) -> None:
        wait = self._open_again.get(channel, self._clock()) - self._clock()
        if wait > timedelta(0):
            await self._sleep(wait.total_seconds())
        self._open_again[channel] = self._clock() + PACE


def _about(row: OutboxRow) -> dict[str, object]:
    """What a log says of a row: whose message it is, and to whom. The row may be one that cannot be read."""
    alert = row.alert if isinstance(row.alert, Mapping) else {}
    ids = {"alert": "id", "target": "target", "suite": "suite", "run": "run"}
    return {"message_id": row.id, "channel": row.channel, **{name: alert.get(key) for name, key in ids.items()}}


def _unexpected(error: Exception) -> str:
    """Where an unforeseen error came from, without its text, which may hold anything, a secret too."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else "?"
    return f"an error in heldout itself ({type(error).__name__} at {where}); please report it"
