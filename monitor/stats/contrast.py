"""The baseline as today's judge sees it, and what its flips, its own noise and people's labels add to the error."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.stats.moments import ROUNDING, Moments
from monitor.stats.paired import Correction
from monitor.stats.quantiles import BoolArray, FloatArray, Numbers, t_upper, z_upper

LEAST_LABELS = 30
"""People's labels that are needed on each side before they correct a drop; on one side alone they can make one."""

STRICTEST = 0.001
"""The error of the rollback question."""


@dataclass(frozen=True, slots=True)
class Rejudged:
    """Stored baseline answers that today's judge was shown again, summed up by case; four arrays (..., cases).

    `m`: how many of a case's answers (0 where none could be). With f = J_0 − J_t, an answer's score then less its
    score today (on the scale of the headline; positive where the judge became stricter): `flip_mean`, the mean of f;
    `flip_var`, its sample variance; `today_var`, the sample variance of J_t. Variances have ddof 1, and are 0 where
    m < 2.
    """

    m: FloatArray
    flip_mean: FloatArray
    flip_var: FloatArray
    today_var: FloatArray

    def __post_init__(self) -> None:
        shapes = {a.shape for a in (self.m, self.flip_mean, self.flip_var, self.today_var)}
        if len(shapes) > 1:
            raise ValueError(f"m, flip_mean, flip_var and today_var differ in shape: {sorted(shapes)}")

    @classmethod
    def of(cls, then: Sequence[Sequence[float]], today: Sequence[Sequence[float]]) -> Rejudged:
        """From both scores of each answer that was judged again, in one order: by case, and within it by answer."""
        flips = [[a - b for a, b in zip(old, new, strict=True)] for old, new in zip(then, today, strict=True)]
        moved, now = Moments.of(flips), Moments.of(today)
        return cls(moved.n, moved.mean, moved.var, now.var)

    def rows(self, chosen: BoolArray) -> Rejudged:
        """The weeks `chosen` (a mask over the first axis)."""
        return Rejudged(self.m[chosen], self.flip_mean[chosen], self.flip_var[chosen], self.today_var[chosen])


def contrast(baseline: Moments, again: Rejudged) -> tuple[Moments, Correction | None]:
    """The baseline as today's judge sees it, and the error of seeing only part of it; None where nothing was seen.

    The mean is p̂0 − mean f, a double sample: all n0 answers by the judge of then, m of them by today's. Its variance is
    s²/n0 with s² under today's judge, which the moments carry, and (1 − m/n0)·s²_f/m, which the correction carries
    (Cochran, *Sampling Techniques*, 12.2: the m are a random part of the n0, whatever a judge does to them). m = n0 is
    exact. The degrees of freedom are those of the m.

    Where too little was judged again, it errs towards a larger error:
    - m = 1 has no variance of its own and gets that of all flips of the week, between cases too, with one flip more
      than was seen; a week without a flip has not shown that there are none.
    - m = 0 gets the mean flip of the other cases, and the variance of one of their flips. The others' own error then
      counts N/(N − k) times in the mean of N cases of which k are such, which is added to the k.
    - In both, s² under today's judge is s² then plus that variance: flips of a judge that became stricter or more
      lenient go along with the score of then, so this is more than there is.
    """
    known = np.isinf(baseline.n)
    there = (baseline.n > 0) & ~known
    judged = there & (again.m > 0)
    if not judged.any():
        return baseline, None
    m = np.where(judged, np.minimum(again.m, baseline.n), 0.0)
    mean_flip, spread = _all_flips(again, judged)
    several = judged & (again.m >= 2)
    own = np.where(several, again.flip_var, spread[..., np.newaxis])
    unseen = np.where(judged, 1.0 - m / np.where(judged, baseline.n, 1.0), 0.0)
    variance = np.where(judged, unseen * own / np.maximum(m, 1.0), 0.0)
    # A week in which nothing was judged again, beside others, stays as it is.
    imputed = there & ~judged & judged.any(axis=-1, keepdims=True)
    added = spread + _leaned_on(variance, there, imputed)
    variance = np.where(imputed, added[..., np.newaxis], variance)

    flip = np.where(judged, again.flip_mean, np.where(imputed, mean_flip[..., np.newaxis], 0.0))
    assumed = np.where(
        judged | imputed, baseline.var + np.where(unseen + imputed > 0, spread[..., np.newaxis], 0.0), 0.0
    )
    var = np.where(several, again.today_var, np.where(judged | imputed, assumed, baseline.var))
    seen = Moments(baseline.n, baseline.mean - flip, np.where((baseline.n >= 2) & (var > ROUNDING), var, 0.0))
    return seen, Correction(np.zeros_like(variance), variance, np.maximum(m, 1.0))


def _all_flips(again: Rejudged, judged: BoolArray) -> tuple[FloatArray, FloatArray]:
    """The mean flip of a case, and the variance of one flip about it, over all of a week; the shape of the weeks."""
    cases = np.maximum(judged.sum(axis=-1), 1)
    mean = np.where(judged, again.flip_mean, 0.0).sum(axis=-1) / cases
    m = np.where(judged, again.m, 0.0)
    within = np.maximum(m - 1.0, 0.0) * again.flip_var
    between = m * (again.flip_mean - mean[..., np.newaxis]) ** 2
    return mean, ((within + between).sum(axis=-1) + 1.0) / (m.sum(axis=-1) + 1.0)


def _leaned_on(variance: FloatArray, there: BoolArray, imputed: BoolArray) -> FloatArray:
    """What each case without a flip of its own adds because the others' error counts for it as well."""
    total, missing = there.sum(axis=-1), imputed.sum(axis=-1)
    weight = (total / np.maximum(total - missing, 1)) ** 2 - 1.0
    return np.asarray(weight * variance.sum(axis=-1) / np.maximum(missing, 1))


def judge_noise(squares: float, count: int) -> float:
    """σ²_J, the variance of one judge's score of one text, from the flips of `count` distinct texts judged twice.

    Half the mean of f² (`squares` is their sum), taken at its upper 90% limit with one whole flip more than was seen: a
    few hundred anchors flip a few times, and an estimate that is too small by chance would make alarms. At most 1/4,
    the most that a score in [0, 1] can vary, which is also what is taken where nothing was judged twice. A judge that
    moved between the two adds to it.
    """
    flips = squares + 1.0
    # A count's variance is at most itself, and that of a sum of squares in [0, 1] at most the sum.
    most = flips + float(z_upper(0.1)) * math.sqrt(flips)
    return min(0.25, most / (2.0 * (count + 1)))


@dataclass(frozen=True, slots=True)
class Texts:
    """How far the texts of a case repeat themselves, for `shared_noise`; four arrays (..., cases).

    `gap`: Σ_y (a_y − r_y)² + Σ_y (r_y − b_y)² over the distinct texts y, with a, r and b their shares of the baseline's
    answers, of those judged again, and of this week's. `repeats0`: the number of distinct answers whose verdicts would
    vary as much as the baseline's terms allow, 1/(2/m − 1/n0). `same0`, `same_t`: the share of pairs with equal texts
    among the answers judged again, and among this week's.
    """

    gap: FloatArray
    repeats0: FloatArray
    same0: FloatArray
    same_t: FloatArray

    @classmethod
    def of(
        cls,
        baseline: Sequence[Sequence[str]],
        again: Sequence[Sequence[str]],
        current: Sequence[Sequence[str]],
    ) -> Texts:
        """From the texts (or their hashes) of each case's scored answers.

        A case of which nothing was judged again is compared by the verdicts of then, which share nothing with today's.
        """
        rows = [_texts(*case) for case in zip(baseline, again, current, strict=True)]
        return cls(*(np.array(column, dtype=np.float64) for column in zip(*rows, strict=True)))


def _texts(baseline: Sequence[str], again: Sequence[str], current: Sequence[str]) -> tuple[float, float, float, float]:
    before, seen, now = Counter(baseline), Counter(again), Counter(current)
    if not again:
        gap = _distance(before, Counter()) + _distance(now, Counter())
        return gap, float(len(baseline)), _alike(before), _alike(now)
    apart = 2.0 / len(again) - 1.0 / max(len(baseline), len(again))
    return _distance(before, seen) + _distance(seen, now), 1.0 / apart, _alike(seen), _alike(now)


def _distance(one: Counter[str], other: Counter[str]) -> float:
    """Σ_y (share in one − share in the other)²."""
    total, others = max(1, one.total()), max(1, other.total())
    return float(sum((one[text] / total - other[text] / others) ** 2 for text in one.keys() | other.keys()))


def _alike(texts: Counter[str]) -> float:
    """The share of pairs of answers whose texts are equal; 0 with fewer than two answers."""
    n = texts.total()
    return sum(count * (count - 1) for count in texts.values()) / (n * (n - 1)) if n > 1 else 0.0


def shared_noise(texts: Texts, repeats: FloatArray, sigma2: Numbers, *, single_baseline: bool = False) -> FloatArray:
    """Variance of a case's difference that answers of equal text hide from the ordinary terms; (..., cases).

    A judge is asked about each distinct text of a case once, so its error is drawn once for all answers that share the
    text. To Var(d_i) it adds σ²_J·gap. The ordinary terms, which take answers for independent, contain
    σ²_J·((1 − same0)/repeats0 + (1 − same_t)/K) of that; the rest, where positive, is what is missing: with all texts
    distinct nothing, with one text then and another one now 2σ²_J however many answers there are.

    `repeats`: scored answers a case this week. `sigma2`: see `judge_noise`. At K = 1, and with a baseline of one answer
    a case (`single_baseline`), the variance is taken from the differences themselves, which contain all of it: 0.
    """
    if single_baseline:
        return np.zeros_like(texts.gap)
    contained = (1.0 - texts.same0) / np.maximum(texts.repeats0, 1e-9) + (1.0 - texts.same_t) / np.maximum(repeats, 1.0)
    missing = sigma2 * np.maximum(0.0, texts.gap - contained)
    return np.where(repeats >= 2, np.where(missing > ROUNDING, missing, 0.0), 0.0)


@dataclass(frozen=True, slots=True)
class Labelled:
    """h − J of labelled answers, by stratum: `differences` (n_k,) each, and the `share` of all answers that each has.

    Strata (verdicts, say) may be labelled at rates of their own. Shares add up to 1.
    """

    differences: tuple[FloatArray, ...]
    share: tuple[float, ...]

    @property
    def labels(self) -> int:
        """How many answers are labelled."""
        return sum(part.size for part in self.differences)

    @property
    def usable(self) -> bool:
        """Whether they are enough: in all, and two in each stratum that has answers."""
        each = [part.size >= 2 for part, share in zip(self.differences, self.share, strict=True) if share > 0]
        return self.labels >= LEAST_LABELS and all(each)

    def terms(self) -> tuple[float, list[tuple[float, int]]]:
        """The weighted mean of h − J, and the parts of its variance with their degrees of freedom."""
        parts = [(part, share) for part, share in zip(self.differences, self.share, strict=True) if share > 0]
        mean = sum(share * float(part.mean()) for part, share in parts)
        return mean, [(share**2 * float(np.var(part, ddof=1)) / part.size, part.size - 1) for part, share in parts]


def human_correction(before: Labelled, now: Labelled, cases: int) -> Correction | None:
    """What people's labels change about a drop: h − J of labelled baseline answers and of labelled current ones.

    The judge's mean error then less its mean error now, as a shift of all cases' baselines (prediction-powered
    inference, arXiv 2301.09633; by strata, 2406.04291), or None with fewer than 30 labels on either side. J has to be
    the score that the drop is made of: where the baseline is `contrast`'s, today's judge on both sides.

    The error is common to all cases; each carries N times its variance, so that the variance of their mean is right. It
    is widened to what its own degrees of freedom (Satterthwaite) ask for at the strictest error that is spent, because
    those of the cases say nothing about it.
    """
    if not (before.usable and now.usable):
        return None
    (then, terms_then), (today, terms_now) = before.terms(), now.terms()
    terms = [*terms_then, *terms_now]
    variance = sum(term for term, _ in terms)
    if variance > 0:
        df = variance**2 / sum(term**2 / freedom for term, freedom in terms)
        variance *= float((t_upper(STRICTEST, df) / z_upper(STRICTEST)) ** 2)
    return Correction(np.full(cases, then - today), np.full(cases, cases * variance))


def combine(*corrections: Correction | None) -> Correction | None:
    """All of them at once, with the fewest degrees of freedom that any has; None where there is none."""
    given = [one for one in corrections if one is not None]
    if not given:
        return None
    repeats: Numbers | None = None
    for one in given:
        if one.repeats is not None:
            repeats = one.repeats if repeats is None else np.minimum(repeats, one.repeats)
    shift, variance = (np.asarray(sum(parts)) for parts in ([c.shift for c in given], [c.variance for c in given]))
    return Correction(shift, variance, repeats)
