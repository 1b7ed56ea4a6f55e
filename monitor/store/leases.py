"""Leases: who works on a database, so that a holder that died is followed and one that is late is refused.

Nobody compares clocks. A holder adds to `beats`; whoever waits watches on its own monotonic clock whether they move.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.store.database import Database
from monitor.store.tables import lease

RUNNER = "runner"
LEADER = "leader"


class LeaseLostError(Exception):
    """Another process has taken over, and what this one still wanted to write was refused."""

    permanent = True


@dataclass(frozen=True, slots=True)
class Lease:
    """One row: `token` grows with every holder, `beats` with every sign of life; `holder` is None where it is free."""

    name: str
    holder: str | None
    token: int
    beats: int
    beat_at: datetime | None
    worked_at: datetime | None
    note: dict[str, Any]


def look(connection: Connection, name: str) -> Lease:
    """The lease as it stands; one that was never taken is free, with the token 0."""
    row = connection.execute(sa.select(lease).where(lease.c.name == name)).first()
    return Lease(name, None, 0, 0, None, None, {}) if row is None else Lease(**row._mapping)


def take(connection: Connection, seen: Lease, holder: str, now: datetime) -> Lease | None:
    """Take the lease where it still is as it was `seen`; None where someone moved meanwhile."""
    values = {"holder": holder, "token": seen.token + 1, "beats": seen.beats + 1, "beat_at": now}
    fresh: dict[str, Any] = {"worked_at": None, "note": {}}
    if seen.token == 0:
        try:
            with connection.begin_nested():
                connection.execute(lease.insert(), {"name": seen.name, **values, **fresh})
        except sa.exc.IntegrityError:
            return None
    else:
        # Waits for what its holder is just writing, which a change of this row alone would not.
        connection.execute(sa.select(lease.c.token).where(lease.c.name == seen.name).with_for_update())
        # What the earlier holder did last stays readable until this one has done something.
        same = (lease.c.name == seen.name) & (lease.c.token == seen.token) & (lease.c.beats == seen.beats)
        if connection.execute(lease.update().where(same), values).rowcount != 1:
            return None
    return look(connection, seen.name)


def beat(
    connection: Connection, held: Lease, now: datetime, worked_at: datetime | None, note: dict[str, Any] | None
) -> None:
    """Say that the holder lives, and what it last did; raises LeaseLostError where it holds the lease no more."""
    values: dict[str, Any] = {"beats": lease.c.beats + 1, "beat_at": now}
    if worked_at is not None:
        values["worked_at"] = worked_at
    if note is not None:
        values["note"] = note
    if connection.execute(lease.update().where(_of(held)).values(**values)).rowcount != 1:
        raise LeaseLostError(_lost(held))


def release(connection: Connection, held: Lease, now: datetime) -> None:
    """Let the next one in at once; without effect where the lease is lost already."""
    values = {"holder": None, "beats": lease.c.beats + 1, "beat_at": now}
    connection.execute(lease.update().where(_of(held)).values(**values))


class FencedDatabase(Database):
    """The database of a lease's holder: each write first makes sure that the lease is still held, and keeps it so.

    Raises LeaseLostError, and writes nothing, once another process has taken over.
    """

    def __init__(self, database: Database, held: Lease) -> None:
        super().__init__(database.engine)
        self._held = held

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, which nobody can take the lease from until it is over.

        Its lock lets signs of life through: with many writers there may always be one, and a beat that had to wait for
        a moment without any would come too late.
        """
        with super().write() as connection:
            mine = lease.c.name == self._held.name
            query = sa.select(lease.c.token).where(mine).with_for_update(read=True, key_share=True)
            if connection.execute(query).scalar() != self._held.token:
                raise LeaseLostError(_lost(self._held))
            yield connection


def _of(held: Lease) -> sa.ColumnElement[bool]:
    return (lease.c.name == held.name) & (lease.c.token == held.token)


def _lost(held: Lease) -> str:
    return (
        f"another process has taken over the {held.name}'s work on this database, because this one was silent for too "
        "long; what it had stored is kept, and the other goes on from there"
    )
