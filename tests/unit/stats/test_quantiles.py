"""The quantiles are scipy's own, and an error of nothing lets nothing fire."""

import numpy as np
import pytest
from scipy import stats

from monitor.stats.quantiles import normal_tail, t_upper, z_upper

TAILS = [0.5, 0.05, 0.005, 1e-3, 1e-9, 1e-40, 1e-200]


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("df", [1.0, 2.5, 18.367, 199.0, 6400.0])
def test_student_agrees_with_scipy(tail: float, df: float) -> None:
    assert float(t_upper(tail, df)) == stats.t.isf(tail, df)


@pytest.mark.parametrize("tail", TAILS)
def test_normal_agrees_with_scipy(tail: float) -> None:
    assert float(z_upper(tail)) == pytest.approx(stats.norm.isf(tail), rel=1e-14)
    assert float(normal_tail(z_upper(tail))) == pytest.approx(tail, rel=1e-9)


def test_no_error_to_spend_means_an_infinite_bound() -> None:
    assert t_upper([0.0, 5e-324], 30.0).tolist() == [np.inf, np.inf]


def test_unknown_degrees_stay_unknown() -> None:
    assert np.isnan(t_upper([0.01, 0.0], np.nan)).all()
    assert np.isnan(t_upper(0.01, 0.0))
