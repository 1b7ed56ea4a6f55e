"""Whether a judge's score follows what it should not: an answer's length, the place in the panel, its own family.

Plain numbers with 95% intervals, which resample cases. They describe what was stored; nothing was randomised but the
order of a panel. Of twenty numbers without any bias one lies outside its interval by chance.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any

import numpy as np

from judges.estimate import Estimate, FloatArray, by_cluster, percentiles, resampled
from judges.family import UNKNOWN

FEWEST = 20
"""Cases that must bear on a number."""
_ALWAYS = 0.95
"""A position that was asked about so many of the answers was not asked because of what the others said."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one judge of a panel said of one answer.

    `answer` identifies the text within its case and `length` counts its characters; `position` is the judge's place in
    the order for this case, from 0. Families as `judges.family` names them. `score` and the `panel`'s are in [0, 1];
    None where there is none.
    """

    case: str
    answer: str
    length: int
    judge: str
    position: int
    judge_family: str
    target_family: str
    score: float | None
    panel: float | None


@dataclass(frozen=True, slots=True)
class Effect:
    """A difference of scores (0.01 is a point) with its interval, from so many cases, and a sentence that says it."""

    estimate: Estimate
    cases: int
    sentence: str

    @property
    def visible(self) -> bool:
        """Whether the interval leaves 0 out."""
        low, high = self.estimate.low, self.estimate.high
        return low is not None and high is not None and not low <= 0 <= high

    def as_json(self) -> dict[str, Any]:
        """Numbers are finite or null."""
        return self.estimate.as_json() | {"cases": self.cases, "visible": self.visible, "sentence": self.sentence}


@dataclass(frozen=True, slots=True)
class BiasReport:
    """`length`: by `panel` and judge, a doubling of the length; `position`: by place from 1 on; `own_family`."""

    length: Mapping[str, Effect]
    position: Mapping[int, Effect]
    own_family: Effect

    def as_json(self) -> dict[str, Any]:
        """`{"length": {"panel", judge…}, "position": {place…}, "own_family"}`."""
        return {
            "length": {name: effect.as_json() for name, effect in self.length.items()},
            "position": {str(place): effect.as_json() for place, effect in self.position.items()},
            "own_family": self.own_family.as_json(),
        }


def bias(judgements: Iterable[Judgement], seed: int) -> BiasReport:
    """The report on the judgements of one panel under one rubric, each answer's at most once a judge."""
    every = list(judgements)
    answers = {(one.case, one.answer): one for one in every}.values()
    always = _always_asked(every)
    heard = [one for one in every if one.position in always]
    length = {"panel": _length("the panel's", [(one.case, one.length, one.panel) for one in answers], seed)}
    for judge in sorted({one.judge for one in heard}):
        rows = [(one.case, one.length, one.score) for one in heard if one.judge == judge]
        length[judge] = _length(f"{judge}'s", rows, seed)
    return BiasReport(length, _positions(every, always, seed), _own_family(heard, seed))


def _always_asked(judgements: Sequence[Judgement]) -> set[int]:
    """The positions that did not depend on what the judges before said.

    A panel stops when its majority is certain: its last members hear of disputed answers only, which differ from others
    whoever judges them.
    """
    answers = len({(one.case, one.answer) for one in judgements})
    return {place for place, asked in Counter(one.position for one in judgements).items() if asked >= _ALWAYS * answers}


def _length(whose: str, rows: Sequence[tuple[str, int, float | None]], seed: int) -> Effect:
    """The slope of the score on log2 of the length with a mean a case (fixed effects, within estimator)."""
    by_case: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for case, length, score in rows:
        if score is not None and length > 0:
            by_case[case].append((log2(length), score))
    parts = np.array([_slope_parts(points) for points in by_case.values()]).reshape(-1, 2)
    parts = parts[parts[:, 1] > 0]
    what = _What("a doubling of an answer's length", whose, "; a longer answer can also be a better one")
    if len(parts) < FEWEST:
        return _untold(what, len(parts), "cases with answers of different lengths")
    value = float(parts[:, 0].sum() / parts[:, 1].sum())
    totals = resampled(parts, seed)
    return _effect(what, value, len(parts), totals[:, 0] / totals[:, 1])


def _slope_parts(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    x, y = np.array(points).T
    return float(((x - x.mean()) * (y - y.mean())).sum()), float(((x - x.mean()) ** 2).sum())


def _positions(judgements: Sequence[Judgement], always: set[int], seed: int) -> dict[int, Effect]:
    effects = {}
    for place in sorted({one.position for one in judgements} - {0}):
        what = _What(f"being asked as number {place + 1} of the panel instead of first")
        if not {0, place} <= always:
            effects[place] = _untellable(what, 0, "it is not asked about every answer, only where others were split")
            continue
        rows = [
            _Sided(one.case, one.judge, one.position == place, one.score)
            for one in judgements
            if one.score is not None and one.position in (0, place)
        ]
        effects[place] = _contrast(what, rows, seed, "cases for each of the two places, by the same judge")
    return effects


def _own_family(judgements: Sequence[Judgement], seed: int) -> Effect:
    """Within two judges: the first's score minus the second's, on answers of the first's family and on others'.

    The second is neutral on both, of another family than the target's: its own taste for its family must not count.
    Two at a time, because judges differ in strictness and not the same ones are neutral everywhere.
    """
    heard: defaultdict[tuple[str, str], list[tuple[Judgement, float]]] = defaultdict(list)
    for one in judgements:
        if one.score is not None and UNKNOWN not in (one.judge_family, one.target_family):
            heard[one.case, one.answer].append((one, one.score))
    rows = [
        _Sided(one.case, (one.judge, other.judge), one.judge_family == one.target_family, score - theirs)
        for together in heard.values()
        for one, score in together
        for other, theirs in together
        if other.judge != one.judge and other.judge_family != one.target_family
    ]
    needed = "cases for each side, with answers that a judge's own family and another gave and that a neutral judge saw"
    return _contrast(_What("being the answer of a model of the judge's own family"), rows, seed, needed)


@dataclass(frozen=True, slots=True)
class _What:
    """What is asked about, in words."""

    change: str
    whose: str = "a judge's"
    caveat: str = ""


@dataclass(frozen=True, slots=True)
class _Sided:
    """A number of one judge, or of two, on the side that is asked about (`marked`) or on the other."""

    case: str
    group: Hashable
    marked: bool
    value: float


def _contrast(what: _What, rows: Sequence[_Sided], seed: int, needed: str) -> Effect:
    """Marked minus unmarked within groups, pooled with the weights of a regression on both (n₁n₂/(n₁ + n₂))."""
    sides: defaultdict[Hashable, set[bool]] = defaultdict(set)
    for one in rows:
        sides[one.group].add(one.marked)
    both = (group for group, seen in sides.items() if len(seen) == 2)
    groups = {group: number for number, group in enumerate(both)}
    used = [one for one in rows if one.group in groups]
    # A case bears on the difference by whichever side it is on: the smaller side says how much is known.
    cases = min(len({one.case for one in used if one.marked is side}) for side in (True, False))
    if cases < FEWEST:
        return _untold(what, cases, needed)
    table = np.zeros((len(used), len(groups), 2, 2))  # group, side, number and sum
    for row, one in zip(table, used, strict=True):
        row[groups[one.group], int(one.marked)] = 1, one.value
    sums = by_cluster([one.case for one in used], table.reshape(len(used), -1))
    value = float(_pooled(sums.sum(axis=0).reshape(-1, 2, 2)))
    return _effect(what, value, cases, _pooled(resampled(sums, seed).reshape(-1, len(groups), 2, 2)))


def _pooled(totals: FloatArray) -> FloatArray:
    """Totals (…, groups, side, number and sum) to the pooled difference; NaN where no group has both sides."""
    number, total = totals[..., 0], totals[..., 1]
    means = np.divide(total, number, out=np.zeros_like(total), where=number > 0)
    weights = number.prod(axis=-1) / np.maximum(number.sum(axis=-1), 1)
    pooled = (weights * (means[..., 1] - means[..., 0])).sum(axis=-1)
    weight = np.asarray(weights.sum(axis=-1))
    ratio: FloatArray = np.divide(pooled, weight, out=np.full(weight.shape, np.nan), where=weight > 0)
    return ratio


def _untold(what: _What, cases: int, needed: str) -> Effect:
    return _untellable(what, cases, f"{cases} {needed}, and {FEWEST} are needed")


def _untellable(what: _What, cases: int, reason: str) -> Effect:
    sentence = f"What {what.change} does to {what.whose} score cannot be told: {reason}."
    return Effect(Estimate(None, reason=reason), cases, sentence)


def _effect(what: _What, value: float, cases: int, values: FloatArray) -> Effect:
    ends = percentiles(values)
    if ends is None:
        return _untellable(what, cases, "too few of the cases differ in it")
    low, high = ends
    seen = ", so none can be seen" if low <= 0 <= high else ""
    sentence = (
        f"{what.change[0].upper()}{what.change[1:]} changes {what.whose} score by {100 * value:+.1f} points "
        f"(95% interval {100 * low:+.1f} to {100 * high:+.1f}{seen}){what.caveat}."
    )
    return Effect(Estimate(value, low, high), cases, sentence)
