"""The port of every way out: send an alert, or say whether that would work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from alerts.alert import Alert


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the other side gave for a delivered message; `reference` is its own name for it (Slack: `ts`), or None."""

    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a channel works; `working` is None where only a real message would tell. `detail` is one sentence."""

    working: bool | None
    detail: str


class TransportError(Exception):
    """An alert was not delivered.

    `permanent`: trying again changes nothing until somebody acts, and the message says what to do.
    `retry_after`: seconds the other side asked to wait, or None.
    `this_message`: the fault lies in this one message; others may still pass. The message never holds a secret.
    """

    def __init__(
        self, message: str, *, permanent: bool, retry_after: float | None = None, this_message: bool = False
    ) -> None:
        super().__init__(message)
        self.message = message
        self.permanent = permanent
        self.retry_after = retry_after
        self.this_message = this_message


class Channel(Protocol):
    """A way out. It holds no connection between two messages, so there is nothing to close."""

    @property
    def name(self) -> str:
        """The name that routes and outbox rows use."""
        ...

    async def send(self, alert: Alert) -> Receipt:
        """Deliver one alert, without retries, within the channel's own time-out; raises `TransportError`."""
        ...

    async def verify(self) -> Health:
        """Say whether the channel works, without posting anything; never raises for a channel that does not."""
        ...


@dataclass(frozen=True, slots=True)
class Shut:
    """Stands in a channel's place where it cannot be built: its messages wait, and `reason` says what to do."""

    name: str
    reason: str

    async def send(self, alert: Alert) -> Receipt:
        """Raises TransportError: somebody has to act."""
        raise TransportError(self.reason, permanent=True)

    async def verify(self) -> Health:
        """It does not work."""
        return Health(False, self.reason)
