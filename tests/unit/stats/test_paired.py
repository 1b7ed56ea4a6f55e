"""The estimate, its error, its degrees of freedom and its information, against figures worked out by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from monitor.stats.moments import Moments
from monitor.stats.paired import Correction, estimate, interval, new_case_se

BASELINE = Moments.of([[1, 1, 1, 0]] * 12)  # mean 3/4, variance 1/4, so 1/16 for the mean of a case
WITHIN = 0.25


def test_two_answers_a_case() -> None:
    found = estimate(BASELINE, Moments.of([[1, 0]] * 12), repeats=2, cap=8, v0_hat=WITHIN)
    s0, sw = 12 / 16 / 144, 12 * (1 / 2) / 2 / 144
    assert found.drop == pytest.approx(0.25)
    assert found.se == pytest.approx(math.sqrt(s0 + sw))
    assert found.se_cap == pytest.approx(math.sqrt(s0 + sw * 2 / 8))
    assert found.information == pytest.approx(0.4)
    assert found.df == pytest.approx((12 * 5 / 16) ** 2 / (12 * (1 / 256 / 3 + 1 / 16)))
    assert not found.floored
    assert not found.at_cap
    assert found.cases == 12


def test_one_answer_a_case_is_measured_against_the_baseline() -> None:
    found = estimate(BASELINE, Moments.of([[0]] * 12), repeats=1, cap=8, v0_hat=WITHIN)
    assert found.se**2 == pytest.approx(12 / 16 / 144 + 12 * (9 / 16 - 1 / 16) / 144)
    assert found.df == 11


def test_a_single_answer_near_the_baseline_adds_no_negative_variance() -> None:
    # (3/4 - 1)² is just the baseline's own variance: nothing is left for the week but the baseline's level.
    found = estimate(BASELINE, Moments.of([[1]] * 12), repeats=1, cap=8, v0_hat=WITHIN)
    assert found.se**2 == pytest.approx(12 / 16 / 144 + WITHIN / 12)


def test_a_lucky_week_has_at_least_the_variance_of_the_baseline() -> None:
    found = estimate(BASELINE, Moments.of([[1, 1]] * 12), repeats=2, cap=8, v0_hat=WITHIN)
    assert found.se**2 == pytest.approx(12 / 16 / 144 + WITHIN / 24)


def test_cases_answered_in_one_period_only_do_not_count() -> None:
    baseline = Moments.of([[1, 1, 1, 0]] * 12 + [[], [1, 1, 1, 1]])
    current = Moments.of([[1, 0]] * 12 + [[0, 0], []])
    whole = estimate(BASELINE, Moments.of([[1, 0]] * 12), repeats=2, cap=8, v0_hat=WITHIN)
    found = estimate(baseline, current, repeats=2, cap=8, v0_hat=WITHIN)
    for name in ("drop", "se", "se_cap", "df", "cases", "information"):
        assert getattr(found, name) == getattr(whole, name), name


def test_cases_that_hardly_vary_have_a_floor_which_counts_as_the_cap_from_two_answers_on() -> None:
    steady = Moments.of([[1, 1, 1, 1]] * 50)
    one = estimate(steady, Moments.of([[1]] * 50), repeats=1, cap=16, v0_hat=0.0)
    two = estimate(steady, Moments.of([[1, 1]] * 50), repeats=2, cap=16, v0_hat=0.0)
    assert one.se == two.se == 0.01
    assert (bool(one.floored), bool(one.at_cap)) == (True, False)
    assert (bool(two.floored), bool(two.at_cap)) == (True, True)
    assert two.information == 1.0
    assert two.df == 49


def test_the_floor_ends_with_the_tenth_case_that_varies() -> None:
    steady = Moments.of([[1, 1, 1, 1]] * 400)
    nine = Moments.of([[1, 1, 1, 1, 1, 1, 1, 0.9]] * 9 + [[1] * 8] * 391)
    ten = Moments.of([[1, 1, 1, 1, 1, 1, 1, 0.9]] * 10 + [[1] * 8] * 390)
    assert estimate(steady, nine, repeats=8, cap=16, v0_hat=0.0).se == 0.5 / 400
    assert estimate(steady, ten, repeats=8, cap=16, v0_hat=0.0).se < 0.5 / 400


def test_the_cap_has_all_the_information() -> None:
    found = estimate(BASELINE, Moments.of([[1, 0] * 4] * 12), repeats=8, cap=8, v0_hat=WITHIN)
    assert bool(found.at_cap)
    assert found.information == 1.0


def test_one_baseline_answer_a_case_takes_the_error_from_the_differences() -> None:
    baseline = Moments.of([[1]] * 12)
    current = Moments.of([[1, 1]] * 9 + [[0, 0]] * 3)
    found = estimate(baseline, current, repeats=2, cap=8, v0_hat=float("nan"))
    differences = [0.0] * 9 + [1.0] * 3
    assert bool(found.single_baseline)
    assert found.se == pytest.approx(np.std(differences, ddof=1) / math.sqrt(12))
    assert found.df == 11
    assert found.information == 0.25


def test_a_case_with_one_baseline_answer_among_others_borrows_the_suites_variance() -> None:
    baseline = Moments.of([[1, 1, 1, 0]] * 12 + [[1]])
    current = Moments.of([[1, 0]] * 13)
    found = estimate(baseline, current, repeats=2, cap=8, v0_hat=WITHIN)
    assert not found.single_baseline
    assert found.se**2 == pytest.approx((12 / 16 + WITHIN + 13 / 4) / 169)


def test_nothing_in_common_is_not_a_number() -> None:
    found = estimate(Moments.of([[1, 1], []]), Moments.of([[], [0, 0]]), repeats=2, cap=8, v0_hat=0.1)
    assert found.cases == 0
    assert math.isnan(found.drop)
    assert math.isnan(found.se)


def test_a_correction_moves_the_baseline_and_widens_its_error() -> None:
    current = Moments.of([[1, 0]] * 12)
    shift, variance = np.full(12, -0.05), np.full(12, 0.01)
    found = estimate(
        BASELINE, current, repeats=2, cap=8, v0_hat=WITHIN, correction=Correction(shift, variance, repeats=3)
    )
    v0 = 1 / 16 + 0.01
    assert found.drop == pytest.approx(0.20)
    assert found.se**2 == pytest.approx(12 * (v0 + 1 / 4) / 144)
    assert found.df == pytest.approx((12 * (v0 + 0.25)) ** 2 / (12 * (v0**2 / 2 + 1 / 16)))


def test_a_correction_enters_the_terms_of_single_answers() -> None:
    current = Moments.of([[0]] * 12)
    correction = Correction(np.full(12, -0.05), np.full(12, 0.01))
    found = estimate(BASELINE, current, repeats=1, cap=8, v0_hat=WITHIN, correction=correction)
    v0 = 1 / 16 + 0.01
    assert found.se**2 == pytest.approx(12 * (v0 + (0.7**2 - v0)) / 144)


def test_the_interval_is_by_t_in_the_unit_of_the_scale() -> None:
    found = estimate(BASELINE, Moments.of([[1, 0]] * 12), repeats=2, cap=8, v0_hat=WITHIN)
    reach = stats.t.isf(0.005, float(found.df)) * float(found.se)
    bounds = interval(found, 0.99, scale=100 / 0.75)
    assert bounds.estimate == pytest.approx(25 / 0.75)
    assert (bounds.low, bounds.high) == pytest.approx(((0.25 - reach) * 100 / 0.75, (0.25 + reach) * 100 / 0.75))


def test_new_cases_alone_and_in_clusters() -> None:
    baseline = Moments.of([[1, 1]] * 4 + [[1]])
    current = Moments.of([[1, 1], [1, 0], [0, 0], [0, 0], []])  # differences 0, 1/2, 1, 1 about 5/8
    residual = np.array([-5, -1, 3, 3]) / 8
    assert new_case_se(baseline, current) == pytest.approx(math.sqrt(4 / 3 * (residual**2).sum()) / 4)
    pairs = math.sqrt(2 / 1 * ((6 / 8) ** 2 * 2)) / 4
    assert new_case_se(baseline, current, np.array([7, 7, 2, 2, 2])) == pytest.approx(pairs)


def test_one_cluster_says_nothing_of_new_cases() -> None:
    one = Moments.of([[1], [0]])
    assert math.isnan(new_case_se(one, one, np.array([3, 3])))
    assert math.isnan(new_case_se(one, Moments.of([[], []])))
