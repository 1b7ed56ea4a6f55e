"""How numbers and times read wherever people see them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def signed(value: float) -> str:
    """A number to one digit, with a real minus sign and never a negative zero."""
    return f"{value:z.1f}".replace("-", "−")


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def fallback(seen: Mapping[str, Any]) -> str:
    """How what could serve instead compares, from the contract's object: "better by 3.9 points (2.7 to 5.1), ready"."""
    gap, ready = seen["better_by"], "ready" if seen["ready"] else f"not ready: {seen['why']}"
    if gap is None or gap["points"] is None:
        return ready
    points = gap["points"]
    text = f"{'worse' if points < 0 else 'better'} by {abs(points):.1f} points"
    if gap["low"] is not None:
        ends = (gap["low"], gap["high"]) if points >= 0 else (-gap["high"], -gap["low"])
        text += f" ({signed(ends[0])} to {signed(ends[1])})"
    return f"{text}, {ready}"


def stamp(moment: datetime) -> str:
    """A time, in UTC."""
    return f"{moment.astimezone(UTC):%a %Y-%m-%d %H:%M} UTC"
