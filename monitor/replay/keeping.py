"""Keeping answers through a database that is away for a while: they are paid for, and a server may be restarted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy.engine import Connection

from monitor.domain.run import Failure, StoredAnswer
from monitor.domain.score import Score
from monitor.store import answers
from monitor.store.database import Database, DatabaseError

logger = logging.getLogger(__name__)

# Seconds that the database may be away: long enough for a restart, short enough for whoever waits for the run.
PATIENCE = 60.0
# Seconds that are left when someone has asked the run to stop.
HURRIED = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Answers with their scores, and calls that gave none: what is committed together."""

    kept: Sequence[tuple[StoredAnswer, dict[str, Score]]]
    lost: Sequence[Failure]


def keep(
    database: Database, batch: Batch, patience: float = PATIENCE, hurried: Callable[[], bool] = lambda: False
) -> None:
    """Store a batch, once, as `persist` does."""
    persist(database, partial(_store, batch), patience, hurried)


def persist(
    database: Database,
    store: Callable[[Connection, bool], None],
    patience: float = PATIENCE,
    hurried: Callable[[], bool] = lambda: False,
) -> None:
    """Write what was paid for; tries again for `patience` seconds where waiting may help. Raises DatabaseError.

    `store(connection, in_doubt)` writes. Where the connection was lost, nobody knows whether what was committed last is
    stored: that is in doubt, and each further try has to look first. From then on a contradiction with what is stored
    is tried again, too: the lost try may still be under way.
    """
    until: float | None = None
    pause = _FIRST_PAUSE
    while True:
        try:
            with database.write() as connection:
                store(connection, until is not None)
            return
        except DatabaseError as error:
            if until is None and error.permanent:
                raise
            if until is None:
                until = time.monotonic() + patience
                logger.warning("answers are kept until the database takes them: %s", error)
            if hurried():
                until = min(until, time.monotonic() + HURRIED)
            if time.monotonic() + pause > until:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _store(batch: Batch, connection: Connection, in_doubt: bool) -> None:
    kept, lost = batch.kept, batch.lost
    if in_doubt:
        kept = [pair for pair in kept if not answers.is_stored(connection, pair[0])]
        lost = [one for one in lost if not answers.failure_is_stored(connection, one)]
    answers.add(connection, [one for one, _ in kept], [scores for _, scores in kept])
    answers.add_failures(connection, lost)
