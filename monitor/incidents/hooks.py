"""Hooks: offered or asked for at a verdict, guarded again whenever it matters, and what came of each."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import Connection

from alerts.alert import Drop
from alerts.hooks.event import Event as Body
from alerts.hooks.event import Occasion, Shortfall, retrain_requested, rollback_requested, verdict_changed
from alerts.hooks.guard import Action, Fallback, Request, Ruling, Situation, guard
from alerts.incident import Approval, Event, Incident, What
from monitor.domain.verdict import Level
from monitor.incidents.office import HELDOUT, Office
from monitor.incidents.telling import waits
from monitor.standing import CLOCKS_DIFFER
from monitor.store import hooks, incidents, outbox, verdicts
from monitor.store.hooks import HookRow, HookState
from monitor.store.verdicts import StoredVerdict

if TYPE_CHECKING:
    from monitor.config.hooks import HookConfig

# After one of these nothing more is asked for the same model and baseline.
_COUNT = (HookState.ASKED, HookState.ACCEPTED, HookState.DONE)


@dataclass(frozen=True, slots=True)
class Considered:
    """What a verdict led to: the incident after it, and what people are told of it."""

    incident: Incident
    lines: tuple[str, ...] = ()


def consider(
    connection: Connection, office: Office, incident: Incident, said: StoredVerdict, shortfall: Shortfall | None
) -> Considered:
    """Offer, ask for, or refuse what is configured for a rollback's verdict; `shortfall`: what a retraining is told."""
    lines: list[str] = []
    for name, table in _wanted(office, incident.target):
        earlier = [row for row in hooks.of_target(connection, incident.target, table.on) if row.name == name]
        if any(row.state.under_way and row.incident_id == incident.id for row in earlier):
            continue
        row = _request(connection, office, incident, said, name, table, shortfall)
        ruling = guard(_asked_of(row, table), situation(connection, office, incident, row, said), office.now)
        if not ruling.allowed:
            lines += _refuse(connection, incident, row, ruling, earlier)
            continue
        hooks.add(connection, row)
        if table.mode == "auto":
            incident = ask(connection, office, incident, row, HELDOUT, ruling.reason)
            lines.append(f"{row.action.capitalize()} asked for by {name}: {ruling.reason}")
        else:
            offer = Approval(row.id, name, row.action, str(row.nonce), row.expires_at, row.fallback)
            why = f"{name} would ask for a {row.action}. {ruling.reason}"
            step = Event(What.OFFERED, office.now, HELDOUT, why, approval=offer, hook=row.id, action=row.action)
            incident = incidents.record(connection, incident.id, step)
            lines.append(waits(offer))
    return Considered(incident, tuple(lines))


def changed(connection: Connection, office: Office, said: StoredVerdict, previous: Level | None) -> None:
    """Tell those who only listen that a verdict became another."""
    if previous is said.level:
        return
    for name, table in office.config.hooks.items():
        if table.on != "verdict" or table.mode == "off" or not table.concerns(said.target):
            continue
        hook_id = office.new_id(office.now)
        occasion = Occasion(hook_id, said.target, office.now, office.now + table.lasts)
        body = verdict_changed(occasion, said.payload, None if previous is None else previous.value)
        row = _row(office, hook_id, name, table, said, body)
        hooks.add(connection, replace(row, state=HookState.ASKED, decided_at=office.now, decided_by=HELDOUT))
        outbox.enqueue_hook(connection, row.id, name, said.target, office.now)


def ask(connection: Connection, office: Office, incident: Incident, row: HookRow, by: str, why: str) -> Incident:
    """Let a request go out."""
    asked = replace(row, state=HookState.ASKED, decided_at=office.now, decided_by=by, why=why)
    hooks.save(connection, asked)
    outbox.enqueue_hook(connection, row.id, row.name, row.target, office.now)
    step = Event(What.ASKED, office.now, by, why, hook=row.id, action=row.action)
    return incidents.record(connection, incident.id, step)


def ruling_of(connection: Connection, office: Office, incident: Incident, row: HookRow) -> Ruling:
    """Whether a request may go out by what is known now: at an approval, and before each attempt."""
    table = office.config.hooks.get(row.name)
    if table is None or table.mode == "off" or table.on != row.action or not table.concerns(row.target):
        return Ruling(False, f"[hooks.{row.name}] is not configured for this any more.")
    said = verdicts.newest_week(connection, row.target, row.suite, office.now + CLOCKS_DIFFER)
    if said is None:
        return Ruling(False, f"There is no verdict on {row.target} · {row.suite} any more.")
    return guard(_asked_of(row, table), situation(connection, office, incident, row, said), office.now)


def situation(
    connection: Connection, office: Office, incident: Incident, row: HookRow, said: StoredVerdict
) -> Situation:
    """What is known now of the target that a request is about."""
    others = [one for one in hooks.of_target(connection, row.target, row.action) if one.id != row.id]
    done = [one.ended_at or one.accepted_at for one in others if one.name == row.name and one.state is HookState.DONE]
    same = [one for one in others if (one.model, one.baseline_id) == (row.model, row.baseline_id)]
    judged = said.payload.get("judge")
    return Situation(
        confirmed=said.level is Level.ROLLBACK,
        judge_bar=judged.get("barred") if isinstance(judged, Mapping) and said.level is not Level.ROLLBACK else None,
        fallback=_fallback(said.payload.get("fallback")),
        last_done_at=max((at for at in done if at is not None), default=None),
        done_for_this=any(one.state in _COUNT for one in same),
        # Each suite has a baseline of its own, and a target is rolled back once for all of them.
        under_way=any(one.state in _COUNT and one.state.under_way for one in others),
        silenced_until=incident.silenced_until,
        incident_open=incident.is_open,
        recovered=said.level is Level.PASS,
        retired=row.target in incidents.retired(connection, [row.target]),
    )


def _wanted(office: Office, target: str) -> list[tuple[str, HookConfig]]:
    """The hooks for what fell, rollbacks first."""
    of_target = [
        (name, table)
        for name, table in office.config.hooks.items()
        if table.on in ("rollback", "retrain") and table.mode != "off" and table.concerns(target)
    ]
    return sorted(of_target, key=lambda one: one[1].on != "rollback")


def _refuse(
    connection: Connection, incident: Incident, row: HookRow, ruling: Ruling, earlier: Sequence[HookRow]
) -> list[str]:
    """Keep a refusal with its reason, unless it is the one of last time."""
    said = f"No {row.action} is asked for ({row.name}): {ruling.reason}"
    before = [one.why for one in earlier if one.incident_id == incident.id and one.state is HookState.REFUSED]
    if before[-1:] != [ruling.reason]:
        hooks.add(connection, hooks.ended(row, HookState.REFUSED, row.requested_at, ruling.reason))
        step = Event(What.REFUSED, row.requested_at, HELDOUT, said, hook=row.id, action=row.action)
        incidents.record(connection, incident.id, step)
    return [said]


def _asked_of(row: HookRow, table: HookConfig) -> Request:
    return Request(
        action=Action(row.action),
        target=row.target,
        suite=row.suite,
        model=row.model,
        baseline=row.baseline_id,
        fallback=row.fallback,
        expires_at=row.expires_at,
        cooldown=table.cooldown,
    )


def _request(
    connection: Connection,
    office: Office,
    incident: Incident,
    said: StoredVerdict,
    name: str,
    table: HookConfig,
    shortfall: Shortfall | None,
) -> HookRow:
    """A request as it would be offered, with the event that would be sent."""
    hook_id, token = office.new_id(office.now), secrets.token_urlsafe(24)
    expires_at = office.now + table.lasts
    configured = office.config.targets.get(said.target)
    fallback = configured.fallback if configured is not None else None
    occasion = Occasion(hook_id, said.target, office.now, expires_at, office.result_url(hook_id, token))
    if table.on == "rollback":
        body = rollback_requested(occasion, fallback or "", said.payload)
    else:
        body = retrain_requested(occasion, shortfall or _numbers(said))
    row = _row(office, hook_id, name, table, said, body)
    nonce = secrets.token_urlsafe(16)
    return replace(row, incident_id=incident.id, fallback=fallback, nonce=nonce, token=token)


def _row(office: Office, hook_id: str, name: str, table: HookConfig, said: StoredVerdict, body: Body) -> HookRow:
    model = said.payload.get("model") or {}
    return HookRow(
        id=hook_id,
        name=name,
        action=table.on,
        mode=table.mode,
        state=HookState.OFFERED,
        target=said.target,
        suite=said.suite,
        verdict_id=said.id,
        requested_at=office.now,
        expires_at=office.now + table.lasts,
        model=model.get("reported") or model.get("requested"),
        baseline_id=said.baseline_id,
        event=body,
    )


def _numbers(said: StoredVerdict) -> Shortfall:
    """What a verdict says without looking into its cases."""
    drop = said.payload.get("drop") or {}
    return Shortfall(
        suite=said.suite,
        verdict=said.level.value,
        run=said.run_id,
        score=said.payload.get("score"),
        baseline_score=said.payload.get("baseline_score"),
        drop=Drop(drop.get("points"), drop.get("low"), drop.get("high")),
        cases=int(said.payload.get("cases") or 0),
        failing=0,
        causes=tuple(str(cause.get("cause")) for cause in said.payload.get("causes") or ()),
    )


def _fallback(payload: Any) -> Fallback | None:
    """What the verdict says of the fallback on its slot."""
    if not isinstance(payload, Mapping):
        return None
    better = payload.get("better_by")
    return Fallback(
        target=str(payload.get("target")),
        ready=bool(payload.get("ready")),
        why=str(payload.get("why") or "it is not shown to be better"),
        low=better.get("low") if isinstance(better, Mapping) else None,
        repeats=int(payload.get("repeats") or 0),
        needed=0,
    )
