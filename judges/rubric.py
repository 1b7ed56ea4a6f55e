"""A rubric: specific yes/no questions with weights, as data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from judges.vote import Verdict


class Sees(StrEnum):
    """What a criterion may be judged by, beside the answer."""

    INPUT = "input"
    REFERENCE = "reference"
    CONTEXT = "context"


EVERYTHING = frozenset(Sees)


@dataclass(frozen=True, slots=True)
class Criterion:
    """One yes/no question. `required`: failing it fails the whole. `applies_when`: the condition under which it counts.

    `weight` is positive, and only says how the criteria compare.
    """

    id: str
    question: str
    weight: float = 1.0
    required: bool = False
    applies_when: str | None = None
    sees: frozenset[Sees] = EVERYTHING


@dataclass(frozen=True, slots=True)
class Mark:
    """The score of one answer by one rubric, in [0, 1]; None with the reason where there is none."""

    score: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Rubric:
    """Criteria under a name and version. `name` is a scorer's name: lower-case letters, digits and underscores."""

    name: str
    version: str
    description: str
    criteria: tuple[Criterion, ...]

    @property
    def sees(self) -> frozenset[Sees]:
        """All that any criterion may see."""
        return frozenset().union(*(criterion.sees for criterion in self.criteria))

    @cached_property
    def fingerprint(self) -> str:
        """Hash (hex, 16 digits) of everything in it that a judge reads or that changes a score."""
        parts = [[c.id, c.question, c.weight, c.required, c.applies_when, sorted(c.sees)] for c in self.criteria]
        text = json.dumps([self.name, self.version, self.description, parts], ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def mark(self, verdicts: Mapping[str, Verdict]) -> Mark:
        """The weighted share of the applicable criteria that are met.

        A required criterion that is not met makes it 0. Where any other is `cannot_tell` (or missing), or none applies,
        there is no score.
        """
        given = {c.id: verdicts.get(c.id, Verdict.CANNOT_TELL) for c in self.criteria}
        if any(c.required and given[c.id] is Verdict.NOT_MET for c in self.criteria):
            return Mark(0.0)
        open_ones = [c.id for c in self.criteria if given[c.id] is Verdict.CANNOT_TELL]
        if open_ones:
            return Mark(None, f"no verdict on {', '.join(open_ones)}")
        applicable = [c for c in self.criteria if given[c.id] is not Verdict.NOT_APPLICABLE]
        total = sum(c.weight for c in applicable)
        if not total:
            return Mark(None, "no criterion applies")
        return Mark(min(1.0, sum(c.weight for c in applicable if given[c.id] is Verdict.MET) / total))
