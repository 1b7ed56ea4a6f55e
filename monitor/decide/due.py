"""Which slot of the schedule is due."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

# The newest ones of a schedule that is due every minute; older ones are of no use.
_MOST_SLOTS = 100_000


@dataclass(frozen=True, slots=True)
class Timetable:
    """When production is measured: a five-field cron expression with weekday names, in an IANA time zone."""

    cron: str
    timezone: str

    def slots(self, after: datetime, until: datetime) -> list[datetime]:
        """The slots in (after, until], in UTC, oldest first.

        A fixed local time that a change of clocks skips happens once, right after the change; one that it repeats
        happens once (the rules of Debian's cron).
        """
        found: deque[datetime] = deque(maxlen=_MOST_SLOTS)
        for slot in self._from(after):
            if slot > until:
                break
            found.append(slot)
        return list(found)

    def following(self, after: datetime) -> datetime | None:
        """The first slot after `after`, in UTC; None where there is none."""
        return next(self._from(after), None)

    def _from(self, after: datetime) -> Iterator[datetime]:
        # Begun in the second pass of a repeated hour, CronSim takes that for the first, and gives a slot that is past.
        moments = CronSim(self.cron, after.astimezone(ZoneInfo(self.timezone)))
        return (slot for slot in (moment.astimezone(UTC) for moment in moments) if slot > after)

    def is_slot(self, moment: datetime) -> bool:
        """Whether `moment` is an instant of the schedule."""
        return moment in self.slots(moment - timedelta(seconds=61), moment)


@dataclass(frozen=True, slots=True)
class Due:
    """What the schedule wants of one (target, suite): a slot or None, and why."""

    slot: datetime | None
    reason: str


def due_slot(timetable: Timetable, catch_up: timedelta, recorded: AbstractSet[datetime], now: datetime) -> Due:
    """The newest slot that is not older than `catch_up`, unless it has a run already."""
    past = timetable.slots(now - catch_up - timedelta(seconds=1), now)
    if not past:
        return Due(None, "no slot within the time that is caught up")
    newest = past[-1]
    if newest in recorded:
        return Due(None, f"the slot of {newest:%Y-%m-%d %H:%M} UTC has its run")
    return Due(newest, f"the slot of {newest:%Y-%m-%d %H:%M} UTC has no run yet")
