"""How a look ends: the verdict with its reasons, and what comes next."""

from __future__ import annotations

from dataclasses import replace

from monitor.decide import words
from monitor.decide.looking import Missing, metrics_alone
from monitor.decide.state import Evidence, Progress, Step, Wait, WeekPlan
from monitor.domain.run import Halt, HaltKind, Phase
from monitor.domain.verdict import Cause, CauseKind, Level, Stage
from monitor.stats.paired import Estimate
from monitor.stats.sequential import Questions, start
from monitor.stats.spec import INVESTIGATE, ROLLBACK


def _standing(plan: WeekPlan, questions: Questions) -> Level:
    """The verdict while answers are still missing: what has fired or is still open, else nothing is known yet."""
    if plan.opened is not None:
        return plan.opened
    return Level.INVESTIGATE if bool(questions.fired[INVESTIGATE]) else Level.INCONCLUSIVE


def go_on(plan: WeekPlan, progress: Progress, decided: Questions, value: Estimate | None, thin: int = 0) -> Step:
    """To the next stage; `thin`: the stages so far that had too little to look at."""
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


def too_thin(plan: WeekPlan, progress: Progress, lacking: Missing, patient: bool) -> Step:
    """Too many cases without a score: one more stage, then the week is the provider's, or the judge's."""
    if progress.thin == 0 and progress.repeats < plan.cap and not progress.again:
        return go_on(plan, progress, progress.questions, None, thin=1)
    kind = CauseKind.JUDGE if lacking.judges else CauseKind.PROVIDER
    return unmeasured(plan, progress, kind, words.too_few_scored(lacking), patient)


def halted(plan: WeekPlan, progress: Progress, halt: Halt, patient: bool) -> Step:
    """The replay ended early."""
    if halt.kind is HaltKind.BUDGET:
        return unmeasured(plan, progress, CauseKind.BUDGET, halt.message, patient=False)
    return unmeasured(plan, progress, CauseKind.PROVIDER, halt.message, patient)


def unmeasured(plan: WeekPlan, progress: Progress, kind: CauseKind, why: str, patient: bool) -> Step:
    """Something else than the model ended the run; what had fired before stands, and the rest is not known."""
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


def undecidable(
    plan: WeekPlan,
    progress: Progress,
    decided: Questions,
    value: Estimate,
    lacking: Missing,
    *,
    patient: bool,
    settleable: bool,
) -> Step:
    """What has no score would change the conclusion: ask again, with the next stage or tomorrow."""
    more = not bool(value.at_cap) and not progress.again and plan.opened is not Level.ROLLBACK
    # Asked once more the missing may answer; if they do not, more of the others settle it only where they can.
    if more and (progress.thin == 0 or settleable):
        return go_on(plan, progress, decided, value, thin=1)
    why = words.missing_matter(lacking, value)
    pending = progress.phase is Phase.CONFIRM
    level = Level.INVESTIGATE if pending else _known(plan, decided)
    reasons = (why, words.NOT_CONFIRMED_UNMEASURED) if pending else (why, *words.stays_open(plan))
    if patient and not progress.retried:
        # The look is made anew tomorrow, so it is not counted as made today.
        following = replace(progress, thin=0, retried=True)
        stage = Stage.PENDING if pending else Stage.WAITING
        return Step(level, stage, (*reasons, words.TOMORROW), next=following, wait=Wait.DAY)
    return Step(level, Stage.FINAL, reasons)


def conclude_main(plan: WeekPlan, progress: Progress, evidence: Evidence, decided: Questions, value: Estimate) -> Step:
    """Of the week's own replay, once no more answers are wanted."""
    if bool(decided.fired[ROLLBACK]):
        if not _may_roll_back(plan, evidence):
            reasons = (words.fired(plan, value, ROLLBACK), words.barred(plan, evidence.metrics_only is not None))
            return Step(Level.INVESTIGATE, Stage.FINAL, reasons, barred=True)
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


def conclude_confirmation(
    plan: WeekPlan, progress: Progress, evidence: Evidence, decided: Questions, value: Estimate
) -> Step:
    """Of the separate replay, once no more answers are wanted."""
    if bool(decided.fired[ROLLBACK]):
        if not _may_roll_back(plan, evidence):
            reasons = (words.confirmed(plan, value), words.barred(plan, evidence.metrics_only is not None))
            return Step(Level.INVESTIGATE, Stage.FINAL, reasons, barred=True)
        return Step(Level.ROLLBACK, Stage.CONFIRMED, (words.confirmed(plan, value),))
    return Step(Level.INVESTIGATE, Stage.FINAL, (words.not_confirmed(plan, decided, value),))


def _may_roll_back(plan: WeekPlan, evidence: Evidence) -> bool:
    """Whether a rollback rests on judges that may carry one, or on the metrics beside them."""
    if plan.barred is None:
        return True
    return evidence.metrics_only is not None and metrics_alone(plan, evidence.metrics_only)
