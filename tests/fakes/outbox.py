"""An outbox in memory that keeps the protocol's promises, a scripted channel, and a clock that sleeping moves."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

from alerts.alert import Alert
from alerts.channel import Health, Outgoing, Receipt
from alerts.deliver import OutboxRow, State

START = datetime(2026, 11, 16, 7, 0, tzinfo=UTC)


class Clock:
    """Time stands still but for `sleep`, which moves it by what was asked and returns at once."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


@dataclass
class Stored:
    """One row as a store would keep it."""

    id: int
    channel: str
    target: str
    alert: object
    first_at: datetime
    due_at: datetime
    attempts: int = 0
    state: str = State.PENDING
    leased_until: datetime | None = None
    receipt: str | None = None
    error: str | None = None


class MemoryOutbox:
    """Rows in the order in which they were put in."""

    def __init__(self) -> None:
        self.rows: dict[int, Stored] = {}
        self._ids = count(1)

    def put(self, alert: Alert, now: datetime, channel: str = "slack", payload: object = None) -> Stored:
        """A new row, due at once; `payload` stands in for the alert's own JSON."""
        stored = payload if payload is not None else alert.to_json()
        row = Stored(next(self._ids), channel, alert.target, stored, first_at=now, due_at=now)
        self.rows[row.id] = row
        return row

    def lease(self, now: datetime, limit: int, lease_for: timedelta) -> Sequence[OutboxRow]:
        leased: list[OutboxRow] = []
        for row in self.rows.values():
            free = row.leased_until is None or row.leased_until <= now
            if len(leased) == limit or row.state == "sent" or row.due_at > now or not free or self._behind(row):
                continue
            row.leased_until = now + lease_for
            leased.append(OutboxRow(row.id, row.channel, row.alert, row.attempts, row.first_at))
        return leased

    def _behind(self, row: Stored) -> bool:
        return any(
            other.id < row.id
            and (other.channel, other.target) == (row.channel, row.target)
            and other.state in (State.PENDING, State.BLOCKED)
            for other in self.rows.values()
        )

    def sent(self, row_id: int, now: datetime, receipt: str | None) -> None:
        done = self.rows[row_id]
        done.state, done.receipt, done.error = "sent", receipt, None
        done.attempts += 1
        for row in self.rows.values():
            if row.channel == done.channel and row.state in (State.PENDING, State.BLOCKED):
                row.due_at = min(row.due_at, now)

    def postpone(self, row_id: int, at: datetime, error: str, *, state: State | None, attempted: bool) -> None:
        row = self.rows[row_id]
        row.due_at, row.error, row.leased_until = at, error, None
        row.state = row.state if state is None else state
        row.attempts += attempted


@dataclass
class ScriptedChannel:
    """Raises the next error of `errors` (None: goes well), then goes well; `got` holds what was delivered, in order."""

    clock: Clock
    name: str = "slack"
    errors: deque[Exception | None] = field(default_factory=deque)
    got: list[Alert] = field(default_factory=list)
    tried: list[tuple[str, datetime]] = field(default_factory=list)

    pace: timedelta = timedelta(seconds=1)
    at_once: int = 1
    longest: timedelta = timedelta(seconds=60)

    async def aclose(self) -> None:
        """Nothing is held."""

    async def send(self, outgoing: Outgoing) -> Receipt:
        alert = outgoing.alert
        self.tried.append((alert.id, self.clock()))
        error = self.errors.popleft() if self.errors else None
        if error is not None:
            raise error
        self.got.append(alert)
        return Receipt(f"ts-{alert.id}")

    async def verify(self) -> Health:
        return Health(True, "scripted")
