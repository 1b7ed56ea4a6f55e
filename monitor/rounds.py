"""What is to be run: what the schedule wants now, one slot, or a replay for someone who wants to know."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from monitor import collect, cycle, orphans
from monitor.cycle import App, Done
from monitor.decide.due import Timetable, due_slot
from monitor.decide.week import Evidence, Step, shown
from monitor.domain.run import Run, RunKind, RunState
from monitor.domain.verdict import Cause, CauseKind, Level, Stage
from monitor.replay.runner import RunInterruptedError
from monitor.site import Site
from monitor.store import runs, verdicts

T = TypeVar("T")

# An ad hoc run that was interrupted is gone on with for as long as this; after that the model may have become another.
TAKEN_UP_WITHIN = timedelta(hours=24)


class NothingToRunError(Exception):
    """What was asked for cannot be run; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A site that could not be built, or whose run ended in an error; the others of its round went on."""

    site: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Round:
    """What one command did: runs that were taken up, baselines that went on or failed to, and what was not due.

    `broken` holds errors of every kind, mistakes in the program among them: who called has to explain or raise each.
    """

    done: tuple[Done, ...]
    collected: tuple[collect.Collected, ...] = ()
    idle: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    broken: tuple[Broken, ...] = ()


async def run_due(app: App, timetable: Timetable) -> Round:
    """Do all that the schedule wants now: due slots, stages and confirmations that wait, batches of baselines.

    Raises RunInterruptedError when a person stops it, and no error of a single site.
    """
    now = app.place.now()
    idle, failed = orphans.unowned(app)
    waiting = _collecting(app, now)

    async def week(site: Site) -> Done | str:
        run, reason = _due(app, site, timetable, now)
        return f"{site.name}: {reason}" if run is None else await cycle.take_up(app, site, run, patient=True)

    found, broken = await _together([(site.name, week(site)) for site in app.scheduled])
    collected = []
    # Its due time has passed, so the next round tries again; weeks that were measured are told all the same.
    for site, batch in waiting:
        gone_on, stopped = await _together([(site.name, collect.go_on(app, site, batch))])
        collected += gone_on
        failed += [str(one.error) for one in stopped if isinstance(one.error, collect.CollectError)]
        broken += [one for one in stopped if not isinstance(one.error, collect.CollectError)]
    return _round(app, found, broken, tuple(collected), tuple(idle), tuple(failed))


async def run_now(app: App, sites: Sequence[Site]) -> Round:
    """Replay at once, with every stage and confirmation; raises no alert. An interrupted replay is gone on with."""

    async def replay(site: Site) -> Done | str:
        return await cycle.take_up(app, site, _ad_hoc(app, site), patient=False)

    return _round(app, *await _together([(site.name, replay(site)) for site in sites]))


async def run_slot(app: App, sites: Sequence[Site], timetable: Timetable, slot: datetime) -> Round:
    """One slot of the schedule, now, with every stage and confirmation; raises NothingToRunError where it is none."""
    now = app.place.now()
    if slot > now:
        raise NothingToRunError(f"the slot {slot:%Y-%m-%dT%H:%M:%SZ} has not come yet")
    if not timetable.is_slot(slot):
        following = timetable.following(slot)
        hint = f"; the next after it is {following:%Y-%m-%dT%H:%M:%SZ}" if following else ""
        raise NothingToRunError(f"{slot:%Y-%m-%dT%H:%M:%SZ} is not a slot of the schedule ({timetable.cron}){hint}")

    async def week(site: Site) -> Done | str:
        with app.place.database.read() as connection:
            run = runs.of_slot(connection, site.target, site.suite.name, slot)
        run = run or cycle.begin(app, site, RunKind.WEEK, slot)
        if run is None or run.state is RunState.DONE:
            return f"{site.name}: the slot of {slot:%Y-%m-%d %H:%M} UTC has its run"
        return await cycle.take_up(app, site, run, patient=False)

    return _round(app, *await _together([(site.name, week(site)) for site in sites]))


def _round(
    app: App,
    found: Sequence[Done | str],
    broken: Sequence[Broken],
    collected: tuple[collect.Collected, ...] = (),
    idle: tuple[str, ...] = (),
    failed: tuple[str, ...] = (),
) -> Round:
    """What was found, sorted: runs that were taken up, and why others were not; with the sites that were left out."""
    left_out = [Broken(f"{target} · {suite}", error) for (target, suite), error in app.left_out.items()]
    return Round(
        done=tuple(one for one in found if isinstance(one, Done)),
        collected=collected,
        idle=(*(one for one in found if isinstance(one, str)), *idle),
        failed=failed,
        broken=(*left_out, *broken),
    )


def _due(app: App, site: Site, timetable: Timetable, now: datetime) -> tuple[Run | None, str]:
    """The run of a site to take up now, or why there is none."""
    catch_up = app.config.schedule.catch_up
    with app.place.database.read() as connection:
        recorded = runs.slots(connection, site.target, site.suite.name, now - catch_up - timedelta(days=1))
        mine = [
            run
            for run in runs.unfinished(connection)
            if (run.target, run.suite, run.kind) == (site.target, site.suite.name, RunKind.WEEK)
        ]
    due = due_slot(timetable, catch_up, recorded, now)
    # A slot beyond now was recorded while the clock was wrong.
    past = [slot for slot in (*recorded, due.slot) if slot is not None and slot <= now]
    newest = max(past, default=None)
    if newest is not None:
        for run in [run for run in mine if run.slot is not None and run.slot < newest]:
            _supersede(app, site, run, newest)
            mine.remove(run)
    if due.slot is not None:
        return cycle.begin(app, site, RunKind.WEEK, due.slot), "another process has begun its slot"
    waiting = ""
    for run in mine:
        if run.state is RunState.RUNNING or run.due_at is None or run.due_at <= now:
            return run, ""
        waiting = f"its run of {run.slot:%Y-%m-%d %H:%M} UTC waits until {run.due_at:%Y-%m-%d %H:%M} UTC"
    return None, waiting or due.reason


def _supersede(app: App, site: Site, run: Run, slot: datetime) -> None:
    """End a run whose successor is due: what it found stands, and what it did not is said."""
    setting = cycle.set_up(app, site, run)
    with app.place.database.read() as connection:
        before = verdicts.of_run(connection, run.id)
    level = before[-1].level if before else Level.INCONCLUSIVE
    why = f"The next slot ({slot:%Y-%m-%d %H:%M} UTC) came before this run was finished."
    measured = cycle.measure(app, site, run, setting)
    pending = bool(before) and before[-1].stage is Stage.PENDING
    lost = ("A rollback was pending, and was not confirmed in time.",) if pending else ()
    # What kept it from being finished still did: a week of the provider stays one.
    causes = tuple(
        Cause(CauseKind(cause["cause"]), cause["evidence"])
        for cause in (before[-1].payload["causes"] if before else ())
    )
    ended = Step(level, Stage.FINAL, (*(cause.evidence for cause in causes), why, *lost), causes)
    if setting.prospect is not None and setting.moments is not None:
        ended = shown(setting.prospect.plan, Evidence(setting.moments, measured.main, measured.confirm), ended)
    cycle.conclude(app, site, run, setting, measured, ended)


def _ad_hoc(app: App, site: Site) -> Run:
    now = app.place.now()
    with app.place.database.read() as connection:
        last = runs.latest(connection, site.target, site.suite.name, [RunKind.AD_HOC])
    if (
        last is not None
        and last.state is not RunState.DONE
        and now - last.created_at <= TAKEN_UP_WITHIN
        and (last.suite_fingerprint, last.target_fingerprint) == (site.suite.fingerprint, site.fingerprint)
    ):
        return replace(last, state=RunState.RUNNING)
    run = cycle.begin(app, site, RunKind.AD_HOC, None)
    if run is None:
        raise NothingToRunError("its run could not be begun")
    return run


def _collecting(app: App, now: datetime) -> list[tuple[Site, Run]]:
    with app.place.database.read() as connection:
        waiting = [run for run in runs.unfinished(connection) if run.kind is RunKind.BASELINE]
    found = []
    for run in waiting:
        site = app.sites.get((run.target, run.suite))
        if site is not None and run.state is RunState.WAITING and run.due_at is not None and run.due_at <= now:
            found.append((site, run))
    return found


async def _together(tasks: Sequence[tuple[str, Awaitable[T]]]) -> tuple[list[T], list[Broken]]:
    """All sites at once: what each came to, or its error, so that one that breaks silences no other.

    What ends everything is raised when all have come to an end, so that what they store is stored: an interruption, and
    what is no Exception. An error that another site met meanwhile is met again by the run that goes on.
    """
    finished: list[T] = []
    broken: list[Broken] = []
    ended: BaseException | None = None
    outcomes = await asyncio.gather(*(task for _, task in tasks), return_exceptions=True)
    for (site, _), outcome in zip(tasks, outcomes, strict=True):
        if isinstance(outcome, RunInterruptedError) or (
            isinstance(outcome, BaseException) and not isinstance(outcome, Exception)
        ):
            ended = ended or outcome
        elif isinstance(outcome, Exception):
            broken.append(Broken(site, outcome))
        else:
            finished.append(outcome)
    if ended is not None:
        raise ended
    return finished, broken
