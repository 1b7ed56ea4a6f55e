"""From one decision to the next: whether people are told, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from monitor.domain.verdict import CauseKind, Level, Stage

CLEAR_WEEKS_TO_CLOSE = 2
BAD = (Level.INVESTIGATE, Level.ROLLBACK)


class Tell(StrEnum):
    """What kind of message a decision makes; the names are those of the alerts."""

    WORSE = "worse"
    AGAIN = "again"
    RECOVERED = "recovered"
    RECOVERING = "recovering"
    UNMEASURED = "unmeasured"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision: of a week, its last one; within the run that is being decided, each of them."""

    slot: datetime
    level: Level
    stage: Stage
    clear: bool = False
    cause: str | None = None

    @property
    def measured(self) -> bool:
        """Whether the week says something about the model, rather than about its provider or the budget."""
        return self.cause not in (CauseKind.PROVIDER.value, CauseKind.BUDGET.value, CauseKind.NO_BASELINE.value)


@dataclass(frozen=True, slots=True)
class Opened:
    """An alert that is open: its worst level, the slot it began with, and the clear weeks in a row since."""

    level: Level
    since: datetime
    clear_weeks: int


@dataclass(frozen=True, slots=True)
class Told:
    """That people are told, of what kind, and the reason."""

    kind: Tell
    reason: str


def opened(past: Sequence[Decided]) -> Opened | None:
    """The alert that earlier weeks (oldest first) have left open.

    It closes when both questions were clear on two weeks in a row; weeks that measured nothing neither close nor count.
    """
    alert: Opened | None = None
    for week in past:
        if week.stage in (Stage.WAITING, Stage.PENDING) and week.level not in BAD:
            continue
        if not week.measured:
            continue
        if week.level in BAD:
            level = week.level if alert is None or week.level.rank > alert.level.rank else alert.level
            alert = Opened(level, alert.since if alert else week.slot, 0)
        elif alert is not None:
            clear_weeks = alert.clear_weeks + 1 if week.clear else 0
            alert = None if clear_weeks >= CLEAR_WEEKS_TO_CLOSE else Opened(alert.level, alert.since, clear_weeks)
    return alert


def transition(past: Sequence[Decided], earlier: Sequence[Decided], new: Decided) -> Told | None:
    """What `new` means to people who know `past` (earlier weeks) and `earlier` (earlier decisions of the same run)."""
    alert = opened(past)
    if not new.measured:
        return _unmeasured(past, new)
    if new.stage is Stage.WAITING:
        return None
    if new.level in BAD:
        return _bad(alert, earlier, new)
    if new.level is Level.INCONCLUSIVE:
        return _inconclusive(past)
    return _passed(alert, past, earlier)


def _unmeasured(past: Sequence[Decided], new: Decided) -> Told:
    if new.cause == CauseKind.PROVIDER.value:
        return Told(Tell.UNMEASURED, "the provider did not answer enough of the cases")
    return _inconclusive(past)


def _inconclusive(past: Sequence[Decided]) -> Told:
    if past and past[-1].level is Level.INCONCLUSIVE:
        return Told(Tell.UNMEASURED, "it could not be measured two weeks in a row")
    return Told(Tell.NOTE, "it could not be measured once")


def _bad(alert: Opened | None, earlier: Sequence[Decided], new: Decided) -> Told | None:
    said = [decision for decision in earlier if decision.level in BAD and decision.stage is not Stage.WAITING]
    before = max([d.level.rank for d in said] + ([alert.level.rank] if alert else []), default=-1)
    if new.level.rank > before:
        return Told(Tell.WORSE, f"the verdict became {new.level.value}")
    if said and new.stage is Stage.FINAL and said[-1].stage is Stage.PENDING:
        return Told(Tell.NOTE, "the pending rollback was not confirmed")
    if said:
        return None
    return Told(Tell.AGAIN, f"a new run does not clear the open alert ({alert.level.value if alert else ''})")


def _passed(alert: Opened | None, past: Sequence[Decided], earlier: Sequence[Decided]) -> Told | None:
    if alert is not None:
        if alert.clear_weeks + 1 >= CLEAR_WEEKS_TO_CLOSE:
            return Told(Tell.RECOVERED, "both questions were clear two weeks in a row")
        return Told(Tell.RECOVERING, "the first clear week since the alert")
    unmeasured = [*past[-1:], *earlier]
    if any(not d.measured and d.cause == CauseKind.PROVIDER.value for d in unmeasured) or _silent(past):
        return Told(Tell.RECOVERED, "it can be measured again, and passes")
    return None


def _silent(past: Sequence[Decided]) -> bool:
    """Whether the last two weeks were inconclusive, of which people were told."""
    return len(past) >= 2 and all(week.level is Level.INCONCLUSIVE for week in past[-2:])
