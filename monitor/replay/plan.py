"""What is still to be asked of a run: nothing that is stored is asked, or paid for, again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from monitor.domain.case import Case


@dataclass(frozen=True, slots=True)
class Question:
    """One answer that is wanted: the `repeat`-th (from 0) of a case."""

    case: Case
    repeat: int


def outstanding(cases: Sequence[Case], stored: Mapping[str, AbstractSet[int]], repeats: int) -> list[Question]:
    """The answers that are missing up to `repeats` a case.

    All cases come once before any comes twice, so that a run that is cut short has answered as many cases as it could.
    """
    nothing: frozenset[int] = frozenset()
    return [
        Question(case, repeat)
        for repeat in range(repeats)
        for case in cases
        if repeat not in stored.get(case.id, nothing)
    ]
