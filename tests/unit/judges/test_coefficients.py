"""Kappa and alpha by published tables, and alpha by an implementation of somebody else's."""

from __future__ import annotations

import math

import krippendorff
import numpy as np
import pytest

from judges.calibration import alpha_of_scores, alpha_of_verdicts
from judges.coefficients import interval_alpha, interval_parts, kappa, nominal_alpha

# Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, part D: four observers, twelve units, some not seen.
OBSERVERS = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
DATA = [[math.nan if value == "." else float(value) for value in row.split()] for row in OBSERVERS.split("\n") if row]
UNITS = [[value for value in column if not math.isnan(value)] for column in zip(*DATA, strict=True)]
CASES = range(12)


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        # Fleiss, Levin and Paik 2003, Statistical Methods for Rates and Proportions, chapter 18: 100 diagnoses.
        ([[75, 1, 4], [5, 4, 1], [0, 0, 10]], 0.676),
        ([[20, 5], [10, 15]], 0.4),
        ([[45, 15], [25, 15]], 0.1304),
        ([[25, 35], [5, 35]], 0.2593),
        ([[3, 0], [0, 4]], 1.0),
        ([[0, 5], [5, 0]], -1.0),
        ([[0, 5], [0, 5]], 0.0),
    ],
)
def test_kappa_by_published_tables_and_by_hand(table, wanted):
    assert float(kappa(np.array(table, dtype=float))) == pytest.approx(wanted, abs=5e-4)


def test_alpha_of_the_published_example():
    assert alpha_of_verdicts([[str(value) for value in unit] for unit in UNITS], CASES, 1).value == pytest.approx(
        0.743, abs=5e-4
    )
    assert alpha_of_scores(UNITS, CASES, 1).value == pytest.approx(0.849, abs=5e-4)


def test_alpha_agrees_with_the_package_of_that_name():
    generator = np.random.default_rng(1)
    for _ in range(40):
        people, units, values = generator.integers(2, 5), generator.integers(3, 30), generator.integers(2, 5)
        data = generator.integers(0, values, size=(people, units)) / 4
        data[generator.random(data.shape) < generator.choice([0, 0.3])] = math.nan
        given = [[float(value) for value in column if not math.isnan(value)] for column in data.T]
        if len({value for unit in given if len(unit) > 1 for value in unit}) < 2:
            continue
        cases = range(int(units))
        texts = [[str(value) for value in unit] for unit in given]
        wanted = [krippendorff.alpha(data, level_of_measurement=level) for level in ("nominal", "interval")]
        assert alpha_of_verdicts(texts, cases, 1).value == pytest.approx(wanted[0], abs=1e-9)
        assert alpha_of_scores(given, cases, 1).value == pytest.approx(wanted[1], abs=1e-9)


def test_many_tables_at_once_are_each_as_if_alone():
    tables = np.random.default_rng(1).integers(0, 6, size=(50, 3, 3)).astype(float)
    tables[0] = 0
    tables[1] = np.diag([5.0, 0, 0])
    both = tables + np.swapaxes(tables, 1, 2)
    for found, alone in ((kappa(tables), map(kappa, tables)), (nominal_alpha(both), map(nominal_alpha, both))):
        np.testing.assert_array_equal(found, [float(one) for one in alone])
        assert np.isnan(found[:2]).all()
        assert np.isfinite(found[2:]).all()


def test_scores_near_each_other_keep_their_digits():
    units = [[0.5 + 1e-6 * a, 0.5 + 1e-6 * b] for a, b in ((0, 1), (3, 3), (5, 4), (9, 9))]
    scaled = [[1e6 * (value - 0.5) for value in unit] for unit in units]
    found = float(interval_alpha(interval_parts(units).sum(axis=0)))
    assert found == pytest.approx(float(interval_alpha(interval_parts(scaled).sum(axis=0))), abs=1e-6)
    assert found == pytest.approx(1 - 7 * 2 / 620)
