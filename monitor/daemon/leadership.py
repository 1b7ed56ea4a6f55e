"""Which of several daemons ticks and delivers: on SQLite the only one, on PostgreSQL the one that holds the lease."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime

from monitor.holding import Contender
from monitor.store import leases
from monitor.store.database import Database, DatabaseError
from monitor.store.leases import Lease, LeaseLostError
from monitor.store.lock import sole_daemon

logger = logging.getLogger(__name__)


class Leadership:
    """`step` is called every few seconds; between two steps `leads` says how it stands."""

    def __init__(self, database: Database, url: str, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._url = url
        self._clock = clock
        self._alone = url.startswith("sqlite:")
        self._lease: Lease | None = None
        self._locks = ExitStack()
        self._contender = self._fresh()

    @property
    def leads(self) -> bool:
        """Whether this process is the one, as of the last step."""
        return self._lease is not None

    @property
    def alone(self) -> bool:
        """Whether there can be no other daemon on this database."""
        return self._alone

    def begin(self) -> None:
        """On SQLite, make sure to be the only daemon; raises LockedError where there is one."""
        if self._alone:
            self._locks.enter_context(sole_daemon(self._url))

    def step(self, ticked_at: datetime | None) -> bool:
        """Give a sign of life, or take over from a leader that gives none; True while this one leads.

        `ticked_at`: when the schedule was last looked at. Raises DatabaseError; then nothing has changed.
        """
        if self._lease is None:
            self._lease = self._contender.step()
            if self._lease is not None:
                logger.info("this daemon leads", extra={"term": self._lease.token})
            return self.leads
        try:
            with self._database.write() as connection:
                leases.beat(connection, self._lease, self._clock(), ticked_at, None)
        except LeaseLostError:
            logger.warning("another daemon leads now: this one was silent for too long")
            self._lease = None
            self._contender = self._fresh()
        return self.leads

    def end(self) -> None:
        """Let the next one lead at once."""
        lease, self._lease = self._lease, None
        if lease is not None:
            with suppress(DatabaseError, LeaseLostError), self._database.write() as connection:
                leases.release(connection, lease, self._clock())
        self._locks.close()

    def _fresh(self) -> Contender:
        return Contender(self._database, leases.LEADER, self._clock, certain=self._alone)
