"""Draining the outbox: which rows are due, who has them, and what came of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from alerts.channel import Picture
from alerts.outbox import OutboxRow, Outcome, State
from alerts.sending import HOUR
from monitor.store.database import Database, alone
from monitor.store.settling import IN_LINE, UNDELIVERED, Observer, Settling, free_of
from monitor.store.tables import alert, hook, outbox, picture, thread
from monitor.threads import in_thread

T = TypeVar("T")


class _Head(NamedTuple):
    """A row that nothing stands before."""

    id: int
    channel: str
    line: str
    state: str


# Nothing is put off, or leased, for longer than an hour: what ends later than this was written while a clock was ahead.
_LONGEST = HOUR + timedelta(minutes=5)


class StoredOutbox:
    """The outbox that delivery drains; each method is one transaction. Its methods are `alerts.outbox.Outbox`'s."""

    def __init__(self, database: Database, observer: Observer | None = None) -> None:
        self._database = database
        self._observer = observer

    async def aside(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises, from a thread: while a disk writes, other messages go out."""
        return await in_thread(work)

    def wake(self, now: datetime) -> None:
        """Make everything that waits due at once."""
        with self._database.write() as connection:
            connection.execute(free_of(outbox.c.state.in_(UNDELIVERED), outbox.c.due_at > now), {"due_at": now})

    def anything_due(self, now: datetime) -> bool:
        """Whether something could be leased; where nothing waits, at the price of one look."""
        return bool(self.due(now))

    def due(self, now: datetime) -> Sequence[str]:
        """The channels for which something could be leased."""
        query = sa.select(outbox.c.channel).where(_due_and_free(now)).distinct().order_by(outbox.c.channel)
        with self._database.read() as connection:
            # What stands behind another in its line is due as well, and cannot be leased.
            return [name for name in connection.execute(query).scalars().all() if _heads(connection, now, name, 1)]

    def lease(self, now: datetime, channel: str, limit: int, lease_for: timedelta) -> Sequence[OutboxRow]:
        """Up to `limit` rows of `channel` that are due and free, oldest first, leased from now on."""
        with self._database.write() as connection:
            # What one process looks at here, no other leases meanwhile. Whatever else changes rows only makes way:
            # it writes younger ones, or ends and frees what is leased.
            alone(connection, "outbox-lease")
            heads = _heads(connection, now, channel, limit)
            ids = [head.id for head in heads] + _behind(connection, now, heads, limit)
            if not ids:
                return []
            rows = connection.execute(_contents(ids)).all()
            until = now + lease_for
            kept = outbox.c.id.in_([row.id for row in rows])
            connection.execute(outbox.update().where(kept), {"leased_until": until})
            pictures = _pictures(connection, {row.pictured for row in rows if row.pictured is not None})
        return [_row(row, until, pictures) for row in rows]

    def settle(self, now: datetime, outcomes: Sequence[Outcome]) -> None:
        """Write down what came of leased rows, and free them: one transaction for all."""
        with self._database.write() as connection:
            # First of all: rows for further parts get their numbers in the order in which they are committed, and
            # whoever writes alerts has this before it touches an incident.
            alone(connection, "outbox")
            Settling(connection, now, self._observer).settle(outcomes)


def _due_and_free(now: datetime) -> sa.ColumnElement[bool]:
    """Undelivered, due, and leased by nobody; times that lie too far ahead of `now` hold up nothing."""
    late = now + _LONGEST
    due = (outbox.c.due_at <= now) | (outbox.c.due_at > late)
    leased = outbox.c.leased_until
    return outbox.c.state.in_(UNDELIVERED) & due & (leased.is_(None) | (leased <= now) | (leased > late))


def _heads(connection: Connection, now: datetime, channel: str, limit: int) -> list[_Head]:
    """The first of each line, where it is due and free, and those that stand beside their line."""
    of_channel = outbox.c.channel == channel
    first = sa.select(sa.func.min(outbox.c.id)).where(of_channel, outbox.c.state.in_(IN_LINE)).group_by(outbox.c.line)
    beside = sa.select(outbox.c.id).where(of_channel, outbox.c.state == State.FAILED.value)
    query = (
        sa.select(outbox.c.id, outbox.c.channel, outbox.c.line, outbox.c.state)
        .where(outbox.c.id.in_(sa.union_all(first, beside)))
        .where(_due_and_free(now))
        .order_by(outbox.c.id)
        .limit(limit)
    )
    return [_Head(*row) for row in connection.execute(query)]


def _behind(connection: Connection, now: datetime, heads: Sequence[_Head], limit: int) -> list[int]:
    """Those next in the heads' lines, each up to the first that is not due or that somebody else has.

    With the heads no more than `limit`, and as many of each line.
    """
    each = limit // max(1, len(heads)) - 1
    if each <= 0:
        return []
    # Who stands beside a line leads nobody.
    lines = {head.line: head.id for head in heads if head.state in IN_LINE}
    if not lines:
        return []
    line = (outbox.c.channel == heads[0].channel) & outbox.c.line.in_(lines) & outbox.c.state.in_(IN_LINE)
    query = (
        sa.select(outbox.c.id, outbox.c.line, _due_and_free(now).label("ready"))
        .where(line & (outbox.c.id > min(lines.values())))
        .order_by(outbox.c.id)
        # Lines mostly grow side by side. Where one has grown much faster, the others get less in this lease.
        .limit(4 * limit)
    )
    found: dict[str, list[int]] = {name: [] for name in lines}
    ended: set[str] = set()
    for row in connection.execute(query):
        if row.id == lines[row.line]:
            continue
        if not row.ready:
            ended.add(row.line)
        elif row.line not in ended and len(found[row.line]) < each:
            found[row.line].append(row.id)
    return [row_id for ids in found.values() for row_id in ids]


def _contents(ids: Sequence[int]) -> sa.Select[Any]:
    """The rows with what they send. One that was settled while it was being looked for is not among them."""
    return (
        sa.select(
            outbox,
            sa.func.coalesce(alert.c.payload, hook.c.event, type_=alert.c.payload.type).label("payload"),
            alert.c.incident_id,
            thread.c.reference,
            picture.c.alert_id.label("pictured"),
        )
        .outerjoin(alert, alert.c.id == outbox.c.alert_id)
        .outerjoin(hook, hook.c.id == outbox.c.hook_id)
        .outerjoin(thread, (thread.c.incident_id == alert.c.incident_id) & (thread.c.channel == outbox.c.channel))
        .outerjoin(picture, picture.c.alert_id == outbox.c.alert_id)
        .where(outbox.c.id.in_(ids), outbox.c.state.in_(UNDELIVERED))
        .order_by(outbox.c.id)
        .with_for_update(of=outbox)
    )


def _pictures(connection: Connection, alerts: Collection[str]) -> dict[str, Picture]:
    if not alerts:
        return {}
    found = connection.execute(sa.select(picture).where(picture.c.alert_id.in_(list(alerts))))
    return {row.alert_id: Picture(row.png, row.alt) for row in found}


def _row(row: Row[Any], until: datetime, pictures: dict[str, Picture]) -> OutboxRow:
    return OutboxRow(
        id=row.id,
        channel=row.channel,
        line=row.line,
        part=row.part,
        subject=row.alert_id or row.hook_id,
        payload=row.payload,
        attempts=row.attempts,
        first_at=row.first_at,
        leased_until=until,
        of_hook=row.hook_id is not None,
        incident=row.incident_id,
        thread=row.reference,
        picture=pictures.get(row.alert_id),
    )
