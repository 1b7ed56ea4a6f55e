"""How long another server asks to wait, from its headers; pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """Seconds from a Retry-After header: a number ("30", "1.5") or an HTTP date; None where there is no use in it.

    RFC 9110, section 10.2.3, knows whole seconds and dates; fractions are seen in practice.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        moment = http_date(value)
        seconds = (moment - now).total_seconds() if moment is not None else 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def http_date(value: str | None) -> datetime | None:
    """A header's date in UTC, or None where it is none."""
    if value is None:
        return None
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter for the end of the year 9999 in the far west
        return None
