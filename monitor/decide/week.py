"""One week's decision, stage by stage: what the answers so far say, and what is to be asked next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from monitor.decide import words
from monitor.domain.run import Halt, HaltKind, Phase
from monitor.domain.verdict import Cause, CauseKind, Interval, Level, Stage
from monitor.stats.moments import Fill, Moments, fill_missing
from monitor.stats.paired import Estimate, estimate, interval
from monitor.stats.sequential import Questions, last_look, look, start
from monitor.stats.spec import INVESTIGATE, POINTS, ROLLBACK, Spec

# More cases than this without any answer, and the week measured the provider rather than the model.
MISSING_SHARE = 0.05
# While a rollback is open a run only shows where the score stands.
SHOWN_REPEATS = 2


class Wait(StrEnum):
    """What has to pass before a run goes on."""

    STAGE = "stage"
    CONFIRM = "confirm"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class WeekPlan:
    """What is fixed before the first answer of a week.

    `within`: v̂0 (NaN with one baseline answer a case). `baseline_repeats`: K0. `cap`: K_cap. `opened`: the level of an
    alert that is open from earlier weeks, `clear_weeks`: how many of the last ones were clear under it.
    """

    spec: Spec
    within: float
    baseline_repeats: int
    cap: int
    unit: str = "points"
    opened: Level | None = None
    clear_weeks: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come: ask `repeats` answers a case in `phase`, then look.

    `thin`: stages so far that had too many cases without an answer. `again`: the one look of the day after.
    `retried`: a halted run was already put off by a day once.
    """

    phase: Phase
    repeats: int
    questions: Questions
    thin: int = 0
    again: bool = False
    retried: bool = False

    def as_json(self) -> dict[str, Any]:
        """For the run's row."""
        q = self.questions
        return {
            "phase": self.phase.value,
            "repeats": self.repeats,
            "thin": self.thin,
            "again": self.again,
            "retried": self.retried,
            "asked": q.asked.tolist(),
            "fired": q.fired.tolist(),
            "clear": q.clear.tolist(),
            "time": float(q.time),
            "finished": bool(q.finished),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Progress:
        """From the run's row."""
        questions = Questions(
            asked=np.array(stored["asked"], dtype=np.bool_),
            fired=np.array(stored["fired"], dtype=np.bool_),
            clear=np.array(stored["clear"], dtype=np.bool_),
            time=np.array(stored["time"]),
            finished=np.array(stored["finished"]),
        )
        flags = {name: stored[name] for name in ("repeats", "thin", "again", "retried")}
        return cls(phase=Phase(stored["phase"]), questions=questions, **flags)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All answers so far, summed up by case in one order: at deployment, this week, and in the confirming replay."""

    baseline: Moments
    main: Moments
    confirm: Moments


@dataclass(frozen=True, slots=True)
class Step:
    """What a look concluded: the verdict for now, and what comes next (nothing: the run is done)."""

    level: Level
    stage: Stage
    reasons: tuple[str, ...]
    causes: tuple[Cause, ...] = ()
    clear: bool = False
    drop: Interval | None = None
    confirmation: Interval | None = None
    next: Progress | None = None
    wait: Wait | None = None


def first(plan: WeekPlan) -> Progress:
    """Where a week begins: one answer a case; an open alert decides what is asked."""
    questions = start(investigate=plan.opened is None, rollback=plan.opened in (None, Level.INVESTIGATE))
    return Progress(Phase.MAIN, 1, questions)


def step(plan: WeekPlan, progress: Progress, evidence: Evidence, halt: Halt | None, *, patient: bool) -> Step:
    """Look at the answers and decide. `patient`: a provider that is down may be asked again the next day."""
    return shown(plan, evidence, _decide(plan, progress, evidence, halt, patient), progress if halt is None else None)


def shown(plan: WeekPlan, evidence: Evidence, taken: Step, progress: Progress | None = None) -> Step:
    """`taken` with the intervals of all answers so far, in points whatever the unit of the thresholds.

    `progress`: the stage that was looked at, whose interval is then the one that decided.
    """
    phase, repeats = (progress.phase, progress.repeats) if progress else (None, None)
    drop = _interval(plan, evidence.baseline, evidence.main, repeats if phase is Phase.MAIN else None)
    second = _interval(plan, evidence.baseline, evidence.confirm, repeats if phase is Phase.CONFIRM else None)
    return replace(taken, drop=drop, confirmation=second)


def _decide(plan: WeekPlan, progress: Progress, evidence: Evidence, halt: Halt | None, patient: bool) -> Step:
    if halt is not None:
        return _halted(plan, progress, halt, patient)
    current = evidence.main if progress.phase is Phase.MAIN else evidence.confirm
    share = missing_share(evidence.baseline, current)
    if share > MISSING_SHARE:
        return _thin(plan, progress, share, patient)
    value, decided = _look(plan, progress, evidence.baseline, current)
    only_shown = plan.opened is Level.ROLLBACK
    stopping = progress.repeats >= min(SHOWN_REPEATS, plan.cap) if only_shown else bool(decided.finished)
    if share > 0:
        others = _filled_in(plan, progress, evidence.baseline, current)
        # What fires stays fired, so nothing may that the missing cases could take back.
        certain = np.logical_and.reduce([decided.fired, *(other.fired for _, other in others)])
        settled = all(_agree(decided, other) for _, other in others)
        decided = replace(decided, fired=certain)
        if stopping and not settled:
            more = _settleable(plan, [filled for filled, _ in others])
            return _undecidable(plan, progress, decided, value, share, patient=patient, settleable=more)
    if not stopping:
        return _go_on(plan, progress, decided, value)
    conclude = _conclude_main if progress.phase is Phase.MAIN else _conclude_confirmation
    return conclude(plan, progress, decided, value)


def _look(plan: WeekPlan, progress: Progress, baseline: Moments, current: Moments) -> tuple[Estimate, Questions]:
    value = estimate(baseline, current, repeats=progress.repeats, cap=plan.cap, v0_hat=plan.within)
    if progress.phase is Phase.CONFIRM:
        return value, look(progress.questions, value, plan.spec.confirmation())
    if progress.again:
        return value, last_look(progress.questions, value, plan.spec)
    return value, look(progress.questions, value, plan.spec)


def _interval(plan: WeekPlan, baseline: Moments, current: Moments, looked_at: int | None) -> Interval | None:
    paired = (baseline.n > 0) & (current.n > 0)
    if not paired.any():
        return None
    repeats = looked_at or max(1, int(np.median(current.n[paired])))
    value = estimate(baseline, current, repeats=repeats, cap=plan.cap, v0_hat=plan.within)
    bounds = interval(value)
    # A score lies in [0, 1], so no drop lies beyond what is left of it either way.
    was = POINTS * float(baseline.mean[paired].mean())
    low, high = max(float(bounds.low), was - POINTS), min(float(bounds.high), was)
    return Interval(float(bounds.estimate), low, high)


def missing_share(baseline: Moments, current: Moments) -> float:
    """The share of the cases answered at deployment that have no answer now."""
    expected = baseline.n > 0
    return float((expected & (current.n == 0)).sum() / max(1, expected.sum()))


def _filled_in(
    plan: WeekPlan, progress: Progress, baseline: Moments, current: Moments
) -> list[tuple[Estimate, Questions]]:
    """The same look with the missing cases counted as wrong, and as unchanged."""
    return [_look(plan, progress, *fill_missing(baseline, current, how)) for how in Fill]


def _settleable(plan: WeekPlan, filled: list[Estimate]) -> bool:
    """Whether more answers to the other cases could settle it: both ways on the same side of each threshold."""
    drops = [float(value.drop * plan.spec.scale) for value in filled]
    return all(len({drop < question.threshold for drop in drops}) == 1 for question in plan.spec.questions)


def _agree(one: Questions, other: Questions) -> bool:
    """Whether both lead to the same conclusion."""
    return bool((one.fired == other.fired).all()) and bool(one.clear.all() == other.clear.all())


def _standing(plan: WeekPlan, questions: Questions) -> Level:
    """The verdict while answers are still missing: what has fired or is still open, else nothing is known yet."""
    if plan.opened is not None:
        return plan.opened
    return Level.INVESTIGATE if bool(questions.fired[INVESTIGATE]) else Level.INCONCLUSIVE


def _go_on(plan: WeekPlan, progress: Progress, decided: Questions, value: Estimate | None, thin: int = 0) -> Step:
    following = replace(progress, repeats=_next_repeats(plan, progress), questions=decided, thin=thin)
    pending = progress.phase is Phase.CONFIRM
    return Step(
        level=Level.INVESTIGATE if pending else _standing(plan, decided),
        stage=Stage.PENDING if pending else Stage.WAITING,
        reasons=words.going_on(plan, decided, value, progress.repeats, following.repeats, confirming=pending),
        next=following,
        wait=Wait.STAGE,
    )


def _next_repeats(plan: WeekPlan, progress: Progress) -> int:
    return min(progress.repeats * 2, plan.cap)


def _thin(plan: WeekPlan, progress: Progress, share: float, patient: bool) -> Step:
    if progress.thin == 0 and progress.repeats < plan.cap and not progress.again:
        return _go_on(plan, progress, progress.questions, None, thin=1)
    return _unmeasured(plan, progress, CauseKind.PROVIDER, words.too_few_answered(share), patient)


def _halted(plan: WeekPlan, progress: Progress, halt: Halt, patient: bool) -> Step:
    if halt.kind is HaltKind.BUDGET:
        return _unmeasured(plan, progress, CauseKind.BUDGET, halt.message, patient=False)
    return _unmeasured(plan, progress, CauseKind.PROVIDER, halt.message, patient)


def _unmeasured(plan: WeekPlan, progress: Progress, kind: CauseKind, why: str, patient: bool) -> Step:
    """The provider or the budget ended the run; what had fired before stands, and the rest is not known."""
    pending = progress.phase is Phase.CONFIRM
    level = Level.INVESTIGATE if pending else _known(plan, progress.questions)
    reasons = (why, words.NOT_CONFIRMED_UNMEASURED) if pending else (why, *words.stays_open(plan))
    causes = (Cause(kind, why),)
    if patient and not progress.retried:
        following = replace(progress, thin=0, retried=True)
        stage = Stage.PENDING if pending else Stage.WAITING
        return Step(level, stage, (*reasons, words.TOMORROW), causes, next=following, wait=Wait.DAY)
    return Step(level, Stage.FINAL, reasons, causes)


def _known(plan: WeekPlan, questions: Questions) -> Level:
    """What a week that was not measured to its end can say: what it found itself, and nothing about an older alert."""
    found = plan.opened is None and bool(questions.fired[INVESTIGATE])
    return Level.INVESTIGATE if found else Level.INCONCLUSIVE


def _undecidable(
    plan: WeekPlan,
    progress: Progress,
    decided: Questions,
    value: Estimate,
    share: float,
    *,
    patient: bool,
    settleable: bool,
) -> Step:
    """Cases without an answer would change the conclusion: ask them again, with the next stage or tomorrow."""
    more = not bool(value.at_cap) and not progress.again and plan.opened is not Level.ROLLBACK
    # Asked once more the missing may answer; if they do not, more of the others settle it only where they can.
    if more and (progress.thin == 0 or settleable):
        return _go_on(plan, progress, decided, value, thin=1)
    why = words.missing_matter(share, value)
    pending = progress.phase is Phase.CONFIRM
    level = Level.INVESTIGATE if pending else _known(plan, decided)
    reasons = (why, words.NOT_CONFIRMED_UNMEASURED) if pending else (why, *words.stays_open(plan))
    if patient and not progress.retried:
        # The look is made anew tomorrow, so it is not counted as made today.
        following = replace(progress, thin=0, retried=True)
        stage = Stage.PENDING if pending else Stage.WAITING
        return Step(level, stage, (*reasons, words.TOMORROW), next=following, wait=Wait.DAY)
    return Step(level, Stage.FINAL, reasons)


def _conclude_main(plan: WeekPlan, progress: Progress, decided: Questions, value: Estimate) -> Step:
    if bool(decided.fired[ROLLBACK]):
        following = Progress(Phase.CONFIRM, 1, start(investigate=False))
        pending = (words.fired(plan, value, ROLLBACK), words.PENDING)
        return Step(Level.INVESTIGATE, Stage.PENDING, pending, next=following, wait=Wait.CONFIRM)
    if bool(decided.clear.all()):
        return Step(Level.PASS, Stage.FINAL, (words.all_clear(plan, value), *words.closing(plan)), clear=True)
    if plan.opened is not None:
        return Step(plan.opened, Stage.FINAL, (words.still_open(plan, value),))
    if bool(decided.fired[INVESTIGATE]):
        found = (words.fired(plan, value, INVESTIGATE), *words.rollback_question(plan, decided, value))
        return Step(Level.INVESTIGATE, Stage.FINAL, found)
    undecided = words.undecided(plan, decided, value)
    if progress.again:
        return Step(Level.INCONCLUSIVE, Stage.FINAL, (undecided, words.STANDS))
    following = replace(progress, repeats=2 * plan.cap, questions=decided, again=True)
    return Step(Level.INCONCLUSIVE, Stage.WAITING, (undecided, words.ONCE_MORE), next=following, wait=Wait.DAY)


def _conclude_confirmation(plan: WeekPlan, progress: Progress, decided: Questions, value: Estimate) -> Step:
    if bool(decided.fired[ROLLBACK]):
        return Step(Level.ROLLBACK, Stage.CONFIRMED, (words.confirmed(plan, value),))
    return Step(Level.INVESTIGATE, Stage.FINAL, (words.not_confirmed(plan, decided, value),))
