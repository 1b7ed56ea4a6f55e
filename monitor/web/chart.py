"""Where the parts of a drop's small picture are: the interval, its middle, and the two thresholds, on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# In the picture's own units.
WIDTH = 200.0
_MARGIN = 6.0


@dataclass(frozen=True, slots=True)
class Chart:
    """Positions from the left. What lies beyond the scale is drawn at its end."""

    low: float
    high: float
    middle: float
    zero: float
    investigate: float
    rollback: float


def drop_chart(payload: Mapping[str, Any]) -> Chart | None:
    """The picture of a verdict's drop, from the contract's object; None where no drop was measured.

    The scale goes from one rollback threshold of gain to two of loss, so that pictures of all targets compare.
    """
    measured, table = payload["drop"], payload["thresholds"]
    factor = 1.0 if table["unit"] == "points" else payload["baseline_score"]
    if not measured or None in (measured["points"], measured["low"], measured["high"], factor):
        return None
    # In percent of the baseline: 5 percent of a score of 0.8 are 4 points.
    investigate, rollback = table["investigate"] * factor, table["rollback"] * factor
    if not rollback > 0:
        return None

    def at(value: float) -> float:
        share = (min(max(value, -rollback), 2 * rollback) + rollback) / (3 * rollback)
        return round(_MARGIN + float(share) * (WIDTH - 2 * _MARGIN), 1)

    return Chart(
        low=at(measured["low"]),
        high=at(measured["high"]),
        middle=at(measured["points"]),
        zero=at(0.0),
        investigate=at(investigate),
        rollback=at(rollback),
    )
