"""The outbox: alerts and their messages, written with the verdict and delivered afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from alerts.alert import Kind
from alerts.channel import POST
from alerts.deliver import HOUR, OutboxRow, State
from monitor.domain.text import storable
from monitor.store.database import Database, alone
from monitor.store.tables import alert, outbox

SENT = "sent"
_IN_LINE = (State.PENDING.value, State.BLOCKED.value)
# Nothing is put off, or leased, for longer than an hour: what ends later than this was written while a clock was ahead.
_LONGEST = HOUR + timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Deliveries:
    """One channel's messages so far: sent ones, attempts that failed, and what waits, since `oldest`."""

    channel: str
    sent: int
    failed: int
    waiting: int
    oldest: datetime | None


def enqueue(
    connection: Connection,
    payload: dict[str, Any],
    verdict_id: int | None,
    channels: Sequence[str],
    now: datetime,
    *,
    incident_id: str | None = None,
    route: str | None = None,
    why: str | None = None,
) -> None:
    """Write an alert (`Alert.to_json`'s object) and one message for each channel.

    `incident_id`: the incident that it belongs to; `route` and `why`: what it is to people, and the reason.
    """
    # Rows are delivered in the order of their ids: who gets the lower one also has to commit first.
    alone(connection, "outbox")
    values = {name: payload[name] for name in ("id", "target", "suite", "kind")}
    more = {"verdict_id": verdict_id, "incident_id": incident_id, "route": route, "why": why}
    connection.execute(alert.insert(), {**values, **more, "payload": payload, "created_at": now})
    rows = [
        {
            "alert_id": payload["id"],
            "channel": channel,
            "part": POST,
            "line": payload["target"],
            "state": State.PENDING.value,
            "attempts": 0,
            "first_at": now,
            "due_at": now,
        }
        for channel in channels
    ]
    if rows:
        connection.execute(outbox.insert(), rows)


def enqueue_hook(connection: Connection, hook_id: str, name: str, target: str, now: datetime) -> None:
    """Write the call of a hook, to be sent by the channel `hook:NAME`."""
    alone(connection, "outbox")
    values = {"hook_id": hook_id, "channel": f"hook:{name}", "part": POST, "line": target}
    waits = {"state": State.PENDING.value, "attempts": 0, "first_at": now, "due_at": now}
    connection.execute(outbox.insert(), values | waits)


def payload(connection: Connection, alert_id: str) -> dict[str, Any] | None:
    """An alert as it was written."""
    found = connection.execute(sa.select(alert.c.payload).where(alert.c.id == alert_id)).first()
    return None if found is None else dict(found.payload)


def told_at(connection: Connection, incident_id: str, ways: Sequence[str]) -> datetime | None:
    """When people were last told of an incident in one of these ways (`alerts.route.Way`)."""
    newest = sa.func.max(alert.c.created_at, type_=alert.c.created_at.type)
    key = (alert.c.incident_id == incident_id) & alert.c.route.in_(ways)
    found: datetime | None = connection.execute(sa.select(newest).where(key)).scalar_one()
    return found


def told_unstarted(connection: Connection, target: str, suite: str, since: datetime) -> bool:
    """Whether people were told since `since` that something of this (target, suite) cannot be begun."""
    about = (alert.c.target == target) & (alert.c.suite == suite) & alert.c.verdict_id.is_(None)
    # That slots before it were missed, which no verdict caused either, is another matter.
    told = about & (alert.c.kind == Kind.UNMEASURED.value) & (alert.c.created_at >= since)
    return connection.execute(sa.select(alert.c.id).where(told)).first() is not None


def undelivered(connection: Connection) -> list[tuple[str, str, int, datetime, str | None]]:
    """What has not gone out: (channel, state, messages, since, one of the reasons), by channel and state."""
    columns = (
        outbox.c.channel,
        outbox.c.state,
        sa.func.count(),
        sa.func.min(outbox.c.first_at),
        sa.func.max(outbox.c.error),
    )
    by = (outbox.c.channel, outbox.c.state)
    query = sa.select(*columns).where(outbox.c.state != SENT).group_by(*by).order_by(*by)
    return [(c, state, count, since, error) for c, state, count, since, error in connection.execute(query)]


def waiting(channel: str, state: str, said: str, since: str, error: str | None) -> str:
    """A sentence about undelivered messages: `said` counts them, `since` is in words."""
    next_ = {
        State.PENDING.value: "it is tried again by itself",
        State.BLOCKED.value: "somebody has to act, then it goes on by itself; `heldout check` tests the channel",
        State.FAILED.value: "it cannot be sent as it is; others go on",
    }.get(state, state)
    return f"{said} for {channel} undelivered since {since} ({state}: {next_}): {error or 'not tried yet'}"


def deliveries(connection: Connection) -> list[Deliveries]:
    """What became of every message that was ever written, by channel."""
    done = outbox.c.state == SENT
    sent = sa.func.sum(sa.case((done, 1), else_=0))
    oldest = sa.func.min(sa.case((done, None), else_=outbox.c.first_at), type_=outbox.c.first_at.type)
    columns = (outbox.c.channel, sa.func.count(), sent, sa.func.sum(outbox.c.attempts), oldest)
    query = sa.select(*columns).group_by(outbox.c.channel).order_by(outbox.c.channel)
    # The attempt that succeeded is counted among the attempts.
    return [
        Deliveries(channel, int(gone), int(attempts) - int(gone), int(rows) - int(gone), since)
        for channel, rows, gone, attempts, since in connection.execute(query)
    ]


class StoredOutbox:
    """The outbox that delivery drains; each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def wake(self, now: datetime) -> None:
        """Make everything that waits due at once."""
        with self._database.write() as connection:
            connection.execute(_free_of(outbox.c.state != SENT, outbox.c.due_at > now), {"due_at": now})

    def anything_due(self, now: datetime) -> bool:
        """Whether a message is due and free, at the price of one look."""
        query = sa.select(outbox.c.id).where(_due_and_free(now)).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def lease(self, now: datetime, limit: int, lease_for: timedelta) -> Sequence[OutboxRow]:
        """Up to `limit` messages that are due and free, oldest first, each target's in order; leased from now on."""
        older, older_alert = outbox.alias("older"), alert.alias("older_alert")
        ahead = (
            sa.select(older.c.id)
            .join(older_alert, older_alert.c.id == older.c.alert_id)
            .where(
                (older.c.id < outbox.c.id)
                & (older.c.channel == outbox.c.channel)
                & (older_alert.c.target == alert.c.target)
                & older.c.state.in_(_IN_LINE)
            )
            .exists()
        )
        query = (
            sa.select(outbox, alert.c.payload)
            .join(alert, alert.c.id == outbox.c.alert_id)
            .where(_due_and_free(now) & ~ahead)
            .order_by(outbox.c.id)
            .limit(limit)
            # What another process is about to lease is its own; a row that it has leased is seen as it is by now.
            .with_for_update(of=outbox, skip_locked=True)
        )
        with self._database.write() as connection:
            found = connection.execute(query).all()
            ids = [row.id for row in found]
            if ids:
                connection.execute(outbox.update().where(outbox.c.id.in_(ids)), {"leased_until": now + lease_for})
        return [OutboxRow(row.id, row.channel, row.payload, row.attempts, row.first_at) for row in found]

    def sent(self, row_id: int, now: datetime, receipt: str | None) -> None:
        """The message is delivered; what else waits for its channel is due at once, because the channel works."""
        kept = None if receipt is None else storable(receipt)
        done = {"state": SENT, "done_at": now, "receipt": kept, "error": None, "leased_until": None}
        with self._database.write() as connection:
            connection.execute(
                outbox.update().where(outbox.c.id == row_id).values(**done, attempts=outbox.c.attempts + 1)
            )
            channel = sa.select(outbox.c.channel).where(outbox.c.id == row_id).scalar_subquery()
            in_line = (outbox.c.channel == channel) & outbox.c.state.in_(_IN_LINE)
            connection.execute(_free_of(in_line, outbox.c.due_at > now), {"due_at": now})

    def postpone(self, row_id: int, at: datetime, error: str, *, state: State | None, attempted: bool) -> None:
        """The message is free again and due at `at`, for the reason `error`; a `state` of None leaves it as it is.

        Without effect where another process has sent it, after this one had been silent for longer than its lease.
        """
        values: dict[str, Any] = {"due_at": at, "error": storable(error), "leased_until": None}
        if state is not None:
            values["state"] = state.value
        if attempted:
            values["attempts"] = outbox.c.attempts + 1
        with self._database.write() as connection:
            undelivered = (outbox.c.id == row_id) & (outbox.c.state != SENT)
            connection.execute(outbox.update().where(undelivered).values(**values))


def _due_and_free(now: datetime) -> sa.ColumnElement[bool]:
    """Undelivered, due, and leased by nobody; times that lie too far ahead of `now` hold up nothing."""
    late = now + _LONGEST
    due = (outbox.c.due_at <= now) | (outbox.c.due_at > late)
    leased = outbox.c.leased_until
    return (outbox.c.state != SENT) & due & (leased.is_(None) | (leased <= now) | (leased > late))


def _free_of(*conditions: sa.ColumnElement[bool]) -> sa.Update:
    """A change of the rows that answer to `conditions`, but for those that another process is changing right now.

    Two processes that each waited for the other's row would be a deadlock.
    """
    ids = sa.select(outbox.c.id).where(*conditions).with_for_update(skip_locked=True)
    return outbox.update().where(outbox.c.id.in_(ids))
