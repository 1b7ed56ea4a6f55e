"""Holding a lease: taken when it is free or its holder is silent, kept alive by a thread, let go at the end."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from monitor.store import leases
from monitor.store.database import Database, DatabaseError
from monitor.store.leases import FencedDatabase, Lease, LeaseLostError
from monitor.store.lock import LockedError

if TYPE_CHECKING:
    from monitor.replay.runner import Tally

logger = logging.getLogger(__name__)

# Seconds between two signs of life, and of silence after which a holder is followed. The second is counted on the
# waiter's own monotonic clock: a clock that is set makes nobody look dead.
BEAT = 3.0
SILENT = 15.0
# Seconds for which an event loop may stand still before its process no longer counts as alive.
STUCK = 60.0


def myself() -> str:
    """This process, as others see it."""
    return f"{socket.gethostname()}:{os.getpid()}"[:200]


class Contender:
    """Watches a lease until it can be taken; `step` looks once and never waits.

    `certain`: nobody else can be alive, because something stronger than a lease has said so. `silent`: seconds without
    a sign of life after which a holder is followed.
    """

    def __init__(
        self, database: Database, name: str, clock: Callable[[], datetime], *, certain: bool, silent: float = SILENT
    ) -> None:
        self._database = database
        self._name = name
        self._clock = clock
        self._certain = certain
        self._silent = silent
        self._seen: Lease | None = None
        self._since = 0.0

    def step(self) -> Lease | None:
        """The lease, when it was taken now; None while another one holds it. Raises DatabaseError."""
        try:
            with self._database.read() as connection:
                found = leases.look(connection, self._name)
        except DatabaseError:
            # While the database is away its holder cannot give a sign of life either: the count begins anew.
            self._seen = None
            raise
        if self._seen is None or (found.token, found.beats) != (self._seen.token, self._seen.beats):
            self._seen, self._since = found, time.monotonic()
        if found.holder is None or self._certain or time.monotonic() - self._since >= self._silent:
            with self._database.write() as connection:
                return leases.take(connection, found, myself(), self._clock())
        return None

    def wait(self) -> Lease:
        """The lease, after as long as it takes to know whether its holder lives; LockedError where it does."""
        held = self.step()
        first = self._seen
        while held is None:
            now = self._seen
            if now is not None and first is not None and now.holder is not None and now.beats != first.beats:
                raise LockedError(f"another heldout run (process {now.holder}) is at work on this database")
            time.sleep(0.5)
            held = self.step()
        return held


@dataclass
class Runner:
    """The right to ask targets: `database` refuses what is written after it was lost."""

    database: FencedDatabase
    lease: Lease
    clock: Callable[[], datetime]
    on_lost: Callable[[], None] = lambda: None
    _note: dict[str, Any] = field(default_factory=dict)
    _worked_at: datetime | None = None
    _turned: float = field(default_factory=time.monotonic)
    _watched: bool = False
    _over: threading.Event = field(default_factory=threading.Event)

    def report(self, label: str, tally: Tally) -> None:
        """What is being done, for whoever looks at the database."""
        site, _, stage = label.rpartition(" · ")
        suite, _, stage = stage.partition(" ")
        self._note = {
            "site": f"{site} · {suite}" if site else suite,
            "stage": stage,
            "answered": tally.answered,
            "failed": tally.failed,
            "total": tally.total,
        }
        self._worked_at = self.clock()

    def turned(self) -> None:
        """The event loop has turned; from the first call on it has to keep turning, or the process counts as dead."""
        self._turned = time.monotonic()
        self._watched = True

    def beat(self) -> None:
        """One sign of life, unless the event loop stands still."""
        if self._watched and time.monotonic() - self._turned > STUCK:
            logger.error("nothing has moved in this process for a minute: it no longer counts as alive")
            return
        try:
            with self._lease_row.write() as connection:
                leases.beat(connection, self.lease, self.clock(), self._worked_at, self._note)
        except LeaseLostError as error:
            logger.error("%s", error)
            self._over.set()
            self.on_lost()
        except DatabaseError as error:
            logger.warning("the database did not take a sign of life: %s", error)

    @property
    def _lease_row(self) -> Database:
        """Where the lease itself is written, which its number guards: shared locks first would end in a deadlock."""
        return Database(self.database.engine)

    def keep_alive(self) -> None:
        """Beat until `end`; a thread's work."""
        while not self._over.wait(BEAT):
            self.beat()

    def end(self) -> None:
        """No more beats, and the next one may begin at once."""
        self._over.set()
        with suppress(DatabaseError, LeaseLostError), self._lease_row.write() as connection:
            leases.release(connection, self.lease, self.clock())


@contextmanager
def runner(database: Database, clock: Callable[[], datetime], *, certain: bool) -> Iterator[Runner]:
    """Be the one process that asks targets on this database; raises LockedError where another one lives.

    `certain`: a lock of the operating system says already that there is no other (SQLite).
    """
    held = Contender(database, leases.RUNNER, clock, certain=certain).wait()
    mine = Runner(FencedDatabase(database, held), held, clock)
    thread = threading.Thread(target=mine.keep_alive, name="lease", daemon=True)
    thread.start()
    try:
        yield mine
    finally:
        mine.end()
        thread.join(timeout=BEAT)
