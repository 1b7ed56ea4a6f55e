"""Whether a judge moved, and by how much, from the anchors that it scored differently."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from monitor.stats.flips import JUDGE_ALPHA, anchors_needed, shift, sign_test


@pytest.mark.parametrize(("up", "down"), [(0, 0), (1, 0), (0, 9), (7, 7), (3, 17), (40, 11), (400, 520)])
def test_the_sign_test_is_exact(up, down):
    wanted = stats.binomtest(up, up + down).pvalue if up + down else 1.0
    assert sign_test(up, down) == pytest.approx(wanted)


def test_counts_below_zero_are_refused():
    with pytest.raises(ValueError, match="counted from 0 on"):
        sign_test(-1, 2)


def test_a_judge_that_only_churns_is_rarely_called_moved():
    rng = np.random.default_rng(43)
    flips = rng.binomial(1600, [0.01, 0.01], (4000, 2))
    assert np.mean([sign_test(int(up), int(down)) < JUDGE_ALPHA for up, down in flips]) <= 2 * JUDGE_ALPHA


def test_the_shift_in_points_with_its_interval():
    flips = np.array([1.0] * 30 + [-1.0] * 6 + [0.0] * 964)
    found = shift(flips)
    assert found.estimate == pytest.approx(2.4)
    reach = 100 * stats.t.isf(0.025, 999) * math.sqrt(1000 / 999 * (np.sum((flips - 0.024) ** 2) + 1)) / 1000
    assert (found.low, found.high) == pytest.approx((2.4 - reach, 2.4 + reach))


def test_flips_of_one_case_come_together():
    flips, cases = np.array([1.0] * 8 + [0.0] * 392), np.repeat(np.arange(50), 8)
    alone, together = shift(flips), shift(flips, cases)
    assert alone.estimate == together.estimate == pytest.approx(2.0)
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_no_flips_are_not_known_to_be_none():
    found = shift(np.zeros(400))
    assert found.estimate == 0.0
    assert -1.0 < found.low < -0.4
    assert 0.4 < found.high < 1.0
    assert math.isnan(shift(np.array([])).low)
    assert shift(np.array([1.0])).high == math.inf


@pytest.mark.parametrize(("churn", "figure"), [(0.005, 900), (0.02, 1500), (0.05, 2600)])
def test_how_many_anchors_show_two_points(churn, figure):
    """The design's figures are those of 70% power; at that size the exact test has it."""
    needed = anchors_needed(2.0, churn, power=0.7)
    assert needed == pytest.approx(figure, rel=0.02)
    rng = np.random.default_rng(44)
    counts = rng.multinomial(needed, [churn / 2 + 0.02, churn / 2, 0.98 - churn], 2000)
    share = np.mean([sign_test(int(up), int(down)) < JUDGE_ALPHA for up, down, _ in counts])
    assert share == pytest.approx(0.7, abs=0.06)
    assert anchors_needed(2.0, churn) > needed


def test_a_few_hundred_anchors_see_nothing():
    assert sign_test(5, 1) > 0.1
    assert anchors_needed(2.0, 0.005) > 900


@pytest.mark.parametrize(("points", "churn"), [(0.0, 0.1), (101.0, 0.1), (2.0, 1.0), (2.0, -0.1)])
def test_impossible_judges_are_refused(points, churn):
    with pytest.raises(ValueError, match="a shift lies in"):
        anchors_needed(points, churn)
