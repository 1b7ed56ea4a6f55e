"""Sets what people said of an answer beside what the judge said of the same answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from judges.labels import Label, answer_key
from judges.rubric import Rubric
from judges.vote import Verdict


@dataclass(frozen=True, slots=True)
class Judged:
    """What the judge said of one answer: a verdict a criterion, and the score in [0, 1]; None where it is unscored."""

    verdicts: Mapping[str, Verdict]
    score: float | None


@dataclass(frozen=True, slots=True)
class Pair:
    """One answer by both sides: verdicts on a criterion, or scores of the whole.

    `people`: one value a person, at least one; `judge`: None where the judge gave no verdict.
    """

    case: str
    answer: str
    people: tuple[Verdict, ...] | tuple[float, ...]
    judge: Verdict | float | None


@dataclass(frozen=True, slots=True)
class Paired:
    """All pairs of a rubric: of the whole answers, and by criterion. `unmatched`: labels of answers nobody judged."""

    overall: tuple[Pair, ...]
    criteria: Mapping[str, tuple[Pair, ...]]
    unmatched: tuple[Label, ...]


def pair_up(labels: Iterable[Label], judged: Mapping[tuple[str, str], Judged], rubric: Rubric) -> Paired:
    """The labels about `rubric` beside `judged`, by (case, answer).

    Whoever labelled the criteria of an answer and not the whole has said its score too: the rubric's, wherever these
    labels are enough for one.
    """
    known = {(case, answer_key(answer)): one for (case, answer), one in judged.items()}
    unmatched: list[Label] = []
    scores: defaultdict[tuple[str, str], dict[str | None, float]] = defaultdict(dict)
    verdicts: defaultdict[tuple[str, str], dict[str | None, dict[str, Verdict]]] = defaultdict(dict)
    for label in labels:
        if label.rubric != rubric.name:
            continue
        place = (label.case, answer_key(label.answer))
        if place not in known:
            unmatched.append(label)
        elif label.criterion is None:
            scores[place][label.by] = float(label.value)
        elif isinstance(label.value, Verdict):
            verdicts[place].setdefault(label.by, {})[label.criterion] = label.value
    for place, by_person in verdicts.items():
        for person, given in by_person.items():
            score = rubric.mark(given).score
            if person not in scores.get(place, {}) and score is not None:
                scores[place][person] = score
    overall = tuple(Pair(*place, tuple(given.values()), known[place].score) for place, given in scores.items())
    criteria = {one.id: _of_criterion(one.id, verdicts, known) for one in rubric.criteria}
    return Paired(overall, criteria, tuple(unmatched))


def _of_criterion(
    criterion: str,
    verdicts: Mapping[tuple[str, str], Mapping[str | None, Mapping[str, Verdict]]],
    known: Mapping[tuple[str, str], Judged],
) -> tuple[Pair, ...]:
    pairs = []
    for place, by_person in verdicts.items():
        people = tuple(given[criterion] for given in by_person.values() if criterion in given)
        if people:
            pairs.append(Pair(*place, people, known[place].verdicts.get(criterion)))
    return tuple(pairs)
