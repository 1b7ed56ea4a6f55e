"""What judging will take, before anything is spent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitor.domain.case import Case
from monitor.domain.run import Phase
from monitor.judging.marking import beforehand
from monitor.judging.scorer import RubricScorer, material_key
from monitor.judging.seat import Item
from monitor.judging.setup import Judging
from monitor.store import judgements
from monitor.store.database import Database

# Kinds of canaries that a model has to judge; the others are told without one.
CANARY_KINDS = 4
_BATCH = 5000


@dataclass(frozen=True, slots=True)
class Cost:
    """Judging `answers` distinct answers: at most so many `calls`, for about so much; `usd` is None without a price."""

    answers: int
    calls: int
    usd: float | None

    def __add__(self, other: Cost) -> Cost:
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Cost(self.answers + other.answers, self.calls + other.calls, usd)


NOTHING = Cost(0, 0, 0.0)


def of_answers(
    database: Database,
    judging: Judging,
    answers: int,
    cases: Sequence[Case],
    scorers: Iterable[RubricScorer] | None = None,
) -> Cost:
    """So many distinct answers by every rubric, or by `scorers`, each by the whole panel."""
    total = NOTHING
    for scorer in judging.scorers.values() if scorers is None else scorers:
        usd = expected_usd(database, scorer, judging, answers, cases)
        total += Cost(answers, answers * len(scorer.panel), usd)
    return total


def of_canaries(
    database: Database, judging: Judging, cases: Sequence[Case], scorers: Iterable[RubricScorer] | None = None
) -> Cost:
    """The canaries of one run."""
    known = sum(bool(case.acceptable) for case in cases)
    return of_answers(database, judging, CANARY_KINDS * judging.canaries if known else 0, cases, scorers)


def outstanding(database: Database, scorer: RubricScorer, judging: Judging, run_id: str, cases: Sequence[Case]) -> Cost:
    """What judging the answers of a run by this scorer would still take; what needs no model costs nothing."""
    by_id = {case.id: case for case in cases}
    items: dict[str, Item] = {}
    after = 0
    with database.read() as connection:
        marked = judgements.marks(connection, run_id, scorer.key)
        while batch := judgements.unscored_answers(
            connection, run_id, Phase.MAIN, scorer.key, limit=_BATCH, after=after
        ):
            for _, case_id, fingerprint, text, contexts in batch:
                case = by_id.get(case_id)
                if case is not None and case.fingerprint == fingerprint:
                    key = material_key(case, text, contexts)
                    items.setdefault(key, Item(key, case_id, scorer.material(case, text, contexts)))
            after = batch[-1][0]
    left = [one for key, one in items.items() if key not in marked and beforehand(scorer, one) is None]
    return of_answers(database, judging, len(left), cases, [scorer])


def expected_usd(
    database: Database, scorer: RubricScorer, judging: Judging, answers: int, cases: Sequence[Case]
) -> float | None:
    """About what the panel costs for so many answers; None where a judge has no price."""
    total = 0.0
    for juror in scorer.panel:
        with database.read() as connection:
            usage = judgements.mean_usage(connection, juror, scorer.fingerprint)
        each = judging.pricers[juror.name, scorer.name].expected(cases, usage)
        if each is None:
            return None
        total += answers * each
    return total
