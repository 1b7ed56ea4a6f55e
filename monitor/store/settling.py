"""Writing down what came of rows of the outbox, within one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from alerts.channel import POST, Receipt
from alerts.outbox import Dropped, OutboxRow, Outcome, PutOff, Returned, Sent, State
from monitor.domain.text import storable
from monitor.store.database import insert_new
from monitor.store.tables import outbox, thread

SENT = "sent"
DROPPED = "dropped"
UNDELIVERED = tuple(state.value for state in State)
IN_LINE = (State.PENDING.value, State.BLOCKED.value)


class Observer(Protocol):
    """Who has to know what came of a hook's call; told within the transaction in which the outbox keeps it."""

    def sent(self, connection: Connection, row: OutboxRow, receipt: Receipt, now: datetime) -> None:
        """The tool has accepted it."""
        ...

    def put_off(self, connection: Connection, row: OutboxRow, error: str, state: State | None, now: datetime) -> None:
        """It is tried again; a `state` of None: nothing was tried."""
        ...

    def dropped(self, connection: Connection, row: OutboxRow, why: str, now: datetime) -> None:
        """It is not wanted any more, and never sent."""
        ...


class Settling:
    """One transaction's worth of outcomes."""

    def __init__(self, connection: Connection, now: datetime, observer: Observer | None) -> None:
        self._connection = connection
        self._now = now
        self._observer = observer

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Write all of them down.

        What was sent comes first, and makes what waits for its channel due: what was put off at the same time stays
        so. Without effect, but for what was sent, where the lease has gone to another process, because this one had
        been silent for longer than it lasts.
        """
        leases = self._leases([outcome.row.id for outcome in outcomes])
        sent = [one for one in outcomes if isinstance(one, Sent) and one.row.id in leases]
        mine = [one for one in outcomes if leases.get(one.row.id) == one.row.leased_until]
        self._sent(sent)
        for put_off in (one for one in mine if isinstance(one, PutOff)):
            self._put_off(put_off)
        for dropped in (one for one in mine if isinstance(one, Dropped)):
            self._dropped(dropped)
        back = [one.row.id for one in mine if isinstance(one, Returned)]
        if back:
            self._connection.execute(outbox.update().where(outbox.c.id.in_(back)), {"leased_until": None})

    def _leases(self, ids: Sequence[int]) -> dict[int, datetime | None]:
        """Those that are undelivered, with the end of their lease; nobody else changes them now."""
        known = outbox.c.id.in_(ids) & outbox.c.state.in_(UNDELIVERED)
        query = sa.select(outbox.c.id, outbox.c.leased_until).where(known).order_by(outbox.c.id).with_for_update()
        return {row.id: row.leased_until for row in self._connection.execute(query)}

    def _sent(self, sent: Sequence[Sent]) -> None:
        if not sent:
            return
        done = {"state": SENT, "done_at": self._now, "error": None, "leased_until": None}
        each = outbox.update().where(outbox.c.id == sa.bindparam("row_id"))
        self._connection.execute(
            each.values(**done, receipt=sa.bindparam("reference"), attempts=outbox.c.attempts + 1),
            [{"row_id": one.row.id, "reference": _kept(one.receipt.reference)} for one in sent],
        )
        for one in sent:
            self._thread(one)
        parts = [
            fresh(one.row.channel, one.row.line, self._now, part) | {"alert_id": one.row.subject}
            for one in sent
            for part in one.receipt.parts
            if not one.row.of_hook
        ]
        if parts:
            self._connection.execute(insert_new(self._connection, outbox), parts)
        for one in sent:
            if self._observer is not None and one.row.of_hook:
                self._observer.sent(self._connection, one.row, one.receipt, self._now)
        for channel in sorted({one.row.channel for one in sent}):
            in_line = (outbox.c.channel == channel) & outbox.c.state.in_(IN_LINE)
            self._connection.execute(free_of(in_line, outbox.c.due_at > self._now), {"due_at": self._now})

    def _thread(self, one: Sent) -> None:
        """The first message of an incident in a channel begins the thread that the others belong to."""
        row, reference = one.row, _kept(one.receipt.reference)
        if row.incident is None or row.part != POST or reference is None:
            return
        if row.thread is not None and not one.receipt.anew:
            return
        key = {"incident_id": row.incident, "channel": row.channel}
        if one.receipt.anew:
            mine = (thread.c.incident_id == row.incident) & (thread.c.channel == row.channel)
            self._connection.execute(thread.delete().where(mine))
        values = key | {"reference": reference, "created_at": self._now}
        self._connection.execute(insert_new(self._connection, thread), values)

    def _put_off(self, one: PutOff) -> None:
        values: dict[str, Any] = {"due_at": one.at, "error": storable(one.error), "leased_until": None}
        if one.state is not None:
            values["state"] = one.state.value
        if one.attempted:
            values["attempts"] = outbox.c.attempts + 1
        self._connection.execute(outbox.update().where(outbox.c.id == one.row.id).values(**values))
        if self._observer is not None and one.row.of_hook:
            self._observer.put_off(self._connection, one.row, one.error, one.state, self._now)

    def _dropped(self, one: Dropped) -> None:
        values = {"state": DROPPED, "done_at": self._now, "error": storable(one.why), "leased_until": None}
        self._connection.execute(outbox.update().where(outbox.c.id == one.row.id).values(**values))
        if self._observer is not None and one.row.of_hook:
            self._observer.dropped(self._connection, one.row, one.why, self._now)


def fresh(channel: str, line: str, now: datetime, part: str = POST) -> dict[str, Any]:
    """The columns of a row that is due now and was not tried yet."""
    return {
        "channel": channel,
        "part": part,
        "line": line,
        "state": State.PENDING.value,
        "attempts": 0,
        "first_at": now,
        "due_at": now,
    }


def free_of(*conditions: sa.ColumnElement[bool]) -> sa.Update:
    """A change of the rows that answer to `conditions`, but for those that another process is changing right now.

    Two processes that each waited for the other's row would be a deadlock.
    """
    ids = sa.select(outbox.c.id).where(*conditions).with_for_update(skip_locked=True)
    return outbox.update().where(outbox.c.id.in_(ids))


def _kept(reference: str | None) -> str | None:
    return None if reference is None else storable(reference)
