"""The two questions that are asked each week, with their errors, and the precision that answers them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from monitor.stats.quantiles import z_upper

INVESTIGATE, ROLLBACK = 0, 1
"""Places of the two questions along the last axis of an array."""

CONFIRMATION_ALPHA = 0.05
POINTS = 100.0


class ThresholdError(ValueError):
    """The thresholds cannot be tested as they stand; asking again does not help."""

    permanent = True


class GapTooSmallError(ThresholdError):
    """Telling the two thresholds apart would take too large a baseline. `smallest_gap` (in their unit) works."""

    def __init__(self, gap: float, smallest_gap: float, repeats: int) -> None:
        super().__init__(
            f"thresholds.rollback is {gap:g} above thresholds.investigate, and to tell them apart would take "
            f"{repeats} baseline answers a case; with this test set the smallest gap that works is {smallest_gap:g}"
        )
        self.gap = gap
        self.smallest_gap = smallest_gap
        self.repeats = repeats


@dataclass(frozen=True, slots=True)
class Question:
    """Has the score dropped by `threshold`? Fires when the drop is beyond `null_edge`, with error `alpha` a week.

    It is cleared when the drop is below the threshold by `clear_z` standard errors. Both bounds are in the unit of the
    thresholds (points or percent).
    """

    threshold: float
    null_edge: float
    alpha: float
    clear_z: float


@dataclass(frozen=True, slots=True)
class Spec:
    """Both questions, and `scale`: how many units of the thresholds a score of 1 is worth.

    100 for points; 100 / m̄ for percent of the baseline score m̄, which is taken as known (see `unit_scale`).
    """

    investigate: Question
    rollback: Question
    scale: float = POINTS

    @classmethod
    def from_thresholds(cls, investigate: float, rollback: float, scale: float = POINTS) -> Spec:
        """The questions for two thresholds; `ThresholdError` where they are not 0 < investigate < rollback."""
        if not (math.isfinite(investigate) and investigate > 0):
            raise ThresholdError(f"thresholds.investigate must be a number above 0, not {investigate:g}")
        if not (math.isfinite(rollback) and rollback > investigate):
            raise ThresholdError(
                f"thresholds.rollback ({rollback:g}) must be above thresholds.investigate ({investigate:g})"
            )
        return cls(
            investigate=Question(investigate, null_edge=investigate / 3, alpha=0.005, clear_z=2.24),
            rollback=Question(rollback, null_edge=investigate, alpha=0.001, clear_z=2.576),
            scale=scale,
        )

    def confirmation(self) -> Spec:
        """The same for the replay that confirms a rollback: the rollback question with the error of a second look."""
        return replace(self, rollback=replace(self.rollback, alpha=CONFIRMATION_ALPHA))

    @property
    def questions(self) -> tuple[Question, Question]:
        """Both, in the order of `INVESTIGATE` and `ROLLBACK`."""
        return (self.investigate, self.rollback)

    @property
    def target_se(self) -> float:
        """SE*, the standard error on the 0-1 scale at which a drop of the rollback threshold is found.

        With it a drop at the threshold passes the rollback's null edge by both its error, .001, and .02 missed.
        """
        gap = self.rollback.threshold - self.rollback.null_edge
        return float(gap / (z_upper(0.001) + z_upper(0.02)) / self.scale)


def unit_scale(unit: str, baseline_mean: float) -> float:
    """What a score of 1 is worth in `unit`, "points" or "percent" of `baseline_mean` (of which 0 means points)."""
    if unit == "points":
        return POINTS
    if unit != "percent":
        raise ValueError(f'the unit of the thresholds is "points" or "percent", not {unit!r}')
    return POINTS / baseline_mean if baseline_mean > 0 else POINTS
