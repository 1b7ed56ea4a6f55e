"""Differences paired by case: a week's drop with its error and information, and one target against another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.stats.moments import Moments
from monitor.stats.quantiles import BoolArray, FloatArray, Numbers, t_upper
from monitor.stats.spec import POINTS

FEW_CASES = 10
"""While fewer cases than this vary, the standard error has a floor: their variance is not a measured one."""

FLOOR = 0.5
"""The floor, in cases: half of one case's whole score."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What is known of the judge changes about a drop, case by case; arrays (..., cases). See `monitor.stats.contrast`.

    `shift` is added to the baseline mean, `variance` to the variance of that mean. `repeats`: how many baseline answers
    were judged again; they set the degrees of freedom of the baseline's terms (None: those of all baseline answers).
    """

    shift: FloatArray
    variance: FloatArray
    repeats: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """The drop of one week (or of each of many: every array has the shape of the weeks, () for one).

    `drop`, `se`, `se_cap` are on the 0-1 scale; a positive drop is a loss. `se_cap`: the SE expected at the cap.
    `df`: degrees of freedom. `cases`: answered in both periods. `information`: SE_cap² / SE², at most 1, and 1 at the
    cap. `at_cap`: no more answers are to be asked for. `floored`: the SE is the floor for cases that hardly vary.
    `single_baseline`: one baseline answer a case, with which no rollback is fired. `repeats`: answers a case so far.
    """

    drop: FloatArray
    se: FloatArray
    se_cap: FloatArray
    df: FloatArray
    cases: FloatArray
    information: FloatArray
    at_cap: BoolArray
    floored: BoolArray
    single_baseline: BoolArray
    repeats: int


class Bounds(NamedTuple):
    """A drop and its two-sided interval, in the unit of the scale; each an array of the shape of the weeks."""

    estimate: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better one target is than another on the same cases, in points, with its two-sided interval.

    `df`: degrees of freedom; `cases`: answered by both. Without such a case every number but `cases` is NaN; with one,
    whose variance nobody has measured, the ends of the interval are.
    """

    points: float
    low: float
    high: float
    df: float
    cases: int


class _Terms(NamedTuple):
    """Variances of the case means, 0 where not paired, and the answers that they come from; all (..., cases)."""

    baseline: FloatArray
    baseline_n: FloatArray
    current: FloatArray
    current_n: FloatArray


def estimate(
    baseline: Moments,
    current: Moments,
    *,
    repeats: int,
    cap: int | npt.NDArray[np.int64],
    v0_hat: Numbers,
    correction: Correction | None = None,
) -> Estimate:
    """The drop of `current` below `baseline`: mean over the cases answered in both of p̂0 − p̂t.

    `repeats`: answers a case so far (the stage's K). `cap`: K_cap. `v0_hat`: within-case variance of the baseline (see
    `within_variance`; NaN with one baseline answer a case). `cap` and `v0_hat` may differ by week. The cases are fixed,
    so the variance of the mean is the sum of their own (Miller, arXiv 2411.00640, on resampling answers); degrees of
    freedom by Satterthwaite. With no case in common the drop is NaN, which neither clears nor fires anything.
    """
    paired = (baseline.n > 0) & (current.n > 0)
    count = paired.sum(axis=-1).astype(np.float64)
    cases = np.where(count > 0, count, np.nan)
    within = np.nan_to_num(np.asarray(v0_hat, dtype=np.float64))
    p0, baseline_terms, baseline_n = _baseline_terms(baseline, within, correction)
    difference = np.where(paired, p0 - current.mean, 0.0)
    drop = difference.sum(axis=-1) / cases
    current_terms = np.where(
        current.n >= 2, current.var / np.maximum(current.n, 1.0), np.maximum(0.0, difference**2 - baseline_terms)
    )
    terms = _Terms(np.where(paired, baseline_terms, 0.0), baseline_n, np.where(paired, current_terms, 0.0), current.n)
    measured = paired & np.isfinite(baseline.n)
    single = np.where(measured, baseline.n, 0.0).max(axis=-1, initial=0.0) == 1.0

    s0 = terms.baseline.sum(axis=-1) / cases**2
    sw = np.maximum(terms.current.sum(axis=-1) / cases**2, within / (cases * repeats))
    spread = np.where(paired, (difference - drop[..., np.newaxis]) ** 2, 0.0).sum(axis=-1)
    single_variance = spread / np.maximum(cases - 1.0, 1.0) / cases + _added(baseline, paired, correction) / cases**2
    variance = np.where(single, single_variance, s0 + sw)
    variance_cap = np.where(single, single_variance, s0 + sw * repeats / cap)

    varying = np.where(single, (difference != 0).sum(axis=-1), (terms.current > 0).sum(axis=-1))
    floor = np.where(varying < FEW_CASES, FLOOR / cases, 0.0)
    se = np.maximum(np.sqrt(variance), floor)
    se_cap = np.maximum(np.sqrt(variance_cap), floor)
    # Equal up to rounding: an SE of exactly .5/N is the floor, however it came about.
    floored = (floor > 0) & (se <= floor * (1.0 + 1e-9))
    at_cap = (np.asarray(repeats) >= cap) | (floored & (repeats >= 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(single, repeats / np.asarray(cap), np.minimum(1.0, se_cap**2 / se**2))
    return Estimate(
        drop=np.asarray(drop),
        se=np.asarray(se),
        se_cap=np.asarray(se_cap),
        df=_degrees(terms, cases, from_cases=single | (repeats == 1)),
        cases=np.asarray(count),
        information=np.where(at_cap, 1.0, ratio),
        at_cap=np.asarray(at_cap),
        floored=np.asarray(floored),
        single_baseline=np.asarray(single),
        repeats=repeats,
    )


def _baseline_terms(
    baseline: Moments, within: FloatArray, correction: Correction | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean, variance of the mean and number of answers a case at deployment, as today's judge sees them.

    A case with a single answer among others with several gets the suite's variance, having none of its own. A case that
    is taken as known stays as it is.
    """
    own = np.where(baseline.n >= 2, baseline.var, within[..., np.newaxis])
    terms = own / np.maximum(baseline.n, 1.0)
    if correction is None:
        return baseline.mean, terms, baseline.n
    known = np.isinf(baseline.n)
    mean = np.where(known, baseline.mean, baseline.mean + correction.shift)
    terms = np.where(known, terms, terms + correction.variance)
    counted = baseline.n if correction.repeats is None else np.where(known, baseline.n, correction.repeats)
    return mean, terms, counted


def _added(baseline: Moments, paired: BoolArray, correction: Correction | None) -> Numbers:
    """What a correction adds over all cases: an error that they share does not show in how their differences spread."""
    if correction is None:
        return 0.0
    counts = paired & np.isfinite(baseline.n)
    return np.asarray(np.where(counts, correction.variance, 0.0).sum(axis=-1))


def _degrees(terms: _Terms, cases: FloatArray, *, from_cases: BoolArray) -> FloatArray:
    """Satterthwaite's degrees of freedom over all terms of both periods; cases − 1 where `from_cases`, or all are 0."""
    total = terms.baseline.sum(axis=-1) + terms.current.sum(axis=-1)
    parts = (terms.baseline**2 / np.maximum(terms.baseline_n - 1.0, 1.0)).sum(axis=-1) + (
        terms.current**2 / np.maximum(terms.current_n - 1.0, 1.0)
    ).sum(axis=-1)
    usable = (parts > 0) & ~from_cases
    return np.where(usable, total**2 / np.where(usable, parts, 1.0), cases - 1.0)


def interval(value: Estimate, confidence: float = 0.95, scale: Numbers = 100.0) -> Bounds:
    """The drop with its two-sided interval by t, times `scale` (100 gives points; see `unit_scale`)."""
    reach = t_upper((1.0 - confidence) / 2.0, value.df) * value.se
    return Bounds(*(np.asarray(side * scale) for side in (value.drop, value.drop - reach, value.drop + reach)))


def difference(a: Moments, b: Moments, confidence: float = 0.99) -> Difference:
    """How much better `a` is than `b`: the mean over the cases answered by both of p̂A − p̂B; arrays (cases,).

    The cases are fixed, so the variance of the mean is the sum of the two sides' own, s²/K a case (Miller, arXiv
    2411.00640), with degrees of freedom by Satterthwaite and half a case as the floor of the error while fewer than
    `FEW_CASES` vary. Where a side has one answer a case it shows no variance of its own, and the sample variance of the
    differences stands in: it holds what lies between the cases too, so the interval is wider, never narrower.
    """
    paired = (a.n > 0) & (b.n > 0)
    cases = int(paired.sum())
    if not cases:
        nan = float("nan")
        return Difference(nan, nan, nan, nan, cases)
    sides = [side.rows(paired) for side in (a, b)]
    gaps = sides[0].mean - sides[1].mean
    estimated = float(gaps.mean())
    own = [_own_terms(side) for side in sides]
    terms = _Terms(own[0], sides[0].n, own[1], sides[1].n)
    single = any(float(side.n.max()) == 1.0 for side in sides)
    varying = (gaps != 0) if single else (terms.baseline + terms.current > 0)
    spread = float(((gaps - estimated) ** 2).sum()) / max(cases - 1, 1) / cases
    variance = spread if single else float((terms.baseline + terms.current).sum()) / cases**2
    floor = FLOOR / cases if int(varying.sum()) < FEW_CASES else 0.0
    df = float(_degrees(terms, np.asarray(float(cases)), from_cases=np.asarray(single)))
    reach = float(t_upper((1.0 - confidence) / 2.0, df)) * max(math.sqrt(variance), floor)
    low, high = POINTS * (estimated - reach), POINTS * (estimated + reach)
    return Difference(POINTS * estimated, low, high, df, cases)


def _own_terms(side: Moments) -> FloatArray:
    """Variance of each case's mean; one with a single answer among others with several gets what these have on average.

    All zero where no case has several.
    """
    several = side.n >= 2
    within = float(side.var[several].mean()) if several.any() else 0.0
    return np.asarray(np.where(several, side.var, within) / side.n)


def new_case_se(baseline: Moments, current: Moments, clusters: npt.NDArray[np.int64] | None = None) -> float:
    """Standard error of the drop for *new* cases of the same kind, on the 0-1 scale, which no repeat can shrink.

    For one week: arrays (cases,). `clusters`: cases with the same number belong together; None means each stands alone.
    The cluster-robust error of a mean, with G/(G − 1) (Miller, arXiv 2411.00640). NaN with fewer than two clusters.
    """
    paired = (baseline.n > 0) & (current.n > 0)
    difference = (baseline.mean - current.mean)[paired]
    if difference.size == 0:
        return float("nan")
    residual = difference - difference.mean()
    labels = np.arange(difference.size) if clusters is None else clusters[paired]
    _, group = np.unique(labels, return_inverse=True)
    sums = np.bincount(group, weights=residual)
    if sums.size < 2:
        return float("nan")
    return float(np.sqrt(sums.size / (sums.size - 1) * np.sum(sums**2)) / difference.size)
