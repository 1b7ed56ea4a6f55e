"""A share of a number of trials with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from monitor.stats.quantiles import z_upper


class Range(NamedTuple):
    """The two ends of an interval of a share, in [0, 1]."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `trials`."""

    count: int
    trials: int

    @property
    def value(self) -> float:
        """The share itself, in [0, 1]; NaN without trials."""
        return self.count / self.trials if self.trials else math.nan

    def wilson(self, confidence: float = 0.95) -> Range:
        """The two-sided interval (Wilson 1927), as `scipy.stats.binomtest(...).proportion_ci(method="wilson")`."""
        if not self.trials:
            return Range(0.0, 1.0)
        z = float(z_upper((1.0 - confidence) / 2.0))
        n, p = self.trials, self.value
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        reach = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low = 0.0 if self.count == 0 else middle - reach
        high = 1.0 if self.count == self.trials else middle + reach
        return Range(low, high)
