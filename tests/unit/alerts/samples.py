"""Alerts that look like what the daemon will raise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from alerts.alert import Action, Alert, Cause, Drop, Example, Fact, Kind, Link, Thresholds
from alerts.channel import POST, Outgoing, Picture
from alerts.incident import Approval, Incident


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


ROLLBACK = Alert(
    id="0193a7c2-5d1e-7f0a-9c3b-1f2e3d4c5b6a",
    kind=Kind.WORSE,
    target="support-ft",
    suite="support",
    verdict="rollback",
    stage="confirmed",
    previous_verdict="investigate",
    score=0.833,
    baseline_score=0.889,
    drop=Drop(5.6, 4.5, 6.7),
    confirmation=Drop(5.3, 4.2, 6.4),
    thresholds=Thresholds(3.0, 5.0),
    since=at(16, 6, 41),
    slot=at(16, 6),
    finished_at=at(16, 12, 58),
    reasons=("the interval of the drop lies above the investigate threshold, its estimate above the rollback one",),
    causes=(Cause("model", "31 of 200 answers changed; the judge's anchors did not move"),),
    meaning="Users now get clearly worse answers than at deployment; two independent replays agree.",
    actions=(
        Action("Send traffic to support-rag: 3.9 points better on the same cases", "heldout incident approve 12"),
        Action("Look at the cases that got worse", "heldout incident show 12"),
    ),
    model_requested="ft:acme:support",
    model_reported="ft:acme:support",
    cases=200,
    answers=3200,
    examples=(
        Example("refund-017", "Can I return it?", "No, never.", "No.", "Yes, always.", 1.0, 0.0),
        Example("geo-003"),
    ),
    run="0193a7c1-9f00-7b12-8e55-0a1b2c3d4e5f",
    links=(Link("Run", "https://heldout.internal/runs/0193a7c1?a=1&b=2"),),
)
INVESTIGATE = Alert(
    id="0193a7c2-aaaa-7f0a-9c3b-1f2e3d4c5b6b",
    kind=Kind.WORSE,
    target="support-ft",
    suite="general",
    verdict="investigate",
    previous_verdict="pass",
    score=0.712,
    baseline_score=0.751,
    drop=Drop(3.9, 3.1, 4.7),
    thresholds=Thresholds(3.0, 5.0),
    since=at(16, 6, 44),
    finished_at=at(16, 6, 44),
    meaning="General skill is measurably lower than at deployment, but not by enough to roll back.",
    model_requested="gpt-5-mini",
    model_reported="gpt-5-mini-2026-11-02",
    run="0193a7c1-9f00-7b12-8e55-0a1b2c3d4e60",
)

INCIDENT = Incident(
    id="0193a7c2-6000-7f0a-9c3b-1f2e3d4c5b6a",
    target="support-ft",
    suite="support",
    slot=at(16, 6),
    opened_at=at(16, 12, 58),
    level="rollback",
    worst="rollback",
)
OFFER = Approval(
    hook="0193a7c2-7000-7f0a-9c3b-1f2e3d4c5b6a",
    name="deploy",
    action="rollback",
    nonce="n0nce_-AbC",
    expires_at=at(17, 12, 58),
    fallback="support-rag",
)
# A rollback that opened an incident, as the channels get it.
FALL = replace(
    ROLLBACK,
    incident=replace(INCIDENT, approvals=(OFFER,)),
    mention=True,
    broadcast=True,
    links=(Link("Incident", "https://heldout.internal/incidents/0193a7c2"),),
    actions=(
        Action("Approve the rollback by deploy, or reject it", f"heldout incident approve {INCIDENT.id}"),
        Action("Look at the cases that got worse", f"heldout incident show {INCIDENT.id}"),
    ),
    details=(
        Fact("Judge strict", "trusted: 59 of 60 canaries right, no shift (−0.2 points, 95% interval −0.9 to 0.5)"),
        Fact("Fallback support-rag", "measured on the same slot: 3.9 points better (99% interval 2.7 to 5.1)"),
        Fact("Not measured", "1 of 200 cases: the provider gave no answer"),
    ),
)


def stepped(step: str, event: str, incident: Incident = INCIDENT, **changes: object) -> Alert:
    """What is told of a step that somebody took."""
    return replace(
        FALL,
        **{
            "id": f"step-{step}",
            "kind": Kind.STEP,
            "step": step,
            "event": event,
            "incident": incident,
            "mention": False,
            "broadcast": False,
            "reasons": ("ada sees to it.",),
            **changes,
        },
    )


def numbered(number: int, target: str = "support-ft") -> Alert:
    """A different alert for each number."""
    return replace(INVESTIGATE, id=f"alert-{number}", target=target)


def going(alert: Alert, part: str = POST, thread: str | None = None, picture: Picture | None = None) -> Outgoing:
    """An alert as the outbox hands it to a channel."""
    return Outgoing(alert.id, part, alert.to_json(), thread, picture)
