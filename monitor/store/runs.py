"""Runs and baselines: begun once a slot, taken up again after a wait or a crash, pinned by people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from monitor.domain.case import Suite
from monitor.domain.run import Baseline, Run, RunKind, RunState
from monitor.domain.text import storable
from monitor.store import usage
from monitor.store.database import alone, insert_new
from monitor.store.tables import baseline, run, suite_version, timetable

_OVER = [state.value for state in RunState if state.over]


@dataclass(frozen=True, slots=True)
class Missed:
    """The slots of one (target, suite) that were missed and not filled in since, and when the last was recorded."""

    target: str
    suite: str
    slots: int
    recorded_at: datetime


def remember_suite(connection: Connection, suite: Suite, now: datetime) -> None:
    """Keep the suite's content once a fingerprint, so that old answers stay readable when its file changes."""
    key = (suite_version.c.suite == suite.name) & (suite_version.c.fingerprint == suite.fingerprint)
    if connection.execute(sa.select(suite_version.c.suite).where(key)).first() is None:
        cases = [case.as_json() for case in suite.cases]
        connection.execute(
            insert_new(connection, suite_version),
            {"suite": suite.name, "fingerprint": suite.fingerprint, "cases": cases, "first_seen": now},
        )


def begin(connection: Connection, new: Run) -> bool:
    """Write a new run; False where its slot already has one."""
    try:
        with connection.begin_nested():
            connection.execute(run.insert(), _values(new))
    except IntegrityError:
        return False
    return True


def record(connection: Connection, noted: Run) -> bool:
    """Write a slot that is due, or was missed, before anybody begins its run; False where it has a row already.

    A slot that was called missed before its time, by a clock that was ahead, is due after all when its time comes.
    """
    if begin(connection, noted):
        return True
    key = _measures(noted.target, noted.suite, noted.kind) & (run.c.slot == noted.slot)
    premature = (run.c.state == RunState.MISSED.value) & (run.c.created_at > noted.created_at)
    values = {k: v for k, v in _values(noted).items() if k in ("state", "created_at", "due_at", "finished_at")}
    return connection.execute(run.update().where(key & premature), values).rowcount == 1


def miss(connection: Connection, noted: Run, now: datetime) -> Run | None:
    """Call a slot missed that was recorded and not begun; None where somebody else has just done so, or begun it."""
    over = replace(noted, state=RunState.MISSED, due_at=None, finished_at=now)
    untouched = (run.c.id == noted.id) & (run.c.state == RunState.WAITING.value) & (run.c.suite_fingerprint == "")
    values = {"state": over.state.value, "due_at": None, "finished_at": now}
    return over if connection.execute(run.update().where(untouched), values).rowcount == 1 else None


def request(connection: Connection, run_id: str, target: str, suite: str, by: str, now: datetime) -> Run:
    """Ask for a replay outside the schedule; where one was asked for and is not over, that one is the answer."""
    alone(connection, "requests")
    key = _measures(target, suite, RunKind.AD_HOC)
    open_ = key & run.c.state.not_in(_OVER) & run.c.requested_by.is_not(None)
    row = connection.execute(sa.select(run).where(open_).order_by(run.c.created_at)).first()
    if row is not None:
        return from_row(row)
    asked = Run(
        id=run_id,
        target=target,
        suite=suite,
        kind=RunKind.AD_HOC,
        state=RunState.WAITING,
        suite_fingerprint="",
        target_fingerprint="",
        created_at=now,
        due_at=now,
        requested_by=storable(by),
    )
    connection.execute(run.insert(), _values(asked))
    return asked


def newest(
    connection: Connection, *, target: str | None = None, suite: str | None = None, limit: int = 100
) -> list[Run]:
    """The newest runs of every kind, the newest first."""
    query = sa.select(run).order_by(run.c.created_at.desc(), run.c.id.desc()).limit(limit)
    for column, wanted in ((run.c.target, target), (run.c.suite, suite)):
        if wanted is not None:
            query = query.where(column == wanted)
    return [from_row(row) for row in connection.execute(query)]


def save(connection: Connection, changed: Run) -> None:
    """Write the state, progress and times of a run that exists; where it is done, what it has used is summed up."""
    values = _values(changed)
    connection.execute(run.update().where(run.c.id == changed.id), {k: v for k, v in values.items() if k != "id"})
    if changed.state is RunState.DONE:
        usage.sum_up(connection, changed.id)


def get(connection: Connection, run_id: str) -> Run | None:
    """The run of that id."""
    row = connection.execute(sa.select(run).where(run.c.id == run_id)).first()
    return None if row is None else from_row(row)


def find(connection: Connection, prefix: str) -> list[Run]:
    """The runs whose id begins with `prefix`, newest first; at most ten."""
    pattern = prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    rows = connection.execute(
        sa.select(run).where(run.c.id.like(pattern, escape="\\")).order_by(run.c.id.desc()).limit(10)
    )
    return [from_row(row) for row in rows]


def of_slot(
    connection: Connection, target: str, suite: str, slot: datetime, kind: RunKind = RunKind.WEEK
) -> Run | None:
    """The run of one slot: that of the schedule or, of another kind, one that was made beside it."""
    key = _measures(target, suite, kind) & (run.c.slot == slot)
    row = connection.execute(sa.select(run).where(key)).first()
    return None if row is None else from_row(row)


def unfinished(connection: Connection) -> list[Run]:
    """Runs that are not over, oldest first: interrupted ones, and those that wait, with their `due_at`."""
    rows = connection.execute(sa.select(run).where(run.c.state.not_in(_OVER)).order_by(run.c.created_at))
    return [from_row(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A slot that has a row, and when it got it."""

    run_id: str
    slot: datetime
    state: RunState
    created_at: datetime


def recorded(connection: Connection, target: str, suite: str, since: datetime) -> list[Recorded]:
    """The schedule's slots since `since` that have a row, oldest first."""
    key = _measures(target, suite, RunKind.WEEK) & (run.c.slot >= since)
    columns = (run.c.id, run.c.slot, run.c.state, run.c.created_at)
    rows = connection.execute(sa.select(*columns).where(key).order_by(run.c.slot))
    return [Recorded(row.id, row.slot, RunState(row.state), row.created_at) for row in rows]


def newest_slots(
    connection: Connection, until: datetime, written_by: datetime
) -> dict[tuple[str, str], datetime | None]:
    """The schedule's newest slot up to `until` of each (target, suite) that has any; None where all lie after it.

    Leaves out slots that were called missed by someone whose clock was ahead: at a time later than `written_by`.
    """
    newest = sa.func.max(sa.case((run.c.slot <= until, run.c.slot))).label("slot")
    premature = (run.c.state == RunState.MISSED.value) & (run.c.created_at > written_by)
    scheduled = (run.c.kind == RunKind.WEEK.value) & run.c.slot.is_not(None)
    query = sa.select(run.c.target, run.c.suite, newest).where(scheduled & ~premature)
    return {(row.target, row.suite): row.slot for row in connection.execute(query.group_by(run.c.target, run.c.suite))}


def first_pinned(connection: Connection) -> dict[tuple[str, str], datetime]:
    """When each (target, suite) that has a baseline was given its first."""
    first = sa.func.min(baseline.c.pinned_at).label("first")
    query = sa.select(baseline.c.target, baseline.c.suite, first).group_by(baseline.c.target, baseline.c.suite)
    return {(row.target, row.suite): row.first for row in connection.execute(query)}


def timetable_in_force(connection: Connection) -> tuple[str, str, datetime] | None:
    """(cron, time zone, since when) of the schedule that was last in force."""
    row = connection.execute(sa.select(timetable).order_by(timetable.c.since.desc()).limit(1)).first()
    return None if row is None else (row.cron, row.timezone, row.since)


def set_timetable(connection: Connection, cron: str, zone: str, now: datetime) -> None:
    """From `now` on this schedule is in force."""
    alone(connection, "timetable")
    connection.execute(timetable.delete().where(timetable.c.since >= now))
    connection.execute(timetable.insert(), {"since": now, "cron": cron, "timezone": zone})


def missed(connection: Connection) -> list[Missed]:
    """Which slots were missed, by target and suite; one that `heldout run --slot` fills in is missed no more."""
    key = (run.c.target, run.c.suite)
    query = sa.select(*key, sa.func.count(), sa.func.max(run.c.created_at)).where(run.c.state == RunState.MISSED.value)
    return [Missed(*row) for row in connection.execute(query.group_by(*key).order_by(*key))]


def pin(connection: Connection, pinned: Run, now: datetime, by: str) -> Baseline:
    """Make a run the baseline of its (target, suite) from `now` on; the earlier one stays stored."""
    who = storable(by)
    values = {"target": pinned.target, "suite": pinned.suite, "run_id": pinned.id, "pinned_at": now, "pinned_by": who}
    key = connection.execute(baseline.insert(), values).inserted_primary_key
    # Another process may have pinned something at the same moment: this is what was pinned here.
    found = None if key is None else baseline_by_id(connection, key[0])
    if found is None:
        raise LookupError(f"the baseline of {pinned.target} on {pinned.suite} vanished while it was pinned")
    return found


def current_baseline(connection: Connection, target: str, suite: str) -> Baseline | None:
    """The baseline that is pinned now."""
    found = baselines(connection, target, suite)
    return found[0] if found else None


def baselines(connection: Connection, target: str, suite: str) -> list[Baseline]:
    """Every baseline that was ever pinned, newest first."""
    columns = (baseline, run.c.suite_fingerprint, run.c.target_fingerprint, run.c.requested_model)
    query = (
        sa.select(*columns)
        .join(run, run.c.id == baseline.c.run_id)
        .where((baseline.c.target == target) & (baseline.c.suite == suite))
        .order_by(baseline.c.id.desc())
    )
    return [Baseline(**row._mapping) for row in connection.execute(query)]


def baseline_by_id(connection: Connection, baseline_id: int) -> Baseline | None:
    """The baseline that a run was begun against."""
    key = connection.execute(sa.select(baseline).where(baseline.c.id == baseline_id)).first()
    if key is None:
        return None
    return next((b for b in baselines(connection, key.target, key.suite) if b.id == baseline_id), None)


def collecting(connection: Connection, target: str, suite: str) -> Run | None:
    """A baseline that is still being collected; the newest."""
    key = _measures(target, suite, RunKind.BASELINE)
    query = sa.select(run).where(key & run.c.state.not_in(_OVER)).order_by(run.c.created_at.desc())
    row = connection.execute(query).first()
    return None if row is None else from_row(row)


def latest(connection: Connection, target: str, suite: str, kinds: Sequence[RunKind]) -> Run | None:
    """The newest run of those kinds."""
    key = (run.c.target == target) & (run.c.suite == suite) & run.c.kind.in_([kind.value for kind in kinds])
    row = connection.execute(sa.select(run).where(key).order_by(run.c.created_at.desc())).first()
    return None if row is None else from_row(row)


def finish(connection: Connection, done: Run, now: datetime) -> Run:
    """Mark a run as done."""
    over = replace(done, state=RunState.DONE, due_at=None, finished_at=now)
    save(connection, over)
    return over


def _measures(target: str, suite: str, kind: RunKind) -> sa.ColumnElement[bool]:
    """The runs of one kind of a (target, suite)."""
    return (run.c.target == target) & (run.c.suite == suite) & (run.c.kind == kind.value)


def _values(value: Run) -> dict[str, Any]:
    return {
        "id": value.id,
        "target": value.target,
        "suite": value.suite,
        "kind": value.kind.value,
        "state": value.state.value,
        "slot": value.slot,
        "created_at": value.created_at,
        "due_at": value.due_at,
        "finished_at": value.finished_at,
        "baseline_id": value.baseline_id,
        "suite_fingerprint": value.suite_fingerprint,
        "target_fingerprint": value.target_fingerprint,
        "requested_model": value.requested_model,
        "progress": value.progress,
        "requested_by": value.requested_by,
        "incident_id": value.incident_id,
    }


def from_row(row: Row[Any]) -> Run:
    """The run that a row of its table holds."""
    values = dict(row._mapping)
    return Run(**values | {"kind": RunKind(values["kind"]), "state": RunState(values["state"])})
