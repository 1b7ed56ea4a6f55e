"""The end of a verification: the score came back, or somebody has to see to it."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from alerts.alert import Action
from alerts.incident import Event, State, What
from monitor.decide.transition import UNMEASURED
from monitor.domain.run import Run, RunKind
from monitor.domain.verdict import Level, Verdict
from monitor.incidents import results, telling
from monitor.incidents.office import HELDOUT, Office
from monitor.store import hooks, incidents, verdicts
from monitor.store.tables import run as run_table

# A provider that is down says nothing of what serves now: it is measured again, for about a day.
AGAIN_AFTER = timedelta(hours=1)
MOST_TRIES = 24


def conclude(connection: Connection, office: Office, run: Run, said: Verdict) -> None:
    """Let the incident end, or call somebody. Without effect where it has ended otherwise meanwhile."""
    incident = incidents.get(connection, str(run.incident_id), lock=True)
    if incident is None or incident.state is not State.VERIFYING or incident.now_serving != run.target:
        return
    row = next((one for one in reversed(hooks.of_incident(connection, incident.id)) if one.result is not None), None)
    cause = said.causes[0].cause.value if said.causes else None
    if cause in UNMEASURED and row is not None and _tries(connection, incident.id) < MOST_TRIES:
        results.verify(connection, office, incident, row, office.now + AGAIN_AFTER)
        return
    before = verdicts.get(connection, row.verdict_id).payload.get("score") if row is not None else None
    numbers = _numbers(said, before)
    if said.level is Level.PASS:
        step = Event(
            What.VERIFIED, office.now, HELDOUT, f"{run.target} serves now, and is as good as at deployment: {numbers}."
        )
        advice: tuple[Action, ...] = (
            Action(
                f"{incident.target} is not measured any more; once it is mended, pin it again",
                f"heldout baseline collect {incident.target} {incident.suite}",
            ),
            Action(f'See to it that {run.target} is watched: role = "production", and a baseline of its own'),
        )
    else:
        why = f"{run.target} serves now, and it is not shown to be as good as at deployment: {numbers}."
        step = Event(What.ESCALATED, office.now, HELDOUT, why)
        advice = (
            Action(f"Decide whether {run.target} is good enough for now"),
            Action("If it is, close the incident", f'heldout incident resolve {incident.id} --why "…"'),
        )
    telling.tell_step(connection, office, incidents.record(connection, incident.id, step), step, advice)


def _numbers(said: Verdict, before: float | None) -> str:
    if said.score is None or said.baseline_score is None:
        return said.reasons[0].rstrip(".") if said.reasons else "it could not be measured"
    text = f"score {100 * said.score:.1f}, at deployment {100 * said.baseline_score:.1f}"
    if before is not None:
        text += f", before the rollback {100 * before:.1f} (back up by {100 * (said.score - before):.1f} points)"
    if said.drop is not None:
        text += f"; what is missing lies between {said.drop.low:.1f} and {said.drop.high:.1f} points (95% interval)"
    return text.replace("-", "−")


def _tries(connection: Connection, incident_id: str) -> int:
    mine = (run_table.c.incident_id == incident_id) & (run_table.c.kind == RunKind.VERIFY.value)
    return int(connection.execute(sa.select(sa.func.count()).where(mine)).scalar_one())
