"""What time brings: silences end, requests expire, what nobody has acknowledged is repeated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from alerts.alert import Action
from alerts.failpoint import reached
from alerts.incident import Event, Incident, State, What
from alerts.route import Way
from monitor.domain.verdict import Level
from monitor.incidents import telling
from monitor.incidents.office import HELDOUT, Office
from monitor.store import hooks, incidents, outbox, told
from monitor.store.database import Database
from monitor.store.hooks import HookRow, HookState

# A verification is tried again each hour of a day.
VERIFIED_WITHIN = timedelta(hours=25)
# The names of the two channels of Slack.
SLACK, FALLBACK = "slack", "slack-fallback"
# By these people were told last that it is bad.
_TOLD = [way.value for way in (Way.FIRST, Way.WORSE, Way.REPEAT, Way.BETTER, Way.SILENCED)]


@dataclass(frozen=True, slots=True)
class _Due:
    silences: tuple[Incident, ...]
    repeats: tuple[Incident, ...]
    expired: tuple[HookRow, ...]
    unverified: tuple[Incident, ...]
    owed: bool

    def __bool__(self) -> bool:
        return bool(self.silences or self.repeats or self.expired or self.unverified or self.owed)


def do(database: Database, office: Office) -> bool:
    """Do what is due; whether there was anything. Safe for any number of processes at once."""
    with database.read() as connection:
        due = _due(connection, office)
    if not due:
        return False
    with database.write() as connection:
        # Another process may just have done the same.
        for open_ in incidents.open_ones(connection):
            incidents.get(connection, open_.id, lock=True)
        due = _due(connection, office)
        for row in due.expired:
            _expire(connection, office, row)
        for incident in due.silences:
            _end_silence(connection, office, incident)
        for incident in due.repeats:
            telling.repeat(connection, office, incident)
        if due.owed:
            outbox.copy_to(connection, SLACK, FALLBACK, _owed_since(office), office.now)
        for incident in due.unverified:
            _give_up(connection, office, incident)
    reached("chores.committed")
    return bool(due)


def _due(connection: Connection, office: Office) -> _Due:
    open_ = incidents.open_ones(connection)
    over = tuple(one for one in open_ if one.silenced_until is not None and one.silenced_until <= office.now)
    ended = {one.id for one in over}
    repeats = tuple(one for one in open_ if one.id not in ended and _wants_repetition(connection, office, one))
    verifying = [one for one in open_ if one.state is State.VERIFYING]
    unverified = tuple(one for one in verifying if _is_too_long(connection, office, one))
    table = office.config.alerts.slack
    stands_in = table is not None and table.fallback_channel is not None
    owed = stands_in and outbox.owes(connection, SLACK, FALLBACK, _owed_since(office))
    return _Due(over, repeats, tuple(hooks.expired(connection, office.now)), unverified, owed)


def _owed_since(office: Office) -> datetime:
    """What was written before, and is not delivered, is sent by the other channel too."""
    table = office.config.alerts.slack
    return office.now - table.fallback_after if table is not None else office.now


def _is_too_long(connection: Connection, office: Office, incident: Incident) -> bool:
    """Whether what serves now should have been measured by now, and was not: its target may be gone, or its suite."""
    done = [row.ended_at for row in hooks.of_incident(connection, incident.id) if row.result is not None]
    return max((at for at in done if at is not None), default=incident.opened_at) + VERIFIED_WITHIN <= office.now


def _give_up(connection: Connection, office: Office, incident: Incident) -> None:
    serving = incident.now_serving or "what serves now"
    why = f"Whether {serving} is as good as at deployment could not be measured within a day."
    step = Event(What.ESCALATED, office.now, HELDOUT, why)
    by_hand = Action(f"See why {serving} is not measured, and whether it is good enough", "heldout check")
    telling.tell_step(connection, office, incidents.record(connection, incident.id, step), step, (by_hand,))


def _wants_repetition(connection: Connection, office: Office, incident: Incident) -> bool:
    """Whether an open rollback that nobody has acknowledged was not told for as long as is configured."""
    quiet = incident.acknowledged_by is not None or incident.silent(office.now)
    if quiet or incident.level != Level.ROLLBACK.value or incident.state not in (State.OPEN, State.ESCALATED):
        return False
    newest: datetime | None = told.told_at(connection, incident.id, _TOLD)
    return newest is not None and newest + office.config.alerts.repeat_every <= office.now


def _end_silence(connection: Connection, office: Office, incident: Incident) -> None:
    by = incident.silenced_by or "somebody"
    why = f"The silence that {by} had asked for is over, and the incident is still open."
    step = Event(What.SILENCE_ENDED, office.now, HELDOUT, why)
    telling.tell_step(connection, office, incidents.record(connection, incident.id, step), step)


_NOT_IN_TIME = {
    HookState.OFFERED: "nobody approved it in time",
    HookState.ASKED: "it could not be delivered in time",
    HookState.ACCEPTED: "no result came in time",
}


def _expire(connection: Connection, office: Office, row: HookRow) -> None:
    """It is not wanted any more, and does not count as done: somebody has to see to it."""
    fresh = hooks.get(connection, row.id, lock=True)
    if fresh is None or not fresh.state.under_way:
        return
    if fresh.state is HookState.ACCEPTED and fresh.action == "retrain":
        # Whoever retrains has taken it over, and that takes as long as it takes.
        hooks.save(connection, hooks.ended(fresh, HookState.DONE, office.now, fresh.why or ""))
        return
    last = f" ({fresh.why})" if fresh.state is HookState.ASKED and fresh.why else ""
    why = f"The {fresh.action} by {fresh.name} has expired: {_NOT_IN_TIME[fresh.state]}{last}."
    hooks.save(connection, hooks.ended(fresh, HookState.EXPIRED, office.now, why))
    found = incidents.get(connection, fresh.incident_id) if fresh.incident_id is not None else None
    if found is None or not found.is_open:
        return
    step = Event(What.EXPIRED, office.now, HELDOUT, why, hook=fresh.id, action=fresh.action)
    by_hand = Action(f"Decide about {fresh.target} by hand, and say so", f"heldout incident show {found.id}")
    telling.tell_step(connection, office, incidents.record(connection, found.id, step), step, (by_hand,))
