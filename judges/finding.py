"""What lint says of a rubric: where, how bad, why, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from judges.rubric import Rubric


class Level(StrEnum):
    """`refuse`: verdicts on it would mean nothing sure; `warn`: they would be noisier than they need to be."""

    REFUSE = "refuse"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `rule` is a fixed word for programs; `place` counts from 1; `better` is what to write instead."""

    file: str
    place: str
    rule: str
    level: Level
    reason: str
    better: str

    def __str__(self) -> str:
        return f"{self.file}: {self.place}: {self.level}: {self.reason}. Better: {self.better}"


def place(rubric: Rubric, index: int) -> str:
    """Where the criterion with `index` (from 0) stands: `criteria[2] (polite)`."""
    return f"criteria[{index + 1}] ({rubric.criteria[index].id})"
