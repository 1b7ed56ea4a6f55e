"""Synthetic models with a known true score in every case, and answers drawn from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.stats.baseline import Variation
from monitor.stats.moments import Moments
from monitor.stats.quantiles import BoolArray, FloatArray, IntArray

EDGE = 1e-6
"""Graded scores are drawn around means no nearer to 0 and 1 than this; a Beta distribution has no parameter of 0."""


@dataclass(frozen=True, slots=True)
class World:
    """A population of models whose case means follow a Beta distribution.

    `mean`: the expected score, in (0, 1). `share`: of the variance of a 0-or-1 score, what lies between cases; at 1
    every answer to a case scores the same. `ratio`: the within-case variance against that of a 0-or-1 score with the
    same means; 1 makes scores binary, less makes them graded (Beta around the case's mean).
    """

    mean: float = 0.89
    share: float = 0.75
    ratio: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.mean < 1.0:
            raise ValueError(f"a synthetic model's mean score lies between 0 and 1, not at {self.mean:g}")
        if not (0.0 < self.share <= 1.0 and 0.0 < self.ratio <= 1.0):
            raise ValueError(f"share and ratio lie above 0 and up to 1, not at {self.share:g} and {self.ratio:g}")

    @classmethod
    def like(cls, varied: Variation) -> World:
        """The world that resembles a measured baseline in mean, within-case variance and ratio, held inside its range.

        `ValueError` where the baseline's variation is unknown (no case answered twice).
        """
        if not (np.isfinite(varied.within) and np.isfinite(varied.mean)):
            raise ValueError("no world resembles a baseline whose variation is unknown: no case was scored twice")
        mean = min(max(float(varied.mean), 0.005), 0.995)
        ratio = min(max(float(varied.ratio), 0.001), 1.0)
        within = float(varied.within) / ratio / (mean * (1.0 - mean))
        return cls(mean, share=min(max(1.0 - within, 0.01), 1.0), ratio=ratio)

    @property
    def within(self) -> float:
        """The expected within-case variance of one answer's score."""
        return self.ratio * (1.0 - self.share) * self.mean * (1.0 - self.mean)

    def case_means(self, weeks: int, cases: int, rng: np.random.Generator) -> FloatArray:
        """Expected scores at deployment, (weeks, cases), a fresh draw for each week."""
        strength = 1.0 / self.share - 1.0
        if strength < EDGE:
            return (rng.random((weeks, cases)) < self.mean).astype(np.float64)
        return rng.beta(self.mean * strength, (1.0 - self.mean) * strength, (weeks, cases))


def dropped(means: FloatArray, drop: float) -> FloatArray:
    """Expected scores (weeks, cases) after every case's was multiplied alike, so that each week's mean falls by `drop`.

    `drop` in [0, 1]; a score falls to 0 at most.
    """
    average = means.mean(axis=-1, keepdims=True)
    return np.asarray(means * np.maximum(0.0, 1.0 - drop / np.maximum(average, EDGE)))


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers so far: `n` a case, (weeks, 1), and the sums of their scores and of the squares, (weeks, cases)."""

    n: IntArray
    total: FloatArray
    squares: FloatArray

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> Answers:
        """No answer yet, for (weeks, cases)."""
        return cls(np.zeros((shape[0], 1), dtype=np.int64), np.zeros(shape), np.zeros(shape))

    def more(self, means: FloatArray, repeats: IntArray, ratio: float, rng: np.random.Generator) -> Answers:
        """With `repeats` (weeks, 1) more a case, of models with expected scores `means`; `ratio` as a `World`'s."""
        if ratio >= 1.0:
            drawn = rng.binomial(repeats, np.minimum(means, 1.0)).astype(np.float64)
            return Answers(self.n + repeats, self.total + drawn, self.squares + drawn)
        total, squares = self.total.copy(), self.squares.copy()
        inner = np.clip(means, EDGE, 1.0 - EDGE)
        strength = 1.0 / ratio - 1.0
        for number in range(int(repeats.max(initial=0))):
            wanted = repeats[:, 0] > number
            scores = rng.beta(inner[wanted] * strength, (1.0 - inner[wanted]) * strength)
            total[wanted] += scores
            squares[wanted] += scores**2
        return Answers(self.n + repeats, total, squares)

    def rows(self, chosen: BoolArray) -> Answers:
        """The weeks that a mask chooses."""
        return Answers(self.n[chosen], self.total[chosen], self.squares[chosen])

    def with_rows(self, chosen: BoolArray, new: Answers) -> Answers:
        """These answers, with the weeks `chosen` replaced by those of `new`."""
        n, total, squares = self.n.copy(), self.total.copy(), self.squares.copy()
        n[chosen], total[chosen], squares[chosen] = new.n, new.total, new.squares
        return Answers(n, total, squares)

    @property
    def moments(self) -> Moments:
        """What they add up to, (weeks, cases)."""
        return Moments.from_sums(self.n, self.total, self.squares)
