"""Answers are summed up by case, and missing cases are filled as constants."""

import numpy as np
import pytest

from monitor.stats.moments import KNOWN, Fill, Moments, fill_missing, pooled
from monitor.stats.paired import estimate


def test_by_case() -> None:
    found = Moments.of([[1.0, 0.0, 1.0, 1.0], [0.5], []])
    assert found.n.tolist() == [4, 1, 0]
    assert found.mean.tolist() == [0.75, 0.5, 0.0]
    assert found.var == pytest.approx([0.25, 0.0, 0.0])


def test_sums_give_the_same_as_scores() -> None:
    scores = [[0.2, 0.9, 0.4], [1.0, 1.0], [0.3], []]
    direct = Moments.of(scores)
    summed = Moments.from_sums(
        [len(s) for s in scores], [sum(s) for s in scores], [sum(x * x for x in s) for s in scores]
    )
    assert summed.n == pytest.approx(direct.n)
    assert summed.mean == pytest.approx(direct.mean)
    assert summed.var == pytest.approx(direct.var)


def test_equal_scores_do_not_vary_by_rounding() -> None:
    third = [0.1 + 0.2] * 7
    assert Moments.of([third]).var.tolist() == [0.0]
    assert Moments.from_sums([7], [sum(third)], [sum(x * x for x in third)]).var.tolist() == [0.0]
    assert pooled(Moments.of([third]), Moments.of([third])).var.tolist() == [0.0]


def test_pooled_is_what_all_answers_together_give() -> None:
    first = [[0.2, 0.9, 0.4], [1.0], [], [0.5]]
    second = [[0.1], [0.0], [0.7, 0.3], []]
    found = pooled(Moments.of(first), Moments.of(second))
    wanted = Moments.of([a + b for a, b in zip(first, second, strict=True)])
    assert found.n == pytest.approx(wanted.n)
    assert found.mean == pytest.approx(wanted.mean)
    assert found.var == pytest.approx(wanted.var)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        Moments(np.ones(3), np.ones(3), np.ones(2))


BASELINE = Moments.of([[1, 1, 1, 0]] * 12 + [[]])
CURRENT = Moments.of([[1, 0]] * 10 + [[], [], [1, 1]])


def test_missing_cases_filled_as_zero_lose_their_baseline_score() -> None:
    baseline, current = fill_missing(BASELINE, CURRENT, Fill.ZERO)
    assert baseline is BASELINE
    assert current.n.tolist() == [2] * 10 + [KNOWN] * 2 + [2]
    found = estimate(baseline, current, repeats=2, cap=8, v0_hat=0.25)
    assert found.cases == 12
    assert found.drop == pytest.approx((10 * 0.25 + 2 * 0.75) / 12)
    assert found.se**2 == pytest.approx((12 * 0.25 / 4 + 10 * 0.5 / 2) / 144)


def test_missing_cases_filled_as_their_baseline_add_nothing() -> None:
    found = estimate(*fill_missing(BASELINE, CURRENT, Fill.BASELINE), repeats=2, cap=8, v0_hat=0.25)
    assert found.cases == 12
    assert found.drop == pytest.approx(10 * 0.25 / 12)
    assert found.se**2 == pytest.approx((10 * 0.25 / 4 + 10 * 0.5 / 2) / 144)


def test_filling_does_not_hide_that_the_baseline_has_one_answer_a_case() -> None:
    baseline = Moments.of([[1]] * 12)
    current = Moments.of([[1]] * 11 + [[]])
    for how in Fill:
        filled = estimate(*fill_missing(baseline, current, how), repeats=1, cap=8, v0_hat=float("nan"))
        assert bool(filled.single_baseline)
