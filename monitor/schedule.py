"""What the schedule holds at one instant: due slots are recorded, missed ones too, and said; what waits is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from alerts.route import route
from monitor import notify
from monitor.config.models import Config
from monitor.decide.due import ON_TIME, Agenda, Timetable, agenda
from monitor.domain.run import Run, RunKind, RunState
from monitor.logs import events
from monitor.standing import CLOCKS_DIFFER
from monitor.store import incidents, outbox, runs
from monitor.store.database import Database

Pair = tuple[str, str]
# The one gap that is not configured: an inconclusive week is looked at again the next day.
NEXT_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Look:
    """What the schedule holds now.

    `due`: runs to take up. `recorded` and `missed`: slots that this look has written down. `idle`: why nothing is due,
    for each (target, suite) of which that is so. `next_at`: when the first of the runs that wait is due.
    """

    due: tuple[Run, ...]
    recorded: tuple[Run, ...]
    missed: tuple[Run, ...]
    idle: dict[Pair, str]
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one reading of the database has found: rows to write, runs that are over without having begun."""

    timetable_is_new: bool
    retired: dict[str, datetime]
    agendas: dict[Pair, Agenda]
    unfinished: tuple[Run, ...]
    overtaken: tuple[Run, ...]

    @property
    def writes(self) -> bool:
        return self.timetable_is_new or bool(self.overtaken) or any(a.due or a.missed for a in self.agendas.values())


def look(
    database: Database,
    config: Config,
    channels: Sequence[str],
    now: datetime,
    new_id: Callable[[datetime], str],
    *,
    take: bool = True,
) -> Look:
    """Record the slots that are due and those that were missed, with their alert, and find what is to be taken up.

    Where not `take`, what is due is left to whoever looks next, and only what was missed is recorded. Safe for any
    number of processes at once: a slot has one row, and whoever wrote it says so. Raises DatabaseError.
    """
    timetable = config.schedule.timetable
    with database.read() as connection:
        plan = _plan(connection, config, timetable, now, take=take)
    recorded: list[Run] = []
    missed: list[Run] = []
    if plan.writes:
        with database.write() as connection:
            if plan.timetable_is_new:
                runs.set_timetable(connection, timetable.cron, timetable.timezone, now)
            for noted in _rows(plan, now, new_id):
                if runs.record(connection, noted):
                    (missed if noted.state is RunState.MISSED else recorded).append(noted)
            missed += [over for noted in plan.overtaken if (over := runs.miss(connection, noted, now)) is not None]
            _tell(connection, missed, channels, now, new_id)
    events.missed(missed)
    ended = {run.id for run in missed}
    open_ = [*(run for run in plan.unfinished if run.id not in ended), *recorded]
    return _sorted(config, open_, plan, now, recorded, missed)


def _plan(connection: Connection, config: Config, timetable: Timetable, now: datetime, *, take: bool) -> _Plan:
    in_force = runs.timetable_in_force(connection)
    same = in_force is not None and in_force[:2] == (timetable.cron, timetable.timezone) and in_force[2] <= now
    newest = runs.newest_slots(connection, now, now + CLOCKS_DIFFER)
    unfinished = tuple(runs.unfinished(connection))
    # What a schedule would have wanted before it was in force was not missed. Before there was any, nobody knows.
    watched = None if in_force is None or in_force[2] > now else in_force[2] if same else now
    pinned = runs.first_pinned(connection)
    catch_up = config.schedule.catch_up
    agendas = {}
    retired = incidents.retired(connection, [target for target, _ in config.production])
    for pair in [pair for pair in config.production if pair[0] not in retired]:
        last = newest.get(pair)
        since = watched
        if pair not in newest:
            # One that has no row yet is expected to be measured from when it was first given a baseline.
            since = max(watched, pinned[pair]) if same and watched is not None and pair in pinned else None
        # Where all that is recorded lies ahead, the clock was set back: the past was seen to then, and what comes on
        # time from then on is wanted.
        after = (last or (watched or now) - ON_TIME) if pair in newest else None
        found = agenda(timetable, catch_up, _known(connection, pair, last, now), after, since, now)
        agendas[pair] = found if take else replace(found, due=None)
        newest[pair] = found.due or last
    overtaken = tuple(r for r in unfinished if _overtaken(r, newest.get((r.target, r.suite))))
    return _Plan(not same, retired, agendas, unfinished, overtaken)


def _known(connection: Connection, pair: Pair, last: datetime | None, now: datetime) -> set[datetime]:
    """The slots from `last` on that have a row; what a wrong clock called missed before its time is still to come."""
    if last is None:
        return set()
    return {
        one.slot
        for one in runs.recorded(connection, *pair, last)
        if not (one.state is RunState.MISSED and one.created_at > now + CLOCKS_DIFFER)
    }


def _overtaken(run: Run, newest: datetime | None) -> bool:
    """Whether a newer slot came before anybody began this run: it is not made up for any more."""
    waits = run.kind is RunKind.WEEK and run.state is RunState.WAITING and not run.begun
    return waits and run.slot is not None and newest is not None and run.slot < newest


def _rows(plan: _Plan, now: datetime, new_id: Callable[[datetime], str]) -> Iterable[Run]:
    for (target, suite), found in plan.agendas.items():
        states = [(slot, RunState.MISSED) for slot in found.missed]
        for slot, state in [*states, *([(found.due, RunState.WAITING)] if found.due is not None else [])]:
            over = state is RunState.MISSED
            yield Run(
                id=new_id(now),
                target=target,
                suite=suite,
                kind=RunKind.WEEK,
                state=state,
                suite_fingerprint="",
                target_fingerprint="",
                created_at=now,
                slot=slot,
                due_at=None if over else now,
                finished_at=now if over else None,
            )


def _tell(
    connection: Connection,
    missed: Sequence[Run],
    channels: Sequence[str],
    now: datetime,
    new_id: Callable[[datetime], str],
) -> None:
    slots: dict[Pair, list[datetime]] = {}
    for run in missed:
        if run.slot is not None:
            slots.setdefault((run.target, run.suite), []).append(run.slot)
    if slots:
        alert = notify.missed(new_id(now), slots, now)
        outbox.enqueue(connection, alert.to_json(), None, route(alert, channels, now).channels, now)


def _sorted(
    config: Config,
    unfinished: Sequence[Run],
    plan: _Plan,
    now: datetime,
    recorded: Sequence[Run],
    missed: Sequence[Run],
) -> Look:
    scheduled = set(plan.agendas)
    known = set(config.pairs)
    idle = {pair: found.reason for pair, found in plan.agendas.items()}
    for target, suite in config.production:
        if target in plan.retired:
            since = f"{plan.retired[target]:%Y-%m-%d}"
            idle[target, suite] = f"it was rolled back on {since}, and is measured again once a baseline is pinned"
    due: list[Run] = []
    times: list[datetime] = []
    for run in unfinished:
        pair = (run.target, run.suite)
        if pair not in (scheduled if run.kind is RunKind.WEEK else known) or not _ours(run):
            continue
        if is_due(config, run, now):
            due.append(run)
            idle.pop(pair, None)
        elif run.due_at is not None:
            times.append(run.due_at)
            if run.kind is RunKind.WEEK and pair in idle:
                idle[pair] = f"its run of {run.slot:%Y-%m-%d %H:%M} UTC waits until {run.due_at:%Y-%m-%d %H:%M} UTC"
    return Look(tuple(due), tuple(recorded), tuple(missed), idle, min(times, default=None))


def is_due(config: Config, run: Run, now: datetime) -> bool:
    """Whether an unfinished run is to be taken up: it was interrupted, or its wait is over."""
    if run.state is RunState.RUNNING or run.due_at is None or run.due_at <= now:
        return True
    # A wait that no gap is long enough for was begun while the clock was ahead.
    longest = max(config.decision.stage_gap, config.decision.confirm_gap, NEXT_DAY) + CLOCKS_DIFFER
    return run.begun and run.due_at - now > longest


def _ours(run: Run) -> bool:
    """Whether the schedule goes on with it: not with a replay, or a baseline, that a person has under way."""
    if run.kind is RunKind.AD_HOC:
        return run.requested_by is not None
    if run.kind is RunKind.REFERENCE:
        # Whoever it is compared with asks for it.
        return False
    return run.kind in (RunKind.WEEK, RunKind.VERIFY) or run.state is RunState.WAITING
