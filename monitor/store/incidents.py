"""Incidents: one row each, and the events of which it is the sum; whoever takes a step has the row to himself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from alerts.codec import dump, load
from alerts.incident import Event, Incident, opened, step
from monitor.domain.text import storable
from monitor.store.database import alone
from monitor.store.tables import baseline, hook, incident, incident_event

# As `alerts.incident` names it; a rollback that was done retires its target.
DONE = "done"
ROLLBACK = "rollback"


def begin(connection: Connection, incident_id: str, target: str, suite: str, slot: datetime, event: Event) -> Incident:
    """Write a new incident with its first event; the database refuses a second open one of a (target, suite)."""
    alone(connection, "outbox")
    new = opened(incident_id, target, suite, slot, event)
    values = {"id": new.id, "target": target, "suite": suite, "opened_at": event.at, "slot": slot}
    connection.execute(incident.insert(), values | _changing(new))
    _note(connection, new.id, event)
    return new


def record(connection: Connection, incident_id: str, event: Event) -> Incident:
    """Take a step, and return the incident after it.

    Raises LookupError where there is none of that id, and `alerts.incident.NotAllowedError` where it may not.
    """
    found = get(connection, incident_id, lock=True)
    if found is None:
        raise LookupError(f"no incident {incident_id}")
    after = step(found, event)
    connection.execute(incident.update().where(incident.c.id == incident_id), _changing(after))
    _note(connection, incident_id, event)
    return after


def shown_by(connection: Connection, incident_id: str, alert_id: str) -> None:
    """Remember the newest alert that tells of a verdict."""
    connection.execute(incident.update().where(incident.c.id == incident_id), {"alert_id": alert_id})


def get(connection: Connection, incident_id: str, *, lock: bool = False) -> Incident | None:
    """One incident; with `lock` nobody else takes a step until the transaction is over.

    Each step is told, so that whoever takes one stands in the outbox's line first: two who each held what the other
    one waits for would wait for ever.
    """
    if lock:
        alone(connection, "outbox")
    query = sa.select(incident.c.value).where(incident.c.id == incident_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else load(Incident, row.value)


def newest_alert(connection: Connection, incident_id: str) -> str | None:
    """The id of the newest alert that tells of a verdict."""
    query = sa.select(incident.c.alert_id).where(incident.c.id == incident_id)
    found = connection.execute(query).scalar_one_or_none()
    return None if found is None else str(found)


def find(connection: Connection, prefix: str) -> list[Incident]:
    """Those whose id begins so; three at the most."""
    query = sa.select(incident.c.value).where(incident.c.id.startswith(prefix, autoescape=True))
    return [load(Incident, row.value) for row in connection.execute(query.limit(3))]


def open_of(connection: Connection, target: str, suite: str) -> Incident | None:
    """The one of a (target, suite) that is not over."""
    found = [one for one in open_ones(connection, target) if one.suite == suite]
    return found[0] if found else None


def open_ones(connection: Connection, target: str | None = None) -> list[Incident]:
    """All that are not over, the newest first; only those of `target` where it is given."""
    query = sa.select(incident.c.value).where(incident.c.closed_at.is_(None)).order_by(incident.c.id.desc())
    if target is not None:
        query = query.where(incident.c.target == target)
    return [load(Incident, row.value) for row in connection.execute(query)]


def newest(connection: Connection, limit: int) -> list[Incident]:
    """The newest, open or not."""
    query = sa.select(incident.c.value).order_by(incident.c.id.desc()).limit(limit)
    return [load(Incident, row.value) for row in connection.execute(query)]


def of_slot(connection: Connection, slot: datetime) -> list[Incident]:
    """The open ones that began with this slot."""
    query = sa.select(incident.c.value).where((incident.c.slot == slot) & incident.c.closed_at.is_(None))
    return [load(Incident, row.value) for row in connection.execute(query.order_by(incident.c.id))]


def last_closed(connection: Connection, target: str, suite: str) -> datetime | None:
    """When the newest one of a (target, suite) that is over came to its end: what was decided before is settled."""
    key = (incident.c.target == target) & (incident.c.suite == suite)
    newest_end = sa.func.max(incident.c.closed_at, type_=incident.c.closed_at.type)
    found: datetime | None = connection.execute(sa.select(newest_end).where(key)).scalar_one()
    return found


def events(connection: Connection, incident_id: str) -> list[Event]:
    """Its steps, oldest first."""
    query = sa.select(incident_event.c.data).where(incident_event.c.incident_id == incident_id)
    return [load(Event, row.data) for row in connection.execute(query.order_by(incident_event.c.id))]


def retired(connection: Connection, targets: Sequence[str]) -> dict[str, datetime]:
    """Those of `targets` that were rolled back, and when; a baseline that is pinned later brings one back."""
    rolled = (hook.c.action == ROLLBACK) & (hook.c.state == DONE) & hook.c.target.in_(targets)
    ended = sa.func.max(hook.c.ended_at, type_=hook.c.ended_at.type)
    query = sa.select(hook.c.target, ended).where(rolled).group_by(hook.c.target)
    since = {row[0]: row[1] for row in connection.execute(query)}
    if not since:
        return {}
    pinned = sa.func.max(baseline.c.pinned_at, type_=baseline.c.pinned_at.type)
    again = sa.select(baseline.c.target, pinned).where(baseline.c.target.in_(since)).group_by(baseline.c.target)
    back = {row[0]: row[1] for row in connection.execute(again)}
    return {t: at for t, at in since.items() if t not in back or back[t] <= at}


def _changing(value: Incident) -> dict[str, object]:
    return {"state": value.state.value, "closed_at": value.closed_at, "value": dump(value)}


def _note(connection: Connection, incident_id: str, event: Event) -> None:
    values = {
        "incident_id": incident_id,
        "at": event.at,
        "kind": event.what.value,
        "by": storable(event.by)[:200],
        "why": storable(event.why),
        "data": dump(event),
    }
    connection.execute(incident_event.insert(), values)
