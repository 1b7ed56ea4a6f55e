"""How an incident stands, in one line for people: pure."""

from __future__ import annotations

from alerts.incident import Approval, Incident, State
from alerts.words import instant


def standing(incident: Incident) -> str:
    """The state, who sees to it, how long it is silent and what waits for a yes, as in `Open · nobody has …`."""
    if not incident.is_open:
        return f"Resolved: {incident.outcome}" if incident.outcome else "Resolved"
    parts = [_state(incident)]
    if incident.acknowledged_by is not None:
        parts.append(f"acknowledged by {incident.acknowledged_by}")
    elif incident.state in (State.OPEN, State.ESCALATED):
        parts.append("nobody has acknowledged it")
    if incident.silenced_until is not None:
        parts.append(f"silenced by {incident.silenced_by} until {instant(incident.silenced_until)}")
    parts += [_waiting(approval) for approval in incident.approvals]
    return " · ".join(parts)


def _state(incident: Incident) -> str:
    if incident.state is State.ACTING:
        return f"{(incident.action or 'hook').capitalize()} asked for, and not done yet"
    if incident.state is State.VERIFYING:
        return f"Verifying on {incident.now_serving}" if incident.now_serving else "Verifying what serves now"
    if incident.state is State.ESCALATED:
        return "Escalated: somebody has to see to it"
    return "Open"


def _waiting(approval: Approval) -> str:
    return f"{approval.action} by {approval.name} waits for an approval until {instant(approval.expires_at)}"
