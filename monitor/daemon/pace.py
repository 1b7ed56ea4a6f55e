"""How often the daemon looks, and how long it waits for what it has started: one value, so that tests may hurry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """All times are seconds.

    `tick`: between two looks at the schedule. `stale`: without a look that came to its end, the scheduler counts as
    dead; one may wait long for a database that is locked. `again`: before the next child, where the one before ended
    well and left the same things due, the first time, the second, and so on. `after_failure`: where it failed.
    `silent`: without a sign of life a child is killed; where it can, it ends itself before that. `besides`: how long a
    child may go without an answer, beyond what one may take, because answers are scored and decided on as well.
    """

    tick: float = 15.0
    stale: float = 120.0
    again: tuple[float, ...] = (15.0, 30.0, 60.0)
    after_failure: tuple[float, ...] = (15.0, 60.0, 300.0, 900.0, 3600.0)
    silent: float = 240.0
    besides: float = 900.0
