"""Whether the child still does something: seen from its lease, because a process that hangs does not say so."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from monitor.daemon.child import Child
from monitor.daemon.pace import Pace
from monitor.holding import myself
from monitor.store import leases
from monitor.store.database import Database

if TYPE_CHECKING:
    from monitor.config.models import Config

logger = logging.getLogger(__name__)


class Supervisor:
    """Looks at the child's lease at each tick, and ends a child that is silent, or alive without getting anywhere."""

    def __init__(self, child: Child, pace: Pace) -> None:
        self._child = child
        self._pace = pace
        self._pid: int | None = None
        self._beats = (0, 0)
        self._moved = 0.0
        self._work: object = None
        self._worked = 0.0

    def look(self, database: Database, config: Config) -> None:
        """One look; raises DatabaseError."""
        pid, now = self._child.pid, time.monotonic()
        if pid is None:
            return
        with database.read() as connection:
            lease = leases.look(connection, leases.RUNNER)
        if pid != self._pid:
            self._pid, self._moved, self._worked = pid, now, now
        host = myself().rpartition(":")[0]
        own = lease.holder == f"{host}:{pid}"
        if own and (lease.token, lease.beats) != self._beats:
            self._beats, self._moved = (lease.token, lease.beats), now
        if own and (lease.worked_at, lease.note) != self._work:
            self._work, self._worked = (lease.worked_at, lease.note), now
        if now - self._moved > self._pace.silent:
            logger.error("the child gives no sign of life and is ended", extra={"pid": pid})
            self._child.kill()
        elif now - self._worked > longest(config).total_seconds() + self._pace.besides:
            logger.error("the child gets nowhere and is ended", extra={"pid": pid})
            self._child.kill()


def longest(config: Config) -> timedelta:
    """How long one question may take, with all its retries."""
    return max((table.timeout + table.retry_for for table in config.targets.values()), default=timedelta())
