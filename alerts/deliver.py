"""Delivery: what waits in the outbox goes out; a channel that is down delays a message and loses none."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from alerts.channel import Channel
from alerts.failpoint import reached
from alerts.outbox import Dropped, Outbox, OutboxRow, Outcome, PutOff, Returned, Sent, State
from alerts.sending import HOUR, Sender, Threads, Times, next_attempt

__all__ = ["HOUR", "Outbox", "OutboxRow", "State", "Tally", "deliver", "next_attempt"]

logger = logging.getLogger(__name__)

# How often a delivery that waits for something looks for what has come meanwhile.
LOOK = timedelta(seconds=0.5)


@dataclass(frozen=True, slots=True)
class Tally:
    """What one call did: counts of messages; `problems` are the different reasons for what was not sent."""

    sent: int = 0
    retried: int = 0
    blocked: int = 0
    failed: int = 0
    held: int = 0
    dropped: int = 0
    problems: tuple[str, ...] = ()


_COUNTED = {State.PENDING: "retried", State.BLOCKED: "blocked", State.FAILED: "failed", None: "held"}


async def deliver(
    outbox: Outbox,
    channels: Mapping[str, Channel],
    clock: Callable[[], datetime],
    *,
    until: datetime,
    only: Callable[[str], bool] = lambda channel: True,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Tally:
    """Send what is due, and what becomes due before `until`, by the channels whose name is `only` of those wanted.

    Ends when nothing is left, or a second after `until`; where one send may take more than a minute, it is waited for.
    When cancelled, it breaks off what is under way and writes that down first. A message may go out twice with the
    same id (when the process dies between sending and marking), never not at all. Errors of the outbox itself are the
    caller's; anything else that goes wrong with a row is put down on the row.
    """
    return await _Delivery(outbox, channels, Times(clock, sleep, until), only).run()


class _Delivery:
    """One call of `deliver`: a loop that settles what has come and leases what is next, while lanes send.

    A lane is what was leased of one line: its rows go one after the other. The database is asked by the loop alone, one
    question at a time: what comes while it works is settled together by the next one.
    """

    def __init__(
        self, outbox: Outbox, channels: Mapping[str, Channel], times: Times, only: Callable[[str], bool]
    ) -> None:
        self._outbox = outbox
        self._channels = channels
        self._times = times
        self._only = only
        self._patience = times.until - times.clock()
        self._senders: dict[str, Sender] = {}
        self._lanes: set[asyncio.Task[None]] = set()
        self._outcomes: list[Outcome] = []
        self._leased: Counter[str] = Counter()
        self._promising: dict[str, None] = {}  # channels that may have more to lease
        self._ended: list[str] = []  # channels of lanes that have come to their end
        self._looked_at: datetime | None = None
        self._stirred = asyncio.Event()
        self._over = False
        self._broken: BaseException | None = None
        self._wake: set[datetime] = set()
        self._counts: Counter[str] = Counter()
        self._problems: dict[str, None] = {}

    async def run(self) -> Tally:
        loop = asyncio.create_task(self._loop())
        try:
            await asyncio.shield(loop)
        except asyncio.CancelledError:
            self._over = True
            self._stop_lanes()
            await loop
            raise
        return Tally(**self._counts, problems=tuple(self._problems))

    async def _loop(self) -> None:
        try:
            while True:
                await self._settle()
                if self._broken is not None:
                    raise self._broken
                if not self._over and self._times.clock() < self._times.until:
                    await self._lease()
                if self._outcomes or self._ended:
                    continue
                if self._lanes:
                    await self._something()
                elif self._over or not await self._rest():
                    return
        finally:
            # Where the outbox failed: what it could not write down is sent again when the leases are over.
            self._stop_lanes()
            await asyncio.gather(*self._lanes, return_exceptions=True)

    def _stop_lanes(self) -> None:
        for lane in self._lanes:
            lane.cancel()
        self._stirred.set()

    # --- what is next ---

    async def _lease(self) -> None:
        await self._look()
        for name in list(self._promising):
            sender = self._senders.setdefault(name, Sender(name, self._channels.get(name), self._times))
            most = sender.most
            free = most - self._leased[name]
            if 2 * free < most:
                continue
            now, lease_for = self._times.clock(), sender.lease_for
            rows = await self._outbox.aside(partial(self._outbox.lease, now, name, free, lease_for))
            reached("outbox.leased")
            if len(rows) < free:
                del self._promising[name]
            self._begin(sender, rows)

    async def _look(self) -> None:
        """Ask which channels have something due, unless that was asked just now."""
        now = self._times.clock()
        if self._looked_at is not None and timedelta(0) <= now - self._looked_at < LOOK:
            return
        self._looked_at = now
        found = await self._outbox.aside(lambda: self._outbox.due(now))
        self._promising |= dict.fromkeys(name for name in found if self._only(name))

    def _begin(self, sender: Sender, rows: Sequence[OutboxRow]) -> None:
        self._leased[sender.name] += len(rows)
        lanes: dict[object, list[OutboxRow]] = {}
        for row in rows:
            lanes.setdefault(row.line, []).append(row)
        for lane in lanes.values():
            left = deque(lane)
            task = asyncio.create_task(self._lane(sender, left))
            self._lanes.add(task)
            task.add_done_callback(partial(self._end_lane, sender.name, left))

    async def _lane(self, sender: Sender, left: deque[OutboxRow]) -> None:
        threads = Threads()
        while left and not self._over:
            outcome = await sender.row(threads.placed(left[0]))
            if outcome is None:
                return
            left.popleft()
            self._outcomes.append(outcome)
            self._stirred.set()
            if isinstance(outcome, Sent):
                threads.learn(outcome.row, outcome.receipt)
            elif isinstance(outcome, PutOff) and outcome.state is not State.FAILED:
                return

    def _end_lane(self, name: str, left: deque[OutboxRow], lane: asyncio.Task[None]) -> None:
        """Give back what the lane has left, however it ended, and even where it never began."""
        self._lanes.discard(lane)
        self._outcomes += [Returned(row) for row in left]
        self._ended.append(name)
        if not lane.cancelled() and lane.exception() is not None:
            self._broken = lane.exception()
        self._stirred.set()

    async def _something(self) -> None:
        """Until a lane has something to say, or it is time to look for what has come meanwhile."""
        try:
            await asyncio.wait_for(self._stirred.wait(), LOOK.total_seconds())
        except TimeoutError:
            self._looked_at = None

    async def _rest(self) -> bool:
        """Wait a little for what is put off to become due; False where nothing becomes due before the end."""
        now, until = self._times.clock(), self._times.until
        self._wake = {at for at in self._wake if at > now}
        wait = min(self._wake, default=until) - now
        # Counted down too, so that a clock set back in the meantime cannot hold the caller for the difference.
        if now + wait >= until or wait > self._patience:
            return False
        wait = min(wait, LOOK)
        self._patience -= wait
        await self._times.sleep(wait.total_seconds())
        self._looked_at = None
        return True

    # --- what has come ---

    async def _settle(self) -> None:
        self._stirred.clear()
        outcomes, self._outcomes = self._outcomes, []
        ended, self._ended = self._ended, []
        if outcomes:
            now = self._times.clock()
            await self._outbox.aside(lambda: self._outbox.settle(now, outcomes))
            reached("outbox.settled")
        for outcome in outcomes:
            self._leased[outcome.row.channel] -= 1
            self._tell(outcome)
        # Behind what was under way there may be more of its line.
        self._promising |= dict.fromkeys(ended)

    def _tell(self, outcome: Outcome) -> None:
        about = _about(outcome.row)
        if isinstance(outcome, Sent):
            self._counts["sent"] += 1
            logger.info("alert delivered", extra=about)
        elif isinstance(outcome, Dropped):
            self._counts["dropped"] += 1
            logger.warning("not sent, because it is not wanted any more", extra=about | {"why": outcome.why})
        elif isinstance(outcome, PutOff):
            self._wake.add(outcome.at)
            self._problems[outcome.error] = None
            self._counts[_COUNTED[outcome.state]] += 1
            if outcome.state is not None:
                level = logging.WARNING if outcome.state is State.PENDING else logging.ERROR
                tries = outcome.row.attempts + 1
                why = {"state": outcome.state.value, "tries": tries, "next": outcome.at, "why": outcome.error}
                logger.log(level, "delivery postponed", extra=about | why)


def _about(row: OutboxRow) -> dict[str, object]:
    """What a log says of a row: whose message it is, and to whom. The row may be one that cannot be read."""
    about: dict[str, object] = {"message_id": row.id, "channel": row.channel}
    if row.of_hook:
        return about | {"hook": row.subject, "target": row.line}
    alert = row.payload if isinstance(row.payload, Mapping) else {}
    ids = {"alert": "id", "target": "target", "suite": "suite", "run": "run"}
    return about | {name: alert.get(key) for name, key in ids.items()}
