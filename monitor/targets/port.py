"""The port that every kind of target implements, and the account whose limits it shares with others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from monitor.domain.answer import Reply
from monitor.domain.case import Case


@dataclass(frozen=True, slots=True)
class Account:
    """Who pays: targets with equal `key` share one limiter, and the lowest stated limit holds for all of them.

    `key` is made of provider, base URL and a hash of the API key, never the key itself. Limits are per minute.
    """

    key: str
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


class Target(Protocol):
    """Something that answers. One instance belongs to one event loop; `aclose` frees its connections."""

    @property
    def account(self) -> Account:
        """The account that pays for an answer."""
        ...

    async def ask(self, case: Case) -> Reply:
        """Ask once, without retries, within the target's own time-out; raises `TargetError` and nothing else."""
        ...

    async def aclose(self) -> None:
        """Close connections; safe to call twice."""
        ...
