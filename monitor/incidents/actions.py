"""What people and their tools do about incidents; each is one transaction, and stands in the audit log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import Connection

from alerts.alert import Alert
from alerts.failpoint import reached
from alerts.incident import Approval, Event, Incident, NotAllowedError, What
from monitor.incidents import hooks as asking
from monitor.incidents import results, telling
from monitor.incidents.office import Actor, Office, RefusedError, UnknownError
from monitor.incidents.results import Came
from monitor.store import audit, hooks, incidents, told
from monitor.store.database import Database
from monitor.store.hooks import HookRow

if TYPE_CHECKING:
    from monitor.config.models import Config

MOST = 100


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of an incident; `alert` is what its newest verdict said."""

    incident: Incident
    events: Sequence[Event]
    hooks: Sequence[HookRow]
    alert: Alert | None


class Actions:
    """`now` is when it is done. Every method raises DatabaseError, and what it says itself."""

    def __init__(
        self,
        database: Database,
        config: Config,
        channels: Sequence[str],
        now: datetime,
        new_id: Callable[[datetime], str],
    ) -> None:
        self._database = database
        self._office = Office(config, channels, now, new_id)

    def find(self, prefix: str) -> Incident:
        """The one whose id begins so; raises UnknownError."""
        with self._database.read() as connection:
            found = incidents.find(connection, prefix)
        if len(found) != 1:
            which = "no incident's id begins" if not found else f"{len(found)} incidents' ids begin"
            raise UnknownError(f'{which} with "{prefix[:40]}"; `heldout incident list --all` tells the ids')
        return found[0]

    def list(self, *, every: bool = False) -> list[Incident]:
        """Those that are open, the newest first; with `every` the newest hundred, open or not."""
        with self._database.read() as connection:
            return incidents.newest(connection, MOST) if every else incidents.open_ones(connection)

    def story(self, incident_id: str) -> Story:
        """All that is known of one; raises UnknownError."""
        with self._database.read() as connection:
            found = incidents.get(connection, incident_id)
            if found is None:
                raise _unknown(incident_id)
            alert_id = incidents.newest_alert(connection, incident_id)
            payload = None if alert_id is None else told.payload(connection, alert_id)
            return Story(
                found,
                incidents.events(connection, incident_id),
                hooks.of_incident(connection, incident_id),
                None if payload is None else Alert.from_json(payload),
            )

    def hook(self, prefix: str) -> HookRow | None:
        """The request whose id begins so; None where there is none, or several."""
        with self._database.read() as connection:
            found = hooks.find(connection, prefix)
        return found[0] if len(found) == 1 else None

    def acknowledge(self, incident_id: str, actor: Actor, why: str = "") -> Incident:
        """Say that somebody sees to it. Raises UnknownError, NotAllowedError."""
        return self._step(incident_id, actor, "acknowledge", What.ACKNOWLEDGED, why or f"{actor.name} sees to it.")

    def silence(self, incident_id: str, actor: Actor, until: datetime, why: str = "") -> Incident:
        """Tell nothing more of it until then, but that it got worse, or is over. Raises as `acknowledge`."""
        return self._step(incident_id, actor, "silence", What.SILENCED, why or f"{actor.name} asked for it.", until)

    def resolve(self, incident_id: str, actor: Actor, why: str) -> Incident:
        """Close it: what was decided until now is settled. Raises as `acknowledge`."""
        return self._step(incident_id, actor, "resolve", What.RESOLVED, why)

    def approve(
        self, incident_id: str, actor: Actor, *, nonce: str | None = None, hook: str | None = None, why: str = ""
    ) -> Incident:
        """Let a hook go out that waits for it, when the guard allows it now.

        `nonce`: of the button that was pressed; `hook`: its name or id; with neither, the only one that waits. Raises
        UnknownError, NotAllowedError and, with the guard's reason, RefusedError.
        """
        with self._database.write() as connection:
            incident, offer, row = self._offered(connection, incident_id, nonce, hook)
            ruling = asking.ruling_of(connection, self._office, incident, row)
            detail = {"hook": row.id, "name": row.name, "why": why, "allowed": ruling.allowed, "ruling": ruling.reason}
            if ruling.allowed:
                said = f"{actor.name} approved it. {why}".strip()
                step = self._decided(What.APPROVED, actor, offer, said)
                incident = incidents.record(connection, incident_id, step)
                incident = asking.ask(connection, self._office, incident, row, actor.name, ruling.reason)
                telling.tell_step(connection, self._office, incident, step)
            self._note(connection, actor, f"approve {row.action}", incident, detail)
        reached("approval.committed")
        if not ruling.allowed:
            raise RefusedError(ruling.reason)
        return incident

    def reject(
        self, incident_id: str, actor: Actor, *, nonce: str | None = None, hook: str | None = None, why: str = ""
    ) -> Incident:
        """Decide that a hook that waits is not asked for. Raises UnknownError, NotAllowedError."""
        with self._database.write() as connection:
            incident, offer, row = self._offered(connection, incident_id, nonce, hook)
            said = f"{actor.name} rejected it. {why}".strip()
            step = self._decided(What.REJECTED, actor, offer, said)
            incident = incidents.record(connection, incident_id, step)
            hooks.save(connection, hooks.ended(row, hooks.HookState.REJECTED, self._office.now, said))
            telling.tell_step(connection, self._office, incident, step)
            self._note(
                connection, actor, f"reject {row.action}", incident, {"hook": row.id, "name": row.name, "why": why}
            )
        reached("rejection.committed")
        return incident

    def result(
        self, hook_id: str, status: str, now_serving: str | None, actor: Actor, *, token: str | None = None
    ) -> Came:
        """What a tool, or somebody who may act, says came of a hook; see `results.came` for what it raises."""
        with self._database.write() as connection:
            found = results.came(connection, self._office, hook_id, status, now_serving, actor, token=token)
            if not found.again:
                detail = {"hook": hook_id, "status": status, "now_serving": now_serving}
                self._note(connection, actor, "result", found.incident, detail)
        reached("result.committed")
        return found

    def _step(
        self, incident_id: str, actor: Actor, action: str, what: What, why: str, until: datetime | None = None
    ) -> Incident:
        step = Event(what, self._office.now, actor.name, why, until=until)
        with self._database.write() as connection:
            try:
                incident = incidents.record(connection, incident_id, step)
            except LookupError:
                raise _unknown(incident_id) from None
            telling.tell_step(connection, self._office, incident, step)
            detail = {"why": why} | ({} if until is None else {"until": until.isoformat()})
            self._note(connection, actor, action, incident, detail)
        reached("step.committed")
        return incident

    def _offered(
        self, connection: Connection, incident_id: str, nonce: str | None, hook: str | None
    ) -> tuple[Incident, Approval, HookRow]:
        """What waits for a yes or a no."""
        incident = incidents.get(connection, incident_id, lock=True)
        if incident is None:
            raise _unknown(incident_id)
        waiting = incident.approvals
        if nonce is not None:
            waiting = tuple(one for one in waiting if one.nonce == nonce)
        if hook is not None:
            waiting = tuple(one for one in waiting if hook in (one.name, one.hook))
        if not waiting:
            over = "; this button is of an earlier one" if nonce is not None and incident.approvals else ""
            raise NotAllowedError(f"incident {incident.id} waits for no approval{over}")
        if len(waiting) > 1:
            names = ", ".join(one.name for one in waiting)
            raise NotAllowedError(f"incident {incident.id} waits for several approvals ({names}): name the hook")
        row = hooks.get(connection, waiting[0].hook, lock=True)
        if row is None:
            raise _unknown(incident_id)
        return incident, waiting[0], row

    def _decided(self, what: What, actor: Actor, offer: Approval, why: str) -> Event:
        return Event(what, self._office.now, actor.name, why, hook=offer.hook, action=offer.action)

    def _note(
        self, connection: Connection, actor: Actor, action: str, incident: Incident | None, detail: Mapping[str, Any]
    ) -> None:
        subject = "" if incident is None else f"incident {incident.id} ({incident.target} · {incident.suite})"
        audit.append(
            connection,
            who=actor.name,
            via=actor.via,
            action=f"incident {action}",
            subject=subject,
            detail=detail,
            now=self._office.now,
        )


def _unknown(incident_id: str) -> UnknownError:
    return UnknownError(f'there is no incident "{incident_id[:40]}"; `heldout incident list --all` tells the ids')
