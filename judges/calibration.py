"""How far a judge agrees with people: kappa and alpha with intervals, what was confused, and where they disagree.

A kappa of 0 is chance, 1 is perfect. It depends on how often an answer passes among those that were labelled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from judges.agreement import CALIBRATED_FROM, PASSES_FROM, WIDE_BELOW, Agreement, Calibration, Confusion, Disagreement
from judges.coefficients import coincidences, interval_alpha, interval_parts, kappa, nominal_alpha
from judges.estimate import FEWEST_CASES, Estimate, FloatArray, by_cluster, resampled, wilson, with_interval
from judges.labels import Label
from judges.pairs import Judged, Pair, pair_up
from judges.rubric import Rubric
from judges.vote import Verdict

_PASS, _FAIL = "pass", "fail"
_ORDER = (_PASS, _FAIL, *(str(verdict) for verdict in Verdict))


def calibrate(
    labels: Iterable[Label], judged: Mapping[tuple[str, str], Judged], rubric: Rubric, seed: int
) -> Calibration:
    """What `labels` say of a judge that said `judged` of each (case, answer) under `rubric`."""
    paired = pair_up(labels, judged, rubric)
    criteria = {name: agreement(pairs, seed) for name, pairs in paired.criteria.items()}
    return Calibration(rubric.name, agreement(paired.overall, seed), criteria, paired.unmatched)


@dataclass(frozen=True, slots=True)
class _Compared:
    """A pair as one verdict a side."""

    pair: Pair
    people: str
    judge: str


def agreement(pairs: Sequence[Pair], seed: int) -> Agreement:
    """The agreement of both sides of `pairs`, all of one question: verdicts, or scores, which pass from 0.5 on.

    Several people are one by their majority, their scores by the mean. Intervals resample cases; `seed` fixes them.
    """
    judged = [pair for pair in pairs if pair.judge is not None and pair.judge is not Verdict.CANNOT_TELL]
    compared = [
        _Compared(pair, people, _category(pair.judge))
        for pair in judged
        if pair.judge is not None and (people := _majority(pair.people)) is not None
    ]
    confusion = _confusion(compared)
    same = sum(one.people == one.judge for one in compared)
    kappa_found, alpha_found = _coefficients(compared, confusion.categories, seed)
    cases = len({one.pair.case for one in compared})
    unjudged, divided = len(pairs) - len(judged), len(judged) - len(compared)
    return Agreement(
        labels=len(compared),
        cases=cases,
        unjudged=unjudged,
        divided=divided,
        share=wilson(same, len(compared)),
        kappa=kappa_found,
        alpha=alpha_found,
        alpha_scores=_between_scores(judged, seed),
        alpha_people=_among_people(pairs, seed),
        confusion=confusion,
        disagreements=_disagreements(compared),
        notes=tuple(_notes(len(compared), cases, same, unjudged, divided)),
    )


def alpha_of_verdicts(units: Sequence[Sequence[str]], cases: Sequence[Hashable], seed: int) -> Estimate:
    """Krippendorff's nominal alpha of `units`, each the verdicts that anyone gave it; `cases`: what each belongs to."""
    paired = [(unit, case) for unit, case in zip(units, cases, strict=True) if len(unit) > 1]
    known = sorted({value for unit, _ in paired for value in unit})
    if len(known) < 2:
        return _no_alpha(known)
    counts = np.array([[unit.count(value) for value in known] for unit, _ in paired], dtype=np.float64)
    sums = by_cluster([case for _, case in paired], coincidences(counts).reshape(len(paired), -1))
    totals = np.concatenate([sums.sum(axis=0)[None], resampled(sums, seed)]).reshape(-1, len(known), len(known))
    value, *values = nominal_alpha(totals)
    return with_interval(float(value), len(sums), np.array(values))


def alpha_of_scores(units: Sequence[Sequence[float]], cases: Sequence[Hashable], seed: int) -> Estimate:
    """Krippendorff's interval alpha of `units`, each the scores that anyone gave it; `cases`: what each belongs to."""
    paired = [(unit, case) for unit, case in zip(units, cases, strict=True) if len(unit) > 1]
    known = sorted({value for unit, _ in paired for value in unit})
    if len(known) < 2:
        return _no_alpha(known)
    sums = by_cluster([case for _, case in paired], interval_parts([unit for unit, _ in paired]))
    value, *values = interval_alpha(np.concatenate([sums.sum(axis=0)[None], resampled(sums, seed)]))
    return with_interval(float(value), len(sums), np.array(values))


def _no_alpha(known: Sequence[str | float]) -> Estimate:
    if not known:
        return Estimate(None, reason="no answer has two values")
    return Estimate(None, reason=f"every value is {known[0]}, so agreement beyond chance is not defined")


def _category(value: Verdict | float) -> str:
    if isinstance(value, Verdict):
        return str(value)
    return _PASS if value >= PASSES_FROM else _FAIL


def _majority(people: Sequence[Verdict] | Sequence[float]) -> str | None:
    """What most people say, or what their mean score comes to; None where as many are for as against."""
    scores = _scores(people)
    if scores:
        divided = fmean(scores) == PASSES_FROM and min(scores) < PASSES_FROM
        return None if divided else _category(fmean(scores))
    first, *others = Counter(people).most_common(2)
    return None if others and others[0][1] == first[1] else str(first[0])


def _scores(values: Iterable[Verdict | float]) -> list[float]:
    return [float(value) for value in values if not isinstance(value, Verdict)]


def _confusion(compared: Sequence[_Compared]) -> Confusion:
    given = Counter((one.people, one.judge) for one in compared)
    seen = {category for pair in given for category in pair}
    categories = tuple(category for category in _ORDER if category in seen)
    return Confusion(categories, tuple(tuple(given[row, column] for column in categories) for row in categories))


def _coefficients(compared: Sequence[_Compared], categories: Sequence[str], seed: int) -> tuple[Estimate, Estimate]:
    """Kappa and alpha of the verdicts. With two coders and none missing, alpha too is a function of their table."""
    if len(categories) < 2:
        only = f"both sides say {categories[0]} every time" if categories else "no label could be compared"
        undefined = Estimate(None, reason=f"{only}, so agreement beyond chance is not defined" if categories else only)
        return undefined, undefined
    k = len(categories)
    rows = np.zeros((len(compared), k * k))
    for row, one in zip(rows, compared, strict=True):
        row[categories.index(one.people) * k + categories.index(one.judge)] = 1
    sums = by_cluster([one.pair.case for one in compared], rows)
    table = sums.sum(axis=0).reshape(k, k)
    tables = resampled(sums, seed).reshape(-1, k, k)
    return (
        with_interval(float(kappa(table)), len(sums), kappa(tables)),
        with_interval(float(nominal_alpha(_both_ways(table))), len(sums), nominal_alpha(_both_ways(tables))),
    )


def _both_ways(tables: FloatArray) -> FloatArray:
    return tables + np.swapaxes(tables, -1, -2)


def _between_scores(judged: Sequence[Pair], seed: int) -> Estimate | None:
    """Alpha of people's mean and the judge's score; None where the question is a criterion."""
    units = [(fmean(_scores(pair.people)), float(pair.judge)) for pair in judged if isinstance(pair.judge, float | int)]
    return alpha_of_scores(units, [pair.case for pair in judged], seed) if units else None


def _among_people(pairs: Sequence[Pair], seed: int) -> Estimate:
    """Alpha of the people alone."""
    cases = [pair.case for pair in pairs]
    scores = [_scores(pair.people) for pair in pairs]
    if any(scores):
        return alpha_of_scores(scores, cases, seed)
    return alpha_of_verdicts([[str(value) for value in pair.people] for pair in pairs], cases, seed)


def _disagreements(compared: Sequence[_Compared]) -> tuple[Disagreement, ...]:
    """Scores that are farthest apart first; verdicts in the order of the labels."""
    found: list[tuple[float, Disagreement]] = []
    for one in compared:
        pair, scores = one.pair, _scores(one.pair.people)
        if one.people == one.judge:
            continue
        if scores and isinstance(pair.judge, float | int):
            mean = fmean(scores)
            found.append((abs(mean - pair.judge), Disagreement(pair.case, pair.answer, mean, pair.judge)))
        else:
            found.append((0.0, Disagreement(pair.case, pair.answer, one.people, one.judge)))
    return tuple(one for _, one in sorted(found, key=lambda entry: -entry[0]))


def _notes(labels: int, cases: int, same: int, unjudged: int, divided: int) -> Iterable[str]:
    if 0 < labels < WIDE_BELOW:
        yield f"labelled answers: {labels}, so the interval is wide"
    if labels < CALIBRATED_FROM or cases < FEWEST_CASES:
        yield (
            f"a judge is calibrated from {CALIBRATED_FROM} labelled answers of {FEWEST_CASES} cases on; "
            f"these are {labels} of {cases}"
        )
    if labels and same == labels:
        yield "no label differs, so resampling shows no doubt: the interval of the share that agrees does"
    if unjudged:
        yield f"left out, because the judge gave no verdict: {unjudged}"
    if divided:
        yield f"left out, because as many people are for as against: {divided}"
