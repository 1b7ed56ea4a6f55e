"""What people said of stored answers, set against what the judges say of them now."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from judges.agreement import PASSES_FROM
from judges.labels import answer_key
from judges.rubric import Rubric
from judges.vote import Verdict
from monitor.domain.judgement import Marked
from monitor.domain.run import Phase
from monitor.judging.scorer import RubricScorer, material_key
from monitor.judging.session import Look, Session
from monitor.store import calibrations, judgements
from monitor.store.calibrations import StoredLabel

if TYPE_CHECKING:
    from monitor.stats.contrast import Labelled
    from monitor.stats.paired import Correction
    from monitor.store.database import Database


@dataclass(frozen=True, slots=True)
class Both:
    """One answer's score by people and by today's panel."""

    human: float
    judge: float


def answer_hash(text: str) -> str:
    """Names an answer's text (hex, 32 digits), whatever spreadsheets and editors do to line ends."""
    return hashlib.sha256(answer_key(text).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def human_scores(labels: Iterable[StoredLabel], rubric: Rubric) -> dict[tuple[str, str], float]:
    """People's score of an answer, by (case id, answer's hash): the mean over the people who gave one.

    Of each: the score that they gave the whole or, without one, what the rubric makes of their verdicts on all its
    criteria.
    """
    whole: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    parts: dict[tuple[str, str], dict[str, dict[str, Verdict]]] = defaultdict(lambda: defaultdict(dict))
    for one in labels:
        key = (one.case_id, one.answer_hash)
        if not one.criterion and one.value is not None:
            whole[key][one.labelled_by] = one.value
        elif one.verdict is not None:
            parts[key][one.labelled_by][one.criterion] = Verdict(one.verdict)
    for key, by_person in parts.items():
        for person, verdicts in by_person.items():
            mark = rubric.mark(verdicts)
            if person not in whole[key] and mark.score is not None and len(verdicts) == len(rubric.criteria):
                whole[key][person] = mark.score
    return {key: math.fsum(given.values()) / len(given) for key, given in whole.items() if given}


def of_baseline(database: Database, session: Session, look: Look, scorer: RubricScorer) -> list[Both]:
    """The labelled answers of the baseline that the panel has judged in this sitting; equal answers count once."""
    if session.anchors is None:
        return []
    today = look.today.get(scorer.key, {})
    texts = {key: (item.case_id, item.material.answer) for key, item in session.anchors.items.items() if key in today}
    return _both(database, session, scorer, texts, today)


def of_run(database: Database, session: Session, look: Look, scorer: RubricScorer, phase: Phase) -> list[Both]:
    """The labelled answers of the run's phase that the panel has judged in this sitting; equal answers count once."""
    with database.read() as connection:
        if not calibrations.labels(connection, session.run.suite, scorer.name):
            return []
    texts = {key: (case_id, text) for key, case_id, text in _answers(database, session, phase)}
    return _both(database, session, scorer, texts, _marks(database, look, scorer))


def _answers(database: Database, session: Session, phase: Phase) -> list[tuple[str, str, str]]:
    """The phase's answers to cases as they stand: (key, case id, text)."""
    cases = {case.id: case for case in session.cases}
    with database.read() as connection:
        rows = judgements.answers_with_contexts(connection, session.run.id, phase)
        return [
            (material_key(cases[case_id], text, contexts), case_id, text)
            for _, case_id, fingerprint, _, text, contexts in rows
            if case_id in cases and cases[case_id].fingerprint == fingerprint
        ]


def _marks(database: Database, look: Look, scorer: RubricScorer) -> dict[str, Marked]:
    with database.read() as connection:
        return judgements.marks(connection, look.sitting.occasion, scorer.key, look.sitting.part)


def _both(
    database: Database,
    session: Session,
    scorer: RubricScorer,
    texts: Mapping[str, tuple[str, str]],
    judged: Mapping[str, Marked],
) -> list[Both]:
    with database.read() as connection:
        labels = calibrations.labels(connection, session.run.suite, scorer.name)
    if not labels:
        return []
    human = human_scores(labels, scorer.rubric)
    found = []
    for key, (case_id, text) in texts.items():
        score, mark = human.get((case_id, answer_hash(text))), judged.get(key)
        if score is not None and mark is not None and mark.value is not None:
            found.append(Both(score, mark.value))
    return found


def correction(database: Database, session: Session, look: Look, phase: Phase) -> Correction | None:
    """What labels change about the drop of the headline: only where there are enough of both periods."""
    from monitor.stats.contrast import combine, human_correction

    found: list[Correction | None] = []
    for scorer in session.judging.deciding:
        weight = session.grader.weights[scorer.name]
        today = look.today.get(scorer.key, {})
        anchors = _scores(today.get(one.key) for one in look.chosen)
        then = _labelled(of_baseline(database, session, look, scorer), anchors, weight)
        scores = judged_scores(database, session, look, scorer, phase)
        now = _labelled(of_run(database, session, look, scorer, phase), scores, weight)
        found.append(human_correction(then, now, len(session.cases)))
    return combine(*found)


def _labelled(both: Sequence[Both], judged: Sequence[float], weight: float) -> Labelled:
    """By verdict, because people are given more of one to label than of the other; `judged`: all the panel's scores."""
    import numpy as np

    from monitor.stats.contrast import Labelled

    passing = sum(score >= PASSES_FROM for score in judged) / max(1, len(judged))
    parts = [[one for one in both if (one.judge >= PASSES_FROM) is passes] for passes in (True, False)]
    differences = [np.array([weight * (one.human - one.judge) for one in part], dtype=np.float64) for part in parts]
    return Labelled((differences[0], differences[1]), (passing, 1.0 - passing))


def judged_scores(database: Database, session: Session, look: Look, scorer: RubricScorer, phase: Phase) -> list[float]:
    """The panel's scores of the phase's answers in this sitting, each as often as it was given."""
    marks = _marks(database, look, scorer)
    return _scores(marks.get(key) for key, _, _ in _answers(database, session, phase))


def _scores(marks: Iterable[Marked | None]) -> list[float]:
    return [mark.value for mark in marks if mark is not None and mark.value is not None]
