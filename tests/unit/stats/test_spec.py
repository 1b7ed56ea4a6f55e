"""Thresholds become questions, or are refused with the reason."""

import pytest

from monitor.stats.spec import Spec, ThresholdError, unit_scale


def test_the_default_questions() -> None:
    spec = Spec.from_thresholds(3, 5)
    assert (spec.investigate.null_edge, spec.investigate.alpha, spec.investigate.clear_z) == (1.0, 0.005, 2.24)
    assert (spec.rollback.null_edge, spec.rollback.alpha, spec.rollback.clear_z) == (3.0, 0.001, 2.576)
    assert spec.target_se == pytest.approx(0.00389, abs=5e-6)
    assert spec.confirmation().rollback.alpha == 0.05
    assert spec.confirmation().investigate == spec.investigate


def test_in_percent_the_precision_is_that_of_the_score() -> None:
    assert Spec.from_thresholds(3, 5, scale=100 / 0.8).target_se == pytest.approx(
        0.8 * Spec.from_thresholds(3, 5).target_se
    )


@pytest.mark.parametrize(
    ("investigate", "rollback", "named"),
    [
        (0, 5, "investigate"),
        (-1, 5, "investigate"),
        (5, 5, "rollback"),
        (5, 3, "rollback"),
        (3, float("inf"), "rollback"),
    ],
)
def test_thresholds_that_make_no_sense(investigate: float, rollback: float, named: str) -> None:
    with pytest.raises(ThresholdError, match=f"^thresholds.{named}"):
        Spec.from_thresholds(investigate, rollback)


def test_units() -> None:
    assert unit_scale("points", 0.5) == 100.0
    assert unit_scale("percent", 0.5) == 200.0
    assert unit_scale("percent", 0.0) == 100.0
    with pytest.raises(ValueError, match="unit"):
        unit_scale("permille", 0.5)
