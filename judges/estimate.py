"""A number with its 95% interval, and the resampling of whole cases that most intervals here come from."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

RESAMPLES = 2_000
FEWEST_CASES = 10
"""Below this many cases resampling them shows too little of what other cases would have given."""
_TAIL = 0.025
_Z = 1.959963984540054
_LARGEST_BLOCK = 4_000_000  # draws held at once
_MOST_UNDEFINED = 0.1  # of the resamples: beyond it those that are left tell of themselves only


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with both ends of its 95% interval; None, never NaN, where there is none, and `reason` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """`{"value", "low", "high", "reason"}`."""
        return asdict(self)


def wilson(count: int, trials: int) -> Estimate:
    """The share `count` of `trials` with its interval (Wilson 1927)."""
    if not trials:
        return Estimate(None, reason="there is nothing to count")
    share = count / trials
    spread = _Z * math.sqrt(share * (1 - share) / trials + _Z * _Z / (4 * trials * trials))
    scale = 1 + _Z * _Z / trials
    middle = share + _Z * _Z / (2 * trials)
    low = 0.0 if count == 0 else (middle - spread) / scale
    high = 1.0 if count == trials else (middle + spread) / scale
    return Estimate(share, low, high)


def by_cluster(clusters: Sequence[Hashable], rows: FloatArray) -> FloatArray:
    """Sums of `rows` (n, q) over those with the same cluster; shape (clusters, q), in the order of first appearance."""
    numbers: dict[Hashable, int] = {}
    index = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters], dtype=np.intp)
    sums = np.zeros((len(numbers), rows.shape[1]))
    np.add.at(sums, index, rows)
    return sums


def resampled(sums: FloatArray, seed: int) -> FloatArray:
    """Totals of `sums` (clusters, q) over as many clusters, drawn with replacement; shape (2,000, q).

    The bootstrap (Efron 1979) by clusters: answers to one case are alike, so cases are drawn, not answers.
    """
    clusters = len(sums)
    generator = np.random.default_rng(seed)
    even = np.full(clusters, 1 / clusters)
    block = max(1, _LARGEST_BLOCK // clusters)
    totals = [
        generator.multinomial(clusters, even, size=min(block, RESAMPLES - done)).astype(np.float64) @ sums
        for done in range(0, RESAMPLES, block)
    ]
    return np.concatenate(totals)


def percentiles(values: FloatArray) -> tuple[float, float] | None:
    """The middle 95% of what the resamples gave; None where more than a tenth of them gave nothing (NaN)."""
    defined = values[np.isfinite(values)]
    if len(defined) < (1 - _MOST_UNDEFINED) * len(values):
        return None
    low, high = np.quantile(defined, [_TAIL, 1 - _TAIL])
    return float(low), float(high)


def with_interval(value: float, clusters: int, values: FloatArray) -> Estimate:
    """`value` (finite) with the interval of its resamples `values`, where so many clusters can give one."""
    if clusters < FEWEST_CASES:
        return Estimate(value, reason=f"no interval: {clusters} cases, and {FEWEST_CASES} are needed")
    ends = percentiles(values)
    if ends is None:
        return Estimate(value, reason="no interval: too many resamples hold nothing that differs")
    return Estimate(value, *ends)
