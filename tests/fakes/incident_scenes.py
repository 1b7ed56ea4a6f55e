"""Incidents as the database may hold them: a rollback that waits for an approval, and everything before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alerts.alert import Alert, Cause, Drop, Kind
from alerts.incident import Approval, Event, Incident, What
from monitor.domain.run import RunKind
from monitor.domain.verdict import Interval, Level, Stage
from monitor.incidents.office import HELDOUT
from monitor.store import hooks, incidents, outbox, verdicts
from monitor.store.hooks import HookRow, HookState
from monitor.store.tables import verdict
from tests.fakes.house import MONDAY, House
from tests.fakes.scenes import run_row, store_run, verdict_of

NONCE, TOKEN = "nonce-of-the-button", "token-of-the-result"
BETTER: dict[str, Any] = {
    "target": "prompt",
    "ready": True,
    "better_by": {"points": 3.9, "low": 2.7, "high": 5.1, "confidence": 0.99},
    "repeats": 16,
    "needed": 8,
}
# For a configuration: the hook that an offer is of.
DEPLOY = """
[hooks.deploy]
on = "rollback"
url = "https://deploy.internal/secret-path/rollback"
secret = { env = "HOOK_SECRET" }
"""


@dataclass(frozen=True)
class Offered:
    """An incident of "ft" on "support", and the hook that waits for a yes or a no."""

    incident: str = "incident-1"
    hook: str = "hook-1"


def opened(
    house: House,
    incident_id: str = "incident-1",
    target: str = "ft",
    *,
    level: Level = Level.ROLLBACK,
    text: str = "fell",
) -> Incident:
    """An incident with the verdict and the alert that opened it; `text` is what somebody else wrote."""
    run = store_run(house, run_row(f"run-{incident_id}", target, kind=RunKind.WEEK, slot=MONDAY))
    fell = {"stage": Stage.CONFIRMED, "drop": Interval(5.6, 4.5, 6.7), "score": 0.833, "reasons": (text,)}
    alert = Alert(
        id=f"alert-{incident_id}",
        kind=Kind.WORSE,
        target=target,
        suite="support",
        verdict=level.value,
        stage="confirmed",
        score=0.833,
        baseline_score=0.889,
        drop=Drop(5.6, 4.5, 6.7),
        slot=MONDAY,
        reasons=(text,),
        causes=(Cause("model", text),),
        run=run.id,
    )
    with house.database.write() as connection:
        verdict_id = verdicts.add(connection, verdict_of(run, level, **fell), clear=True, now=MONDAY)
        payload = verdicts.get(connection, verdict_id).payload | {"fallback": BETTER}
        connection.execute(verdict.update().where(verdict.c.id == verdict_id), {"payload": payload})
        begun = Event(What.OPENED, MONDAY, HELDOUT, text, level=level.value)
        incident = incidents.begin(connection, incident_id, target, "support", MONDAY, begun)
        outbox.enqueue(connection, alert.to_json(), verdict_id, [], MONDAY, incident_id=incident_id)
        incidents.shown_by(connection, incident_id, alert.id)
    return incident


def offered(house: House, text: str = "fell", *, expires: timedelta = timedelta(hours=24)) -> Offered:
    """The same, and a rollback by the hook "deploy" that waits for an approval."""
    opened(house, text=text)
    offer(house, expires=MONDAY + expires)
    return Offered()


def offer(
    house: House,
    incident_id: str = "incident-1",
    hook_id: str = "hook-1",
    *,
    name: str = "deploy",
    action: str = "rollback",
    expires: datetime = MONDAY + timedelta(hours=24),
) -> None:
    """A hook that waits for an approval."""
    with house.database.write() as connection:
        incident = incidents.get(connection, incident_id)
        assert incident is not None
        said = verdicts.newest_week(connection, incident.target, "support", MONDAY)
        assert said is not None
        row = HookRow(
            id=hook_id,
            name=name,
            action=action,
            mode="approve",
            state=HookState.OFFERED,
            target=incident.target,
            suite="support",
            verdict_id=said.id,
            requested_at=MONDAY,
            expires_at=expires,
            incident_id=incident_id,
            model="gpt-5-mini-2026-08-07",
            fallback="prompt",
            nonce=f"{NONCE}-{hook_id}",
            token=f"{TOKEN}-{hook_id}",
            event={"type": f"heldout.{action}.requested"},
        )
        hooks.add(connection, row)
        waiting = Approval(row.id, row.name, row.action, str(row.nonce), row.expires_at)
        why = f"{name} would ask for a {action}."
        step = Event(What.OFFERED, MONDAY, HELDOUT, why, approval=waiting, hook=row.id, action=action)
        incidents.record(connection, incident_id, step)


def asked(house: House, hook_id: str = "hook-1") -> None:
    """Somebody approved it, and it is on its way."""
    with house.database.write() as connection:
        row = hooks.get(connection, hook_id)
        assert row is not None
        assert row.incident_id is not None
        for what in (What.APPROVED, What.ASKED):
            step = Event(what, MONDAY, "ada", "", hook=row.id, action=row.action)
            incidents.record(connection, row.incident_id, step)
        hooks.save(connection, hooks.ended(row, HookState.ASKED, MONDAY, ""))
