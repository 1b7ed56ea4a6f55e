"""Targets measured beside production, on a slot and cases of its own: each in one run, asked as often as is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime

from monitor import grading
from monitor.app import App
from monitor.config.secrets import SecretError
from monitor.domain.case import Case
from monitor.domain.run import Halt, HaltKind, Phase, Run, RunKind, RunState
from monitor.judging import evidence
from monitor.judging.session import Session
from monitor.logs import events
from monitor.replay.budget import Budget, Caps
from monitor.replay.plan import outstanding
from monitor.replay.stage import Stage, replay_stage
from monitor.site import Site
from monitor.stats.moments import Moments
from monitor.store import answers, runs
from monitor.targets.build import TargetConfigError

# The key of a run's progress under which it stands why something is still missing of what was wanted last.
_LACKING = "lacking"
_INTERRUPTED = "it was interrupted before it was measured to the end."


@dataclass(frozen=True)
class Wanted:
    """Up to `repeats` answers to each of `cases`, judged without those judges that are `away`, and why they are."""

    cases: Sequence[Case]
    repeats: int
    away: Mapping[tuple[str, str], Halt] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """What one run beside production has come to, by case; `lacking`: why it has less than was wanted."""

    moments: Moments
    lacking: str | None


async def measure(app: App, site: Site, slot: datetime, wanted: Wanted) -> Measured:
    """Ask what is missing of what is wanted, and have it judged; nothing twice.

    Several may want the same run: they take turns, and it goes up to the largest number. It has its own budget within
    the month's. What keeps it from being measured is said, not raised; RunInterruptedError and DatabaseError are.
    """
    async with app.turns.setdefault((site.target, site.suite.name, slot), asyncio.Lock()):
        run = _found(app, site, slot)
        if run is None or run.progress.get(_LACKING) is not None or _missing(app, run, wanted):
            run = _opened(app, site, slot, run)
            with events.within(run):
                events.taken_up(app.place.database, run)
                halt = await _asked(app, site, run, wanted)
                events.halted(run, halt)
            lacking = {} if halt is None else {_LACKING: halt.message}
            run = replace(run, progress=lacking)
            with app.place.database.write() as connection:
                runs.finish(connection, run, app.place.now())
        return _measured(app, site, run, wanted.cases)


def recall(app: App, site: Site, slot: datetime, cases: Sequence[Case]) -> Measured | None:
    """What is stored of such a run; asks nobody. None where there is none."""
    run = _found(app, site, slot)
    return None if run is None else _measured(app, site, run, cases)


def tidy(app: App) -> None:
    """End the runs that a process was killed in; whoever still wants more of one opens it again."""
    with app.place.database.read() as connection:
        left = [run for run in runs.unfinished(connection) if run.kind is RunKind.REFERENCE]
    if left:
        with app.place.database.write() as connection:
            for run in left:
                runs.finish(connection, run, app.place.now())


def _found(app: App, site: Site, slot: datetime) -> Run | None:
    with app.place.database.read() as connection:
        return runs.of_slot(connection, site.target, site.suite.name, slot, RunKind.REFERENCE)


def _missing(app: App, run: Run, wanted: Wanted) -> bool:
    with app.place.database.read() as connection:
        return bool(outstanding(wanted.cases, answers.stored(connection, run.id, Phase.MAIN), wanted.repeats))


def _opened(app: App, site: Site, slot: datetime, found: Run | None) -> Run:
    """The run, begun or open again; until it is asked to the end, what is missing is said to be an interruption."""
    now = app.place.now()
    run = found or Run(
        id=app.new_id(now),
        target=site.target,
        suite=site.suite.name,
        kind=RunKind.REFERENCE,
        state=RunState.RUNNING,
        suite_fingerprint=site.suite.fingerprint,
        target_fingerprint=site.fingerprint,
        created_at=now,
        slot=slot,
    )
    run = replace(
        run,
        state=RunState.RUNNING,
        finished_at=None,
        # Where the configuration was changed meanwhile, it answers from here on by the new one, as production does.
        suite_fingerprint=site.suite.fingerprint,
        target_fingerprint=site.fingerprint,
        requested_model=site.requested_model,
        progress={_LACKING: _INTERRUPTED},
    )
    with app.place.database.write() as connection:
        runs.remember_suite(connection, site.suite, now)
        if found is not None or not runs.begin(connection, run):
            runs.save(connection, run)
    return run


async def _asked(app: App, site: Site, run: Run, wanted: Wanted) -> Halt | None:
    """Answers, then what judges say of them; why it ended early, if it did."""
    budget = _budget(app, run)
    async with AsyncExitStack() as stack:
        try:
            ask = await stack.enter_async_context(site.connect(budget))
        except (SecretError, TargetConfigError) as error:
            return Halt(HaltKind.FATAL, f"[targets.{site.target}]: {error}")
        label = f"{site.name} {run.kind.value} ×{wanted.repeats}"
        questions = Stage(run.id, Phase.MAIN, wanted.cases, wanted.repeats, label)
        halt = await replay_stage(app.place, questions, site.grader, ask, site.pricer, site.concurrency)
        session = _session(app, site, run, wanted.cases)
        if halt is not None or session is None:
            return halt
        try:
            jury = await stack.enter_async_context(session.judging.convene(budget))
        except (SecretError, TargetConfigError) as error:
            return Halt(HaltKind.FATAL, f"[judges]: {error}")
        session.away = dict(wanted.away)
        await session.attend(jury, Phase.MAIN)
        return session.halt


def _session(app: App, site: Site, run: Run, cases: Sequence[Case]) -> Session | None:
    """The judges of its headline, on occasions of its own; what is only shown of production is not judged here."""
    if site.judging is None or not site.judging.headline:
        return None
    deciding = replace(site.judging, scorers={scorer.name: scorer for scorer in site.judging.deciding})
    return Session(app.place, deciding, site.grader, run, None, cases, site.name)


def _measured(app: App, site: Site, run: Run, cases: Sequence[Case]) -> Measured:
    database, by_id = app.place.database, {case.id: case for case in cases}
    grading.regrade(database, site.grader, run.id, Phase.MAIN, by_id)
    session = _session(app, site, run, cases)
    if session is not None:
        moments = evidence.alone(database, session)
    else:
        moments = grading.load_moments(database, site.grader, run.id, Phase.MAIN, cases)
    return Measured(moments, run.progress.get(_LACKING))


def _budget(app: App, run: Run) -> Budget:
    table = app.config.budget
    with app.place.database.read() as connection:
        spend = answers.spend(connection, run.id)
    return Budget(Caps(table.usd_per_run, table.calls_per_run), app.month, calls=spend.calls, usd=spend.usd or 0.0)
