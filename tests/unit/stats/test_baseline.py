"""How many answers are needed, and the smallest drop that they find, against the figures of the design."""

import math

import numpy as np
import pytest

from monitor.stats.baseline import (
    UnknownVariationError,
    Variation,
    baseline_repeats,
    cap_repeats,
    dropped_variance,
    shown_smallest_drop,
    smallest_drop,
    variation,
    week_cap,
    week_variance,
    within_variance,
)
from monitor.stats.moments import Moments
from monitor.stats.spec import GapTooSmallError, Spec

SPEC = Spec.from_thresholds(3, 5)
WITHIN = 0.25 * 0.89 * 0.11
TYPICAL = Variation(within=WITHIN, mean=0.89, ratio=1.0)


@pytest.mark.parametrize(("cases", "repeats", "cap"), [(100, 65, 64), (200, 33, 32), (500, 13, 16)])
def test_sizes_for_three_test_sets(cases: int, repeats: int, cap: int) -> None:
    assert baseline_repeats(WITHIN, cases, SPEC) == repeats
    found = week_cap(TYPICAL, cases, repeats, SPEC)
    assert found.repeats == cap
    assert found.reachable


def test_a_model_that_always_answers_the_same_needs_the_pilot_alone() -> None:
    assert baseline_repeats(0.0, 200, SPEC) == 4


@pytest.mark.parametrize(
    ("cases", "repeats", "investigate", "rollback"),
    [
        (100, 1, 19.5, 25.1),
        (100, 5, 7.3, 10.9),
        (100, 32, 3.1, 5.6),
        (200, 1, 12.6, 17.2),
        (200, 5, 5.1, 8.2),
        (200, 32, 2.4, 4.8),
        (500, 1, 7.3, 10.9),
        (500, 5, 3.4, 6.0),
        (500, 32, 1.9, 4.1),
    ],
)
def test_smallest_drops(cases: int, repeats: int, investigate: float, rollback: float) -> None:
    found = [
        smallest_drop(question, TYPICAL, cases=cases, baseline=repeats, repeats=repeats) for question in SPEC.questions
    ]
    assert found == pytest.approx([investigate, rollback], abs=0.05)


def test_the_smallest_drop_in_percent_is_that_in_points_by_the_baseline() -> None:
    percent = Spec.from_thresholds(3 / 0.89, 5 / 0.89, scale=100 / 0.89)
    sizes = {"cases": 200, "baseline": 33, "repeats": 32}
    points = smallest_drop(SPEC.rollback, TYPICAL, **sizes)
    relative = smallest_drop(percent.rollback, TYPICAL, **sizes, scale=percent.scale)
    assert points is not None
    assert relative == pytest.approx(points / 0.89)


def test_no_smallest_drop_where_even_silence_would_not_be_told_from_noise() -> None:
    assert smallest_drop(SPEC.rollback, Variation(0.2, 0.5, 1.0), cases=3, baseline=1, repeats=1) is None
    assert smallest_drop(SPEC.rollback, Variation(math.nan, 0.9, 1.0), cases=200, baseline=1, repeats=1) is None
    assert smallest_drop(SPEC.rollback, Variation(0.0, 0.0, 1.0), cases=200, baseline=4, repeats=4) is None
    assert smallest_drop(SPEC.rollback, Variation(0.0, 0.02, 1.0), cases=200, baseline=4, repeats=4) is None


def test_graded_scores_that_never_vary_are_told_apart_at_once() -> None:
    assert smallest_drop(SPEC.rollback, Variation(0.0, 0.8, 0.0), cases=50, baseline=4, repeats=4) == 3.0


def test_what_is_shown_is_never_below_the_threshold() -> None:
    assert shown_smallest_drop(SPEC.investigate, 2.4) == 3.0
    assert shown_smallest_drop(SPEC.investigate, 3.4) == 3.4
    assert shown_smallest_drop(SPEC.investigate, None) is None


def test_thresholds_too_near_to_each_other_are_refused_with_a_gap_that_works() -> None:
    with pytest.raises(GapTooSmallError, match=r"smallest gap that works is 3\.19") as refused:
        baseline_repeats(WITHIN, 20, SPEC)
    assert refused.value.permanent
    assert refused.value.smallest_gap == 3.19
    assert baseline_repeats(WITHIN, 20, Spec.from_thresholds(3, 3 + 3.19)) <= 128
    with pytest.raises(GapTooSmallError):
        baseline_repeats(WITHIN, 20, Spec.from_thresholds(3, 3 + 3.17))


def test_an_unknown_variance_asks_for_answers() -> None:
    with pytest.raises(UnknownVariationError, match="scored twice") as unknown:
        baseline_repeats(math.nan, 200, SPEC)
    assert not unknown.value.permanent


def test_a_small_baseline_cannot_reach_the_precision_and_the_user_learns_what_would() -> None:
    found = week_cap(TYPICAL, 200, 8, SPEC)
    assert found.repeats == 64
    assert not found.reachable
    assert found.baseline_that_would_do is not None
    assert found.cases_that_would_do is not None
    assert week_cap(TYPICAL, 200, found.baseline_that_would_do, SPEC).reachable
    assert not week_cap(TYPICAL, 200, found.baseline_that_would_do - 1, SPEC).reachable
    assert week_cap(TYPICAL, found.cases_that_would_do, 8, SPEC).reachable
    assert not week_cap(TYPICAL, found.cases_that_would_do - 1, 8, SPEC).reachable


def test_a_tiny_test_set_is_helped_by_cases_alone() -> None:
    found = week_cap(TYPICAL, 20, 33, SPEC)
    assert (found.reachable, found.baseline_that_would_do) == (False, None)
    assert found.cases_that_would_do is not None
    assert week_cap(TYPICAL, found.cases_that_would_do, 33, SPEC).reachable


def test_one_baseline_answer_has_a_cap_of_its_own() -> None:
    assert week_cap(Variation(math.nan, 0.9, 1.0), 200, 1, SPEC).repeats == 8


def test_caps_of_many_weeks() -> None:
    within = np.array([0.0, WITHIN, 0.25])
    varied = Variation(within, np.full(3, 0.89), np.ones(3))
    assert cap_repeats(varied, 200, np.array([4, 33, 33]), SPEC).tolist() == [16, 32, 64]


def test_the_weeks_variance_allows_for_a_lower_score() -> None:
    assert float(week_variance(TYPICAL)) == pytest.approx(WITHIN + 0.04)
    assert float(week_variance(Variation(0.01, 0.89, 0.25))) == pytest.approx(0.01 + 0.04 * 0.25)


@pytest.mark.parametrize("ratio", [1.0, 0.3])
def test_the_variance_after_a_drop_is_that_of_every_case_multiplied_alike(ratio: float) -> None:
    p = np.array([0.5, 0.8, 0.95, 1.0])
    varied = Variation(float(ratio * np.mean(p * (1 - p))), float(p.mean()), ratio)
    kept = 1 - 0.06 / p.mean()
    assert dropped_variance(varied, 0.0) == pytest.approx(varied.within)
    assert dropped_variance(varied, 0.06) == pytest.approx(ratio * np.mean(kept * p * (1 - kept * p)))


def test_within_variance_leaves_out_cases_answered_once() -> None:
    moments = Moments.of([[1, 0], [1, 1], [1], []])
    assert within_variance(moments) == pytest.approx((0.5 + 0.0) / 2)
    assert math.isnan(within_variance(Moments.of([[1], []])))


def test_binary_scores_have_a_ratio_of_one_exactly_and_graded_ones_less() -> None:
    assert variation(Moments.of([[1, 0, 1, 1], [0, 1], [1, 1, 1]])).ratio == pytest.approx(1.0, abs=1e-12)
    graded = variation(Moments.of([[0.4, 0.6], [0.5, 0.7]]))
    spread = np.mean([0.25 + 0.02 / 2, 0.24 + 0.02 / 2])
    assert graded.ratio == pytest.approx(0.02 / spread)
    assert variation(Moments.of([[1, 1], [1, 1]])).ratio == 1.0
    assert variation(Moments.of([[1, 1], [0, 0], []])).mean == 0.5
