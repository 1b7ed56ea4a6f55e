"""What deployment tooling is asked for, one row a request: from its offer to its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from monitor.domain.text import storable
from monitor.store.database import alone
from monitor.store.tables import hook


class HookState(StrEnum):
    """How far a request has come."""

    REFUSED = "refused"  # the guard does not allow it
    OFFERED = "offered"  # it waits for an approval
    REJECTED = "rejected"
    ASKED = "asked"  # it is on its way, and tried again until it expires
    ACCEPTED = "accepted"  # the other side has it
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"  # it was not wanted any more before it could be delivered

    @property
    def under_way(self) -> bool:
        """Whether something may still come of it."""
        return self in (HookState.OFFERED, HookState.ASKED, HookState.ACCEPTED)


_UNDER_WAY = [state.value for state in HookState if state.under_way]


@dataclass(frozen=True, slots=True)
class HookRow:
    """One request. `id` is that of the event in every attempt; `event` the body that is sent, once it is asked for.

    `nonce` is what a button that approves it carries, `token` what its result carries; neither is ever logged.
    """

    id: str
    name: str
    action: str
    mode: str
    state: HookState
    target: str
    suite: str
    verdict_id: int
    requested_at: datetime
    expires_at: datetime
    incident_id: str | None = None
    model: str | None = None
    baseline_id: int | None = None
    fallback: str | None = None
    nonce: str | None = None
    token: str | None = None
    event: dict[str, object] | None = None
    decided_at: datetime | None = None
    decided_by: str | None = None
    accepted_at: datetime | None = None
    ended_at: datetime | None = None
    result: dict[str, Any] | None = None
    why: str | None = None


def add(connection: Connection, new: HookRow) -> None:
    """Write a request."""
    connection.execute(hook.insert(), _values(new))


def save(connection: Connection, value: HookRow) -> HookRow:
    """Write what has become of it."""
    connection.execute(hook.update().where(hook.c.id == value.id), _values(value))
    return value


def get(connection: Connection, hook_id: str, *, lock: bool = False) -> HookRow | None:
    """One request; with `lock` nobody else changes it until the transaction is over; in the order of incidents."""
    if lock:
        alone(connection, "outbox")
    query = sa.select(hook).where(hook.c.id == hook_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _row(row)


def find(connection: Connection, prefix: str) -> list[HookRow]:
    """Those whose id begins so; three at the most."""
    query = sa.select(hook).where(hook.c.id.startswith(prefix, autoescape=True)).limit(3)
    return [_row(row) for row in connection.execute(query)]


def of_incident(connection: Connection, incident_id: str) -> list[HookRow]:
    """Those of one incident, oldest first."""
    query = sa.select(hook).where(hook.c.incident_id == incident_id).order_by(hook.c.id)
    return [_row(row) for row in connection.execute(query)]


def of_target(connection: Connection, target: str, action: str) -> list[HookRow]:
    """Those of one target and action, oldest first."""
    query = sa.select(hook).where((hook.c.target == target) & (hook.c.action == action)).order_by(hook.c.id)
    return [_row(row) for row in connection.execute(query)]


def expired(connection: Connection, now: datetime) -> Sequence[HookRow]:
    """Those under way whose time is over."""
    over = hook.c.state.in_(_UNDER_WAY) & (hook.c.expires_at <= now)
    return [_row(row) for row in connection.execute(sa.select(hook).where(over).order_by(hook.c.id))]


def under_way(connection: Connection, target: str) -> Sequence[HookRow]:
    """Those of one target of which something may still come."""
    some = hook.c.state.in_(_UNDER_WAY) & (hook.c.target == target)
    return [_row(row) for row in connection.execute(sa.select(hook).where(some).order_by(hook.c.id))]


def ended(value: HookRow, state: HookState, now: datetime, why: str) -> HookRow:
    """It is over, for the reason `why`."""
    return replace(value, state=state, ended_at=now, why=why)


def _values(value: HookRow) -> dict[str, Any]:
    values = asdict(value) | {"state": value.state.value}
    return {key: storable(one) if isinstance(one, str) else one for key, one in values.items()}


def _row(row: Row[Any]) -> HookRow:
    values = dict(row._mapping)
    return HookRow(**values | {"state": HookState(values["state"])})
