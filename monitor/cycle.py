"""One run as a story: what is missing is asked, the answers are looked at, and what follows is written at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from alerts.alert import Alert, Example
from alerts.route import route
from monitor import grading, notify
from monitor.config.models import Config
from monitor.config.secrets import SecretError
from monitor.decide import words
from monitor.decide.plan import Prospect, prospect
from monitor.decide.transition import BAD, Decided, Opened, opened, silent, transition
from monitor.decide.verdict import Facts, Seen, verdict
from monitor.decide.week import Evidence, Progress, Step, Wait, first, missing_share, step
from monitor.domain.case import Case
from monitor.domain.run import Baseline, Halt, HaltKind, Phase, Run, RunKind, RunState
from monitor.domain.verdict import Cause, CauseKind, Level, Stage, Thresholds, Verdict
from monitor.logs import events
from monitor.replay.budget import Budget, Caps, Month
from monitor.replay.stage import Stage as Questions
from monitor.replay.stage import Workplace, replay_stage
from monitor.site import Ask, Site
from monitor.stats.moments import Moments
from monitor.stats.paired import new_case_se
from monitor.stats.spec import POINTS
from monitor.store import answers, outbox, runs, verdicts
from monitor.targets.build import TargetConfigError

# With fewer cases in common a comparison would be about another test set.
LEAST_COMMON_SHARE = 0.5
# Cases that an alert shows, where it may show any.
SHOWN_CASES = 5


@dataclass(frozen=True)
class App:
    """Everything that runs of this process share. `new_id` gives a new run's id for the time it begins.

    `left_out`: why a (target, suite) that was wanted is not among `sites`.
    """

    config: Config
    place: Workplace
    sites: Mapping[tuple[str, str], Site]
    channels: tuple[str, ...]
    show_cases: bool
    month: Month
    new_id: Callable[[datetime], str]
    left_out: Mapping[tuple[str, str], Exception] = field(default_factory=dict)

    @property
    def scheduled(self) -> list[Site]:
        """The sites that the schedule measures: production. References and candidates are run on demand."""
        return [site for site in self.sites.values() if site.role == "production"]

    @property
    def thresholds(self) -> Thresholds:
        """As configured."""
        table = self.config.thresholds
        return Thresholds(table.investigate, table.rollback, table.unit)

    @property
    def max_repeats(self) -> int | None:
        """K_cap where it is configured; None means automatic."""
        configured = self.config.decision.max_repeats
        return None if configured == "auto" else configured


@dataclass(frozen=True, slots=True)
class Done:
    """What taking a run up came to: the verdict as stored, and why the replay ended early, if it did."""

    verdict: Verdict
    run: Run
    halt: Halt | None = None


@dataclass(frozen=True)
class Setting:
    """What a week is measured against: the baseline with its moments over `cases`, and the alert that is open."""

    baseline: Baseline | None
    moments: Moments | None
    prospect: Prospect | None
    cases: tuple[Case, ...]
    changed_cases: int
    gone_cases: int
    past: tuple[Decided, ...]
    alert: Opened | None


@dataclass(frozen=True, slots=True)
class Measured:
    """A run's answers so far, summed up by case: the week's own, and those of the confirming replay."""

    main: Moments
    confirm: Moments


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
        begun = replace(
            run,
            state=RunState.RUNNING,
            # How long it takes counts from here, also where its slot was recorded weeks ago.
            created_at=now,
            due_at=None,
            finished_at=None,
            suite_fingerprint=site.suite.fingerprint,
            target_fingerprint=site.fingerprint,
            baseline_id=found.id if found else None,
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
    setting = set_up(app, site, run)
    budget = _budget(app, run)
    async with AsyncExitStack() as stack:
        stack.enter_context(events.within(run))
        events.taken_up(app.place.database, run)
        ask = await _connected(stack, site, budget)
        while True:
            progress = _progress(run, setting)
            phase, repeats = (progress.phase, progress.repeats) if progress else (Phase.MAIN, 1)
            questions = Questions(run.id, phase, setting.cases, repeats, f"{site.name} {phase.value} ×{repeats}")
            if isinstance(ask, Halt):
                halt: Halt | None = ask
            else:
                halt = await replay_stage(app.place, questions, site.grader, ask, site.pricer, site.concurrency)
            events.halted(run, halt)
            measured = measure(app, site, run, setting)
            taken = _decide(site, setting, progress, measured, halt, patient)
            run, said = conclude(app, site, run, setting, measured, taken)
            if run.state is not RunState.RUNNING:
                return Done(said, run, halt)


async def _connected(stack: AsyncExitStack, site: Site, budget: Budget) -> Ask | Halt:
    """How to ask the target, or why it cannot be: a key that is gone is told like one that is refused."""
    try:
        return await stack.enter_async_context(site.connect(budget))
    except (SecretError, TargetConfigError) as error:
        return Halt(HaltKind.FATAL, f"[targets.{site.target}]: {error}")


def set_up(app: App, site: Site, run: Run) -> Setting:
    """Read the baseline a run was begun against, and what earlier weeks have left open."""
    with app.place.database.read() as connection:
        baseline = runs.baseline_by_id(connection, run.baseline_id) if run.baseline_id is not None else None
        weeks: list[verdicts.StoredVerdict] = []
        if run.kind is RunKind.WEEK and run.slot is not None:
            weeks = verdicts.weekly(connection, run.target, run.suite, run.slot, run.baseline_id)
    past = tuple(_decided(week) for week in weeks)
    alert = opened(past)
    if baseline is None:
        return Setting(None, None, None, site.scorable, 0, 0, past, alert)
    by_id = {case.id: case for case in site.suite.cases}
    # The suite may have got a new scorer since the baseline was collected, or while this run waited.
    for run_id, phase in ((baseline.run_id, Phase.MAIN), *((run.id, phase) for phase in Phase)):
        grading.regrade(app.place.database, site.grader, run_id, phase, by_id)
    scores = grading.load_moments(app.place.database, site.grader, baseline.run_id, Phase.MAIN, site.scorable)
    common = scores.n > 0
    cases = tuple(case for case, known in zip(site.scorable, common, strict=True) if known)
    with app.place.database.read() as connection:
        asked_then = answers.cases(connection, baseline.run_id)
    # A case that merely had no scored answer at deployment has not changed.
    edited = baseline.suite_fingerprint != site.suite.fingerprint
    changed = len(site.scorable) - len(cases) if edited else 0
    gone = len(asked_then - {case.id for case in site.suite.cases})
    moments = scores.rows(common)
    outlook = None
    if cases and len(cases) >= LEAST_COMMON_SHARE * max(len(site.scorable), len(asked_then)):
        standing = (alert.level, alert.clear_weeks) if alert else (None, 0)
        outlook = prospect(moments, app.thresholds, app.max_repeats, *standing)
    return Setting(baseline, moments, outlook, cases, changed, gone, past, alert)


def conclude(app: App, site: Site, run: Run, setting: Setting, measured: Measured, taken: Step) -> tuple[Run, Verdict]:
    """Write the verdict, who is told of it, and how the run goes on, all in one transaction."""
    now = app.place.now()
    taken = _advised(setting, _with_new_cases(setting, measured, taken))
    said = verdict(_facts(app, site, run, setting, measured, now), taken)
    following = _following(app, run, taken, now)
    cause = said.causes[0].cause.value if said.causes else None
    new = Decided(run.slot or now, said.level, said.stage, taken.clear, cause)
    alert: Alert | None = None
    with app.place.database.write() as connection:
        earlier = [_decided(one) for one in verdicts.of_run(connection, run.id)]
        verdict_id = verdicts.add(connection, said, taken.clear, now)
        told = transition(setting.past, earlier, new) if run.kind is RunKind.WEEK else None
        if told is not None:
            previous = notify.previous_level(setting.past, earlier)
            fallen = _fallen(app, connection, run, setting, measured) if app.show_cases and said.level in BAD else ()
            alert = notify.alert(app.new_id(now), said, told, setting.alert, previous, following.due_at, fallen)
            channels = route(alert, app.channels).channels
            outbox.enqueue(connection, alert.to_json(), verdict_id, channels, now)
        runs.save(connection, following)
    events.decided(following, said, alert)
    return following, said


def measure(app: App, site: Site, run: Run, setting: Setting) -> Measured:
    """Sum up what the run has stored so far."""
    main, confirm = (
        grading.load_moments(app.place.database, site.grader, run.id, phase, setting.cases) for phase in Phase
    )
    return Measured(main, confirm)


def _decide(
    site: Site, setting: Setting, progress: Progress | None, measured: Measured, halt: Halt | None, patient: bool
) -> Step:
    if progress is None or setting.moments is None or setting.prospect is None:
        return _incomparable(site, setting, halt)
    evidence = Evidence(baseline=setting.moments, main=measured.main, confirm=measured.confirm)
    taken = step(setting.prospect.plan, progress, evidence, halt, patient=patient)
    # Without patience every wait is skipped, and the run goes on at once.
    return taken if patient or taken.next is None else replace(taken, wait=None)


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


def _following(app: App, run: Run, taken: Step, now: datetime) -> Run:
    """How the run goes on: done, waiting until its time has come, or at once."""
    if taken.next is None:
        return replace(run, state=RunState.DONE, due_at=None, finished_at=now)
    progress = taken.next.as_json()
    if taken.wait is None:
        return replace(run, state=RunState.RUNNING, due_at=None, progress=progress)
    table = app.config.decision
    gaps = {Wait.STAGE: table.stage_gap, Wait.CONFIRM: table.confirm_gap, Wait.DAY: timedelta(days=1)}
    return replace(run, state=RunState.WAITING, due_at=now + gaps[taken.wait], progress=progress)


def _facts(app: App, site: Site, run: Run, setting: Setting, measured: Measured, now: datetime) -> Facts:
    score, baseline_score, coverage = _scores(setting, measured.main)
    with app.place.database.read() as connection:
        seen = Seen(
            now=answers.models(connection, run.id),
            at_baseline=answers.models(connection, setting.baseline.run_id) if setting.baseline else [],
        )
        spend = answers.spend(connection, run.id)
        failures = answers.failures(connection, run.id)
        same = (
            setting.baseline is not None
            and not site.local
            and identical(answers.distinct_texts(connection, setting.baseline.run_id, Phase.MAIN))
        )
    return Facts(
        run=run,
        baseline=setting.baseline,
        compared_with=site.compared_with,
        thresholds=app.thresholds,
        smallest_confirmable=setting.prospect.smallest if setting.prospect else {},
        score=score,
        baseline_score=baseline_score,
        scores=grading.scorer_means(app.place.database, site.grader, run.id, setting.cases),
        coverage=coverage,
        cases=len(setting.cases),
        changed_cases=setting.changed_cases,
        gone_cases=setting.gone_cases,
        spend=spend,
        failures=failures,
        seen=seen,
        identical_pilot=same,
        finished_at=now,
    )


def _scores(setting: Setting, current: Moments) -> tuple[float | None, float | None, float | None]:
    """Score now, score at deployment (both over the cases answered in both), and the share of cases answered now."""
    answered = current.n > 0
    if not answered.any():
        return None, None, 0.0 if len(setting.cases) else None
    now = float(current.mean[answered].mean())
    if setting.moments is None:
        return now, None, float(answered.mean())
    return now, float(setting.moments.mean[answered].mean()), 1.0 - missing_share(setting.moments, current)


def _with_new_cases(setting: Setting, measured: Measured, taken: Step) -> Step:
    """Beside the interval for these cases, the uncertainty for new ones like them, by cluster."""
    if taken.drop is None or setting.moments is None or setting.prospect is None:
        return taken
    import numpy as np

    labels: dict[str, int] = {}
    own = (case.cluster or f"\x00{case.id}" for case in setting.cases)
    clusters = np.array([labels.setdefault(label, len(labels)) for label in own], dtype=np.int64)
    error = new_case_se(setting.moments, measured.main, clusters) * POINTS
    return replace(taken, drop=replace(taken.drop, new_case_se=error))


def _advised(setting: Setting, taken: Step) -> Step:
    """After two weeks in a row that settled nothing, what would: a user cannot act on "inconclusive" alone."""
    undecided = taken.level is Level.INCONCLUSIVE and taken.stage is Stage.FINAL and not taken.causes
    if not undecided or setting.prospect is None or not silent(setting.past, weeks=1):
        return taken
    return replace(taken, reasons=(*taken.reasons, words.would_do(setting.prospect.cap, setting.prospect.cases)))


def _fallen(app: App, connection: Connection, run: Run, setting: Setting, measured: Measured) -> tuple[Example, ...]:
    """The cases that fell most, with an answer from then and from now."""
    if setting.moments is None or setting.baseline is None:
        return ()
    paired = (setting.moments.n > 0) & (measured.main.n > 0)
    fall = [float(d) if p else 0.0 for d, p in zip(setting.moments.mean - measured.main.mean, paired, strict=True)]
    worst = sorted(range(len(fall)), key=lambda i: -fall[i])[:SHOWN_CASES]
    found = []
    for i in (i for i in worst if fall[i] > 0):
        case = setting.cases[i]
        found.append(
            Example(
                case=case.id,
                input=case.question,
                expected=" | ".join(case.acceptable) or None,
                answer_before=answers.one_text(connection, setting.baseline.run_id, case.id),
                answer_now=answers.one_text(connection, run.id, case.id),
                score_before=float(setting.moments.mean[i]),
                score_now=float(measured.main.mean[i]),
            )
        )
    return tuple(found)


def identical(texts: Mapping[str, tuple[int, int]]) -> bool:
    """Whether every case that was answered several times was answered with the same text each time."""
    several = [different for total, different in texts.values() if total > 1]
    return bool(several) and all(different == 1 for different in several)


def _budget(app: App, run: Run) -> Budget:
    table = app.config.budget
    with app.place.database.read() as connection:
        spend = answers.spend(connection, run.id)
    return Budget(Caps(table.usd_per_run, table.calls_per_run), app.month, calls=spend.calls, usd=spend.usd or 0.0)


def _decided(stored: verdicts.StoredVerdict) -> Decided:
    return Decided(stored.slot or stored.decided_at, stored.level, stored.stage, stored.clear, stored.cause)
