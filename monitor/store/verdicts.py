"""Verdicts, one row a decision: the newest says how a (target, suite) stands, the older ones how it came to that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from monitor.domain.run import RunKind
from monitor.domain.verdict import Level, Stage, Verdict
from monitor.store.tables import run, verdict

_ENDED = (Stage.FINAL.value, Stage.CONFIRMED.value)


@dataclass(frozen=True, slots=True)
class Measured:
    """A run that measured something: when it began, and when it was decided for good."""

    began: datetime
    ended: datetime


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """A decision as it was written. `clear`: both questions were clear; `payload`: the contract's JSON object."""

    id: int
    run_id: str
    target: str
    suite: str
    slot: datetime | None
    level: Level
    stage: Stage
    clear: bool
    cause: str | None
    payload: dict[str, Any]
    decided_at: datetime
    baseline_id: int | None
    kind: RunKind


def add(connection: Connection, decided: Verdict, clear: bool, now: datetime) -> int:
    """Write a verdict; returns its id."""
    if decided.run is None:
        raise ValueError("a verdict without a run cannot be stored")
    values = {
        "run_id": decided.run,
        "target": decided.target,
        "suite": decided.suite,
        "slot": decided.slot,
        "level": decided.level.value,
        "stage": decided.stage.value,
        "clear": clear,
        "cause": decided.causes[0].cause.value if decided.causes else None,
        "payload": decided.as_json(),
        "decided_at": now,
    }
    key = connection.execute(verdict.insert(), values).inserted_primary_key
    if key is None:
        raise LookupError("the database gave the new verdict no id")
    return int(key[0])


def get(connection: Connection, verdict_id: int) -> StoredVerdict:
    """One decision; raises LookupError where there is none of that id."""
    found = _first(connection, _all().where(verdict.c.id == verdict_id))
    if found is None:
        raise LookupError(f"no verdict {verdict_id}")
    return found


def newest(connection: Connection, target: str, suite: str) -> StoredVerdict | None:
    """The newest decision on one (target, suite), whatever kind of run it came from."""
    return _first(connection, _of(target, suite).order_by(verdict.c.decided_at.desc(), verdict.c.id.desc()))


def newest_week(connection: Connection, target: str, suite: str, until: datetime) -> StoredVerdict | None:
    """The last decision of the newest slot up to `until`: what is filled in later does not change what counts."""
    weeks = _of(target, suite).where(verdict.c.slot <= until)
    return _first(connection, weeks.order_by(verdict.c.slot.desc(), verdict.c.id.desc()))


def newest_weeks(connection: Connection, target: str, suite: str, until: datetime, limit: int) -> list[StoredVerdict]:
    """The last decisions of slots up to `until`, those of each run too, the newest first; `limit` at the most."""
    weeks = _of(target, suite).where(verdict.c.slot <= until)
    rows = connection.execute(weeks.order_by(verdict.c.slot.desc(), verdict.c.id.desc()).limit(limit))
    return [_verdict(row) for row in rows]


def newest_on_demand(connection: Connection, target: str, suite: str) -> StoredVerdict | None:
    """The newest decision of a run without a slot that came to an end."""
    runs = _of(target, suite).where(verdict.c.slot.is_(None) & verdict.c.stage.in_(_ENDED))
    return _first(connection, runs.order_by(verdict.c.id.desc()))


def newest_measured(
    connection: Connection, target: str, suite: str, until: datetime, without: Sequence[str]
) -> Measured | None:
    """The newest run up to `until` that came to an end for none of the causes in `without`, on demand or not."""
    key = (verdict.c.target == target) & (verdict.c.suite == suite) & (verdict.c.decided_at <= until)
    measured = verdict.c.stage.in_(_ENDED) & (verdict.c.cause.is_(None) | verdict.c.cause.not_in(without))
    query = sa.select(run.c.created_at, verdict.c.decided_at).join(run, run.c.id == verdict.c.run_id)
    newest_first = query.where(key & measured).order_by(verdict.c.decided_at.desc(), verdict.c.id.desc())
    row = connection.execute(newest_first.limit(1)).first()
    return None if row is None else Measured(*row)


def weekly(
    connection: Connection, target: str, suite: str, before: datetime, baseline_id: int | None
) -> list[StoredVerdict]:
    """The last decision of each slot before `before` against one baseline, oldest first."""
    last = (
        sa.select(sa.func.max(verdict.c.id))
        .where((verdict.c.target == target) & (verdict.c.suite == suite) & (verdict.c.slot < before))
        .group_by(verdict.c.run_id)
    )
    query = _all().where(verdict.c.id.in_(last) & _against(baseline_id)).order_by(verdict.c.slot)
    return [_verdict(row) for row in connection.execute(query)]


def of_run(connection: Connection, run_id: str) -> list[StoredVerdict]:
    """Every decision of one run, oldest first."""
    rows = connection.execute(_all().where(verdict.c.run_id == run_id).order_by(verdict.c.id))
    return [_verdict(row) for row in rows]


def _against(baseline_id: int | None) -> sa.ColumnElement[bool]:
    return run.c.baseline_id.is_(None) if baseline_id is None else run.c.baseline_id == baseline_id


def _of(target: str, suite: str) -> sa.Select[Any]:
    return _all().where((verdict.c.target == target) & (verdict.c.suite == suite))


def _first(connection: Connection, query: sa.Select[Any]) -> StoredVerdict | None:
    row = connection.execute(query.limit(1)).first()
    return None if row is None else _verdict(row)


def _all() -> sa.Select[Any]:
    return sa.select(verdict, run.c.baseline_id, run.c.kind).join(run, run.c.id == verdict.c.run_id)


def _verdict(row: Row[Any]) -> StoredVerdict:
    values = dict(row._mapping)
    kinds = {"level": Level(values["level"]), "stage": Stage(values["stage"]), "kind": RunKind(values["kind"])}
    return StoredVerdict(**values | kinds)
