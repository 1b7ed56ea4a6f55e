"""From one decision to the next: whether people are told, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from monitor.domain.verdict import CauseKind, Level, Stage

CLEAR_WEEKS_TO_CLOSE = 2
BAD = (Level.INVESTIGATE, Level.ROLLBACK)
# Causes with which a week says nothing about the model.
UNMEASURED = tuple(
    kind.value
    for kind in (CauseKind.PROVIDER, CauseKind.BUDGET, CauseKind.NO_BASELINE, CauseKind.TEST_SET, CauseKind.JUDGE)
)
# What is told at once, with why: these say that something is out of order, and not that the test set is too small.
OUT_OF_ORDER = {
    CauseKind.PROVIDER.value: "the provider did not answer enough of the cases",
    CauseKind.JUDGE.value: "the judge could not be relied on",
}


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
        """Whether the week says something about the model, rather than about what kept it from being measured."""
        return self.cause not in UNMEASURED


@dataclass(frozen=True, slots=True)
class Opened:
    """An alert that is open: its worst level, the slot it began with, and the clear weeks in a row since."""

    level: Level
    since: datetime
    clear_weeks: int


@dataclass(frozen=True, slots=True)
class Told:
    """That people are told, of what kind, and the reason. `eases`: what they know is less bad than it was."""

    kind: Tell
    reason: str
    eases: bool = False


def opened(past: Sequence[Decided]) -> Opened | None:
    """The alert that earlier weeks (oldest first) have left open.

    It closes when both questions were clear on two weeks in a row; weeks that measured nothing neither close nor count,
    but for what they had found before something else ended them.
    """
    alert: Opened | None = None
    for week in past:
        if week.stage in (Stage.WAITING, Stage.PENDING) and week.level not in BAD:
            continue
        # Under an open alert the level may be the alert's own; without one, only the week itself can have found it.
        if not week.measured and (alert is not None or week.level not in BAD):
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
    if not new.measured and not _found_before_it_ended(alert, earlier, new):
        return _unmeasured(past, earlier, new)
    if new.stage is Stage.WAITING:
        return None
    if new.level in BAD:
        return _bad(alert, earlier, new)
    if new.level is Level.INCONCLUSIVE:
        return _inconclusive(past)
    return _passed(alert, past, earlier)


def _found_before_it_ended(alert: Opened | None, earlier: Sequence[Decided], new: Decided) -> bool:
    """Whether a run that was cut short is bad by what it had found itself, of which people do not know yet."""
    return new.stage is Stage.FINAL and new.level in BAD and alert is None and not _said(earlier)


def _unmeasured(past: Sequence[Decided], earlier: Sequence[Decided], new: Decided) -> Told:
    why = OUT_OF_ORDER.get(new.cause or "")
    if why is None:
        return _inconclusive(past)
    if any(decision.cause == new.cause for decision in earlier):
        return Told(Tell.NOTE, f"{why} the second time either")
    return Told(Tell.UNMEASURED, why)


def _inconclusive(past: Sequence[Decided]) -> Told:
    if silent(past, weeks=1):
        return Told(Tell.UNMEASURED, "it could not be measured two weeks in a row")
    return Told(Tell.NOTE, "it could not be measured once")


def _said(earlier: Sequence[Decided]) -> list[Decided]:
    """The decisions of a run by which people learned that it is bad."""
    return [decision for decision in earlier if decision.level in BAD and decision.stage is not Stage.WAITING]


def _bad(alert: Opened | None, earlier: Sequence[Decided], new: Decided) -> Told | None:
    said = _said(earlier)
    before = max([d.level.rank for d in said] + ([alert.level.rank] if alert else []), default=-1)
    if new.level.rank > before:
        return Told(Tell.WORSE, f"the verdict became {new.level.value}")
    if said and new.stage is Stage.FINAL and said[-1].stage is Stage.PENDING:
        return Told(Tell.NOTE, "the pending rollback was not confirmed", eases=True)
    if said:
        return None
    return Told(Tell.AGAIN, f"a new run does not clear the open alert ({alert.level.value if alert else ''})")


def _passed(alert: Opened | None, past: Sequence[Decided], earlier: Sequence[Decided]) -> Told | None:
    if alert is not None:
        if alert.clear_weeks + 1 >= CLEAR_WEEKS_TO_CLOSE:
            return Told(Tell.RECOVERED, "both questions were clear two weeks in a row")
        return Told(Tell.RECOVERING, "the first clear week since the alert")
    unmeasured = [*past[-1:], *earlier]
    if any(d.cause in OUT_OF_ORDER for d in unmeasured) or silent(past, weeks=2):
        return Told(Tell.RECOVERED, "it can be measured again, and passes")
    return None


def silent(past: Sequence[Decided], *, weeks: int) -> bool:
    """Whether the last `weeks` were inconclusive; those of the provider or the judge do not count."""
    counted = [week for week in past if week.cause not in OUT_OF_ORDER][-weeks:]
    return len(counted) == weeks and all(week.level is Level.INCONCLUSIVE for week in counted)
