"""Cohen's kappa and Krippendorff's alpha from counts, for one table or thousands of resampled ones at once.

Where a coefficient is not defined it is NaN: callers turn that into a reason. Everything they are made of is a sum over
answers, so that a resample's coefficient comes from a sum of the same parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from judges.estimate import FloatArray

_NOTHING = 1e-12


def kappa(tables: FloatArray) -> FloatArray:
    """Cohen's kappa of the last two axes (k, k), rows one side's verdicts and columns the other's (Cohen 1960).

    κ = (p_o − p_e)/(1 − p_e), from −1 to 1; NaN where there is nothing, or where both sides know one verdict only.
    """
    total = tables.sum(axis=(-2, -1))
    observed = np.trace(tables, axis1=-2, axis2=-1)
    by_chance = (tables.sum(axis=-1) * tables.sum(axis=-2)).sum(axis=-1)
    return _ratio(observed * total - by_chance, total * total - by_chance, total * total)


def coincidences(counts: FloatArray) -> FloatArray:
    """Each unit's pairs of values, (units, k, k), from how often it was given each of k values, (units, k).

    A unit with m values adds m of them: each pair counts 1/(m − 1). One with less than two adds nothing.
    """
    given = counts.sum(axis=-1)[:, None, None]
    pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(counts.shape[-1])
    shared: FloatArray = np.divide(pairs, given - 1, out=np.zeros_like(pairs), where=given > 1)
    return shared


def nominal_alpha(totals: FloatArray) -> FloatArray:
    """Krippendorff's alpha for categories, from sums of `coincidences` (…, k, k).

    α = 1 − D_o/D_e (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability); any number of people, and not all
    need to have seen each unit. NaN where fewer than two values can be paired, or all of them are the same.
    """
    given = totals.sum(axis=-1)
    n = given.sum(axis=-1)
    observed = n - np.trace(totals, axis1=-2, axis2=-1)
    expected = n * n - (given * given).sum(axis=-1)
    return 1.0 - _ratio((n - 1) * observed, expected, n * n)


def interval_parts(units: Sequence[Sequence[float]]) -> FloatArray:
    """Each unit's parts of `interval_alpha`, shape (units, 4): disagreement, number, sum and sum of squares."""
    every = [value for unit in units for value in unit]
    middle = sum(every) / len(every) if every else 0.0  # nearer to zero, less is lost in the subtraction of squares
    parts = np.zeros((len(units), 4))
    for row, unit in zip(parts, units, strict=True):
        if len(unit) > 1:
            values = np.asarray(unit, dtype=np.float64) - middle
            number, total, squares = len(unit), values.sum(), (values * values).sum()
            row[:] = (number * squares - total * total) / (number - 1), number, total, squares
    return parts


def interval_alpha(totals: FloatArray) -> FloatArray:
    """Krippendorff's alpha for numbers, the distance of two being their squared difference, from sums of parts (…, 4).

    As `nominal_alpha`; NaN under the same conditions.
    """
    disagreement, n, total, squares = np.moveaxis(totals, -1, 0)
    return 1.0 - _ratio((n - 1) * disagreement, n * squares - total * total, n * n)


def _ratio(above: FloatArray, below: FloatArray, scale: FloatArray) -> FloatArray:
    """`above`/`below`, NaN where `below` is nothing beside `scale`."""
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    there = below > _NOTHING * np.maximum(scale, 1)
    ratio: FloatArray = np.divide(above, below, out=np.full(below.shape, np.nan), where=there)
    return ratio
