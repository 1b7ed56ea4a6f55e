"""Has the judge moved: a sign test on the answers that it scored differently, and the shift in points."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from monitor.stats.paired import Bounds
from monitor.stats.quantiles import FloatArray, t_upper, z_upper
from monitor.stats.spec import POINTS

JUDGE_ALPHA = 0.001
"""Error of the sign test, a judge and week: with it a judge that did not move is called moved once in 19 years."""

MOST_ANCHORS = 1_000_000
"""So many anchors are not searched beyond."""


def sign_test(up: int, down: int) -> float:
    """The p-value, two-sided and exact, of `up` scores that rose against `down` that fell; 1 where none changed.

    As `scipy.stats.binomtest(up, up + down)`. Answers of equal text share one verdict and count once.
    """
    from scipy.special import bdtr

    if up < 0 or down < 0:
        raise ValueError(f"flips are counted from 0 on, not {up} up and {down} down")
    return min(1.0, 2.0 * float(bdtr(min(up, down), up + down, 0.5)))


def shift(flips: FloatArray, cases: npt.NDArray[np.int64] | None = None) -> Bounds:
    """By how many points the judge became stricter, with a 95% interval, from f = J_0 − J_t of each anchor.

    `cases`: anchors with the same number belong to one case, and are likely to flip together; None means that each
    stands alone. The cluster-robust error of a mean, by t, with one flip more than was seen: anchors of which none
    flipped have not shown that none would. NaN without anchors; an infinite interval with a single case.
    """
    if flips.size == 0:
        return Bounds(*(np.asarray(np.nan) for _ in range(3)))
    mean = flips.mean()
    _, group = np.unique(np.arange(flips.size) if cases is None else cases, return_inverse=True)
    sums = np.bincount(group, weights=flips - mean)
    groups = sums.size
    if groups < 2:
        return Bounds(*(np.asarray(POINTS * side) for side in (mean, -np.inf, np.inf)))
    se = math.sqrt(groups / (groups - 1) * (float(np.sum(sums**2)) + 1.0)) / flips.size
    reach = float(t_upper(0.025, groups - 1)) * se
    return Bounds(*(np.asarray(POINTS * side) for side in (mean, mean - reach, mean + reach)))


def anchors_needed(points: float, churn: float, power: float = 0.8) -> int:
    """How many anchors show a shift of `points` in one direction, with probability `power`, at `JUDGE_ALPHA`.

    `churn`: the share of anchors that flip without a shift, half of them each way. A sign test tosses a coin for each
    anchor that flips: the normal approximation with its correction for continuity (Fleiss, Levin and Paik, 2.5), which
    is within a few percent of the exact power. `ValueError` beyond 0 < points <= 100 and 0 <= churn < 1.
    """
    if not (0.0 < points <= POINTS and 0.0 <= churn < 1.0):
        raise ValueError(f"a shift lies in (0, 100] points and churn in [0, 1), not at {points:g} and {churn:g}")
    moved = points / POINTS
    flipped = min(1.0, churn + moved)
    share = (churn / 2.0 + moved) / (churn + moved)
    alpha, beta = float(z_upper(JUDGE_ALPHA / 2.0)), float(z_upper(1.0 - power))
    away = share - 0.5
    tosses = ((alpha / 2.0 + beta * math.sqrt(share * (1.0 - share))) / away) ** 2
    tosses *= (1.0 + math.sqrt(1.0 + 2.0 / (tosses * away))) ** 2 / 4.0
    return min(MOST_ANCHORS, math.ceil(tosses / flipped))
