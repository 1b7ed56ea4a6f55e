"""One week's decision, stage by stage: what the answers so far say, and what is to be asked next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.decide import ending
from monitor.decide.looking import (
    MISSING_SHARE,
    agree,
    filled_in,
    look_at,
    measured,
    missing,
    missing_share,
    settleable,
)
from monitor.decide.state import Evidence, Looked, Progress, Step, Wait, WeekPlan
from monitor.domain.run import Halt, Phase
from monitor.domain.verdict import CauseKind, Interval, Level, Stage
from monitor.stats.paired import interval
from monitor.stats.sequential import start
from monitor.stats.spec import POINTS

# What callers need of a week's decision stands here, wherever it is written.
__all__ = [
    "MISSING_SHARE",
    "Evidence",
    "Progress",
    "Step",
    "Wait",
    "WeekPlan",
    "first",
    "missing_share",
    "shown",
    "step",
    "untrusted",
    "wants_all_anchors",
]

# While a rollback is open a run only shows where the score stands.
SHOWN_REPEATS = 2


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
    drop, second = (_interval(plan, evidence.of(one), repeats if phase is one else None) for one in Phase)
    return replace(taken, drop=drop, confirmation=second)


def wants_all_anchors(taken: Step) -> bool:
    """Whether a step may stand only once *all* baseline answers were judged again, where a part of them was.

    So are an alarm (something fired in this run, or a rollback is pending) and numbers that settle nothing, whether the
    run ends with them or goes on the next day. Not so are a clear week, a stage that leads to the next one with nothing
    fired, a week under an open rollback, which decides nothing, and one that was not measured.

    The caller then judges the rest, and calls `step` again with the *same* progress as before, not with
    `taken.next`, and with the evidence of all anchors. That second step takes the place of the first, which is neither
    stored nor told. There is one such second look at a stage at most: where all were judged already, or the budget
    leaves some out, `taken` stands as it is. What was judged again is used in every later look of the run.
    """
    if taken.causes:
        return False
    if taken.stage in (Stage.PENDING, Stage.CONFIRMED):
        return True
    if taken.stage is Stage.WAITING and taken.wait is not Wait.DAY:
        return taken.next is not None and bool(taken.next.questions.fired.any())
    return taken.level in (Level.INVESTIGATE, Level.INCONCLUSIVE)


def untrusted(plan: WeekPlan, progress: Progress, why: str) -> Step:
    """What a run concludes whose judge failed its canaries (`why`): nothing, for its scores are worth nothing.

    Inconclusive, final, cause `judge`. An alert from earlier weeks stays open, and what had fired before in this run
    stands. Not to be given to `shown`: the interval would be that judge's.
    """
    return ending.unmeasured(plan, progress, CauseKind.JUDGE, why, patient=False)


def _decide(plan: WeekPlan, progress: Progress, evidence: Evidence, halt: Halt | None, patient: bool) -> Step:
    if halt is not None:
        return ending.halted(plan, progress, halt, patient)
    seen = evidence.of(progress.phase)
    lacking = missing(seen)
    if lacking.share > MISSING_SHARE:
        return ending.too_thin(plan, progress, lacking, patient)
    value, decided = look_at(plan, progress, seen)
    only_shown = plan.opened is Level.ROLLBACK
    stopping = progress.repeats >= min(SHOWN_REPEATS, plan.cap) if only_shown else bool(decided.finished)
    if lacking.share > 0 or lacking.unscored > 0 or seen.fills:
        others = filled_in(plan, progress, seen)
        # What fires stays fired, so nothing may that the missing scores could take back.
        certain = np.logical_and.reduce([decided.fired, *(other.fired for _, other in others)])
        settled = all(agree(decided, other) for _, other in others)
        decided = replace(decided, fired=certain)
        if stopping and not settled:
            more = settleable(plan, [filled for filled, _ in others])
            return ending.undecidable(plan, progress, decided, value, lacking, patient=patient, settleable=more)
    if not stopping:
        return ending.go_on(plan, progress, decided, value)
    conclude = ending.conclude_main if progress.phase is Phase.MAIN else ending.conclude_confirmation
    return conclude(plan, progress, evidence, decided, value)


def _interval(plan: WeekPlan, seen: Looked, looked_at: int | None) -> Interval | None:
    paired = (seen.baseline.n > 0) & (seen.current.n > 0)
    if not paired.any():
        return None
    repeats = looked_at or max(1, int(np.median(seen.current.n[paired])))
    bounds = interval(measured(plan, seen, repeats))
    moved = 0.0 if seen.correction is None else seen.correction.shift
    # A score lies in [0, 1], so no drop lies beyond what is left of it either way.
    was = POINTS * float((seen.baseline.mean + moved)[paired].mean())
    low, high = max(float(bounds.low), was - POINTS), min(float(bounds.high), was)
    return Interval(float(bounds.estimate), low, high)
