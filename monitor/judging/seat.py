"""One judge with one rubric, as a run asks it; what it is asked about, and what its word counts for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from judges.material import Material
from monitor.domain.case import Case
from monitor.domain.judgement import MAIN_SITTING, Purpose
from monitor.replay.ask import Asked
from monitor.replay.budget import Pricer


@dataclass(frozen=True)
class Seat:
    """One judge with one rubric, ready to be asked."""

    ask: Callable[[Case], Awaitable[Asked]]
    pricer: Pricer
    concurrency: int


# By (judge's name, rubric's name).
Jury = Mapping[tuple[str, str], Seat]


@dataclass(frozen=True, slots=True)
class Item:
    """One answer to be judged. `key` identifies it with its case and contexts."""

    key: str
    case_id: str
    material: Material
    purpose: Purpose = Purpose.ANSWER


@dataclass(frozen=True, slots=True)
class Sitting:
    """What judgements count for: `run_id` pays, `occasion` is the run as whose moment they count.

    `part`: which sitting of that occasion. Within one, what was said is not asked again; across, it is: a judge may
    have become another meanwhile.
    """

    run_id: str
    occasion: str
    label: str
    part: str = MAIN_SITTING
