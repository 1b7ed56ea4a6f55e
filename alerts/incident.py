"""The life of an alert as a small state machine: an incident, and the steps that it takes; pure.

    open ──► acting ──► verifying ──► resolved
      │         │           │
      └─────────┴───────────┴──► escalated ──► acting, resolved

Whoever acknowledged it, how long it is silent and which approval it waits for are attributes: they do not change what
is being done about it. Each step is kept as an event; folding the events gives the incident.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """What is being done about it. Only `resolved` is an end."""

    OPEN = "open"  # people know, and nothing is under way
    ACTING = "acting"  # deployment tooling was asked to do something
    VERIFYING = "verifying"  # it says that it is done; what serves now is being measured
    RESOLVED = "resolved"
    ESCALATED = "escalated"  # what was to help did not: somebody has to see to it


class What(StrEnum):
    """What happened."""

    OPENED = "opened"
    WORSE = "worse"
    BETTER = "better"
    REPEATED = "repeated"
    RECOVERED = "recovered"
    REPLACED = "replaced"  # a new baseline was pinned: what it was about is over
    LINKED = "linked"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    SILENCE_ENDED = "silence ended"
    OFFERED = "offered"  # a hook waits for an approval
    APPROVED = "approved"
    REJECTED = "rejected"
    ASKED = "asked"  # a hook is on its way
    ACCEPTED = "accepted"
    REFUSED = "refused"  # a hook is not asked for, or cannot be delivered; the reason says why
    FAILED = "failed"  # a hook was to be done, and was not
    EXPIRED = "expired"
    DONE = "done"
    VERIFIED = "verified"
    ESCALATED = "escalated"
    RESOLVED = "resolved"


class NotAllowedError(Exception):
    """A step that an incident in its state cannot take; the message says why, and what can be done instead."""


@dataclass(frozen=True, slots=True)
class Approval:
    """A hook that waits for a person. `nonce` binds a button to this hook and this verdict, and to nothing later.

    `fallback`: what would serve in the target's place, where the action is a rollback.
    """

    hook: str
    name: str
    action: str
    nonce: str
    expires_at: datetime
    fallback: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One step: who took it, when, and why. Which of the other fields are there depends on `what`."""

    what: What
    at: datetime
    by: str
    why: str
    level: str | None = None
    until: datetime | None = None
    approval: Approval | None = None
    hook: str | None = None
    action: str | None = None
    now_serving: str | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident of one (target, suite); every datetime is UTC.

    `level` is the newest verdict's, `worst` the worst so far. `silenced_level`: what was known when it was silenced; a
    worse verdict is told all the same. `hook`: the one that is under way. `others`: incidents that have to do with it.
    `retires`: a rollback was done, so its target is not in production any more.
    """

    id: str
    target: str
    suite: str
    slot: datetime
    opened_at: datetime
    level: str
    worst: str
    state: State = State.OPEN
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    silenced_until: datetime | None = None
    silenced_by: str | None = None
    silenced_level: str | None = None
    approvals: tuple[Approval, ...] = ()
    hook: str | None = None
    action: str | None = None
    now_serving: str | None = None
    retires: bool = False
    others: tuple[str, ...] = ()
    closed_at: datetime | None = None
    outcome: str = ""

    @property
    def approval(self) -> Approval | None:
        """What has waited longest for a yes or a no."""
        return self.approvals[0] if self.approvals else None

    @property
    def is_open(self) -> bool:
        """Whether it has not come to its end."""
        return self.state is not State.RESOLVED

    def seen_to_by_another(self, hook: str | None) -> bool:
        """Whether another hook than this one is under way, or what serves after it is being measured."""
        return self.state in (State.ACTING, State.VERIFYING) and hook is not None and hook != self.hook

    def silent(self, now: datetime) -> bool:
        """Whether people have said that they want to hear nothing of it for now."""
        return self.silenced_until is not None and now < self.silenced_until


_RANKS = {"pass": 0, "inconclusive": 1, "investigate": 2, "rollback": 3}
# What may happen to an incident that is over: links are drawn late, and a late result is worth keeping.
_AFTER_THE_END = frozenset({What.LINKED, What.REFUSED})


def opened(incident_id: str, target: str, suite: str, slot: datetime, event: Event) -> Incident:
    """The incident that `event` (`What.OPENED`, with its level) begins."""
    level = event.level or "inconclusive"
    return Incident(incident_id, target, suite, slot, event.at, level, level)


def rank(level: str) -> int:
    """Place of a verdict in the order of "worst"; an unknown one comes before all."""
    return _RANKS.get(level, -1)


def step(incident: Incident, event: Event) -> Incident:
    """The incident after `event`. Raises NotAllowedError for what its state does not allow."""
    if not incident.is_open and event.what not in _AFTER_THE_END:
        raise NotAllowedError(f"incident {incident.id} is over since {incident.closed_at:%Y-%m-%d %H:%M} UTC")
    if event.what in (What.WORSE, What.BETTER, What.REPEATED):
        level = event.level or incident.level
        worst = level if rank(level) > rank(incident.worst) else incident.worst
        worse = event.what is What.WORSE
        # What somebody has taken note of was something else.
        noted = (None, None) if worse else (incident.acknowledged_by, incident.acknowledged_at)
        return replace(incident, level=level, worst=worst, acknowledged_by=noted[0], acknowledged_at=noted[1])
    if event.what in (What.RECOVERED, What.REPLACED, What.RESOLVED, What.VERIFIED):
        return replace(
            incident,
            state=State.RESOLVED,
            closed_at=event.at,
            approvals=(),
            hook=None,
            silenced_until=None,
            outcome=event.why,
        )
    if event.what is What.ACKNOWLEDGED:
        return replace(incident, acknowledged_by=event.by, acknowledged_at=event.at)
    if event.what is What.SILENCED:
        return _silenced(incident, event)
    if event.what is What.SILENCE_ENDED:
        return replace(incident, silenced_until=None, silenced_by=None, silenced_level=None)
    if event.what is What.LINKED:
        return replace(incident, others=tuple(dict.fromkeys((*incident.others, *event.others))))
    return _acted(incident, event)


def _silenced(incident: Incident, event: Event) -> Incident:
    if event.until is None or event.until <= event.at:
        raise NotAllowedError("a silence has to end later than now")
    return replace(incident, silenced_until=event.until, silenced_by=event.by, silenced_level=incident.level)


def _acted(incident: Incident, event: Event) -> Incident:
    """The steps of hooks."""
    if event.what is What.OFFERED:
        offered = () if event.approval is None else (event.approval,)
        return replace(incident, approvals=(*incident.approvals, *offered))
    if event.what in (What.APPROVED, What.REJECTED):
        if all(waiting.hook != event.hook for waiting in incident.approvals):
            raise NotAllowedError(f"incident {incident.id} does not wait for this approval: see what it is now")
        return _without(incident, event.hook)
    if event.what is What.ASKED:
        return _without(_asked(incident, event), event.hook)
    if event.what is What.DONE:
        retires = incident.retires or event.action == "rollback"
        return replace(incident, state=State.VERIFYING, now_serving=event.now_serving, retires=retires)
    if event.what in (What.EXPIRED, What.FAILED) and incident.seen_to_by_another(event.hook):
        # What is being done goes on, and its own end counts.
        return _without(incident, event.hook)
    if event.what is What.EXPIRED:
        return _without(replace(incident, state=State.ESCALATED, hook=None), event.hook)
    if event.what in (What.FAILED, What.ESCALATED):
        return replace(incident, state=State.ESCALATED, hook=None)
    # Accepted and refused: said, and nothing changes.
    return incident


def _asked(incident: Incident, event: Event) -> Incident:
    """A retraining takes days, and is no state of the incident; a rollback is."""
    if event.action != "rollback":
        return incident
    return replace(incident, state=State.ACTING, hook=event.hook, action=event.action)


def _without(incident: Incident, hook: str | None) -> Incident:
    return replace(incident, approvals=tuple(one for one in incident.approvals if one.hook != hook))


def fold(incident_id: str, target: str, suite: str, slot: datetime, events: Iterable[Event]) -> Incident:
    """The incident that `events`, oldest first, have made. Raises NotAllowedError, ValueError where there are none."""
    found: Incident | None = None
    for event in events:
        found = opened(incident_id, target, suite, slot, event) if found is None else step(found, event)
    if found is None:
        raise ValueError(f"incident {incident_id} has no events")
    return found
