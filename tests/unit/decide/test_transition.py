"""What people are told: a long table of histories, and the decision that follows each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.decide.transition import Decided, Tell, opened, transition
from monitor.domain.verdict import Level, Stage

FIRST = datetime(2026, 9, 7, 6, tzinfo=UTC)

KINDS = {
    "pass": (Level.PASS, Stage.FINAL, True, None),
    "inconclusive": (Level.INCONCLUSIVE, Stage.FINAL, False, None),
    "waiting": (Level.INCONCLUSIVE, Stage.WAITING, False, None),
    "waiting-bad": (Level.INVESTIGATE, Stage.WAITING, False, None),
    "waiting-rollback": (Level.ROLLBACK, Stage.WAITING, False, None),
    "investigate": (Level.INVESTIGATE, Stage.FINAL, False, None),
    "pending": (Level.INVESTIGATE, Stage.PENDING, False, None),
    "confirmed": (Level.ROLLBACK, Stage.CONFIRMED, False, None),
    "rollback": (Level.ROLLBACK, Stage.FINAL, False, None),
    "provider": (Level.INCONCLUSIVE, Stage.FINAL, False, "provider"),
    "provider-today": (Level.INCONCLUSIVE, Stage.WAITING, False, "provider"),
    "provider-bad": (Level.INVESTIGATE, Stage.FINAL, False, "provider"),
    "provider-bad-today": (Level.INVESTIGATE, Stage.WAITING, False, "provider"),
    "provider-pending": (Level.INVESTIGATE, Stage.PENDING, False, "provider"),
    "provider-rollback": (Level.ROLLBACK, Stage.FINAL, False, "provider"),
    "judge": (Level.INCONCLUSIVE, Stage.FINAL, False, "judge"),
    "judge-today": (Level.INCONCLUSIVE, Stage.WAITING, False, "judge"),
    "judge-bad": (Level.INVESTIGATE, Stage.FINAL, False, "judge"),
    "budget": (Level.INCONCLUSIVE, Stage.FINAL, False, "budget"),
    "budget-bad": (Level.INVESTIGATE, Stage.FINAL, False, "budget"),
    "no-baseline": (Level.INCONCLUSIVE, Stage.FINAL, False, "no-baseline"),
    "test-set": (Level.INCONCLUSIVE, Stage.FINAL, False, "test-set"),
}


def week(name: str, number: int) -> Decided:
    level, stage, clear, cause = KINDS[name]
    return Decided(FIRST + timedelta(weeks=number), level, stage, clear, cause)


def weeks(names: str) -> list[Decided]:
    return [week(name, number) for number, name in enumerate(names.split())]


HISTORIES = [
    # (earlier weeks, earlier decisions of this run, this decision, what is told)
    ("", "", "pass", None),
    ("pass", "", "pass", None),
    ("pass", "waiting waiting", "pass", None),
    ("pass", "", "waiting", None),
    ("pass", "", "investigate", "worse"),
    ("pass", "waiting waiting-bad", "investigate", "worse"),
    ("pass", "waiting", "waiting-bad", None),
    ("", "", "pending", "worse"),
    ("pass", "pending", "pending", None),
    ("pass", "pending", "confirmed", "worse"),
    ("pass", "pending pending", "investigate", "note"),
    ("inconclusive", "", "investigate", "worse"),
    # An alert is open.
    ("investigate", "", "investigate", "again"),
    ("investigate", "", "waiting-bad", None),
    ("investigate", "waiting-bad waiting-bad", "investigate", "again"),
    ("investigate", "", "pending", "again"),
    ("investigate", "pending", "pending", None),
    ("investigate", "pending", "confirmed", "worse"),
    ("investigate", "pending", "investigate", "note"),
    ("investigate", "", "pass", "recovering"),
    ("investigate pass", "", "pass", "recovered"),
    ("investigate pass", "", "investigate", "again"),
    ("investigate pass investigate", "", "pass", "recovering"),
    ("investigate pass pass", "", "pass", None),
    ("investigate pass pass", "", "investigate", "worse"),
    ("confirmed", "waiting-rollback", "rollback", "again"),
    ("confirmed", "", "waiting-rollback", None),
    ("confirmed", "", "pass", "recovering"),
    ("confirmed rollback pass", "", "pass", "recovered"),
    ("confirmed investigate", "", "investigate", "again"),
    ("investigate confirmed", "", "rollback", "again"),
    # Weeks that measured nothing neither close an alert, nor keep it from closing.
    ("investigate pass provider", "", "pass", "recovered"),
    ("investigate pass budget", "", "pass", "recovered"),
    ("investigate provider provider", "", "pass", "recovering"),
    ("investigate pass inconclusive", "", "pass", "recovering"),
    ("investigate pass provider-bad", "", "pass", "recovered"),
    # The provider.
    ("pass", "", "provider", "unmeasured"),
    ("pass", "", "provider-today", "unmeasured"),
    ("pass", "provider-today", "provider", "note"),
    ("pass provider", "", "provider", "unmeasured"),
    ("pass provider", "", "pass", "recovered"),
    ("pass provider pass", "", "pass", None),
    ("pass", "provider-today", "pass", "recovered"),
    ("pass", "provider-today waiting", "pass", "recovered"),
    ("pass", "provider-today", "investigate", "worse"),
    ("investigate", "", "provider-bad", "unmeasured"),
    ("confirmed", "", "provider-rollback", "unmeasured"),
    # The judge: told at once, and neither closes an alert nor counts as a week that settled nothing.
    ("pass", "", "judge", "unmeasured"),
    ("pass", "judge-today", "judge", "note"),
    ("pass judge", "", "judge", "unmeasured"),
    ("pass judge", "", "pass", "recovered"),
    ("pass", "judge-today", "pass", "recovered"),
    ("investigate", "", "judge", "unmeasured"),
    ("investigate pass judge", "", "pass", "recovered"),
    ("pass judge", "", "inconclusive", "note"),
    ("inconclusive judge", "", "inconclusive", "unmeasured"),
    ("pass", "waiting-bad", "judge-bad", "worse"),
    ("pass", "pending", "judge-bad", "unmeasured"),
    ("pass", "provider-today", "judge", "unmeasured"),
    # What a run had found before it was cut short is told, and counts.
    ("pass", "waiting-bad", "budget-bad", "worse"),
    ("pass", "waiting-bad", "provider-bad-today", "unmeasured"),
    ("pass", "waiting-bad provider-bad-today", "provider-bad", "worse"),
    ("pass", "pending", "provider-pending", "unmeasured"),
    ("pass", "pending provider-pending", "provider-bad", "note"),
    ("pass", "pending", "budget-bad", "note"),
    ("pass budget-bad", "", "investigate", "again"),
    ("pass provider-bad", "", "pass", "recovering"),
    # Inconclusive: a note, and after two weeks in a row more than that; the provider's weeks do not count.
    ("pass", "waiting waiting", "inconclusive", "note"),
    ("inconclusive", "", "inconclusive", "unmeasured"),
    ("inconclusive inconclusive", "", "inconclusive", "unmeasured"),
    ("inconclusive pass", "", "inconclusive", "note"),
    ("pass provider", "", "inconclusive", "note"),
    ("inconclusive provider", "", "inconclusive", "unmeasured"),
    ("inconclusive", "", "pass", None),
    ("inconclusive inconclusive", "", "pass", "recovered"),
    ("inconclusive provider inconclusive", "", "pass", "recovered"),
    ("pass", "", "budget", "note"),
    ("budget", "", "budget", "unmeasured"),
    ("budget", "", "pass", None),
    ("", "", "no-baseline", "note"),
    ("no-baseline", "", "no-baseline", "unmeasured"),
    ("pass", "", "test-set", "note"),
    ("investigate pass test-set", "", "pass", "recovered"),
]


@pytest.mark.parametrize(("past", "earlier", "new", "told"), HISTORIES)
def test_what_is_told(past, earlier, new, told):
    known = weeks(past)
    this = len(known)
    found = transition(known, [week(name, this) for name in earlier.split()], week(new, this))
    assert (found.kind.value if found else None) == told
    assert found is None or found.reason


@pytest.mark.parametrize(
    ("past", "level", "since", "clear_weeks"),
    [
        ("pass investigate", Level.INVESTIGATE, 1, 0),
        ("investigate confirmed rollback", Level.ROLLBACK, 0, 0),
        ("confirmed investigate", Level.ROLLBACK, 0, 0),
        ("investigate pass", Level.INVESTIGATE, 0, 1),
        ("investigate provider pass budget", Level.INVESTIGATE, 0, 1),
        ("investigate pass inconclusive", Level.INVESTIGATE, 0, 0),
        ("investigate pass pass investigate", Level.INVESTIGATE, 3, 0),
        ("pass pending", Level.INVESTIGATE, 1, 0),
        ("provider-bad", Level.INVESTIGATE, 0, 0),
        ("investigate judge pass judge", Level.INVESTIGATE, 0, 1),
        ("budget-bad pass", Level.INVESTIGATE, 0, 1),
        ("confirmed pass provider-rollback", Level.ROLLBACK, 0, 1),
    ],
)
def test_the_alert_that_is_open(past, level, since, clear_weeks):
    alert = opened(weeks(past))
    assert alert is not None
    assert (alert.level, alert.since, alert.clear_weeks) == (level, FIRST + timedelta(weeks=since), clear_weeks)


@pytest.mark.parametrize(
    "past",
    ["", "pass", "pass inconclusive provider", "waiting", "investigate pass pass", "confirmed pass provider pass"],
)
def test_no_alert_is_open(past):
    assert opened(weeks(past)) is None


def test_a_run_tells_the_same_thing_only_once():
    run = ["waiting", "waiting-bad", "pending", "pending", "provider-pending", "pending", "confirmed"]
    told = []
    for number, name in enumerate(run):
        found = transition(weeks("pass"), [week(n, 1) for n in run[:number]], week(name, 1))
        told += [found.kind] if found else []
    assert told == [Tell.WORSE, Tell.UNMEASURED, Tell.WORSE]
