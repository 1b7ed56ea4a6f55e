"""From answers to scores: every scorer of a suite, the weighted headline, and its moments by case."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from monitor.domain.case import Case
from monitor.domain.run import Phase
from monitor.domain.score import Score
from monitor.metrics import Metric
from monitor.store import answers
from monitor.store.answers import Scored
from monitor.store.database import Database

if TYPE_CHECKING:
    from monitor.stats.moments import Moments
    from monitor.stats.quantiles import FloatArray

# Answers that are scored again in one transaction, when a metric was added or its options changed.
_BATCH = 500


class Scorer(Protocol):
    """A metric, or a rubric with its panel; its scores are stored under `key`."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def key(self) -> str:
        """Names the scorer with all that can change its scores."""
        ...

    def fault(self, case: Case) -> str | None:
        """Why no answer to this case can be scored; None where it can."""
        ...


@dataclass(frozen=True)
class Grader:
    """How the answers of one suite are scored: its scorers by name, and the weight of each in the headline.

    The weights add up to 1. Scores are stored under the scorer's key, which names its options and version too. Metrics
    are computed as answers come; rubrics take judges, and come afterwards.
    """

    metrics: Mapping[str, Metric]
    weights: Mapping[str, float]
    rubrics: Mapping[str, Scorer] = field(default_factory=dict)

    @cached_property
    def scorers(self) -> dict[str, Scorer]:
        """Metrics and rubrics by name."""
        return {**self.metrics, **self.rubrics}

    @cached_property
    def keys(self) -> dict[str, float]:
        """The headline's scorer keys with their weights."""
        return {self.scorers[name].key: weight for name, weight in self.weights.items()}

    @cached_property
    def judged(self) -> tuple[str, ...]:
        """The names of the rubrics that have a share in the headline."""
        return tuple(name for name in self.rubrics if name in self.weights)

    @cached_property
    def metrics_alone(self) -> Grader | None:
        """The headline without the judges' share, whose weights then add up to less than 1; None where nothing is left.

        What it falls by is the part of the headline's drop that no judge has a say in.
        """
        left = {name: weight for name, weight in self.weights.items() if name in self.metrics}
        return Grader(self.metrics, left) if left and self.judged else None

    def grade(self, text: str, case: Case) -> dict[str, Score]:
        """Every metric's score of one answer, by scorer key."""
        return {metric.key: metric(text, case) for metric in self.metrics.values()}

    def headline(self, scores: Mapping[str, Score]) -> float | None:
        """The weighted score in [0, 1]; None where any scorer of the headline has none: what is missing is not 0."""
        total = 0.0
        for key, weight in self.keys.items():
            value = scores[key].value if key in scores else None
            if value is None:
                return None
            total += weight * value
        return min(1.0, total)


def regrade(database: Database, grader: Grader, run_id: str, phase: Phase, cases: Mapping[str, Case]) -> int:
    """Score stored answers by metrics that are new since they were stored; returns how many scores were added.

    Answers to cases that have changed since are left alone: they are not compared, unless the case changes back.
    """
    return sum(_regrade(database, metric, run_id, phase, cases) for metric in grader.metrics.values())


def _regrade(database: Database, metric: Metric, run_id: str, phase: Phase, cases: Mapping[str, Case]) -> int:
    added = after = 0
    while True:
        with database.read() as connection:
            batch = answers.texts(connection, run_id, phase, metric.key, after=after, limit=_BATCH)
        if not batch:
            return added
        # Scored before the write lock is taken: a slow metric must not keep others from storing what they paid for.
        scored = {
            answer_id: metric(text, cases[case_id])
            for answer_id, case_id, fingerprint, text in batch
            if case_id in cases and cases[case_id].fingerprint == fingerprint
        }
        with database.write() as connection:
            # Another process may have been faster.
            left = {row[0] for row in answers.texts(connection, run_id, phase, metric.key, after=after, limit=_BATCH)}
            scores = [(answer_id, {metric.key: score}) for answer_id, score in scored.items() if answer_id in left]
            answers.add_scores(connection, scores)
        added += len(scores)
        if len(batch) < _BATCH:
            return added
        after = batch[-1][0]


@dataclass(frozen=True, slots=True)
class Summed:
    """Answers summed up by case: the headline's moments, and how many answers (cases,) judges left without a score."""

    moments: Moments
    unscored: FloatArray


def moments(grader: Grader, scored: Iterable[Scored], cases: Sequence[Case]) -> Moments:
    """The headline's moments by case, as `summed` has them."""
    return summed(grader, scored, cases).moments


def summed(grader: Grader, scored: Iterable[Scored], cases: Sequence[Case]) -> Summed:
    """Answers summed up by case, in the order of `cases`; answers to a case as it stood before are left out.

    The stream is summed up as it comes, so memory depends on the number of cases alone.
    """
    import numpy as np

    from monitor.stats.moments import Moments

    place = {case.id: i for i, case in enumerate(cases)}
    fingerprints = [case.fingerprint for case in cases]
    n, total, squares, unscored = (np.zeros(len(cases)) for _ in range(4))
    judged = [grader.scorers[name].key for name in grader.judged]
    for one in scored:
        i = place.get(one.case_id)
        if i is None or fingerprints[i] != one.case_fingerprint:
            continue
        value = grader.headline(one.scores)
        if value is None:
            unscored[i] += any(key not in one.scores or one.scores[key].value is None for key in judged)
        else:
            n[i] += 1
            total[i] += value
            squares[i] += value * value
    return Summed(Moments.from_sums(n, total, squares), unscored)


def load_moments(database: Database, grader: Grader, run_id: str, phase: Phase, cases: Sequence[Case]) -> Moments:
    """The moments of what a run has stored in one phase."""
    return load_summed(database, grader, run_id, phase, cases).moments


def load_summed(database: Database, grader: Grader, run_id: str, phase: Phase, cases: Sequence[Case]) -> Summed:
    """What a run has stored in one phase, summed up."""
    with database.read() as connection:
        return summed(grader, answers.scored(connection, run_id, phase, list(grader.keys)), cases)


def scorer_means(database: Database, grader: Grader, run_id: str, cases: Sequence[Case]) -> dict[str, float | None]:
    """The mean of every scorer over those of `cases` that it scored, by its name; each case counts once.

    None where it scored none. Answers to a case as it stood before are left out, as they are of the headline.
    """
    keys = {scorer.key: name for name, scorer in grader.scorers.items()}
    current = {case.id: case.fingerprint for case in cases}
    found: dict[str, list[float]] = {name: [] for name in keys.values()}
    with database.read() as connection:
        for case_id, fingerprint, key, mean in answers.case_means(connection, run_id, Phase.MAIN, list(keys)):
            if current.get(case_id) == fingerprint:
                found[keys[key]].append(mean)
    return {name: math.fsum(means) / len(means) if means else None for name, means in found.items()}
