"""How many answers the baseline and a week need, and the smallest drop that they can confirm."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from monitor.stats.moments import Moments
from monitor.stats.quantiles import FloatArray, IntArray, Numbers, z_upper
from monitor.stats.spec import GapTooSmallError, Question, Spec

PILOT_REPEATS = 4
MOST_BASELINE_REPEATS = 128
SMALLEST_CAP, LARGEST_CAP = 8, 64
SINGLE_BASELINE_CAP = 8
BASELINE_SHARE = 4.0
"""The baseline may use a quarter of SE*², so that the week, which is paid for again and again, gets the rest."""

WEEK_SLACK = 0.04
"""By how much the within-case variance of a binary score grows when a high score drops by some points."""

POWER_Z = 1.645
"""The power of the smallest confirmable drop: found 95 times in 100."""


class UnknownVariationError(ValueError):
    """The variance within cases is not known yet; more answers help."""

    permanent = False


@dataclass(frozen=True, slots=True)
class Variation:
    """How the scores at deployment vary; floats, or arrays with one value a week.

    `within`: mean of the cases' own variances, v̂0; NaN where no case was answered twice. `mean`: the score m̄. `ratio`:
    `within` against that of a binary score with the same case means: 1 for binary scores, less for graded ones.
    """

    within: Numbers
    mean: Numbers
    ratio: Numbers


@dataclass(frozen=True, slots=True)
class Cap:
    """The most answers a case in a week, whether they reach SE*, and if not, what would (None: nothing in range would).

    `baseline_that_would_do`: the smallest number of baseline answers, up to 128. `cases_that_would_do`: the smallest
    number of cases, of the same kind, with as many baseline answers as now.
    """

    repeats: int
    reachable: bool
    baseline_that_would_do: int | None
    cases_that_would_do: int | None


def within_variance(moments: Moments) -> FloatArray:
    """v̂0: mean over the cases of their sample variance; NaN where no case has two answers. Shape of the weeks."""
    several = (moments.n >= 2) & np.isfinite(moments.n)
    count = several.sum(axis=-1)
    total = np.where(several, moments.var, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def variation(moments: Moments) -> Variation:
    """The variation of the answered cases.

    p̂(1 − p̂) of a mean of n answers falls short of p(1 − p) by its own variance, s²/n, which is added back; for binary
    scores that makes the ratio 1 exactly, whatever n.
    """
    answered = moments.n > 0
    count = answered.sum(axis=-1)
    some = np.maximum(count, 1)
    mean = np.where(count > 0, np.where(answered, moments.mean, 0.0).sum(axis=-1) / some, np.nan)
    binary = moments.mean * (1.0 - moments.mean) + moments.var / np.maximum(moments.n, 1.0)
    several = (moments.n >= 2) & np.isfinite(moments.n)
    spread = np.where(several, binary, 0.0).sum(axis=-1) / np.maximum(several.sum(axis=-1), 1)
    within = within_variance(moments)
    ratio = np.where(spread > 0, within / np.where(spread > 0, spread, 1.0), 1.0)
    return Variation(within=within, mean=mean, ratio=ratio)


def repeats_needed(within: Numbers, cases: int, spec: Spec) -> IntArray:
    """Baseline answers a case at which the baseline takes a quarter of SE*²; at least the pilot's 4. Elementwise."""
    needed = BASELINE_SHARE * np.asarray(within) / (cases * spec.target_se**2)
    return np.asarray(np.maximum(PILOT_REPEATS, np.ceil(needed)), dtype=np.int64)


def baseline_repeats(within: float, cases: int, spec: Spec) -> int:
    """K0 from the pilot's variance; `GapTooSmallError`, with the smallest gap that works, where it would pass 128.

    `UnknownVariationError` where the variance is NaN.
    """
    if not math.isfinite(within):
        raise UnknownVariationError(
            "no case of the pilot was scored twice, so nothing is known of how much the answers vary; "
            "collect the missing answers, or set decision.baseline_repeats"
        )
    needed = int(repeats_needed(within, cases, spec))
    if needed > MOST_BASELINE_REPEATS:
        gap = spec.rollback.threshold - spec.rollback.null_edge
        exact = gap * math.sqrt(BASELINE_SHARE * within / (cases * spec.target_se**2) / MOST_BASELINE_REPEATS)
        raise GapTooSmallError(gap, math.ceil(exact * 100.0) / 100.0, needed)
    return needed


def week_variance(varied: Variation) -> FloatArray:
    """v1: the within-case variance to expect in a week whose score has dropped by some points. Elementwise."""
    return np.asarray(varied.within + WEEK_SLACK * varied.ratio)


def cap_repeats(varied: Variation, cases: int, baseline: int | IntArray, spec: Spec) -> IntArray:
    """K_cap: the next power of two of the answers a case at which the week reaches SE*, within 8 to 64. Elementwise."""
    room = cases * (spec.target_se**2 - varied.within / (cases * np.asarray(baseline)))
    needed = week_variance(varied) / np.where(room > 0, room, 1.0)
    power = 2.0 ** np.ceil(np.log2(np.clip(needed, SMALLEST_CAP, LARGEST_CAP)))
    cap = np.where(room > 0, power, LARGEST_CAP)
    return np.asarray(np.where(np.asarray(baseline) == 1, SINGLE_BASELINE_CAP, cap), dtype=np.int64)


def week_cap(varied: Variation, cases: int, baseline: int, spec: Spec) -> Cap:
    """K_cap for `baseline` answers a case (K0), whether SE* is then reached, and what to change where it is not."""
    if baseline == 1:
        return Cap(SINGLE_BASELINE_CAP, reachable=False, baseline_that_would_do=None, cases_that_would_do=None)
    repeats = int(cap_repeats(varied, cases, baseline, spec))
    within, week = float(varied.within), float(week_variance(varied))
    wanted = spec.target_se**2
    if (within / baseline + week / repeats) / cases <= wanted:
        return Cap(repeats, reachable=True, baseline_that_would_do=None, cases_that_would_do=None)
    room = cases * wanted - week / LARGEST_CAP
    answers = math.ceil(within / room) if room > 0 else None
    size = math.ceil((within / baseline + week / LARGEST_CAP) / wanted)
    return Cap(
        repeats,
        reachable=False,
        baseline_that_would_do=answers if answers is not None and answers <= MOST_BASELINE_REPEATS else None,
        cases_that_would_do=size,
    )


def dropped_variance(varied: Variation, drop: float) -> float:
    """v1(D): the within-case variance when every case's score is multiplied alike and their mean drops by `drop`."""
    within, mean, ratio = float(varied.within), float(varied.mean), float(varied.ratio)
    kept = 1.0 - drop / mean
    binary = within / ratio if ratio > 0 else 0.0
    return (kept * mean * (1.0 - kept) + kept**2 * binary) * ratio


def smallest_drop(
    question: Question, varied: Variation, *, cases: int, baseline: int, repeats: int, scale: float = 100.0
) -> float | None:
    """The smallest drop that one look at `repeats` answers a case finds 95 times in 100, in the unit of the thresholds.

    None where even a score of 0 would not be told from the null edge, or the variation is unknown. For *investigate*
    show `shown_smallest_drop`.
    """
    from scipy.optimize import brentq

    within, mean = float(varied.within), float(varied.mean)
    if not (mean > 0 and math.isfinite(within)):
        return None
    reach = float(z_upper(question.alpha)) + POWER_Z

    def missing(drop: float) -> float:
        variance = within / baseline + dropped_variance(varied, drop / scale) / repeats
        return drop - question.null_edge - reach * scale * math.sqrt(max(variance, 0.0) / cases)

    most = mean * scale
    if most <= question.null_edge or missing(most) < 0:
        return None
    if missing(question.null_edge) >= 0:
        return question.null_edge
    return float(brentq(missing, question.null_edge, most))


def shown_smallest_drop(question: Question, raw: float | None) -> float | None:
    """What the user is told: never below the threshold, for a smaller drop is not what the question asks."""
    return None if raw is None else max(raw, question.threshold)
