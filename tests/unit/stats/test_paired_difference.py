"""One target against another: by an independent formula, and how often the interval holds the truth."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.stats.moments import Moments
from monitor.stats.paired import difference

SCORES = st.lists(st.sampled_from([0.0, 0.3, 0.5, 1.0]), min_size=2, max_size=5)


def by_hand(a: list[list[float]], b: list[list[float]], confidence: float) -> tuple[float, float, float, float]:
    """The estimate, both ends and df, in points, in plain Python; every case has several answers of both."""
    cases = len(a)
    gaps = [statistics.fmean(x) - statistics.fmean(y) for x, y in zip(a, b, strict=True)]
    terms = [(statistics.variance(side) / len(side), len(side) - 1) for side in (*a, *b)]
    total = sum(term for term, _ in terms)
    squares = sum(term**2 / free for term, free in terms)
    df = total**2 / squares if squares else cases - 1
    varying = sum(1 for x, y in zip(a, b, strict=True) if len(set(x)) > 1 or len(set(y)) > 1)
    error = math.sqrt(total) / cases
    error = max(error, 0.5 / cases) if varying < 10 else error
    estimate, reach = statistics.fmean(gaps), float(stats.t.isf((1 - confidence) / 2, df)) * error
    return 100 * estimate, 100 * (estimate - reach), 100 * (estimate + reach), df


@given(st.lists(st.tuples(SCORES, SCORES), min_size=2, max_size=25), st.sampled_from([0.9, 0.99]))
def test_it_agrees_with_the_formula_worked_out_independently(cases, confidence):
    a, b = ([list(side) for side in sides] for sides in zip(*cases, strict=True))
    found = difference(Moments.of(a), Moments.of(b), confidence)
    expected = by_hand(a, b, confidence)
    assert (found.points, found.low, found.high, found.df) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert found.cases == len(cases)
    turned = difference(Moments.of(b), Moments.of(a), confidence)
    assert (turned.points, turned.low, turned.high) == pytest.approx((-found.points, -found.high, -found.low))


def test_one_answer_a_case_is_judged_by_how_the_differences_spread():
    a = Moments.of([[1.0]] * 12 + [[0.0]] * 8)
    b = Moments.of([[0.0, 1.0]] * 20)
    expected = stats.ttest_rel(a.mean, b.mean).confidence_interval(0.99)
    found = difference(a, b)
    assert (found.low, found.high) == pytest.approx((100 * expected.low, 100 * expected.high))
    assert found.df == 19


def test_cases_that_only_one_of_them_answered_do_not_count():
    a, b = [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    found = difference(Moments.of([*a, [], [1.0, 0.0]]), Moments.of([*b, [1.0, 1.0], []]))
    assert found == difference(Moments.of(a), Moments.of(b))


def test_a_case_with_a_single_answer_among_others_with_several_has_their_variance():
    a = Moments.of([[1.0, 0.0]] * 11 + [[1.0]])
    b = Moments.of([[1.0, 1.0]] * 12)
    found = difference(a, b)
    error = math.sqrt(11 * 0.5 / 2 + 0.5) / 12
    assert found.high - found.points == pytest.approx(100 * error * stats.t.isf(0.005, found.df))


@pytest.mark.parametrize("answered", [[], [[]], [[], []]])
def test_without_a_case_in_common_nothing_is_known(answered):
    found = difference(Moments.of(answered), Moments.of([[1.0]] * len(answered)))
    assert found.cases == 0
    assert all(math.isnan(value) for value in (found.points, found.low, found.high, found.df))


def test_one_case_alone_has_no_interval_unless_it_was_asked_often():
    assert math.isnan(difference(Moments.of([[1.0]]), Moments.of([[0.0]])).low)
    assert math.isfinite(difference(Moments.of([[1.0, 0.0, 1.0]]), Moments.of([[0.0, 0.0, 1.0]])).low)


def test_equal_answers_still_have_half_a_case_of_error():
    steady = Moments.of([[1.0] * 8] * 200)
    found = difference(steady, steady)
    assert (found.points, found.df) == (0.0, 199)
    assert found.high == pytest.approx(0.25 * stats.t.isf(0.005, 199))


@pytest.mark.parametrize("repeats", [1, 2, 8])
@pytest.mark.parametrize("drop", [0.0, 5.0])
def test_the_interval_holds_the_truth_in_985_of_1000(repeats, drop):
    rng = np.random.default_rng(5)
    # Scores as a model of 89% has them: three quarters of what varies lies between the cases.
    better = rng.beta(0.2967, 0.0367, 200)
    worse = better * (1.0 - drop / (100.0 * better.mean()))
    truth, held, rounds = 100.0 * float((better - worse).mean()), 0, 3000
    for _ in range(rounds):
        a, b = (rng.binomial(repeats, p) for p in (better, worse))
        found = difference(*(Moments.from_sums(np.full(200, repeats), x, x) for x in (a, b)))
        held += found.low <= truth <= found.high
    assert held / rounds >= 0.985


def test_two_models_that_always_say_the_same_are_told_apart_by_a_few_cases():
    right = [[1.0] * 8] * 200
    fewer = [[0.0] * 8] * 5 + [[1.0] * 8] * 195
    found = difference(Moments.of(right), Moments.of(fewer))
    assert found.points == pytest.approx(2.5)
    assert found.low > 0
    assert difference(Moments.of(right), Moments.of([*fewer[4:], *right[:4]])).low < 0
