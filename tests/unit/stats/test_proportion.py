"""A share's interval is Wilson's."""

import math

import pytest
from scipy import stats

from monitor.stats.proportion import Share


@pytest.mark.parametrize(("count", "trials"), [(0, 40), (1, 40), (20, 40), (39, 40), (40, 40), (3, 4000)])
@pytest.mark.parametrize("confidence", [0.95, 0.999])
def test_agrees_with_scipy(count: int, trials: int, confidence: float) -> None:
    wanted = stats.binomtest(count, trials).proportion_ci(confidence, method="wilson")
    found = Share(count, trials).wilson(confidence)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_nothing_tried_says_nothing() -> None:
    assert math.isnan(Share(0, 0).value)
    assert Share(0, 0).wilson() == (0.0, 1.0)
