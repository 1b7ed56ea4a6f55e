"""How each (target, suite) stands: its newest verdict, unless that is too old to count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import Connection

from monitor.decide.transition import BAD
from monitor.domain.verdict import Level, Stage, Thresholds, Verdict
from monitor.store import runs, verdicts
from monitor.store.database import Database

if TYPE_CHECKING:
    from monitor.config.models import Config

# Beyond this a time ahead of ours is no difference between two clocks, but a wrong one.
CLOCKS_DIFFER = timedelta(minutes=5)
# A verdict counts for a week, and a day for the next one to come.
STALE_AFTER = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class Standing:
    """The verdict that counts now, and the contract's JSON object for it."""

    target: str
    suite: str
    level: Level
    payload: dict[str, Any]


def of(
    database: Database | None, config: Config, pairs: Sequence[tuple[str, str]], now: datetime, max_age: timedelta
) -> list[Standing]:
    """The standing of each (target, suite): a verdict older than `max_age`, or none at all, is inconclusive."""
    if database is None:
        return [never(config, target, suite) for target, suite in pairs]
    with database.read() as connection:
        return [
            never(config, target, suite) if found is None else _aged(found, now, max_age)
            for target, suite in pairs
            for found in [_counts(connection, target, suite, now, max_age)]
        ]


def _counts(
    connection: Connection, target: str, suite: str, now: datetime, max_age: timedelta
) -> verdicts.StoredVerdict | None:
    """The newest verdict; but a run on demand does not talk a week's alert away, because only weeks close it.

    A new baseline closes it as well: then the week's verdict is about an older one, and what was measured since counts.
    """
    week = verdicts.newest_week(connection, target, suite, now + CLOCKS_DIFFER)
    other = verdicts.newest_on_demand(connection, target, suite)
    if week is None or other is None:
        return week or other
    if now - week.decided_at <= max_age and week.level in BAD and not _closed(connection, week):
        return max(other, week, key=lambda one: (one.level.rank, one.decided_at))
    return max(other, week, key=lambda one: one.decided_at)


def _closed(connection: Connection, week: verdicts.StoredVerdict) -> bool:
    """Whether a baseline was pinned after the week's verdict."""
    pinned = runs.current_baseline(connection, week.target, week.suite)
    return pinned is not None and pinned.pinned_at > week.decided_at


def never(config: Config, target: str, suite: str) -> Standing:
    """The standing of what was never measured."""
    table = config.thresholds
    unmeasured = Verdict(
        target=target,
        suite=suite,
        level=Level.INCONCLUSIVE,
        stage=Stage.FINAL,
        reasons=(f"never measured; `heldout run --target {target}` measures it now.",),
        thresholds=Thresholds(table.investigate, table.rollback, table.unit),
        stale=True,
    )
    return Standing(target, suite, Level.INCONCLUSIVE, unmeasured.as_json())


def _aged(found: verdicts.StoredVerdict, now: datetime, max_age: timedelta) -> Standing:
    age = now - found.decided_at
    if -CLOCKS_DIFFER <= age <= max_age:
        return Standing(found.target, found.suite, found.level, found.payload)
    if age < -CLOCKS_DIFFER:
        why = f"stale: the newest verdict ({found.level.value}) is dated {_span(-age)} ahead; was a clock wrong?"
    else:
        why = f"stale: the newest verdict ({found.level.value}) is {_span(age)} old, more than {_span(max_age)}."
    payload = found.payload | {
        "verdict": Level.INCONCLUSIVE.value,
        "stale": True,
        "reasons": [why, *found.payload.get("reasons", [])],
    }
    return Standing(found.target, found.suite, Level.INCONCLUSIVE, payload)


def _span(span: timedelta) -> str:
    """A span in the largest unit that it fills twice."""
    for name, unit in (("days", timedelta(days=1)), ("hours", timedelta(hours=1)), ("minutes", timedelta(minutes=1))):
        if span >= 2 * unit:
            return f"{span / unit:.0f} {name}"
    return f"{span.total_seconds():.0f} seconds"
