"""Says whether a cron expression and a time zone mean what whoever wrote them meant."""

from __future__ import annotations

from datetime import UTC, datetime

WEEKDAYS = "mon, tue, wed, thu, fri, sat, sun"


def checked_cron(expression: str) -> str:
    """`expression` when it has five fields, names weekdays and fires at some time; else ValueError with the remedy."""
    from cronsim import CronSim, CronSimError

    fields = expression.split()
    if len(fields) != 5 or len(expression) > 200:
        raise ValueError('must have five fields (minute, hour, day, month, weekday), such as "0 6 * * mon"')
    if any(character.isdigit() for character in fields[4]):
        raise ValueError(
            f"has a digit as its weekday: cron dialects disagree on whether 0, 1 or 7 is Sunday; "
            f"name the day instead ({WEEKDAYS})"
        )
    try:
        first = next(CronSim(expression, datetime(2024, 1, 1, tzinfo=UTC)), None)
    except CronSimError as error:
        # The library says "Bad minute" and the like.
        what = str(error).removeprefix("Bad ")
        hint = f": {WEEKDAYS}, and a range must not pass the end of the week, which begins on sun"
        raise ValueError(f"has a {what} that is not valid{hint if what == 'day-of-week' else ''}") from None
    if first is None:
        raise ValueError("never fires: no such date exists")
    return expression


def checked_timezone(name: str) -> str:
    """`name` when the system or the tzdata package knows it as an IANA time zone; else ValueError with the nearest."""
    from zoneinfo import ZoneInfo, available_timezones

    from monitor.config.faults import did_you_mean

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        hint = did_you_mean(name, available_timezones()) or ': write one such as "Europe/Vienna" or "UTC"'
        raise ValueError(f"is not a time zone{hint}") from None
    return name
