"""Answers, their scores, failures, and what they cost; read as streams, so that memory does not grow with history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.domain.run import Failure, Phase, Spend, StoredAnswer
from monitor.domain.score import Score
from monitor.store.bulk import insert_many, new_ids
from monitor.store.database import insert_new
from monitor.store.tables import answer, failure, judgement, run, score

_CHUNK = 500
# How the kinds of failures of judges begin; those of targets are kinds of errors as they are.
OF_JUDGES = "judge_"


@dataclass(frozen=True, slots=True)
class Scored:
    """One stored answer with the scores that were asked for; a score that was never computed is absent."""

    answer_id: int
    case_id: str
    case_fingerprint: str
    repeat: int
    scores: dict[str, Score]


def add(connection: Connection, answers: Sequence[StoredAnswer], scores: Sequence[dict[str, Score]]) -> None:
    """Write answers with their scores, one dict (scorer to score) an answer."""
    if not answers:
        return
    ids = new_ids(connection, answer.c.id, len(answers))
    insert_many(connection, answer, [{"id": i, **_values(a)} for i, a in zip(ids, answers, strict=True)])
    insert_many(connection, score, _score_rows(zip(ids, scores, strict=True)))


def add_scores(connection: Connection, scores: Iterable[tuple[int, dict[str, Score]]]) -> None:
    """Write scores of stored answers: (answer id, scorer to score); what another process was faster with stays."""
    rows = _score_rows(scores)
    if rows:
        connection.execute(insert_new(connection, score), rows)


def add_failures(connection: Connection, failures: Sequence[Failure]) -> None:
    """Write calls that gave no answer."""
    if failures:
        connection.execute(
            failure.insert(),
            [
                {
                    "run_id": f.run_id,
                    "phase": f.phase.value,
                    "case_id": f.case_id,
                    "repeat": f.repeat,
                    "kind": f.kind,
                    "message": f.message,
                    "attempts": f.attempts,
                    "usd": f.usd,
                    "failed_at": f.failed_at,
                }
                for f in failures
            ],
        )


def stored(connection: Connection, run_id: str, phase: Phase) -> dict[str, set[int]]:
    """Which repeats of which cases are already answered: what is stored is never asked, or paid for, again."""
    query = sa.select(answer.c.case_id, answer.c.repeat).where(_of(run_id, phase))
    found: dict[str, set[int]] = {}
    for case_id, repeat in connection.execute(query):
        found.setdefault(case_id, set()).add(repeat)
    return found


def is_stored(connection: Connection, one: StoredAnswer) -> bool:
    """Whether this very answer's place is taken."""
    key = _of(one.run_id, one.phase) & (answer.c.case_id == one.case_id) & (answer.c.repeat == one.repeat)
    return connection.execute(sa.select(answer.c.id).where(key)).first() is not None


def failure_is_stored(connection: Connection, one: Failure) -> bool:
    """Whether this very call, known by its time, is written down as failed."""
    of_run = (failure.c.run_id == one.run_id) & (failure.c.phase == one.phase.value)
    call = (
        (failure.c.case_id == one.case_id) & (failure.c.repeat == one.repeat) & (failure.c.failed_at == one.failed_at)
    )
    return connection.execute(sa.select(failure.c.id).where(of_run & call)).first() is not None


def scored(connection: Connection, run_id: str, phase: Phase, scorers: Sequence[str]) -> Iterator[Scored]:
    """The answers of a run by case and repeat, with the named scores, as a stream."""
    joined = answer.outerjoin(score, (score.c.answer_id == answer.c.id) & score.c.scorer.in_(scorers))
    columns = (answer.c.id, answer.c.case_id, answer.c.case_fingerprint, answer.c.repeat)
    query = (
        sa.select(*columns, score.c.scorer, score.c.value, score.c.reason)
        .select_from(joined)
        .where(_of(run_id, phase))
        .order_by(answer.c.case_id, answer.c.repeat)
        .execution_options(yield_per=_CHUNK)
    )
    current: Scored | None = None
    for answer_id, case_id, fingerprint, repeat, scorer, value, reason in connection.execute(query):
        if current is None or current.answer_id != answer_id:
            if current is not None:
                yield current
            current = Scored(answer_id, case_id, fingerprint, repeat, {})
        if scorer is not None:
            current.scores[scorer] = Score(value, reason)
    if current is not None:
        yield current


def case_means(
    connection: Connection, run_id: str, phase: Phase, scorers: Sequence[str]
) -> list[tuple[str, str, str, float]]:
    """The mean score of a case's answers, by (case id, case fingerprint, scorer); what is unscored does not count."""
    key = (answer.c.case_id, answer.c.case_fingerprint, score.c.scorer)
    query = (
        sa.select(*key, sa.func.avg(score.c.value))
        .join(score, score.c.answer_id == answer.c.id)
        .where(_of(run_id, phase) & score.c.scorer.in_(scorers) & score.c.value.is_not(None))
        .group_by(*key)
    )
    return [(case_id, print_, scorer, float(mean)) for case_id, print_, scorer, mean in connection.execute(query)]


def texts(
    connection: Connection, run_id: str, phase: Phase, missing: str, *, after: int, limit: int
) -> list[tuple[int, str, str, str]]:
    """Answers that the scorer `missing` has not scored yet: (answer id, case id, case fingerprint, text).

    At most `limit`, by their id, of those whose id is above `after`.
    """
    has = sa.select(score.c.answer_id).where((score.c.answer_id == answer.c.id) & (score.c.scorer == missing)).exists()
    columns = (answer.c.id, answer.c.case_id, answer.c.case_fingerprint, answer.c.text)
    query = sa.select(*columns).where(_of(run_id, phase) & (answer.c.id > after) & ~has)
    rows = connection.execute(query.order_by(answer.c.id).limit(limit))
    return [(row.id, row.case_id, row.case_fingerprint, row.text) for row in rows]


def distinct_texts(connection: Connection, run_id: str, phase: Phase) -> dict[str, tuple[int, int]]:
    """For each case: how many answers, and how many different texts among them."""
    counts = (sa.func.count(), sa.func.count(sa.distinct(answer.c.text)))
    query = sa.select(answer.c.case_id, *counts).where(_of(run_id, phase)).group_by(answer.c.case_id)
    return {case_id: (total, different) for case_id, total, different in connection.execute(query)}


def cases(connection: Connection, run_id: str) -> set[str]:
    """The ids of the cases that a run has answers to."""
    return set(connection.execute(sa.select(answer.c.case_id).where(_of(run_id, Phase.MAIN)).distinct()).scalars())


def one_text(connection: Connection, run_id: str, case_id: str) -> str | None:
    """The text of the case's newest answer of a run's own phase."""
    query = sa.select(answer.c.text).where(_of(run_id, Phase.MAIN) & (answer.c.case_id == case_id))
    text: str | None = connection.execute(query.order_by(answer.c.id.desc()).limit(1)).scalar()
    return text


def models(connection: Connection, run_id: str) -> list[tuple[str | None, str | None, int]]:
    """The (model, fingerprint) pairs that the provider reported, with how many answers each gave, commonest first."""
    columns = (answer.c.model, answer.c.fingerprint, sa.func.count().label("answers"))
    query = sa.select(*columns).where(answer.c.run_id == run_id).group_by(answer.c.model, answer.c.fingerprint)
    rows = connection.execute(query.order_by(sa.desc("answers"), answer.c.model, answer.c.fingerprint))
    return [(model, fingerprint, count) for model, fingerprint, count in rows]


def finish_reasons(connection: Connection, run_id: str) -> dict[str, int]:
    """How many answers ended for each reason that the provider gave."""
    query = sa.select(answer.c.finish_reason, sa.func.count()).where(
        (answer.c.run_id == run_id) & answer.c.finish_reason.is_not(None)
    )
    return {row[0]: row[1] for row in connection.execute(query.group_by(answer.c.finish_reason))}


def failures(connection: Connection, run_id: str, *, of_judges: bool = False) -> list[tuple[str, int, str]]:
    """Why calls to the target, or to judges, failed: (kind, how many, one of the messages), commonest first."""
    columns = (failure.c.kind, sa.func.count().label("calls"), sa.func.max(failure.c.message))
    judges = failure.c.kind.startswith(OF_JUDGES, autoescape=True)
    whose = judges if of_judges else ~judges
    query = sa.select(*columns).where((failure.c.run_id == run_id) & whose).group_by(failure.c.kind)
    query = query.order_by(sa.desc("calls"), failure.c.kind)
    return [(kind, count, message) for kind, count, message in connection.execute(query)]


def spend(connection: Connection, run_id: str) -> Spend:
    """What one run has cost so far, failed calls included."""
    return _spend(connection, answer.c.run_id == run_id, failure.c.run_id == run_id, judgement.c.run_id == run_id)


def spend_since(connection: Connection, since: datetime) -> Spend:
    """What all runs have cost since `since`."""
    judged = judgement.c.judged_at >= since
    return _spend(connection, answer.c.answered_at >= since, failure.c.failed_at >= since, judged)


def mean_usage(connection: Connection, target: str) -> tuple[float, float] | None:
    """Mean (input, output) tokens of the target's answers so far; None where none were reported."""
    query = (
        sa.select(sa.func.avg(answer.c.input_tokens), sa.func.avg(answer.c.output_tokens))
        .join(run, run.c.id == answer.c.run_id)
        .where(run.c.target == target)
    )
    given, made = connection.execute(query).one()
    return None if given is None or made is None else (float(given), float(made))


def _spend(connection: Connection, of_answers: Any, of_failures: Any, of_judgements: Any) -> Spend:
    sums = (answer.c.attempts, answer.c.usd, answer.c.input_tokens, answer.c.output_tokens)
    row = connection.execute(sa.select(sa.func.count(), *(sa.func.sum(c) for c in sums)).where(of_answers)).one()
    sums_lost = sa.select(sa.func.sum(failure.c.attempts), sa.func.sum(failure.c.usd)).where(of_failures)
    lost, lost_usd = connection.execute(sums_lost).one()
    count, calls, usd, given, made = row
    sums_judged = (sa.func.count(), sa.func.sum(judgement.c.attempts), sa.func.sum(judgement.c.usd))
    judged, judging, judged_usd = connection.execute(sa.select(*sums_judged).where(of_judgements)).one()
    known = [float(part) for part in (usd, lost_usd, judged_usd) if part is not None]
    return Spend(
        answers=count,
        calls=int(calls or 0) + int(lost or 0) + int(judging or 0),
        usd=sum(known) if known else None,
        input_tokens=int(given or 0),
        output_tokens=int(made or 0),
        judgements=judged,
        judged_usd=None if judged_usd is None else float(judged_usd),
    )


def _score_rows(scores: Iterable[tuple[int, dict[str, Score]]]) -> list[dict[str, Any]]:
    return [
        {"answer_id": i, "scorer": scorer, "value": s.value, "reason": s.reason}
        for i, of_answer in scores
        for scorer, s in of_answer.items()
    ]


def _of(run_id: str, phase: Phase) -> Any:
    return (answer.c.run_id == run_id) & (answer.c.phase == phase.value)


def _values(a: StoredAnswer) -> dict[str, Any]:
    return {
        "run_id": a.run_id,
        "phase": a.phase.value,
        "case_id": a.case_id,
        "case_fingerprint": a.case_fingerprint,
        "repeat": a.repeat,
        "text": a.text,
        "contexts": list(a.contexts) or None,
        "model": a.model,
        "fingerprint": a.fingerprint,
        "finish_reason": a.finish_reason,
        "input_tokens": a.input_tokens,
        "output_tokens": a.output_tokens,
        "usd": a.usd,
        "latency": a.latency,
        "attempts": a.attempts,
        "answered_at": a.answered_at,
    }
