"""Runs as people look at them: a page of the newest, and what each has found and used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.domain.run import Run, RunState
from monitor.store import usage
from monitor.store.runs import from_row
from monitor.store.tables import run, verdict


@dataclass(frozen=True, slots=True)
class Entry:
    """A run with the contract's object of its newest verdict, and what it has used so far."""

    run: Run
    verdict: dict[str, Any] | None
    used: tuple[usage.Share, ...]


def page(
    connection: Connection,
    limit: int,
    *,
    target: str | None = None,
    suite: str | None = None,
    before: Run | None = None,
) -> list[Run]:
    """The newest runs of every kind, the newest first; with `before`, those that come after it in this order."""
    query = sa.select(run).order_by(run.c.created_at.desc(), run.c.id.desc()).limit(limit)
    for column, wanted in ((run.c.target, target), (run.c.suite, suite)):
        if wanted is not None:
            query = query.where(column == wanted)
    if before is not None:
        same_time = (run.c.created_at == before.created_at) & (run.c.id < before.id)
        query = query.where((run.c.created_at < before.created_at) | same_time)
    return [from_row(row) for row in connection.execute(query)]


def missed(connection: Connection, since: datetime) -> list[Run]:
    """The slots from `since` on that nobody was there for, the newest first."""
    key = (run.c.state == RunState.MISSED.value) & (run.c.slot >= since)
    return [from_row(row) for row in connection.execute(sa.select(run).where(key).order_by(run.c.slot.desc()))]


def entries(connection: Connection, runs: Sequence[Run]) -> list[Entry]:
    """Each run with its newest verdict and its use, in the same order; a constant number of queries."""
    ids = [one.id for one in runs]
    newest = sa.select(sa.func.max(verdict.c.id)).where(verdict.c.run_id.in_(ids)).group_by(verdict.c.run_id)
    rows = connection.execute(sa.select(verdict.c.run_id, verdict.c.payload).where(verdict.c.id.in_(newest)))
    said = {row.run_id: row.payload for row in rows}
    used: defaultdict[str, list[usage.Share]] = defaultdict(list)
    for share in usage.of_runs(connection, ids):
        used[share.run_id].append(share)
    return [Entry(one, said.get(one.id), tuple(used[one.id])) for one in runs]
