"""What `heldout check` expects of fallbacks: what measuring them beside production takes in a week."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from monitor.app import App
from monitor.decide.fallback import repeats_needed
from monitor.judging.forecast import NOTHING, of_answers
from monitor.site import Site, Unbuilt
from monitor.store import answers

# The next day's look asks production twice its cap.
MOST_CAPS = 2


@dataclass(frozen=True, slots=True)
class FallbackExpected:
    """Of one fallback on one suite: calls of a week without a change, and the most; `usd_a_week` is of both kinds.

    `judge_calls`: on its answers in such a week, at the most. None in `usd_a_week`: there is a price missing.
    """

    target: str
    suite: str
    calls_a_week: int
    most_calls_a_week: int
    judge_calls: int
    usd_a_week: float | None


def expected(app: App, site: Site, calls_a_week: int, cap: int) -> FallbackExpected | None:
    """What the fallback of a site takes, by what production does (K_cap `cap`); None where there is none to ask."""
    other = site.fallback
    if other is None or isinstance(other, Unbuilt):
        return None
    cases, database = site.scorable, app.place.database
    with database.read() as connection:
        each = other.pricer.expected(cases, answers.mean_usage(connection, other.target))
    judges = NOTHING
    if other.judging is not None and other.judging.headline:
        judges = of_answers(database, other.judging, calls_a_week, cases, other.judging.deciding)
    usd = None if each is None or judges.usd is None else round(each * calls_a_week + judges.usd, 4)
    most = repeats_needed(MOST_CAPS * cap) * len(cases)
    return FallbackExpected(other.target, site.suite.name, calls_a_week, most, judges.calls, usd)


def usd_a_week(found: Iterable[FallbackExpected | None]) -> float:
    """Of all together: several production targets share the run of their fallback, as long as the longest."""
    by_run: dict[tuple[str, str], float] = {}
    for one in found:
        if one is not None:
            key = (one.target, one.suite)
            by_run[key] = max(by_run.get(key, 0.0), one.usd_a_week or 0.0)
    return sum(by_run.values())
