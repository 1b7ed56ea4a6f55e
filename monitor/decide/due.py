"""Which slot of the schedule is due, and which were missed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

# Whoever looks, looks a little later than the slot: until then it is on time, and nothing is caught up.
ON_TIME = timedelta(minutes=10)
_STEP = timedelta(seconds=1)
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
class Agenda:
    """What the schedule wants of one (target, suite): the slot to run or None, slots that were missed, and why."""

    due: datetime | None
    missed: tuple[datetime, ...]
    reason: str


def agenda(
    timetable: Timetable,
    catch_up: timedelta,
    recorded: AbstractSet[datetime],
    after: datetime | None,
    watched_since: datetime | None,
    now: datetime,
) -> Agenda:
    """The newest slot, unless it is recorded or older than `catch_up`; the others were missed.

    `after`: the newest slot that is recorded, if any is; nothing up to it is wanted any more. `watched_since`: slots
    before it were not missed, because nobody had asked for them; None where nobody knows. Without both nothing was.
    """
    earliest = now - max(catch_up, ON_TIME) - timedelta(seconds=1)
    expected = watched_since if after is None else max(after, watched_since or after)
    # Up to `after` nothing is wanted any more: the slots of a week of minutes are not counted again at each look.
    if after is None or expected is None:
        begin = min(earliest, expected or earliest)
    else:
        begin = min(expected, max(earliest, after - _STEP))
    slots = timetable.slots(begin, now)
    newest = slots[-1] if slots else None
    wanted = newest is not None and newest > max(earliest, after or earliest) and newest not in recorded
    due = newest if wanted else None
    missed = [] if expected is None else [s for s in slots if s > expected and s not in recorded and s != due]
    if due is not None:
        reason = f"the slot of {due:%Y-%m-%d %H:%M} UTC has no run yet"
    elif newest is not None and newest in recorded:
        reason = f"the slot of {newest:%Y-%m-%d %H:%M} UTC has its run"
    else:
        reason = "no slot within the time that is caught up"
    return Agenda(due, tuple(missed), reason)
