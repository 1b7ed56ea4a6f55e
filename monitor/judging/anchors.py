"""Baseline answers that are judged again, and what that says of today's judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from monitor.domain.case import Case
from monitor.domain.judgement import Marked
from monitor.domain.run import Phase
from monitor.domain.score import Score
from monitor.grading import Grader
from monitor.judging.scorer import RubricScorer, material_key
from monitor.judging.seat import Item
from monitor.store import answers, judgements
from monitor.store.database import Database

if TYPE_CHECKING:
    from monitor.stats.contrast import Rejudged
    from monitor.stats.moments import Moments

# Anchors rotate by the week, whatever the schedule is.
_WEEK = 7


@dataclass(frozen=True, slots=True)
class Anchor:
    """One baseline answer. `case`: its place among the cases that are compared; `scores` are those of deployment."""

    case: int
    repeat: int
    key: str
    scores: Mapping[str, Score]

    @property
    def unscored(self) -> bool:
        """Whether a scorer gave it nothing at deployment."""
        return any(score.value is None for score in self.scores.values())


@dataclass(frozen=True)
class Anchors:
    """The baseline answers to the cases that are compared, and the items they are as something to judge."""

    answers: tuple[Anchor, ...]
    items: Mapping[str, Item]
    cases: int

    @classmethod
    def load(
        cls, database: Database, grader: Grader, scorer: RubricScorer, run_id: str, cases: Sequence[Case]
    ) -> Anchors:
        """Read a baseline run's answers; those to a case as it stood before are left out."""
        place = {case.id: i for i, case in enumerate(cases)}
        found: list[Anchor] = []
        items: dict[str, Item] = {}
        with database.read() as connection:
            scores = {
                one.answer_id: one.scores for one in answers.scored(connection, run_id, Phase.MAIN, list(grader.keys))
            }
            rows = judgements.answers_with_contexts(connection, run_id, Phase.MAIN)
            for answer_id, case_id, fingerprint, repeat, text, contexts in rows:
                i = place.get(case_id)
                if i is None or cases[i].fingerprint != fingerprint:
                    continue
                key = material_key(cases[i], text, contexts)
                found.append(Anchor(i, repeat, key, scores.get(answer_id, {})))
                items.setdefault(key, Item(key, case_id, scorer.material(cases[i], text, contexts)))
        return cls(tuple(found), items, len(cases))

    def chosen(self, repeats: int, now: datetime) -> list[Anchor]:
        """This week's: `repeats` answers of each case, in turn, so that with the weeks every answer is judged again.

        And all that had no score at deployment: what they are worth is known only if they are judged now.
        """
        week = now.toordinal() // _WEEK
        by_case: dict[int, list[Anchor]] = {}
        for one in self.answers:
            by_case.setdefault(one.case, []).append(one)
        out = []
        for of_case in by_case.values():
            size = len(of_case)
            first = week * repeats % size
            places = {(first + step) % size for step in range(min(repeats, size))}
            out += [one for i, one in enumerate(of_case) if i in places or one.unscored]
        return out


class Filled(StrEnum):
    """What an anchor that today's judges leave without a score is taken to have: nothing, or what it had then."""

    ZERO = "zero"
    AS_THEN = "as then"


@dataclass(frozen=True)
class Flips:
    """What judging anchors again changed in the headline: by case, and of each distinct answer.

    `late`: today's scores of answers that had none at deployment. `refused`: how many have none today, and had one.
    """

    rejudged: Rejudged
    late: Moments
    distinct: tuple[float, ...]
    refused: int


def flips(
    grader: Grader,
    chosen: Sequence[Anchor],
    today: Mapping[str, Mapping[str, Marked]],
    cases: int,
    filled: Filled | None = None,
) -> Flips:
    """F = headline then − headline now, of each chosen answer that has both.

    `today`: by scorer key and answer's key, what the panel says now. Where it gives no score, `filled` says what is
    taken for it; None: the answer is left out.
    """
    import numpy as np

    from monitor.stats.contrast import Rejudged
    from monitor.stats.moments import Moments

    sums, late = np.zeros((5, cases)), np.zeros((3, cases))
    distinct: dict[str, float] = {}
    refused = 0
    for one in chosen:
        if any(one.key not in of_scorer for of_scorer in today.values()):
            continue
        then, now = grader.headline(one.scores), grader.headline(as_of(one.scores, today, one.key))
        if then is None:
            if now is not None:
                late[:, one.case] += (1.0, now, now * now)
            continue
        if now is None:
            refused += 1
            if filled is None:
                continue
            now = 0.0 if filled is Filled.ZERO else then
        flip = then - now
        distinct[one.key] = flip
        sums[:, one.case] += (1.0, flip, flip * flip, now, now * now)
    n, flip_sum, flip_squares, now_sum, now_squares = sums
    flipped, scored = (
        Moments.from_sums(n, total, squares) for total, squares in ((flip_sum, flip_squares), (now_sum, now_squares))
    )
    rejudged = Rejudged(n, flipped.mean, flipped.var, scored.var)
    return Flips(rejudged, Moments.from_sums(*late), tuple(distinct.values()), refused)


def as_of(scores: Mapping[str, Score], today: Mapping[str, Mapping[str, Marked]], key: str) -> dict[str, Score]:
    """An answer's scores with those of judges as of one sitting; what was not judged in it has none."""
    judged = {
        scorer: Score(of_scorer[key].value, of_scorer[key].reason)
        for scorer, of_scorer in today.items()
        if key in of_scorer
    }
    return {scorer: score for scorer, score in scores.items() if scorer not in today} | judged
