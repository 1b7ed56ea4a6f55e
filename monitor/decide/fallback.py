"""Whether what could serve instead may be rolled back to: measured well enough, and better beyond doubt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.decide.looking import MISSING_SHARE
from monitor.domain.verdict import FallbackSeen, Interval
from monitor.domain.words import counted
from monitor.stats.moments import Moments
from monitor.stats.paired import difference

CONFIDENCE = 0.99
# Answers a case with which a fallback is compared, however few showed that production fell.
LEAST_REPEATS = 8


@dataclass(frozen=True, slots=True)
class Compared:
    """A fallback against production, on one slot. `better_by`: in points; None where no case was answered by both.

    `coverage`: the share of the cases that it has a score for. `repeats`: answers a case, `needed`: that readiness
    takes. `hindered`: why it was not measured to the end.
    """

    better_by: Interval | None
    coverage: float
    repeats: int
    needed: int
    hindered: str | None = None


def repeats_needed(production: int) -> int:
    """Answers a case of a fallback, where production has so many."""
    return max(LEAST_REPEATS, production)


def answers_a_case(moments: Moments) -> int:
    """The median over the cases that have any; 0 where none has."""
    some = moments.n[moments.n > 0]
    return int(np.median(some)) if some.size else 0


def compared(fallback: Moments, production: Moments, hindered: str | None) -> Compared:
    """Both on the same cases, as the same judges see them; arrays (cases,)."""
    gap = difference(fallback, production, CONFIDENCE)
    better_by = Interval(gap.points, gap.low, gap.high, CONFIDENCE) if gap.cases else None
    needed = repeats_needed(answers_a_case(production))
    coverage = float((fallback.n > 0).mean()) if fallback.n.size else 0.0
    return Compared(better_by, coverage, answers_a_case(fallback), needed, hindered)


def readiness(found: Compared) -> tuple[bool, str | None]:
    """Whether it may be rolled back to and, where not, why: one sentence, for the first of the reasons."""
    if found.hindered is not None:
        return False, found.hindered
    if found.better_by is None:
        return False, "none of its answers can be compared with production's."
    if found.coverage < 1.0 - MISSING_SHARE:
        return False, f"only {100 * found.coverage:.0f}% of the cases have a score of it; {_least()} is needed."
    if found.repeats < found.needed:
        return False, f"it has {counted(found.repeats, 'answer')} a case; {found.needed} are needed."
    if not found.better_by.low > 0.0:
        return False, "that it is better than production is not shown: the 99% interval does not lie above zero."
    return True, None


def seen(target: str, found: Compared) -> FallbackSeen:
    """As the verdict has it."""
    ready, why = readiness(found)
    return FallbackSeen(target, ready, found.better_by, found.repeats, why)


def _least() -> str:
    return f"{100 * (1.0 - MISSING_SHARE):.0f}%"
