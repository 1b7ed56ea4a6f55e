"""What came of a hook: accepted, in trouble, withdrawn, done or failed; and the verification that follows."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.engine import Connection

from alerts.alert import Action
from alerts.channel import Receipt
from alerts.incident import Event, Incident, What
from alerts.outbox import State as Undelivered
from monitor.domain.run import Run, RunKind, RunState
from monitor.incidents import telling
from monitor.incidents.office import HELDOUT, Actor, ConflictError, Office, UnknownError, WrongTokenError
from monitor.store import hooks, incidents, runs
from monitor.store.hooks import HookRow, HookState

if TYPE_CHECKING:
    from monitor.config.models import Config

DONE, FAILED = "done", "failed"
# Of which a tool may say what came of it; and people, who were called when nothing came of it.
_AWAITED = (HookState.ASKED, HookState.ACCEPTED, HookState.EXPIRED)
_BY_HAND = (*_AWAITED, HookState.FAILED, HookState.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Came:
    """What a result came to. `again`: the same was said before, and nothing has changed."""

    incident: Incident | None
    again: bool


def accepted(connection: Connection, office: Office, hook_id: str, receipt: Receipt) -> None:
    """The other side has it; a command's own answer is its result."""
    row = hooks.get(connection, hook_id, lock=True)
    if row is None or row.state is not HookState.ASKED:
        # Its result may have come before this.
        return
    now = office.now
    if row.incident_id is None:
        hooks.save(connection, replace(row, state=HookState.DONE, accepted_at=now, ended_at=now))
        return
    row = hooks.save(connection, replace(row, state=HookState.ACCEPTED, accepted_at=now))
    if receipt.result is not None:
        said = str(receipt.result.get("status"))
        serving = receipt.result.get("now_serving")
        why = str(receipt.result.get("why") or "")
        _end(connection, office, row, said, None if serving is None else str(serving), row.name, why)
        return
    found = incidents.get(connection, str(row.incident_id), lock=True)
    if found is None or not found.is_open:
        # Somebody closed it while the request was under way.
        return
    waits = (
        f"its result is awaited until {row.expires_at:%Y-%m-%d %H:%M} UTC"
        if row.action == "rollback"
        else "it goes on there"
    )
    _say(connection, office, row, What.ACCEPTED, HELDOUT, f"{row.name} has taken the request; {waits}.")


def troubled(connection: Connection, office: Office, hook_id: str, error: str, state: Undelivered | None) -> None:
    """It could not be delivered, and somebody has to act; told once for each reason."""
    row = hooks.get(connection, hook_id, lock=True)
    if row is None or row.state is not HookState.ASKED or state in (None, Undelivered.PENDING) or row.why == error:
        return
    row = hooks.save(connection, replace(row, why=error))
    if row.incident_id is not None:
        until = f"it is tried again until {row.expires_at:%Y-%m-%d %H:%M} UTC"
        _say(connection, office, row, What.REFUSED, HELDOUT, f"{error}; {until}.")


def withdrawn(connection: Connection, office: Office, hook_id: str, why: str) -> None:
    """It is not wanted any more, and was not sent."""
    row = hooks.get(connection, hook_id, lock=True)
    if row is None or row.state is not HookState.ASKED:
        return
    row = hooks.save(connection, hooks.ended(row, HookState.WITHDRAWN, office.now, why))
    found = incidents.get(connection, row.incident_id) if row.incident_id is not None else None
    if found is not None and found.is_open:
        # Where another one is under way, or was done, this one is not missed.
        what = What.REFUSED if found.seen_to_by_another(row.id) else What.ESCALATED
        _say(connection, office, row, what, HELDOUT, f"The {row.action} was not asked for after all: {why}")


def came(
    connection: Connection,
    office: Office,
    hook_id: str,
    status: str,
    now_serving: str | None,
    actor: Actor,
    *,
    token: str | None,
) -> Came:
    """A tool's result. `token`: the one of its address; None where somebody who may act says so.

    The same result again changes nothing. Raises UnknownError, WrongTokenError, ConflictError, NotAllowedError.
    """
    row = hooks.get(connection, hook_id, lock=True)
    if row is None or row.incident_id is None:
        if token is not None:
            raise WrongTokenError("no hook has this address")
        raise UnknownError(f"there is no hook {hook_id}; `heldout incident show` tells their ids")
    if token is not None and not hmac.compare_digest(token.encode(), (row.token or "").encode()):
        raise WrongTokenError("no hook has this address")
    before = row.result
    if row.state is HookState.FAILED and status == DONE and actor.via == "command":
        # People were called, and have done by hand what the tool could not.
        before = None
    if before is not None:
        if (before["status"], before["now_serving"]) == (status, _serving(row, status, now_serving)):
            return Came(incidents.get(connection, row.incident_id), again=True)
        raise ConflictError(f"the result of this hook is already known, and another: {before['status']}")
    if token is not None and office.now >= row.expires_at:
        raise WrongTokenError(f"the request expired at {row.expires_at:%Y-%m-%d %H:%M} UTC, and people were called")
    if row.state not in (_AWAITED if token is not None else _BY_HAND):
        raise ConflictError(f"nothing is awaited of this hook: it is {row.state.value}")
    return Came(_end(connection, office, row, status, now_serving, actor.name, ""), again=False)


def _serving(row: HookRow, status: str, now_serving: str | None) -> str | None:
    """What serves now: what was rolled back to, where nothing else was said."""
    if status != DONE:
        return now_serving
    return now_serving or (row.fallback if row.action == "rollback" else row.target)


def _end(
    connection: Connection, office: Office, row: HookRow, status: str, now_serving: str | None, by: str, why: str
) -> Incident | None:
    """Write a result, and let what serves now be measured."""
    serving = _serving(row, status, now_serving)
    state = HookState.DONE if status == DONE else HookState.FAILED
    ended = replace(row, state=state, ended_at=office.now, accepted_at=row.accepted_at or office.now)
    ended = hooks.save(connection, replace(ended, result={"status": status, "now_serving": serving}))
    incident = incidents.get(connection, str(row.incident_id), lock=True)
    if incident is None or not incident.is_open:
        return incident
    if state is HookState.FAILED:
        said = f"{row.name} could not do the {row.action}. {why}".strip()
        return _say(connection, office, ended, What.FAILED, by, said)
    said = f"{row.name} has done the {row.action}; {serving} serves now."
    incident = _say(connection, office, ended, What.DONE, by, said, now_serving=serving)
    if row.action == "rollback":
        _close_others(connection, office, incident, said)
    fault = unverifiable(office.config, serving, incident.suite)
    if fault is not None:
        return _say(connection, office, ended, What.ESCALATED, HELDOUT, fault)
    verify(connection, office, incident, ended, office.now)
    return incident


def unverifiable(config: Config, serving: str | None, suite: str) -> str | None:
    """Why nobody can say whether the score came back; None where that can be measured."""
    if serving is None or serving not in config.targets:
        what = serving or "What serves now"
        return f"{what} is no target of the configuration, so whether the score came back cannot be measured."
    if suite not in config.targets[serving].suites:
        return (
            f"[targets.{serving}] does not have the suite {suite}, so whether the score came back cannot be measured."
        )
    return None


def verify(connection: Connection, office: Office, incident: Incident, row: HookRow, at: datetime) -> None:
    """Have what serves now measured at `at`, by the baseline of what failed."""
    run = Run(
        id=office.new_id(office.now),
        target=str(incident.now_serving),
        suite=incident.suite,
        kind=RunKind.VERIFY,
        state=RunState.WAITING,
        suite_fingerprint="",
        target_fingerprint="",
        created_at=office.now,
        due_at=at,
        baseline_id=row.baseline_id,
        incident_id=incident.id,
    )
    if not runs.begin(connection, run):
        raise LookupError(f"the verification of incident {incident.id} could not be written")


def _close_others(connection: Connection, office: Office, done: Incident, said: str) -> None:
    """What else was open about a target that is not in production any more is over."""
    for other in incidents.open_ones(connection, done.target):
        if other.id != done.id:
            step = Event(What.RESOLVED, office.now, HELDOUT, said)
            telling.tell_step(connection, office, incidents.record(connection, other.id, step), step)


def _say(
    connection: Connection,
    office: Office,
    row: HookRow,
    what: What,
    by: str,
    why: str,
    *,
    now_serving: str | None = None,
) -> Incident:
    step = Event(what, office.now, by, why, hook=row.id, action=row.action, now_serving=now_serving)
    incident = incidents.record(connection, str(row.incident_id), step)
    telling.tell_step(connection, office, incident, step, _what_to_do(row, what))
    return incident


def _what_to_do(row: HookRow, what: What) -> tuple[Action, ...]:
    if what is What.ESCALATED and row.state is HookState.DONE:
        return (
            Action("Look by hand whether what serves now is good enough"),
            Action("If it is, close the incident", f'heldout incident resolve {row.incident_id} --why "…"'),
        )
    if what in (What.FAILED, What.ESCALATED, What.EXPIRED):
        return (
            Action(f"See to it that {row.target} is rolled back, or decide that it is not"),
            Action(
                "Say what was done, if it was done by hand",
                f"heldout incident result {row.id} done --now-serving TARGET",
            ),
            Action("See all that happened", f"heldout incident show {row.incident_id}"),
        )
    return ()
