"""What is known of a judge's agreement with people, as values: for one question, and for a rubric as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from judges.estimate import FEWEST_CASES, Estimate
from judges.labels import Label

CALIBRATED_FROM = 30
"""Labelled answers from which on a judge's kappa counts; with fewer its interval spans most of what kappa can be."""
WIDE_BELOW = 20
PASSES_FROM = 0.5
"""An answer passes with this score, on both sides."""
_LONGEST_SHOWN = 300  # characters of an answer


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often people (rows) and the judge (columns) gave each of `categories`."""

    categories: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def as_json(self) -> dict[str, Any]:
        """`{"categories", "counts"}`, `counts` a list a category of the people's."""
        return {"categories": list(self.categories), "counts": [list(row) for row in self.counts]}


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An answer on which the two sides differ: verdicts, or scores of the whole (the people's is their mean)."""

    case: str
    answer: str
    people: str | float
    judge: str | float

    def as_json(self) -> dict[str, Any]:
        """The answer is cut after 300 characters."""
        cut = self.answer if len(self.answer) <= _LONGEST_SHOWN else self.answer[:_LONGEST_SHOWN] + "…"
        return {"case": self.case, "answer": cut, "people": self.people, "judge": self.judge}


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the judge agrees with people on one question.

    `labels`: answers that both sides gave a verdict on, over so many `cases`. `unjudged` had none of the judge's and
    `divided` as many people for as against: both are left out. `share`: of verdicts that are the same. `alpha` is of
    the verdicts; `alpha_scores` of the scores, and None where the question is a criterion; `alpha_people` is the
    people's agreement with each other, which no judge can be expected to pass. `notes`: what to beware of, in words.
    """

    labels: int
    cases: int
    unjudged: int
    divided: int
    share: Estimate
    kappa: Estimate
    alpha: Estimate
    alpha_scores: Estimate | None
    alpha_people: Estimate
    confusion: Confusion
    disagreements: tuple[Disagreement, ...]
    notes: tuple[str, ...]

    @property
    def calibrated(self) -> bool:
        """Whether `kappa` rests on enough: 30 labelled answers over 10 cases."""
        return self.labels >= CALIBRATED_FROM and self.cases >= FEWEST_CASES and self.kappa.value is not None

    def as_json(self) -> dict[str, Any]:
        """Every number is finite or null."""
        return {
            "labels": self.labels,
            "cases": self.cases,
            "unjudged": self.unjudged,
            "divided": self.divided,
            "calibrated": self.calibrated,
            "share": self.share.as_json(),
            "kappa": self.kappa.as_json(),
            "alpha": self.alpha.as_json(),
            "alpha_scores": None if self.alpha_scores is None else self.alpha_scores.as_json(),
            "alpha_people": self.alpha_people.as_json(),
            "confusion": self.confusion.as_json(),
            "disagreements": [one.as_json() for one in self.disagreements],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far a judge agrees with people under one rubric; `unmatched` labels are of answers it never judged."""

    rubric: str
    overall: Agreement
    criteria: Mapping[str, Agreement]
    unmatched: tuple[Label, ...]

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa of pass and fail; None until the judge is calibrated."""
        return self.overall.kappa.value if self.overall.calibrated else None

    def as_json(self) -> dict[str, Any]:
        """`unmatched` by line and case."""
        return {
            "rubric": self.rubric,
            "kappa": self.kappa,
            "overall": self.overall.as_json(),
            "criteria": {name: one.as_json() for name, one in self.criteria.items()},
            "unmatched": [{"line": label.line, "case": label.case} for label in self.unmatched],
        }
