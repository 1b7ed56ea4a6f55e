"""A judge that is not what it was at deployment: which verdicts it changes, on answers that are right or wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.stats.contrast import Rejudged
from monitor.stats.moments import Moments
from monitor.stats.quantiles import FloatArray, IntArray
from monitor.stats.spec import POINTS


@dataclass(frozen=True, slots=True)
class JudgeWorld:
    """How today's judge differs from that of deployment, whose verdicts are taken for the truth.

    `shift`: points by which the scores of unchanged answers fall; a stricter judge fails so many of the right answers,
    a more lenient one (below 0) passes so many of the wrong ones. `churn`: share of the verdicts that change besides,
    as many of them each way. `anchors`: baseline answers a case that are judged again each week; on an alarm, or where
    the numbers settle nothing, all are. `contrast`: whether any are at all.
    """

    shift: float = 0.0
    churn: float = 0.0
    anchors: int = 8
    contrast: bool = True

    def __post_init__(self) -> None:
        if self.anchors < 1:
            raise ValueError(f"a judge is shown at least 1 anchor a case, not {self.anchors}")
        if not 0.0 <= self.churn < 1.0:
            raise ValueError(f"the churn of a judge lies in [0, 1), not at {self.churn:g}")

    def rates(self, mean: float) -> tuple[float, float]:
        """The shares of right answers that it fails, and of wrong ones that it passes, where `mean` are right."""
        fails = (self.churn / 2.0 + max(self.shift, 0.0) / POINTS) / mean
        passes = (self.churn / 2.0 + max(-self.shift, 0.0) / POINTS) / (1.0 - mean)
        if fails + passes >= 1.0:
            raise ValueError(
                f"a judge with a shift of {self.shift:g} and a churn of {self.churn:g} tells nothing apart"
            )
        return fails, passes


def seen(means: FloatArray, rates: tuple[float, float]) -> FloatArray:
    """Expected scores by today's judge, for expected scores `means` by that of deployment."""
    fails, passes = rates
    return np.asarray(means * (1.0 - fails) + (1.0 - means) * passes)


def judge_again(
    baseline: Moments, anchors: int, rates: tuple[float, float], rng: np.random.Generator
) -> tuple[Rejudged, Rejudged]:
    """What today's judge makes of `anchors` baseline answers a case, and of all of them; binary scores (weeks, cases).

    Both are of one judging: the few are some of all. `rates`: see `JudgeWorld.rates`.
    """
    n = baseline.n.astype(np.int64)
    right = np.round(baseline.mean * baseline.n).astype(np.int64)
    fell, rose = rng.binomial(right, rates[0]), rng.binomial(n - right, rates[1])
    part = np.minimum(anchors, n)
    some_fell = rng.hypergeometric(fell, n - fell, part)
    some_rose = rng.hypergeometric(rose, n - fell - rose, part - some_fell)
    some_stayed = rng.hypergeometric(right - fell, n - right - rose, part - some_fell - some_rose)
    return (
        _summed(part, some_fell, some_rose, some_rose + some_stayed),
        _summed(n, fell, rose, right - fell + rose),
    )


def _summed(n: IntArray, fell: IntArray, rose: IntArray, passed: IntArray) -> Rejudged:
    flips, today = Moments.from_sums(n, fell - rose, fell + rose), Moments.from_sums(n, passed, passed)
    return Rejudged(flips.n, flips.mean, flips.var, today.var)
