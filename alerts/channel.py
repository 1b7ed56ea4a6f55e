"""The port of every way out: what is sent, what came of it, and whether a channel works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from alerts.alert import Alert

# The first part of everything that is sent; a channel's receipt may ask for others, which follow it.
POST = "post"


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG, and what it shows in words."""

    png: bytes = field(repr=False)
    alt: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One thing to send: `part` of what `payload` holds, an `Alert.to_json` object or a hook's event.

    `id` is the alert's, or the hook's: the same at every attempt. `thread` is the channel's own name for the first
    message of the incident that it belongs to; None where it belongs to none, or none was sent yet.
    """

    id: str
    part: str
    payload: object
    thread: str | None = None
    picture: Picture | None = None

    @property
    def alert(self) -> Alert:
        """The payload as an alert; raises `alerts.codec.FormatError`."""
        return Alert.from_json(self.payload)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the other side gave for what was delivered.

    `reference` is its own name for the message (Slack: `ts`), or None. `parts` are to be sent next, each as a thing of
    its own, so that one that cannot be sent repeats none of the others. `result`: what a hook's own answer says.
    `anew`: the thread that it was sent to is gone, and this is the first message of the one in its place.
    """

    reference: str | None = None
    parts: tuple[str, ...] = ()
    result: Mapping[str, object] | None = None
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a channel works; `working` is None where only a real message would tell. `detail` is one sentence."""

    working: bool | None
    detail: str


class TransportError(Exception):
    """A message was not delivered.

    `message` is one sentence in our words with the remedy, and holds no secret. `permanent`: somebody has to act before
    trying again can help; where `this_message`, it is this one message that cannot be sent, else the whole channel.
    `retry_after` is in seconds, where the other side named a time.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool,
        this_message: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.permanent = permanent
        self.this_message = this_message
        self.retry_after = retry_after


class WithdrawnError(Exception):
    """What was to be sent is not wanted any more; the message is one sentence that says why. It is never sent."""


class Channel(Protocol):
    """A way out. Implementations hold their secrets; none of them logs one, or puts one into an error."""

    @property
    def name(self) -> str:
        """The name that routes and outbox rows use."""
        ...

    @property
    def pace(self) -> timedelta:
        """How far apart two messages have to be."""
        ...

    @property
    def at_once(self) -> int:
        """How many may be under way at the same time."""
        ...

    @property
    def longest(self) -> timedelta:
        """How long one may take at the most."""
        ...

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Deliver one thing, without retries; raises `TransportError`, and `WithdrawnError`."""
        ...

    async def verify(self) -> Health:
        """Say whether the channel works, without posting anything; never raises for a channel that does not."""
        ...

    async def aclose(self) -> None:
        """Give back the connections that it holds, if any; whoever made it does so at the end of a delivery."""
        ...


@dataclass(frozen=True, slots=True)
class Shut:
    """Stands in a channel's place where it cannot be built: its messages wait, and `reason` says what to do."""

    name: str
    reason: str

    @property
    def pace(self) -> timedelta:
        """Nothing is sent, so nothing has to be apart."""
        return timedelta(0)

    @property
    def at_once(self) -> int:
        """One after the other, so that they keep their order."""
        return 1

    @property
    def longest(self) -> timedelta:
        """It takes no time."""
        return timedelta(seconds=1)

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Raises TransportError: somebody has to act."""
        raise TransportError(self.reason, permanent=True)

    async def aclose(self) -> None:
        """Nothing is held."""

    async def verify(self) -> Health:
        """It does not work."""
        return Health(False, self.reason)
