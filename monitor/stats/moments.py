"""What the answers of every case add up to: how many were scored, their mean, and how much they vary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from monitor.stats.quantiles import FloatArray

ROUNDING = 1e-12
"""A variance below this is rounding error of equal scores; counted as none, or a repeated 0.3 would seem to vary."""

KNOWN = np.inf
"""The number of answers of a value that is taken as known."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Scores in [0, 1], summed up by case; three arrays of one shape (..., cases).

    `n`: scored answers (floats; 0 where there is none, `KNOWN` for a constant). `mean`: their mean (0 where n = 0).
    `var`: their sample variance, ddof 1 (0 where n < 2).
    """

    n: FloatArray
    mean: FloatArray
    var: FloatArray

    def __post_init__(self) -> None:
        if not self.n.shape == self.mean.shape == self.var.shape:
            raise ValueError(f"n, mean and var differ in shape: {self.n.shape}, {self.mean.shape}, {self.var.shape}")

    @classmethod
    def of(cls, scores: Sequence[Sequence[float]]) -> Moments:
        """From the scores of each case, in the order of the cases; an empty sequence is a case without an answer."""
        n = np.array([len(case) for case in scores], dtype=np.float64)
        mean = np.array([np.mean(case) if len(case) else 0.0 for case in scores], dtype=np.float64)
        var = np.array([np.var(case, ddof=1) if len(case) > 1 else 0.0 for case in scores], dtype=np.float64)
        return cls(n, mean, np.where(var > ROUNDING, var, 0.0))

    @classmethod
    def from_sums(cls, n: Any, total: Any, squares: Any) -> Moments:
        """From the number of answers, the sum of their scores and the sum of squares, each (..., cases).

        For scores that are 0 or 1, `squares` is `total`.
        """
        n, total, squares = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (n, total, squares)))
        mean = total / np.maximum(n, 1.0)
        var = (squares - total * mean) / np.maximum(n - 1.0, 1.0)
        return cls(n, mean, np.where((n > 1) & (var > ROUNDING), var, 0.0))

    def rows(self, chosen: Any) -> Moments:
        """The weeks `chosen` (an index or a mask over the first axis)."""
        return Moments(self.n[chosen], self.mean[chosen], self.var[chosen])


def pooled(first: Moments, second: Moments) -> Moments:
    """The moments of all answers of both, case by case; no answer needs to be kept.

    The sums of squares about the two means, and about their difference, add up (Chan, Golub and LeVeque 1983).
    """
    n = first.n + second.n
    some = np.maximum(n, 1.0)
    gap = second.mean - first.mean
    mean = (first.n * first.mean + second.n * second.mean) / some
    within = np.maximum(first.n - 1.0, 0.0) * first.var + np.maximum(second.n - 1.0, 0.0) * second.var
    var = (within + gap**2 * first.n * second.n / some) / np.maximum(n - 1.0, 1.0)
    return Moments(n, mean, np.where((n > 1) & (var > ROUNDING), var, 0.0))


class Fill(StrEnum):
    """What answers that have no score are taken to have scored: nothing, or the same as at deployment."""

    ZERO = "zero"
    BASELINE = "baseline"


def fill_missing(
    baseline: Moments, current: Moments, how: Fill, unscored: FloatArray | None = None
) -> tuple[Moments, Moments]:
    """Both periods, with the cases that were scored at deployment but not this week filled in as constants.

    Filled as zero, a case adds its baseline mean to the drop, and the baseline's variance. Filled as its baseline, it
    adds a difference of exactly 0 and no variance; so the baseline returned takes that case as known too. `unscored`
    (..., cases): answers that have no score in cases of which others have one; each counts as one more answer.
    """
    nothing = np.zeros_like(current.mean)
    value = nothing if how is Fill.ZERO else baseline.mean
    if unscored is not None:
        more = np.where((baseline.n > 0) & (current.n > 0), unscored, 0.0)
        current = pooled(current, Moments(more, np.where(more > 0, value, 0.0), nothing))
    missing = (baseline.n > 0) & (current.n == 0)
    filled = Moments(
        np.where(missing, KNOWN, current.n),
        np.where(missing, value, current.mean),
        np.where(missing, 0.0, current.var),
    )
    if how is Fill.ZERO:
        return baseline, filled
    known = Moments(
        np.where(missing, KNOWN, baseline.n),
        baseline.mean,
        np.where(missing, 0.0, baseline.var),
    )
    return known, filled
