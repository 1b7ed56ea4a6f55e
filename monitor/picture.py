"""The trend of one (target, suite) as a picture for messages: scores with their intervals, and both thresholds."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from alerts.channel import Picture

WEEKS = 26
_INK, _BAND, _INVESTIGATE, _ROLLBACK = "#1f2933", "#9fb3c8", "#b7791f", "#c53030"


@dataclass(frozen=True, slots=True)
class Point:
    """One slot: scores from 0 to 100, with the interval of the drop carried over; None where nothing was measured."""

    slot: datetime
    score: float | None
    low: float | None
    high: float | None
    baseline: float | None
    verdict: str


def point(slot: datetime, said: dict[str, Any]) -> Point:
    """A slot as its verdict (the contract's object) has it."""
    score, baseline, drop = said.get("score"), said.get("baseline_score"), said.get("drop") or {}
    low = high = None
    if baseline is not None and drop.get("low") is not None:
        low, high = 100 * baseline - drop["high"], 100 * baseline - drop["low"]
    return Point(
        slot,
        None if score is None else 100 * score,
        low,
        high,
        None if baseline is None else 100 * baseline,
        str(said.get("verdict")),
    )


def trend(name: str, points: Sequence[Point], thresholds: tuple[float, float]) -> Picture:
    """The slots, oldest first, as a PNG. `thresholds`: points below the baseline at which the verdicts begin.

    A slot that was not measured is a gap. It reads without colours too: the thresholds differ by their dashes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 3.6), dpi=110)
    # Fixed margins: to find them anew takes longer than all the rest.
    figure.subplots_adjust(left=0.08, right=0.98, top=0.9, bottom=0.16)
    axes = figure.add_subplot()
    for part in _unbroken(points):
        axes.plot(
            date2num([one.slot for one in part]),
            [one.score or 0.0 for one in part],
            color=_INK,
            linewidth=1.6,
            marker="o",
            markersize=4,
            zorder=3,
        )
        banded = [one for one in part if one.low is not None]
        axes.errorbar(
            date2num([one.slot for one in banded]),
            [one.score or 0.0 for one in banded],
            yerr=[
                [max(0.0, (one.score or 0.0) - (one.low or 0.0)) for one in banded],
                [max(0.0, (one.high or 0.0) - (one.score or 0.0)) for one in banded],
            ],
            fmt="none",
            ecolor=_BAND,
            elinewidth=5,
            zorder=2,
        )
    baseline = next((one.baseline for one in reversed(points) if one.baseline is not None), None)
    if baseline is not None:
        lines = (
            (baseline, "deployment", _INK, "-"),
            (baseline - thresholds[0], f"investigate (−{thresholds[0]:g})", _INVESTIGATE, "--"),
            (baseline - thresholds[1], f"rollback (−{thresholds[1]:g})", _ROLLBACK, ":"),
        )
        for height, label, colour, dashes in lines:
            axes.axhline(height, color=colour, linestyle=dashes, linewidth=1.2, zorder=1, label=label)
        axes.legend(loc="lower left", fontsize=8, frameon=False, ncols=3)
    axes.xaxis_date()
    locator = AutoDateLocator(maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_ylabel("score (0 to 100)")
    axes.set_title(name, fontsize=10, loc="left", parse_math=False)
    axes.margins(y=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    held = io.BytesIO()
    FigureCanvasAgg(figure).print_png(held)
    return Picture(held.getvalue(), _alt(name, points))


def _unbroken(points: Sequence[Point]) -> list[list[Point]]:
    """Measured slots that follow one another: no line is drawn through weeks without a measurement."""
    gaps = sorted(b.slot - a.slot for a, b in pairwise(points))
    usual = gaps[len(gaps) // 2] if gaps else timedelta(0)
    parts: list[list[Point]] = []
    last: Point | None = None
    for one in points:
        if one.score is None:
            last = None
            continue
        if last is None or one.slot - last.slot > 1.5 * usual:
            parts.append([])
        parts[-1].append(one)
        last = one
    return parts


def _alt(name: str, points: Sequence[Point]) -> str:
    measured = [one for one in points if one.score is not None]
    if not measured:
        return f"Trend of {name}: nothing was measured in {len(points)} weeks."
    first, last = measured[0], measured[-1]
    return (
        f"Trend of {name} over {len(points)} weeks: score {first.score:.1f} on {first.slot:%Y-%m-%d}, "
        f"{last.score:.1f} on {last.slot:%Y-%m-%d}."
    )
