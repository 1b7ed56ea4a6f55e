"""The port of the outbox: what waits to be sent, and what may come of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from alerts.channel import Picture, Receipt

T = TypeVar("T")


class State(StrEnum):
    """How an undelivered row waits. None is final: each is tried again, because each can be put right."""

    PENDING = "pending"  # passes by itself
    BLOCKED = "blocked"  # somebody has to act on the channel; the row keeps its place in the line
    FAILED = "failed"  # this one message cannot be sent; it stands beside the line, so that the others go on


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One thing to send by one channel, leased until `leased_until`; what is in its `line` goes one after the other.

    `subject` is the id of the alert, or of the hook (`of_hook`); `payload` is `Alert.to_json`'s object, or the hook's
    event. `attempts` were made before this lease. `thread` is the channel's own name for the first message of
    `incident`; None where none was sent yet.
    """

    id: int
    channel: str
    line: str
    part: str
    subject: str
    payload: object
    attempts: int
    first_at: datetime
    leased_until: datetime
    of_hook: bool = False
    incident: str | None = None
    thread: str | None = None
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """The other side has it."""

    row: OutboxRow
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class PutOff:
    """Not sent, for the reason `error`: due again at `at`.

    A `state` of None leaves it as it is, because nothing was tried; `attempted` adds one to its attempts.
    """

    row: OutboxRow
    at: datetime
    error: str
    state: State | None
    attempted: bool


@dataclass(frozen=True, slots=True)
class Dropped:
    """Not wanted any more, for the reason `why`: it is never sent, and keeps nobody waiting."""

    row: OutboxRow
    why: str


@dataclass(frozen=True, slots=True)
class Returned:
    """Leased and not looked at: it is free again as it was."""

    row: OutboxRow


Outcome = Sent | PutOff | Dropped | Returned


class Outbox(Protocol):
    """What the store keeps of what is to be sent. `due`, `lease`, `settle` are one transaction each; times are UTC."""

    async def aside(self, work: Callable[[], T]) -> T:
        """What `work`, one call of a method below, returns or raises; where it blocks, the loop goes on meanwhile."""
        ...

    def due(self, now: datetime) -> Sequence[str]:
        """The channels for which something could be leased."""
        ...

    def lease(self, now: datetime, channel: str, limit: int, lease_for: timedelta) -> Sequence[OutboxRow]:
        """Up to `limit` undelivered rows of `channel` that are due and free, now leased until `now + lease_for`.

        Oldest first. Nothing overtakes an older pending or blocked row of its line, whoever has leased that one and
        whenever it is due: nobody may read of a recovery before the fall. Several rows of one line may come together.
        """
        ...

    def settle(self, now: datetime, outcomes: Sequence[Outcome]) -> None:
        """Write down what came of leased rows, and free them.

        What was sent is sent, even where the lease has gone to somebody else meanwhile; anything else has no effect
        then. After something was sent, what else waits in line for its channel is due now: the channel works. The
        parts that a receipt asks for become rows at the end of the line.
        """
        ...
