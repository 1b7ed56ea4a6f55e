"""The outbox: alerts and their messages, written with the verdict and delivered afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from alerts.alert import Kind
from alerts.channel import POST
from alerts.outbox import State
from monitor.store.database import alone, insert_new
from monitor.store.drain import StoredOutbox
from monitor.store.settling import DROPPED, SENT, UNDELIVERED, Observer, fresh
from monitor.store.tables import alert, outbox

__all__ = ["DROPPED", "SENT", "Deliveries", "Observer", "StoredOutbox"]


@dataclass(frozen=True, slots=True)
class Deliveries:
    """One channel's messages so far: sent ones, attempts that failed, what was not wanted any more, what waits."""

    channel: str
    sent: int
    failed: int
    dropped: int
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
    """Write an alert (`Alert.to_json`'s object) and one message for each channel; `route` and `why`: the way it goes.

    Whoever writes to an incident or a hook in the same transaction does so after this, as `settle` does: each waits
    for nobody who waits for it.
    """
    # Rows are delivered in the order of their ids: who gets the lower one also has to commit first.
    alone(connection, "outbox")
    values = {name: payload[name] for name in ("id", "target", "suite", "kind")}
    values |= {"verdict_id": verdict_id, "incident_id": incident_id, "route": route, "why": why}
    connection.execute(alert.insert(), values | {"payload": payload, "created_at": now})
    rows = [fresh(channel, payload["target"], now) | {"alert_id": payload["id"]} for channel in channels]
    if rows:
        connection.execute(outbox.insert(), rows)


def enqueue_hook(connection: Connection, hook_id: str, name: str, target: str, now: datetime) -> None:
    """Write the call of a hook, whose event is what the hook's own row says when it is sent; once for each hook."""
    alone(connection, "outbox")
    connection.execute(outbox.insert(), fresh(f"hook:{name}", target, now) | {"hook_id": hook_id})


def owes(connection: Connection, channel: str, fallback: str, before: datetime) -> bool:
    """Whether `copy_to` would have something to do."""
    return connection.execute(_owed(channel, fallback, before).limit(1)).first() is not None


def copy_to(connection: Connection, channel: str, fallback: str, before: datetime, now: datetime) -> int:
    """Send by `fallback`, too, what `channel` has owed people since before `before`; returns how many messages.

    What is already there for the fallback is not written again. The original stays where it is.
    """
    alone(connection, "outbox")
    owed = connection.execute(_owed(channel, fallback, before))
    rows = [fresh(fallback, row.line, now) | {"alert_id": row.alert_id} for row in owed]
    if rows:
        connection.execute(insert_new(connection, outbox), rows)
    return len(rows)


def _owed(channel: str, fallback: str, before: datetime) -> sa.Select[Any]:
    there = outbox.alias("there")
    copied = (there.c.alert_id == outbox.c.alert_id) & (there.c.channel == fallback)
    owed = (outbox.c.channel == channel) & outbox.c.state.in_(UNDELIVERED) & (outbox.c.first_at < before)
    messages = outbox.c.alert_id.is_not(None) & (outbox.c.part == POST)
    return (
        sa.select(outbox.c.alert_id, outbox.c.line)
        .where(owed & messages & ~sa.select(there.c.id).where(copied).exists())
        .order_by(outbox.c.id)
    )


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
    query = sa.select(*columns).where(outbox.c.state.in_(UNDELIVERED)).group_by(*by).order_by(*by)
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
    owed = outbox.c.state.in_(UNDELIVERED)

    def rows(which: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.sum(sa.case((which, 1), else_=0))

    oldest = sa.func.min(sa.case((owed, outbox.c.first_at)), type_=outbox.c.first_at.type)
    counts = (rows(outbox.c.state == SENT), rows(outbox.c.state == DROPPED), rows(owed))
    columns = (outbox.c.channel, *counts, sa.func.sum(outbox.c.attempts), oldest)
    query = sa.select(*columns).group_by(outbox.c.channel).order_by(outbox.c.channel)
    # The attempt that succeeded is counted among the attempts.
    return [
        Deliveries(channel, int(sent), int(attempts) - int(sent), int(dropped), int(owed_), since)
        for channel, sent, dropped, owed_, attempts, since in connection.execute(query)
    ]
