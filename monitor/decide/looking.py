"""What a look sees: the drop, where it leaves the questions, and whether answers without a score could change that."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.decide.state import Looked, Progress, WeekPlan
from monitor.domain.run import Phase
from monitor.stats.baseline import within_variance
from monitor.stats.moments import Fill, Moments, fill_missing
from monitor.stats.paired import Estimate, estimate
from monitor.stats.quantiles import t_upper
from monitor.stats.sequential import Questions, last_look, look

# More cases than this without any score, and the week measured the provider, or the judge, rather than the model.
MISSING_SHARE = 0.05


class Missing(NamedTuple):
    """What has no score, of the cases scored at deployment.

    `unanswered`, `unjudged`: shares of the cases that have none, because no answer came, or because a judge gave none.
    `unscored`: answers without a score in cases of which others have one.
    """

    unanswered: float
    unjudged: float
    unscored: int

    @property
    def share(self) -> float:
        """The share of the cases without a score."""
        return self.unanswered + self.unjudged

    @property
    def judges(self) -> bool:
        """Whether it is the judge rather than the provider who left cases without a score."""
        return self.unjudged > self.unanswered


def missing(seen: Looked) -> Missing:
    """What has no score in a look."""
    expected = seen.baseline.n > 0
    none = expected & (seen.current.n == 0)
    left = np.zeros_like(seen.current.n) if seen.unscored is None else seen.unscored
    cases = max(1, int(expected.sum()))
    return Missing(
        unanswered=float((none & (left == 0)).sum() / cases),
        unjudged=float((none & (left > 0)).sum() / cases),
        unscored=int(left[expected & ~none].sum()),
    )


def missing_share(baseline: Moments, current: Moments) -> float:
    """The share of the cases scored at deployment that have no score now."""
    return missing(Looked(baseline, current, None, None)).share


def measured(plan: WeekPlan, seen: Looked, repeats: int) -> Estimate:
    """The drop. Where the judge changes the baseline, the variance within its cases is no longer the plan's."""
    within = plan.within if seen.correction is None else float(within_variance(seen.baseline))
    return estimate(
        seen.baseline, seen.current, repeats=repeats, cap=plan.cap, v0_hat=within, correction=seen.correction
    )


def look_at(plan: WeekPlan, progress: Progress, seen: Looked) -> tuple[Estimate, Questions]:
    """One look of the stage that `progress` has come to."""
    return _asked(plan, progress, measured(plan, seen, progress.repeats))


def filled_in(plan: WeekPlan, progress: Progress, seen: Looked) -> list[tuple[Estimate, Questions]]:
    """The same look with what is missing counted as wrong, and as unchanged, now and in what judges see of then."""
    found = []
    within = plan.within if seen.correction is None else float(within_variance(seen.baseline))
    for how in Fill:
        baseline, current = fill_missing(seen.baseline, seen.current, how, seen.unscored)
        value = estimate(
            baseline, current, repeats=progress.repeats, cap=plan.cap, v0_hat=within, correction=seen.correction
        )
        found.append(_asked(plan, progress, value))
    return [*found, *(look_at(plan, progress, seen._replace(baseline=baseline)) for baseline in seen.fills)]


def _asked(plan: WeekPlan, progress: Progress, value: Estimate) -> tuple[Estimate, Questions]:
    if progress.phase is Phase.CONFIRM:
        return value, look(progress.questions, value, plan.spec.confirmation())
    if progress.again:
        return value, last_look(progress.questions, value, plan.spec)
    return value, look(progress.questions, value, plan.spec)


def settleable(plan: WeekPlan, filled: list[Estimate]) -> bool:
    """Whether more answers to the other cases could settle it: both ways on the same side of each threshold."""
    drops = [float(value.drop * plan.spec.scale) for value in filled]
    return all(len({drop < question.threshold for drop in drops}) == 1 for question in plan.spec.questions)


def agree(one: Questions, other: Questions) -> bool:
    """Whether both lead to the same conclusion."""
    return bool((one.fired == other.fired).all()) and bool(one.clear.all() == other.clear.all())


def metrics_alone(plan: WeekPlan, metrics: tuple[Moments, Moments]) -> bool:
    """Whether the part of the drop that metrics show fires the rollback question by itself.

    One look at the whole error of that question, which has to fire however the cases without an answer are counted.
    """
    baseline, main = metrics
    some = main.n[(baseline.n > 0) & (main.n > 0)]
    if not some.size:
        return False
    repeats, within = max(1, int(np.median(some))), float(within_variance(baseline))
    question = plan.spec.rollback
    for one, other in (metrics, *(fill_missing(baseline, main, how) for how in Fill)):
        value = estimate(one, other, repeats=repeats, cap=plan.cap, v0_hat=within)
        surely = plan.spec.scale * float(value.drop - t_upper(question.alpha, value.df) * value.se)
        if bool(value.single_baseline) or not surely > question.null_edge:
            return False
    return True
