"""An outbox in memory that keeps the protocol's promises, a scripted channel, and a clock that sleeping moves."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

from alerts.alert import Alert
from alerts.channel import POST, Health, Outgoing, Receipt
from alerts.outbox import Dropped, OutboxRow, Outcome, PutOff, Sent, State

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
    line: str
    subject: str
    payload: object
    first_at: datetime
    due_at: datetime
    part: str = POST
    incident: str | None = None
    attempts: int = 0
    state: str = State.PENDING
    leased_until: datetime | None = None
    receipt: str | None = None
    error: str | None = None


class MemoryOutbox:
    """Rows in the order in which they were put in."""

    def __init__(self) -> None:
        self.rows: dict[int, Stored] = {}
        self.threads: dict[tuple[str, str], str] = {}
        self._ids = count(1)

    def put(self, alert: Alert, now: datetime, channel: str = "slack", payload: object = None) -> Stored:
        """A new row, due at once; `payload` stands in for the alert's own JSON."""
        stored = payload if payload is not None else alert.to_json()
        incident = alert.incident.id if alert.incident is not None else None
        return self._add(channel, alert.target, alert.id, stored, now, incident=incident)

    def _add(self, *values: object, **more: object) -> Stored:
        *first, now = values
        row = Stored(next(self._ids), *first, first_at=now, due_at=now, **more)
        self.rows[row.id] = row
        return row

    async def aside(self, work):
        return work()

    def due(self, now: datetime) -> Sequence[str]:
        return sorted({row.channel for row in self.rows.values() if self._ready(row, now) and not self._behind(row)})

    def lease(self, now: datetime, channel: str, limit: int, lease_for: timedelta) -> Sequence[OutboxRow]:
        leased: list[Stored] = []
        for row in self.rows.values():
            if len(leased) == limit or row.channel != channel or not self._ready(row, now):
                continue
            if not self._behind(row, besides=leased):
                leased.append(row)
        for row in leased:
            row.leased_until = now + lease_for
        return [self._row(row) for row in leased]

    def _row(self, row: Stored) -> OutboxRow:
        thread = self.threads.get((row.incident or "", row.channel))
        names = ("id", "channel", "line", "part", "subject", "payload", "attempts", "first_at", "leased_until")
        return OutboxRow(**{name: getattr(row, name) for name in names}, incident=row.incident, thread=thread)

    def _ready(self, row: Stored, now: datetime) -> bool:
        free = row.leased_until is None or row.leased_until <= now
        return isinstance(row.state, State) and row.due_at <= now and free

    def _behind(self, row: Stored, besides: Sequence[Stored] = ()) -> bool:
        return any(
            other.id < row.id
            and (other.channel, other.line) == (row.channel, row.line)
            and other.state in (State.PENDING, State.BLOCKED)
            and other not in besides
            for other in self.rows.values()
        )

    def settle(self, now: datetime, outcomes: Sequence[Outcome]) -> None:
        for one in [one for one in outcomes if isinstance(one, Sent)]:
            self._sent(self.rows[one.row.id], one, now)
        for one in outcomes:
            row = self.rows[one.row.id]
            if isinstance(one, Sent) or row.leased_until != one.row.leased_until:
                continue
            row.leased_until = None
            if isinstance(one, PutOff):
                row.due_at, row.error = one.at, one.error
                row.state = row.state if one.state is None else one.state
                row.attempts += one.attempted
            elif isinstance(one, Dropped):
                row.state, row.error = "dropped", one.why

    def _sent(self, done: Stored, outcome: Sent, now: datetime) -> None:
        done.state, done.receipt, done.error, done.leased_until = "sent", outcome.receipt.reference, None, None
        done.attempts += 1
        if done.incident and outcome.receipt.reference:
            self.threads.setdefault((done.incident, done.channel), outcome.receipt.reference)
        for part in outcome.receipt.parts:
            self._add(done.channel, done.line, done.subject, done.payload, now, part=part, incident=done.incident)
        for row in self.rows.values():
            if row.channel == done.channel and row.state in (State.PENDING, State.BLOCKED):
                row.due_at = min(row.due_at, now)


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
