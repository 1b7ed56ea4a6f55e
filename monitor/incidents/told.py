"""An incident as JSON: how it stands, what has happened, and what was asked for. No secret of a hook stands in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitor.domain.verdict import instant

if TYPE_CHECKING:
    from alerts.incident import Event, Incident
    from monitor.incidents.actions import Story
    from monitor.store.hooks import HookRow


def incident(one: Incident) -> dict[str, Any]:
    """How it stands; every time in UTC. `verdict` is the newest, `worst` the worst so far."""
    return {
        "id": one.id,
        "target": one.target,
        "suite": one.suite,
        "state": one.state.value,
        "verdict": one.level,
        "worst": one.worst,
        "slot": instant(one.slot),
        "opened_at": instant(one.opened_at),
        "closed_at": instant(one.closed_at),
        "acknowledged_by": one.acknowledged_by,
        "acknowledged_at": instant(one.acknowledged_at),
        "silenced_until": instant(one.silenced_until),
        "silenced_by": one.silenced_by,
        "approvals": [
            {"hook": offer.hook, "name": offer.name, "action": offer.action, "expires_at": instant(offer.expires_at)}
            for offer in one.approvals
        ],
        "hook": one.hook,
        "action": one.action,
        "now_serving": one.now_serving,
        "retires": one.retires,
        "others": list(one.others),
        "outcome": one.outcome,
    }


def story(told: Story) -> dict[str, Any]:
    """The same with every step, oldest first, and every hook."""
    return incident(told.incident) | {
        "events": [_event(one) for one in told.events],
        "hooks": [_hook(one) for one in told.hooks],
    }


def _event(one: Event) -> dict[str, Any]:
    return {
        "what": one.what.value,
        "at": instant(one.at),
        "by": one.by,
        "why": one.why,
        "verdict": one.level,
        "until": instant(one.until),
        "hook": one.approval.hook if one.hook is None and one.approval is not None else one.hook,
        "action": one.action,
        "now_serving": one.now_serving,
        "others": list(one.others),
    }


def _hook(one: HookRow) -> dict[str, Any]:
    result = one.result or {}
    return {
        "id": one.id,
        "name": one.name,
        "action": one.action,
        "mode": one.mode,
        "state": one.state.value,
        "fallback": one.fallback,
        "requested_at": instant(one.requested_at),
        "expires_at": instant(one.expires_at),
        "decided_at": instant(one.decided_at),
        "decided_by": one.decided_by,
        "accepted_at": instant(one.accepted_at),
        "ended_at": instant(one.ended_at),
        "status": result.get("status"),
        "now_serving": result.get("now_serving"),
        "why": one.why,
    }
