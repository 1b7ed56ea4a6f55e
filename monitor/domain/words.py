"""How numbers and times read wherever people see them."""

from __future__ import annotations

from datetime import UTC, datetime


def signed(value: float) -> str:
    """A number to one digit, with a real minus sign and never a negative zero."""
    return f"{value:z.1f}".replace("-", "−")


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def stamp(moment: datetime) -> str:
    """A time, in UTC."""
    return f"{moment.astimezone(UTC):%a %Y-%m-%d %H:%M} UTC"
