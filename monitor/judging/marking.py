"""From judgements to scores: what needs no model is decided first, what the panel decides is stored by answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from judges import panel, prechecks
from monitor.domain.case import Case
from monitor.domain.judgement import Judgement, Marked
from monitor.domain.run import Halt, Phase
from monitor.domain.score import Score
from monitor.judging.hearing import hear, opinions_of
from monitor.judging.scorer import RubricScorer, material_key
from monitor.judging.seat import Item, Jury, Sitting
from monitor.replay.stage import Workplace
from monitor.store import answers, judgements

# Answers that are held at once.
_BATCH = 5000


@dataclass
class Marks:
    """What became of items: decided ones by key; `halt`: why others were not, where a judge could not be asked."""

    decided: dict[str, Marked] = field(default_factory=dict)
    halt: Halt | None = None


def beforehand(scorer: RubricScorer, item: Item) -> Marked | None:
    """What can be said without a model: an answer that is none scores 0; one that cannot be judged has no score."""
    reason = scorer.unjudgeable(item.material)
    if reason is not None:
        return Marked(None, reason)
    failed = prechecks.failed(item.material)
    return None if failed is None else Marked(0.0, failed)


async def mark(place: Workplace, sitting: Sitting, jury: Jury, scorer: RubricScorer, items: Sequence[Item]) -> Marks:
    """The panel's decision on each item; nothing that was decided on this occasion is decided again."""
    with place.database.read() as connection:
        stored = judgements.marks(connection, sitting.occasion, scorer.key, sitting.part)
    found = Marks({item.key: stored[item.key] for item in items if item.key in stored})
    new: dict[str, Marked] = {}
    left = []
    for item in {item.key: item for item in items if item.key not in stored}.values():
        known = beforehand(scorer, item)
        if known is None:
            left.append(item)
        else:
            new[item.key] = known
    if left:
        heard = await hear(place, sitting, jury, scorer, left)
        found.halt = heard.halt
        new |= _decided(scorer, left, heard.said)
    with place.database.write() as connection:
        judgements.add_marks(connection, sitting.occasion, scorer.key, new, sitting.part)
    found.decided |= new
    return found


def _decided(scorer: RubricScorer, items: Iterable[Item], said: Mapping[str, Sequence[Judgement]]) -> dict[str, Marked]:
    """The panel's decisions, but for items about which a judge is still to be asked."""
    size = len(scorer.panel)
    decided = {}
    for item in items:
        opinions = opinions_of(said.get(item.key, ()))
        complete = len(opinions) >= size or panel.certain(scorer.rubric, opinions, size)
        # A judge that gave no reply is asked again later; until then there is no decision, and that is no score.
        if complete:
            decision = panel.decide(scorer.rubric, opinions, size)
            decided[item.key] = Marked(decision.mark.score, decision.mark.reason, decision.split)
    return decided


async def score_answers(
    place: Workplace,
    sitting: Sitting,
    jury: Jury,
    scorer: RubricScorer,
    of: tuple[str, Phase],
    cases: Mapping[str, Case],
) -> Halt | None:
    """Judge all answers of a run's phase (`of`) in this sitting; returns why it ended early.

    An answer keeps the first score that it gets. Answers to cases that have changed since are left alone: they are not
    compared.
    """
    after = 0
    while True:
        with place.database.read() as connection:
            batch = judgements.answers_to_judge(connection, *of, scorer.key, limit=_BATCH, after=after)
        if not batch:
            return None
        current = [row for row in batch if row[1] in cases and cases[row[1]].fingerprint == row[2]]
        keys = {row[0]: material_key(cases[row[1]], row[3], row[4]) for row in current}
        items = [
            Item(keys[i], case_id, scorer.material(cases[case_id], text, contexts))
            for i, case_id, _, text, contexts, _ in current
        ]
        marks = await mark(place, sitting, jury, scorer, items)
        scores = [
            (row[0], {scorer.key: Score(decided.value, decided.reason)})
            for row in current
            if not row[5] and (decided := marks.decided.get(keys[row[0]])) is not None
        ]
        with place.database.write() as connection:
            answers.add_scores(connection, scores)
        if marks.halt is not None:
            return marks.halt
        if len(batch) < _BATCH:
            return None
        after = batch[-1][0]
