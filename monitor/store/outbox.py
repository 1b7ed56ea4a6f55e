"""The outbox: alerts and their messages, written with the verdict and delivered afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from alerts.deliver import OutboxRow, State
from monitor.store.database import Database
from monitor.store.tables import alert, outbox

SENT = "sent"
_IN_LINE = (State.PENDING.value, State.BLOCKED.value)


def enqueue(
    connection: Connection, payload: dict[str, Any], verdict_id: int | None, channels: Sequence[str], now: datetime
) -> None:
    """Write an alert (`Alert.to_json`'s object) and one message for each channel."""
    values = {name: payload[name] for name in ("id", "target", "suite", "kind")}
    connection.execute(alert.insert(), values | {"verdict_id": verdict_id, "payload": payload, "created_at": now})
    rows = [
        {
            "alert_id": payload["id"],
            "channel": channel,
            "state": State.PENDING.value,
            "attempts": 0,
            "first_at": now,
            "due_at": now,
        }
        for channel in channels
    ]
    if rows:
        connection.execute(outbox.insert(), rows)


def told_unstarted(connection: Connection, target: str, suite: str, since: datetime) -> bool:
    """Whether people were told since `since` that something of this (target, suite) cannot be begun."""
    about = (alert.c.target == target) & (alert.c.suite == suite) & alert.c.verdict_id.is_(None)
    return connection.execute(sa.select(alert.c.id).where(about & (alert.c.created_at >= since))).first() is not None


def undelivered(connection: Connection) -> list[tuple[str, str, int, datetime, str | None]]:
    """What has not gone out: (channel, state, messages, since, one of the reasons), by channel and state."""
    columns = (
        outbox.c.channel,
        outbox.c.state,
        sa.func.count(),
        sa.func.min(outbox.c.first_at),
        sa.func.max(outbox.c.error),
    )
    query = sa.select(*columns).where(outbox.c.state != SENT).group_by(outbox.c.channel, outbox.c.state)
    return [(c, state, count, since, error) for c, state, count, since, error in connection.execute(query)]


class StoredOutbox:
    """The outbox that delivery drains; each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def wake(self, now: datetime) -> None:
        """Make everything that waits due at once."""
        with self._database.write() as connection:
            waiting = (outbox.c.state != SENT) & (outbox.c.due_at > now)
            connection.execute(outbox.update().where(waiting), {"due_at": now})

    def anything_due(self, now: datetime) -> bool:
        """Whether a message is due and free, at the price of one look."""
        free = outbox.c.leased_until.is_(None) | (outbox.c.leased_until <= now)
        query = sa.select(outbox.c.id).where((outbox.c.state != SENT) & (outbox.c.due_at <= now) & free).limit(1)
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
        free = outbox.c.leased_until.is_(None) | (outbox.c.leased_until <= now)
        query = (
            sa.select(outbox, alert.c.payload)
            .join(alert, alert.c.id == outbox.c.alert_id)
            .where((outbox.c.state != SENT) & (outbox.c.due_at <= now) & free & ~ahead)
            .order_by(outbox.c.id)
            .limit(limit)
        )
        with self._database.write() as connection:
            found = connection.execute(query).all()
            ids = [row.id for row in found]
            if ids:
                connection.execute(outbox.update().where(outbox.c.id.in_(ids)), {"leased_until": now + lease_for})
        return [OutboxRow(row.id, row.channel, row.payload, row.attempts, row.first_at) for row in found]

    def sent(self, row_id: int, now: datetime, receipt: str | None) -> None:
        """The message is delivered; what else waits for its channel is due at once, because the channel works."""
        done = {"state": SENT, "done_at": now, "receipt": receipt, "error": None, "leased_until": None}
        with self._database.write() as connection:
            connection.execute(
                outbox.update().where(outbox.c.id == row_id).values(**done, attempts=outbox.c.attempts + 1)
            )
            channel = sa.select(outbox.c.channel).where(outbox.c.id == row_id).scalar_subquery()
            waiting = (outbox.c.channel == channel) & outbox.c.state.in_(_IN_LINE) & (outbox.c.due_at > now)
            connection.execute(outbox.update().where(waiting), {"due_at": now})

    def postpone(self, row_id: int, at: datetime, error: str, *, state: State | None, attempted: bool) -> None:
        """The message is free again and due at `at`, for the reason `error`; a `state` of None leaves it as it is."""
        values: dict[str, Any] = {"due_at": at, "error": error, "leased_until": None}
        if state is not None:
            values["state"] = state.value
        if attempted:
            values["attempts"] = outbox.c.attempts + 1
        with self._database.write() as connection:
            connection.execute(outbox.update().where(outbox.c.id == row_id).values(**values))
