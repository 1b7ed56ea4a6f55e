"""Normal and Student quantiles from `scipy.special`, which loads in a third of the time that `scipy.stats` takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
Numbers = float | FloatArray

SMALLEST_TAIL = 1e-300
"""A tail below this is nothing: `stdtrit` turns an underflowing probability into the wrong infinity."""


def z_upper(tail: Any) -> FloatArray:
    """The z with `tail` of the standard normal above it; elementwise, the same as `scipy.stats.norm.isf`."""
    from scipy.special import ndtri

    return np.asarray(-ndtri(tail), dtype=np.float64)


def normal_tail(z: Any) -> FloatArray:
    """The share of the standard normal above `z`; elementwise, the same as `scipy.stats.norm.sf`."""
    from scipy.special import ndtr

    return np.asarray(ndtr(-np.asarray(z)), dtype=np.float64)


def t_upper(tail: Any, df: Any) -> FloatArray:
    """The t with `tail` of Student's distribution of `df` degrees above it; elementwise, as `scipy.stats.t.isf`.

    Infinite where `tail` is 0 or too small to be told from it; NaN where `df` is not positive or unknown.
    """
    from scipy.special import stdtrit

    tail, df = np.broadcast_arrays(np.asarray(tail, dtype=np.float64), np.asarray(df, dtype=np.float64))
    usable = tail > SMALLEST_TAIL
    quantile = -stdtrit(df, np.where(usable, tail, 0.5))
    return np.where(usable | np.isnan(quantile), quantile, np.inf)
