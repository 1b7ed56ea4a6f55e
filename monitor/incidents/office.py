"""What everything that happens to an incident needs: the configuration, where messages go, the time, new ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from alerts.alert import Link

if TYPE_CHECKING:
    from monitor.config.models import Config

# Who took a step that nobody asked for.
HELDOUT = "heldout"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and by which way: "command", "api", "page", "slack", "hook", or "heldout" itself."""

    name: str
    via: str


@dataclass(frozen=True, slots=True)
class Office:
    """`channels`: the names of those that people are told by."""

    config: Config
    channels: Sequence[str]
    now: datetime
    new_id: Callable[[datetime], str]

    def links(self, incident_id: str) -> tuple[Link, ...]:
        """Where people read more, and act; empty where the page has no public address."""
        root = self.config.web.public_url
        return () if root is None else (Link("Incident", f"{root.rstrip('/')}/incidents/{incident_id}"),)

    def result_url(self, hook_id: str, token: str) -> str | None:
        """Where a tool posts its result."""
        root = self.config.web.public_url
        return None if root is None else f"{root.rstrip('/')}/api/v1/hooks/{hook_id}/result?token={token}"


class UnknownError(LookupError):
    """There is no such incident, or hook; the message says how to find those that there are."""


class RefusedError(Exception):
    """It would be allowed, but what is known now speaks against it; the message is the reason."""


class ConflictError(RefusedError):
    """A result that contradicts an earlier one."""


class WrongTokenError(Exception):
    """A token that is not this hook's, or is not valid any more."""
