"""What simulated weeks are measured against: a baseline of their own, and how much of it today's judge was shown."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from monitor.stats.baseline import (
    MOST_BASELINE_REPEATS,
    PILOT_REPEATS,
    cap_repeats,
    repeats_needed,
    variation,
    within_variance,
)
from monitor.stats.contrast import Rejudged, contrast
from monitor.stats.moments import Moments
from monitor.stats.paired import Estimate, estimate
from monitor.stats.quantiles import BoolArray, FloatArray, IntArray
from monitor.stats.spec import Spec
from monitor.stats.synthetic import Answers, World
from monitor.stats.synthetic_judge import JudgeWorld, judge_again


@dataclass(frozen=True, slots=True)
class WeekPlan:
    """What is to be simulated: `cases` of a `world`, decided by `spec`.

    `baseline_repeats` (K0) and `max_repeats` (K_cap): None derives them from each week's own pilot and baseline.
    """

    cases: int
    world: World = field(default_factory=World)
    spec: Spec = field(default_factory=lambda: Spec.from_thresholds(3.0, 5.0))
    baseline_repeats: int | None = None
    max_repeats: int | None = None

    def __post_init__(self) -> None:
        if self.cases < 2:
            raise ValueError(f"a test set to simulate has at least 2 cases, not {self.cases}")


@dataclass(frozen=True, slots=True)
class Anchors:
    """What today's judge made of some of the baseline answers and of all of them; `whole`: weeks that have seen all."""

    part: Rejudged
    all: Rejudged
    whole: BoolArray

    def rows(self, chosen: BoolArray) -> Anchors:
        """The weeks that a mask chooses."""
        return Anchors(self.part.rows(chosen), self.all.rows(chosen), self.whole[chosen])

    @property
    def seen(self) -> Rejudged:
        """What each week has seen."""
        whole = self.whole[:, np.newaxis]
        pairs = ((getattr(self.all, name), getattr(self.part, name)) for name in Rejudged.__dataclass_fields__)
        return Rejudged(*(np.where(whole, full, part) for full, part in pairs))


@dataclass(frozen=True, slots=True)
class Setting:
    """What weeks are measured against, one row a week: the baseline with its variance, the cap, and the questions."""

    baseline: Moments
    within: FloatArray
    cap: IntArray
    spec: Spec
    ratio: float
    anchors: Anchors | None = None

    def rows(self, chosen: BoolArray) -> Setting:
        """The weeks that a mask chooses."""
        anchors = None if self.anchors is None else self.anchors.rows(chosen)
        return replace(
            self,
            baseline=self.baseline.rows(chosen),
            within=self.within[chosen],
            cap=self.cap[chosen],
            anchors=anchors,
        )

    def estimate(self, current: Moments, repeats: int) -> Estimate:
        """The drop of each week at `repeats` answers a case."""
        baseline, within, correction = self.baseline, self.within, None
        if self.anchors is not None:
            baseline, correction = contrast(self.baseline, self.anchors.seen)
            within = within_variance(baseline)
        return estimate(baseline, current, repeats=repeats, cap=self.cap, v0_hat=within, correction=correction)

    @property
    def judged_in_part(self) -> BoolArray:
        """The weeks in which the judge can be shown more of the baseline."""
        return np.zeros(self.cap.shape, dtype=np.bool_) if self.anchors is None else ~self.anchors.whole

    def judge_rest(self, weeks: BoolArray) -> Setting:
        """With all of the baseline judged again in `weeks`, a mask."""
        if self.anchors is None:
            return self
        return replace(self, anchors=replace(self.anchors, whole=self.anchors.whole | weeks))


def deploy(plan: WeekPlan, means: FloatArray, rng: np.random.Generator) -> Setting:
    """Collect the baseline of models with expected scores `means` (weeks, cases): pilot, K0, the rest, cap."""
    ratio, weeks = plan.world.ratio, means.shape[0]
    answers = Answers.none(means.shape)
    if plan.baseline_repeats is None:
        pilot = np.full((weeks, 1), PILOT_REPEATS, dtype=np.int64)
        answers = answers.more(means, pilot, ratio, rng)
        needed = repeats_needed(variation(answers.moments).within, plan.cases, plan.spec)
        rest = np.minimum(needed, MOST_BASELINE_REPEATS)[:, np.newaxis] - pilot
    else:
        rest = np.full((weeks, 1), plan.baseline_repeats, dtype=np.int64)
    answers = answers.more(means, rest, ratio, rng)
    varied = variation(answers.moments)
    if plan.max_repeats is None:
        cap = cap_repeats(varied, plan.cases, answers.n[:, 0], plan.spec)
    else:
        cap = np.full(weeks, plan.max_repeats, dtype=np.int64)
    return Setting(answers.moments, np.asarray(varied.within), cap, plan.spec, ratio)


def judge_today(setting: Setting, judge: JudgeWorld, rates: tuple[float, float], rng: np.random.Generator) -> Setting:
    """With the anchors as today's judge sees them, where it is shown any."""
    if not judge.contrast:
        return setting
    part, whole = judge_again(setting.baseline, judge.anchors, rates, rng)
    return replace(setting, anchors=Anchors(part, whole, np.zeros(setting.cap.shape, dtype=np.bool_)))
