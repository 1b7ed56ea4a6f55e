"""Who acts, and how often they may: one measure for all that a token changes, whichever way it is used."""

from __future__ import annotations

import time

from monitor.incidents.office import Actor
from monitor.web.auth import Caller
from monitor.web.errors import too_often
from monitor.web.limits import RateLimit

# What one token may ask for in a minute.
REQUESTS, PER_SECONDS = 60, 60.0


class Acting:
    """Counts what each token changes."""

    def __init__(self) -> None:
        self._limit = RateLimit(REQUESTS, PER_SECONDS)

    def count(self, name: str) -> None:
        """Take note that `name` acts; refuses where that was too often."""
        wait = self._limit.take(name, time.monotonic())
        if wait > 0:
            raise too_often(f'The token "{name}" has acted {REQUESTS} times in a minute; wait.', wait)


def by_token(caller: Caller) -> Actor:
    """Who acts by the API: the front door has let in nobody without a token."""
    return Actor(str(caller.name), "api")


def by_session(caller: Caller) -> Actor:
    """Who acts by a page."""
    return Actor(str(caller.name), "page")
