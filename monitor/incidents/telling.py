"""From a step of an incident to what people are told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.engine import Connection

from alerts.alert import Action, Alert, Kind
from alerts.incident import Approval, Event, Incident, What
from alerts.route import Known, Route, route
from monitor.incidents.office import Office
from monitor.store import incidents, outbox, told

# What has happened, in the few words of a headline.
_EVENTS = {
    What.ACKNOWLEDGED: "ACKNOWLEDGED by {by}",
    What.SILENCED: "SILENCED by {by} until {until:%Y-%m-%d %H:%M} UTC",
    What.SILENCE_ENDED: "THE SILENCE HAS ENDED",
    What.OFFERED: "A {action} WAITS FOR APPROVAL",
    What.APPROVED: "{action} APPROVED by {by}",
    What.REJECTED: "{action} REJECTED by {by}",
    What.ASKED: "{action} ASKED FOR",
    What.ACCEPTED: "{action} UNDER WAY",
    What.REFUSED: "{action} NOT DELIVERED",
    What.FAILED: "{action} FAILED",
    What.EXPIRED: "{action} EXPIRED",
    What.DONE: "{action} DONE",
    What.VERIFIED: "RESOLVED, the score came back",
    What.ESCALATED: "SOMEBODY HAS TO SEE TO IT",
    What.RESOLVED: "RESOLVED by {by}",
    What.REPLACED: "RESOLVED, a new baseline was pinned",
}


def send(
    connection: Connection, office: Office, alert: Alert, known: Known | None = None, *, verdict_id: int | None = None
) -> tuple[Alert, Route]:
    """Decide where an alert goes, and write it with its messages; returns it as it was written, and why."""
    way = route(alert, office.channels, office.now, known)
    alert = replace(alert, mention=way.mention, broadcast=way.broadcast)
    incident_id = alert.incident.id if alert.incident is not None else None
    outbox.enqueue(
        connection,
        alert.to_json(),
        verdict_id,
        way.channels,
        office.now,
        incident_id=incident_id,
        route=way.way.value,
        why=way.reason,
    )
    # A step, or a repetition, is a copy of what a verdict said, with something added.
    if incident_id is not None and not alert.step:
        incidents.shown_by(connection, incident_id, alert.id)
    return alert, way


def tell_step(
    connection: Connection, office: Office, incident: Incident, event: Event, actions: Sequence[Action] = ()
) -> None:
    """Tell people of a step: what its newest verdict said, with what has happened since."""
    latest = _latest(connection, incident)
    action = (event.action or "step").upper()
    said = _EVENTS.get(event.what, event.what.value.upper()).format(by=event.by, until=event.until, action=action)
    step = replace(
        latest,
        id=office.new_id(office.now),
        kind=Kind.STEP,
        event=said,
        step=event.what.value,
        incident=incident,
        reasons=(event.why,),
        actions=tuple(actions) or _still_to_do(latest, incident),
        links=office.links(incident.id),
        finished_at=office.now,
    )
    send(connection, office, step)


def repeat(connection: Connection, office: Office, incident: Incident) -> None:
    """Tell once more what nobody has taken note of."""
    latest = _latest(connection, incident)
    again = replace(
        latest,
        id=office.new_id(office.now),
        kind=Kind.AGAIN,
        event="",
        step=What.REPEATED.value,
        incident=incident,
        meaning=f"Nobody has acknowledged it since {incident.opened_at:%Y-%m-%d %H:%M} UTC. {latest.meaning}",
        reasons=(*(waits(offer) for offer in incident.approvals), *_without_offers(latest)),
        actions=_still_to_do(latest, incident),
        links=office.links(incident.id),
    )
    send(connection, office, again, Known(incident))


def waits(offer: Approval) -> str:
    """That a hook waits for a yes or a no."""
    return f"A {offer.action} ({offer.name}) waits for approval until {offer.expires_at:%Y-%m-%d %H:%M} UTC."


def decisions(incident: Incident) -> tuple[Action, ...]:
    """What only people can do about it now."""
    return tuple(
        Action(f"Approve the {offer.action} by {offer.name}, or reject it", f"heldout incident approve {incident.id}")
        for offer in incident.approvals
    )


def _without_offers(latest: Alert) -> tuple[str, ...]:
    """Its reasons, but for what waited then."""
    then = {waits(offer) for offer in latest.incident.approvals} if latest.incident is not None else set()
    return tuple(reason for reason in latest.reasons if reason not in then)


def _still_to_do(latest: Alert, incident: Incident) -> tuple[Action, ...]:
    """What a verdict advised, with the decisions that wait now in place of those that waited then."""
    then = decisions(latest.incident) if latest.incident is not None else ()
    return (*decisions(incident), *(action for action in latest.actions if action not in then))


def _latest(connection: Connection, incident: Incident) -> Alert:
    """What the newest verdict on it said; where that cannot be had, as much as the incident itself knows."""
    alert_id = incidents.newest_alert(connection, incident.id)
    payload = None if alert_id is None else told.payload(connection, alert_id)
    if payload is not None:
        return Alert.from_json(payload)
    return Alert(
        id="",
        kind=Kind.STEP,
        target=incident.target,
        suite=incident.suite,
        verdict=incident.level,
        since=incident.slot,
        slot=incident.slot,
    )
