"""One run as a story: what is missing is asked, the answers are judged and looked at, and what follows is written."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime

from monitor import fallback
from monitor.app import App
from monitor.conclude import conclude
from monitor.config.secrets import SecretError
from monitor.court import Court, barred, concluded, convened, session_of
from monitor.decide.state import Evidence, Progress, Step
from monitor.decide.week import first, step, untrusted, wants_all_anchors
from monitor.domain.judging import Judged
from monitor.domain.run import Halt, HaltKind, Phase, Run, RunKind, RunState
from monitor.domain.verdict import Cause, CauseKind, Level, Stage, Verdict
from monitor.judging import evidence
from monitor.judging.account import account
from monitor.judging.session import Session
from monitor.logs import events
from monitor.replay.budget import Budget, Caps
from monitor.replay.stage import Stage as Questions
from monitor.replay.stage import replay_stage
from monitor.setting import Setting, set_up
from monitor.site import Ask, Site
from monitor.store import answers, runs
from monitor.targets.build import TargetConfigError


@dataclass(frozen=True, slots=True)
class Done:
    """What taking a run up came to: the verdict as stored, and why the replay ended early, if it did."""

    verdict: Verdict
    run: Run
    halt: Halt | None = None


def begin(app: App, site: Site, kind: RunKind, slot: datetime | None) -> Run | None:
    """Write a new run; None where its slot has one already."""
    now = app.place.now()
    with app.place.database.write() as connection:
        runs.remember_suite(connection, site.suite, now)
        found = runs.current_baseline(connection, site.compared_with, site.suite.name)
        new = Run(
            id=app.new_id(now),
            target=site.target,
            suite=site.suite.name,
            kind=kind,
            state=RunState.RUNNING,
            suite_fingerprint=site.suite.fingerprint,
            target_fingerprint=site.fingerprint,
            created_at=now,
            slot=slot,
            baseline_id=found.id if found else None,
            requested_model=site.requested_model,
        )
        return new if runs.begin(connection, new) else None


def start(app: App, site: Site, run: Run) -> Run:
    """Begin a run of which only the slot, or the request, was recorded."""
    now = app.place.now()
    with app.place.database.write() as connection:
        runs.remember_suite(connection, site.suite, now)
        found = runs.current_baseline(connection, site.compared_with, site.suite.name)
        # What serves after a rollback is measured by the baseline of what failed.
        against = run.baseline_id if run.kind is RunKind.VERIFY else found.id if found else None
        begun = replace(
            run,
            state=RunState.RUNNING,
            # How long it takes counts from here, also where its slot was recorded weeks ago.
            created_at=now,
            due_at=None,
            finished_at=None,
            suite_fingerprint=site.suite.fingerprint,
            target_fingerprint=site.fingerprint,
            baseline_id=against,
            requested_model=site.requested_model,
        )
        runs.save(connection, begun)
    return begun


async def take_up(app: App, site: Site, run: Run, *, patient: bool) -> Done:
    """Go on with a run until it is done or, where `patient`, until it has to wait.

    Safe to call again after a crash at any point: what is stored is neither asked nor decided twice. Raises
    RunInterruptedError when a person stops it.
    """
    if not run.begun:
        run = start(app, site, run)
    # Where the configuration was changed while the run waited, it answers from here on by the new one, and says so.
    run = replace(run, suite_fingerprint=site.suite.fingerprint, target_fingerprint=site.fingerprint)
    budget = _budget(app, run)
    async with AsyncExitStack() as stack:
        stack.enter_context(events.within(run))
        events.taken_up(app.place.database, run)
        court = await convened(stack, app, site, run, budget)
        setting = set_up(app, site, run)
        if court is not None:
            court.begin(run, setting)
        if court is not None and court.blocked is not None:
            found = gathered(app, site, run, setting, court.session)
            taken = concluded(app, site, run, setting, court.blocked, patient)
            taken = fallback.unmeasured(site, run, taken, "its answers cannot be judged as production's have to be.")
            run, said = conclude(app, site, run, setting, found, taken, court.account(setting))
            return Done(said, run, court.blocked.halt)
        # Answers that nobody can score need not be paid for.
        ask = court.missing if court is not None and court.missing else await _connected(stack, site, budget)
        while True:
            run, said, halt = await _stage(app, site, run, setting, ask, court, patient=patient)
            if run.state is not RunState.RUNNING:
                return Done(said, run, halt)


async def _stage(
    app: App, site: Site, run: Run, setting: Setting, ask: Ask | Halt, court: Court | None, *, patient: bool
) -> tuple[Run, Verdict, Halt | None]:
    """Ask, judge, look, conclude: how the run goes on, what was said, and why it ended early, if it did."""
    progress = _progress(run, setting)
    phase, repeats = (progress.phase, progress.repeats) if progress else (Phase.MAIN, 1)
    questions = Questions(run.id, phase, setting.cases, repeats, f"{site.name} {phase.value} ×{repeats}")
    if isinstance(ask, Halt):
        halt: Halt | None = ask
    else:
        halt = await replay_stage(app.place, questions, site.grader, ask, site.pricer, site.concurrency)
    events.halted(run, halt)
    session = court.session if court is not None else None
    if court is not None and session is not None:
        halt = await court.judge(session, phase, halt)
    found = gathered(app, site, run, setting, session)
    taken = _decide(site, setting, progress, found, halt, session, patient)
    again = session is not None and halt is None and session.anchors is not None and not session.look.everything
    if court is not None and session is not None and again and session.usable and wants_all_anchors(taken):
        # What looks like a drop may be the judge's: every baseline answer is judged again before that counts.
        await session.attend(court.jury, phase, everything=True)
        events.halted(run, session.halt)
        found = gathered(app, site, run, setting, session)
        taken = _decide(site, setting, progress, found, None, session, patient)
    look = fallback.Look(run, setting, found, session, cut_short=halt is not None)
    taken = await fallback.beside(app, site, look, taken)
    judged = None if court is None else court.account(setting, found, phase)
    if not patient and taken.next is not None:
        # Without patience every wait is skipped, and the run goes on at once.
        taken = replace(taken, wait=None)
    run, said = conclude(app, site, run, setting, found, taken, judged)
    return run, said, halt


async def _connected(stack: AsyncExitStack, site: Site, budget: Budget) -> Ask | Halt:
    """How to ask the target, or why it cannot be: a key that is gone is told like one that is refused."""
    try:
        return await stack.enter_async_context(site.connect(budget))
    except (SecretError, TargetConfigError) as error:
        return Halt(HaltKind.FATAL, f"[targets.{site.target}]: {error}")


def gathered(app: App, site: Site, run: Run, setting: Setting, session: Session | None = None) -> Evidence:
    """Sum up what the run has stored so far and, with judges in the headline, what they say of the baseline now."""
    moments = setting.moments if setting.moments is not None else evidence.nothing(len(setting.cases))
    if session is not None and session.usable and site.grader.judged and setting.moments is not None:
        return evidence.judged(app.place.database, session, moments)
    return evidence.plain(app.place.database, site.grader, run.id, moments, setting.cases)


def recalled(app: App, site: Site, run: Run, setting: Setting) -> tuple[Evidence, Judged | None]:
    """What is stored of a run that is not gone on with, and what its judges had come to; asks nobody."""
    session = session_of(app, site, run, setting)
    if session is None:
        return gathered(app, site, run, setting), None
    session.recall()
    found = gathered(app, site, run, setting, session)
    return found, account(app.place.database, session, found=found, barred=barred(setting))


def _decide(
    site: Site,
    setting: Setting,
    progress: Progress | None,
    found: Evidence,
    halt: Halt | None,
    session: Session | None,
    patient: bool,
) -> Step:
    if progress is None or setting.prospect is None:
        return _incomparable(site, setting, halt)
    if session is not None and not session.usable:
        return untrusted(setting.prospect.plan, progress, session.why_unusable)
    return step(setting.prospect.plan, progress, found, halt, patient=patient)


def _incomparable(site: Site, setting: Setting, halt: Halt | None) -> Step:
    """There is nothing to compare with: say how to get it. What was answered is stored and scored all the same."""
    collect = f"`heldout baseline collect {site.compared_with} {site.suite.name}`"
    if setting.baseline is None:
        why = f"no baseline: nothing was pinned at deployment to compare with; collect one with {collect}."
        cause = CauseKind.NO_BASELINE
    else:
        why = (
            f"Only {len(setting.cases)} cases stand as they did when the baseline was collected (now there are "
            f"{len(site.scorable)}): too few to compare. Collect a new one with {collect}."
        )
        cause = CauseKind.TEST_SET
    if halt is None:
        return Step(Level.INCONCLUSIVE, Stage.FINAL, (why,), (Cause(cause, why),))
    # Why nothing answers comes first: a baseline could not be collected either.
    kind = CauseKind.BUDGET if halt.kind is HaltKind.BUDGET else CauseKind.PROVIDER
    return Step(Level.INCONCLUSIVE, Stage.FINAL, (halt.message, why), (Cause(kind, halt.message), Cause(cause, why)))


def _progress(run: Run, setting: Setting) -> Progress | None:
    if setting.prospect is None:
        return None
    return Progress.from_json(run.progress) if run.progress else first(setting.prospect.plan)


def _budget(app: App, run: Run) -> Budget:
    table = app.config.budget
    with app.place.database.read() as connection:
        spend = answers.spend(connection, run.id)
    return Budget(Caps(table.usd_per_run, table.calls_per_run), app.month, calls=spend.calls, usd=spend.usd or 0.0)
