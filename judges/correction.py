"""The score as people would have given it: the judge's on all answers, moved by what people say of some of them.

Prediction-powered inference (Angelopoulos and others 2023, arXiv 2301.09633); with labels drawn by the judge's verdict,
its stratified form (Fisch and others 2024, arXiv 2406.04291). It holds for labels that were drawn at random, of all
answers or within a stratum: whoever picks interesting answers to label has no correction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from judges.agreement import CALIBRATED_FROM, PASSES_FROM
from judges.estimate import FloatArray

_TAIL = 0.025


@dataclass(frozen=True, slots=True)
class Corrected:
    """The corrected score with its 95% interval, all in [0, 1], from so many labels; None with the reason."""

    score: float | None
    low: float | None
    high: float | None
    labels: int
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """`{"score", "low", "high", "labels", "reason"}`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Stratum:
    """Answers that labels were drawn from: the judge's score of each, and people's minus the judge's where labelled."""

    judged: FloatArray
    human_minus_judge: FloatArray


def prediction_powered(judged: npt.ArrayLike, human_minus_judge: npt.ArrayLike) -> Corrected:
    """θ̂ = mean J + mean(h − J), from the scores J (M,) of all answers and h − J (n,) of a random part of them.

    Var ≈ s²_J/M + s²_{h−J}/n, interval by t with Satterthwaite's degrees of freedom; None below 30 labels. That the
    labelled answers are among all of them makes it a little wide, as long as the judge is noisy rather than timid.
    Where a case has several answers, give means by case. Raises ValueError where a score is not finite.
    """
    return stratified([Stratum(_finite(judged), _finite(human_minus_judge))])


def by_verdict(judged: npt.ArrayLike, labelled: npt.ArrayLike) -> tuple[Stratum, Stratum]:
    """The strata that `sample` draws from, those that pass first.

    `judged`: the judge's scores of all answers, (M,); `labelled`: the judge's and people's of the labelled, (n, 2).
    """
    scores, both = _finite(judged), _finite(labelled).reshape(-1, 2)
    passes, labelled_passes = scores >= PASSES_FROM, both[:, 0] >= PASSES_FROM
    differences = both[:, 1] - both[:, 0]
    return (
        Stratum(scores[passes], differences[labelled_passes]),
        Stratum(scores[~passes], differences[~labelled_passes]),
    )


def stratified(strata: Sequence[Stratum]) -> Corrected:
    """As `prediction_powered`, with labels drawn in each stratum at a rate of its own; strata count by their size.

    θ̂ = Σ w_k (mean J_k + mean_k(h − J)), w_k the share of all answers that stratum k has. Var ≈ s²/M of the scores as
    corrected by stratum, plus Σ w_k² s²_k/n_k. A stratum in which no label differs counts as if one did by a whole
    point: that nobody has seen an error of the judge does not mean that it makes none.
    """
    used = [stratum for stratum in strata if len(stratum.judged)]
    labels = sum(len(stratum.human_minus_judge) for stratum in strata)
    total = sum(len(stratum.judged) for stratum in used)
    reason = _too_little(used, labels, total)
    if reason is not None:
        return Corrected(None, None, None, labels, reason)
    shifts = [float(stratum.human_minus_judge.mean()) for stratum in used]
    corrected = np.concatenate([stratum.judged + shift for stratum, shift in zip(used, shifts, strict=True)])
    terms = [(float(corrected.var(ddof=1)) / total, total - 1)]
    for stratum in used:
        n = len(stratum.human_minus_judge)
        spread = float(stratum.human_minus_judge.var(ddof=1)) / n if stratum.human_minus_judge.any() else 1 / n**2
        terms.append(((len(stratum.judged) / total) ** 2 * spread, n - 1))
    score, reach = float(corrected.mean()), _reach(terms)
    low, middle, high = (min(1.0, max(0.0, end)) for end in (score - reach, score, score + reach))
    return Corrected(middle, low, high, labels)


def _too_little(used: Sequence[Stratum], labels: int, total: int) -> str | None:
    if labels < CALIBRATED_FROM:
        return f"{labels} labels, and {CALIBRATED_FROM} are needed"
    if total < 2:
        return f"{total} judged answers, and 2 are needed"
    fewest = min(len(stratum.human_minus_judge) for stratum in used)
    if fewest < 2:
        return f"a stratum has {fewest} labels, and 2 are needed in each: label answers that pass and that fail"
    return None


def _reach(terms: Sequence[tuple[float, int]]) -> float:
    """Half of the interval's width, from variances with their degrees of freedom."""
    from scipy.special import stdtrit

    variance = sum(term for term, _ in terms)
    if variance == 0:
        return 0.0
    df = variance**2 / sum(term**2 / freedom for term, freedom in terms)
    return float(-stdtrit(df, _TAIL)) * math.sqrt(variance)


def _finite(values: npt.ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError("unscored answers have no place here: leave them out")
    return array


@dataclass(frozen=True, slots=True)
class Pick:
    """An answer that people should label: its place among those given, and how many answers it stands for."""

    index: int
    weight: float


def sample(scores: Sequence[float | None], n: int, seed: int) -> tuple[Pick, ...]:
    """Which of the stored answers with the judge's `scores` people should label: `n` of them, in their order.

    Half of those that pass and half of those that fail, or as many as there are, at random within each: failures are
    rare, and say most about a judge. An answer without a score is not picked. Weights add up to the number of answers
    with one; kappa on such a sample is that of a world in which as many pass as fail.
    """
    strata = [
        [index for index, score in enumerate(scores) if score is not None and (score >= PASSES_FROM) == passes]
        for passes in (True, False)
    ]
    fewer = min(strata, key=len)
    of_fewer = min(len(fewer), max(0, n) // 2)
    generator = np.random.default_rng(seed)
    picks: list[Pick] = []
    for stratum in strata:
        wanted = of_fewer if stratum is fewer else min(len(stratum), max(0, n) - of_fewer)
        chosen = generator.permutation(stratum)[:wanted]
        picks += [Pick(int(index), len(stratum) / wanted) for index in chosen]
    return tuple(sorted(picks, key=lambda pick: pick.index))
