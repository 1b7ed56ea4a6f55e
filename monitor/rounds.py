"""What is to be run: what the schedule wants now, one slot, or a replay for someone who wants to know."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from alerts.route import route
from monitor import collect, cycle, fallback, notify, orphans, references, schedule
from monitor.app import App
from monitor.conclude import conclude
from monitor.config.secrets import SecretError
from monitor.cycle import Done
from monitor.decide.due import Timetable
from monitor.decide.state import Step
from monitor.decide.week import shown
from monitor.domain.run import Run, RunKind, RunState
from monitor.domain.verdict import Cause, CauseKind, Level, Stage
from monitor.incidents import chores
from monitor.incidents.office import Office
from monitor.logs import events
from monitor.replay.runner import RunInterruptedError
from monitor.schedule import Look
from monitor.setting import set_up
from monitor.site import Site
from monitor.stats.spec import ThresholdError
from monitor.store import outbox, runs, verdicts
from monitor.store.database import DatabaseError
from monitor.store.leases import LeaseLostError
from monitor.suites.load import SuiteError
from monitor.targets.build import TargetConfigError

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

    `unstarted`: sites of which something was due, and that are broken.
    `broken` holds errors of every kind, mistakes in the program among them: who called has to explain or raise each.
    """

    done: tuple[Done, ...]
    collected: tuple[collect.Collected, ...] = ()
    idle: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    broken: tuple[Broken, ...] = ()
    unstarted: tuple[str, ...] = ()


async def run_due(app: App) -> Round:
    """Do all that the schedule wants now: due slots, stages and confirmations that wait, batches of baselines.

    Also what the API was asked for. Raises RunInterruptedError when a person stops it, and no error of a single site.
    """
    now = app.place.now()
    references.tidy(app)
    looked = schedule.look(app.place.database, app.config, app.channels, now, app.new_id)
    idle, failed = orphans.unowned(app)
    due = {(run.target, run.suite) for run in looked.due if run.kind is RunKind.WEEK}
    idle += [
        f"{target} · {suite}: {why}" for (target, suite), why in looked.idle.items() if (target, suite) in app.sites
    ]
    weeks = [(site.name, _week(app, site, now)) for site in app.scheduled if (site.target, site.suite.name) in due]
    asked = [run for run in looked.due if run.kind in (RunKind.AD_HOC, RunKind.VERIFY)]
    found, broken = await _together([*weeks, *((site.name, _asked(app, site, run)) for site, run in _at(app, asked))])
    collected = []
    # Its due time has passed, so the next round tries again; weeks that were measured are told all the same.
    for site, batch in _at(app, [run for run in looked.due if run.kind is RunKind.BASELINE]):
        gone_on, stopped = await _together([(site.name, collect.go_on(app, site, batch))])
        collected += gone_on
        failed += [str(one.error) for one in stopped if isinstance(one.error, collect.CollectError)]
        broken += [one for one in stopped if not isinstance(one.error, collect.CollectError)]
    done = _round(app, [one for one in found if one is not None], broken, tuple(collected), tuple(idle), tuple(failed))
    _tell_unstarted(app, looked, done.broken)
    # Last, so that what a run has just told is not repeated.
    chores.do(app.place.database, Office(app.config, app.channels, app.place.now(), app.new_id))
    due_sites = {f"{run.target} · {run.suite}" for run in looked.due}
    return replace(done, unstarted=tuple(sorted({one.site for one in done.broken} & due_sites)))


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

    # What was missed before is said first: the slot that is filled in now would hide it.
    schedule.look(app.place.database, app.config, app.channels, now, app.new_id, take=False)

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
    done = Round(
        done=tuple(one for one in found if isinstance(one, Done)),
        collected=collected,
        idle=(*(one for one in found if isinstance(one, str)), *idle),
        failed=failed,
        broken=(*left_out, *broken),
    )
    events.round_over(len(done.done), len(collected), len(done.idle), len(failed), len(done.broken))
    return done


async def _week(app: App, site: Site, now: datetime) -> Done | None:
    """Take up the site's newest run that is due; those that a newer slot has overtaken end with what they found."""
    with app.place.database.read() as connection:
        mine = [
            run
            for run in runs.unfinished(connection)
            if (run.target, run.suite, run.kind) == (site.target, site.suite.name, RunKind.WEEK)
        ]
        newest = runs.newest_slots(connection, now, now).get((site.target, site.suite.name))
    if newest is not None:
        for run in [run for run in mine if run.slot is not None and run.slot < newest]:
            _supersede(app, site, run, newest)
            mine.remove(run)
    for run in mine:
        if schedule.is_due(app.config, run, now):
            return await cycle.take_up(app, site, run, patient=True)
    return None


async def _asked(app: App, site: Site, run: Run) -> Done:
    """A replay that was asked for by the API, or that verifies a rollback: every stage at once, and no alert."""
    return await cycle.take_up(app, site, replace(run, state=RunState.RUNNING), patient=False)


def _at(app: App, due: Sequence[Run]) -> list[tuple[Site, Run]]:
    """The runs with their sites, without those of sites that could not be built."""
    return [(app.sites[run.target, run.suite], run) for run in due if (run.target, run.suite) in app.sites]


def _tell_unstarted(app: App, looked: Look, broken: Sequence[Broken]) -> None:
    """Tell people, once a run, that it is due and cannot be measured: under a daemon nobody sees exit codes."""
    reasons = {one.site: why for one in broken if (why := _why_unstarted(one.error)) is not None}
    due = [run for run in looked.due if run.kind is RunKind.WEEK and f"{run.target} · {run.suite}" in reasons]
    if not due:
        return
    # The time of day by now: a run that was begun, and then broke, is younger than the round.
    now = app.place.now()
    with app.place.database.write() as connection:
        for run in due:
            if not outbox.told_unstarted(connection, run.target, run.suite, run.created_at):
                why = reasons[f"{run.target} · {run.suite}"]
                alert = notify.unstarted(app.new_id(now), run, why, now)
                outbox.enqueue(connection, alert.to_json(), None, route(alert, app.channels, now).channels, now)


def _why_unstarted(error: Exception) -> str | None:
    """What people are told; None for what concerns the database, where nothing could be written down."""
    if isinstance(error, (DatabaseError, LeaseLostError)):
        return None
    if isinstance(error, (SuiteError, TargetConfigError, SecretError, ThresholdError)):
        return str(error)
    return f"an error in heldout itself ({type(error).__name__}); the log of the run says where: please report it"


def _supersede(app: App, site: Site, run: Run, slot: datetime) -> None:
    """End a run whose successor is due: what it found stands, and what it did not is said."""
    setting = set_up(app, site, run)
    with app.place.database.read() as connection:
        before = verdicts.of_run(connection, run.id)
    level = before[-1].level if before else Level.INCONCLUSIVE
    why = f"The next slot ({slot:%Y-%m-%d %H:%M} UTC) came before this run was finished."
    found, judged = cycle.recalled(app, site, run, setting)
    pending = bool(before) and before[-1].stage is Stage.PENDING
    lost = ("A rollback was pending, and was not confirmed in time.",) if pending else ()
    # What kept it from being finished still did: a week of the provider stays one.
    causes = tuple(
        Cause(CauseKind(cause["cause"]), cause["evidence"])
        for cause in (before[-1].payload["causes"] if before else ())
    )
    ended = Step(level, Stage.FINAL, (*(cause.evidence for cause in causes), why, *lost), causes)
    if setting.prospect is not None and setting.moments is not None:
        ended = shown(setting.prospect.plan, found, ended)
    events.superseded(run, slot)
    ended = fallback.recalled(app, site, fallback.Look(run, setting, found), ended)
    conclude(app, site, run, setting, found, ended, judged)


def _ad_hoc(app: App, site: Site) -> Run:
    now = app.place.now()
    with app.place.database.read() as connection:
        last = runs.latest(connection, site.target, site.suite.name, [RunKind.AD_HOC])
    if (
        last is not None
        and not last.state.over
        and last.requested_by is None
        and now - last.created_at <= TAKEN_UP_WITHIN
        and (last.suite_fingerprint, last.target_fingerprint) == (site.suite.fingerprint, site.fingerprint)
    ):
        return replace(last, state=RunState.RUNNING)
    run = cycle.begin(app, site, RunKind.AD_HOC, None)
    if run is None:
        raise NothingToRunError("its run could not be begun")
    return run


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
            events.interrupted(site, outcome)
        elif isinstance(outcome, Exception):
            broken.append(Broken(site, outcome))
            events.broken(site, outcome)
        else:
            finished.append(outcome)
    if ended is not None:
        raise ended
    return finished, broken
