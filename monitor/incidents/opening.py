"""From a verdict that people are told of to its incident, and to what is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy.engine import Connection

from alerts.alert import Alert, Kind
from alerts.channel import Picture
from alerts.hooks.event import Shortfall
from alerts.incident import Event, Incident, What
from alerts.route import Known
from monitor.incidents import hooks, telling
from monitor.incidents.office import HELDOUT, Office
from monitor.store import incidents, told, verdicts

if TYPE_CHECKING:
    from monitor.config.models import Config

# What a verdict is to an incident that is open.
_STEPS = {
    Kind.WORSE: What.WORSE,
    Kind.AGAIN: What.REPEATED,
    Kind.RECOVERING: What.BETTER,
    Kind.NOTE: What.BETTER,
    Kind.RECOVERED: What.RECOVERED,
}


@dataclass(frozen=True, slots=True)
class News:
    """What a verdict makes to be told.

    `why`: the reason for which it is told. `eases`: a note that an open incident is less bad than it was. `shortfall`:
    what a retraining is told. `picture`: of the weeks until now.
    """

    alert: Alert
    verdict_id: int
    why: str
    eases: bool = False
    shortfall: Shortfall | None = None
    picture: Picture | None = None


def tell(connection: Connection, office: Office, news: News) -> Alert:
    """Tell people of a verdict, by what they know of its incident; returns the alert as it was written."""
    alert = news.alert
    before = incidents.open_of(connection, alert.target, alert.suite)
    what = _STEPS.get(alert.kind) if alert.kind is not Kind.NOTE or news.eases else None
    if what is None or (before is None and alert.kind not in (Kind.WORSE, Kind.AGAIN)):
        return telling.send(connection, office, alert, Known(before), verdict_id=news.verdict_id)[0]
    incident = _after(connection, office, alert, before, what, news.why)
    incident, called_for = _linked(connection, office, incident, alert)
    said = verdicts.get(connection, news.verdict_id)
    considered = hooks.Considered(incident)
    if alert.kind in (Kind.WORSE, Kind.AGAIN) and alert.verdict == "rollback":
        considered = hooks.consider(connection, office, incident, said, news.shortfall)
    alert = replace(
        alert,
        incident=considered.incident,
        links=office.links(incident.id),
        reasons=(*considered.lines, *alert.reasons),
        actions=(*telling.decisions(considered.incident), *alert.actions),
    )
    alert, way = telling.send(connection, office, alert, Known(before, called_for), verdict_id=news.verdict_id)
    if news.picture is not None and way.channels:
        told.illustrate(connection, alert.id, news.picture)
    return alert


def replaced(connection: Connection, office: Office, target: str, suite: str, by: str) -> None:
    """A new baseline was pinned: what was open against the one before is over."""
    incident = incidents.open_of(connection, target, suite)
    if incident is not None:
        step = Event(What.REPLACED, office.now, by, f"{by} pinned a new baseline, which this was not about.")
        telling.tell_step(connection, office, incidents.record(connection, incident.id, step), step)


def _after(
    connection: Connection, office: Office, alert: Alert, before: Incident | None, what: What, why: str
) -> Incident:
    step = Event(what, office.now, HELDOUT, why, level=alert.verdict)
    if before is not None:
        return incidents.record(connection, before.id, step)
    step = replace(step, what=What.OPENED)
    slot = alert.since or alert.slot or office.now
    return incidents.begin(connection, office.new_id(office.now), alert.target, alert.suite, slot, step)


def _linked(connection: Connection, office: Office, incident: Incident, alert: Alert) -> tuple[Incident, str | None]:
    """The incident with links to others of its slot and provider; and for which of their targets people were called."""
    mine = provider_of(office.config, alert.target)
    others = [
        other
        for other in incidents.of_slot(connection, incident.slot)
        if other.id != incident.id and mine is not None and provider_of(office.config, other.target) == mine
    ]
    new = [other for other in others if other.id not in incident.others]
    for other in new:
        why = f"{other.target} fell in the same slot, at the same provider ({mine})."
        step = Event(What.LINKED, office.now, HELDOUT, why, others=(other.id,))
        incident = incidents.record(connection, incident.id, step)
        why = f"{incident.target} fell in the same slot, at the same provider ({mine})."
        incidents.record(connection, other.id, Event(What.LINKED, office.now, HELDOUT, why, others=(incident.id,)))
    called = [other.target for other in others if other.level == "rollback"]
    return incident, called[0] if called else None


def provider_of(config: Config, target: str) -> str | None:
    """At whom a target's answers are had; None where nobody else is involved."""
    table = config.targets.get(target)
    if table is None:
        return None
    if table.provider == "rag":
        return provider_of(config, table.generator) if table.generator in config.targets else None
    if table.provider == "command":
        return None
    if table.provider == "http":
        return urlsplit(table.url).hostname
    return urlsplit(table.base_url).hostname if table.base_url is not None else table.provider
