"""What one judge said of one answer, and what a panel made of it, as they are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

# The first sitting of an occasion, and the only one of a baseline.
MAIN_SITTING = "main"


class Purpose(StrEnum):
    """Why an answer was judged first: to score it (again), or to see whether the judge can be trusted."""

    ANSWER = "answer"
    CANARY = "canary"


@dataclass(frozen=True, slots=True)
class Juror:
    """A judge as it is configured: `fingerprint` changes with its model, address and parameters."""

    name: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """One call of a judge. `occasion`: the run as whose moment it counts; `run_id`: the run that paid.

    `sitting`: when in that run; within one a judge is taken for the same judge. `material` identifies the case with the
    answer and its contexts. `votes`: criterion to (verdict, evidence); None, with the `reason`, where there is none.
    `value`: this judge's own score in [0, 1]. `length`: characters of the answer. `position`: how many judges of the
    panel were asked before it.
    """

    run_id: str
    occasion: str
    juror: Juror
    rubric: str
    rubric_fingerprint: str
    material: str
    case_id: str
    purpose: Purpose
    votes: Mapping[str, tuple[str, str]] | None
    value: float | None
    reason: str | None
    position: int
    length: int
    judged_at: datetime
    latency: float = 0.0
    attempts: int = 1
    model: str | None = None
    fingerprint: str | None = None
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    usd: float | None = None
    sitting: str = MAIN_SITTING


@dataclass(frozen=True, slots=True)
class Marked:
    """A panel's decision: the score in [0, 1], or None with the reason; `split`: criteria the judges disagreed on."""

    value: float | None
    reason: str | None = None
    split: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredCanary:
    """An answer whose verdict is known, pinned with a baseline."""

    kind: str
    case_id: str
    case_fingerprint: str
    text: str
