"""What judges said, what panels decided, and the canaries they are watched by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from monitor.domain.judgement import MAIN_SITTING, Judgement, Juror, Marked, Purpose, StoredCanary
from monitor.domain.run import Phase, RunKind
from monitor.store.database import insert_new
from monitor.store.tables import answer, canary, judgement, mark, run, score

# Materials that are looked up with one query; SQLite and PostgreSQL both take far more parameters.
_CHUNK = 500


def add(connection: Connection, judgements: Sequence[Judgement]) -> None:
    """Write judgements; what another process was faster with stays."""
    if judgements:
        connection.execute(insert_new(connection, judgement), [_values(one) for one in judgements])


def opinions(
    connection: Connection,
    occasion: str,
    rubric_fingerprint: str,
    materials: Sequence[str],
    sitting: str = MAIN_SITTING,
) -> dict[str, list[Judgement]]:
    """What judges said of each material by the rubric in one sitting of an occasion."""
    found: dict[str, list[Judgement]] = {}
    of_sitting = (judgement.c.occasion == occasion) & (judgement.c.sitting == sitting)
    for start in range(0, len(materials), _CHUNK):
        some = judgement.c.material.in_(materials[start : start + _CHUNK])
        query = sa.select(judgement).where(of_sitting & some & (judgement.c.rubric_fingerprint == rubric_fingerprint))
        for one in map(_judgement, connection.execute(query.order_by(judgement.c.id))):
            found.setdefault(one.material, []).append(one)
    return found


def began(connection: Connection, occasion: str) -> dict[str, datetime]:
    """When each sitting of an occasion heard its first judge, by its name."""
    query = sa.select(judgement.c.sitting, sa.func.min(judgement.c.judged_at)).where(judgement.c.occasion == occasion)
    return {row[0]: row[1] for row in connection.execute(query.group_by(judgement.c.sitting))}


def of_occasion(
    connection: Connection, occasion: str, rubric_fingerprint: str, juror: Juror
) -> dict[str, float | None]:
    """One judge's own score of each material on an occasion; None where it gave none."""
    query = sa.select(judgement.c.material, judgement.c.value).where(
        (judgement.c.occasion == occasion)
        & (judgement.c.rubric_fingerprint == rubric_fingerprint)
        & (judgement.c.judge == juror.name)
        & (judgement.c.judge_fingerprint == juror.fingerprint)
    )
    return {row.material: row.value for row in connection.execute(query)}


def reported_models(connection: Connection, occasion: str, juror: Juror) -> set[str]:
    """The models that the provider said had judged on an occasion."""
    query = sa.select(judgement.c.model).where(
        (judgement.c.occasion == occasion)
        & (judgement.c.judge == juror.name)
        & (judgement.c.judge_fingerprint == juror.fingerprint)
        & judgement.c.model.is_not(None)
    )
    return set(connection.execute(query.distinct()).scalars())


def payers(connection: Connection, occasion: str, rubric_fingerprint: str, juror: Juror) -> dict[str, int]:
    """The runs that paid for a judge's verdicts on answers, canaries apart, of an occasion; with how many each did."""
    query = sa.select(judgement.c.run_id, sa.func.count()).where(
        (judgement.c.occasion == occasion)
        & (judgement.c.rubric_fingerprint == rubric_fingerprint)
        & (judgement.c.judge == juror.name)
        & (judgement.c.judge_fingerprint == juror.fingerprint)
        & (judgement.c.purpose == Purpose.ANSWER.value)
    )
    return {str(run_id): int(count) for run_id, count in connection.execute(query.group_by(judgement.c.run_id))}


def mean_usage(connection: Connection, juror: Juror, rubric_fingerprint: str) -> tuple[float, float] | None:
    """Mean (input, output) tokens of a judge's calls with a rubric so far; None where none were reported."""
    query = sa.select(sa.func.avg(judgement.c.input_tokens), sa.func.avg(judgement.c.output_tokens)).where(
        (judgement.c.judge == juror.name)
        & (judgement.c.judge_fingerprint == juror.fingerprint)
        & (judgement.c.rubric_fingerprint == rubric_fingerprint)
    )
    given, made = connection.execute(query).one()
    return None if given is None or made is None else (float(given), float(made))


def add_marks(
    connection: Connection, occasion: str, scorer: str, marks: Mapping[str, Marked], sitting: str = MAIN_SITTING
) -> None:
    """Write what the panel decided, by material; what is there stays."""
    rows = [
        {
            "occasion": occasion,
            "sitting": sitting,
            "scorer": scorer,
            "material": material,
            "value": one.value,
            "reason": one.reason,
            "split": list(one.split) or None,
        }
        for material, one in marks.items()
    ]
    if rows:
        connection.execute(insert_new(connection, mark), rows)


def marks(connection: Connection, occasion: str, scorer: str, sitting: str = MAIN_SITTING) -> dict[str, Marked]:
    """What the panel decided in one sitting of an occasion, by material."""
    query = sa.select(mark.c.material, mark.c.value, mark.c.reason, mark.c.split).where(
        (mark.c.occasion == occasion) & (mark.c.sitting == sitting) & (mark.c.scorer == scorer)
    )
    return {
        material: Marked(value, reason, tuple(split or ()))
        for material, value, reason, split in connection.execute(query)
    }


def scorers(connection: Connection, occasion: str, rubric: str) -> list[str]:
    """The keys under which a rubric's panels decided anything on an occasion."""
    of_rubric = mark.c.scorer.startswith(f"{rubric}@", autoescape=True)
    query = sa.select(mark.c.scorer).where((mark.c.occasion == occasion) & of_rubric)
    return sorted(connection.execute(query.distinct()).scalars())


def newest(
    connection: Connection, rubric_fingerprint: str, materials: Sequence[str]
) -> dict[str, dict[Juror, Judgement]]:
    """What each judge said last of each material by the rubric, on whatever occasion."""
    found: dict[str, dict[Juror, Judgement]] = {}
    for start in range(0, len(materials), _CHUNK):
        chosen = judgement.c.material.in_(materials[start : start + _CHUNK])
        query = sa.select(judgement).where(chosen & (judgement.c.rubric_fingerprint == rubric_fingerprint))
        for row in connection.execute(query.order_by(judgement.c.judged_at, judgement.c.id)):
            one = _judgement(row)
            found.setdefault(one.material, {})[one.juror] = one
    return found


@dataclass(frozen=True, slots=True)
class Heard:
    """One judgement of an answer of `target`, with the `panel`'s score on the same occasion, None where it has none."""

    target: str
    juror: Juror
    material: str
    case_id: str
    position: int
    length: int
    value: float | None
    panel: float | None


def of_answers(
    connection: Connection, suite: str, targets: Sequence[str], rubric_fingerprint: str, scorer: str, limit: int
) -> list[Heard]:
    """What judges said of answers (no canaries) of these targets to a suite; the newest `limit`, newest first.

    Of what runs brought, not of what judges alone were asked: there each is asked, in no order.
    """
    j = judgement.c
    decided = (
        (mark.c.occasion == j.occasion)
        & (mark.c.sitting == j.sitting)
        & (mark.c.scorer == scorer)
        & (mark.c.material == j.material)
    )
    joined = judgement.join(run, run.c.id == j.occasion).outerjoin(mark, decided)
    columns = (run.c.target, j.judge, j.judge_fingerprint, j.material, j.case_id, j.position, j.length, j.value)
    of_runs = (run.c.suite == suite) & run.c.target.in_(targets) & (run.c.kind != RunKind.JUDGE.value)
    wanted = (j.rubric_fingerprint == rubric_fingerprint) & (j.purpose == Purpose.ANSWER.value)
    query = sa.select(*columns, mark.c.value).select_from(joined).where(of_runs & wanted)
    return [
        Heard(target, Juror(judge, print_), *rest)
        for target, judge, print_, *rest in connection.execute(query.order_by(j.id.desc()).limit(limit))
    ]


def answers_to_judge(
    connection: Connection, run_id: str, phase: Phase, scorer: str, *, limit: int, after: int = 0
) -> list[tuple[int, str, str, str, tuple[str, ...], bool]]:
    """Answers by id: (answer id, case id, case fingerprint, text, contexts, whether it has a row for `scorer`)."""
    has = sa.select(score.c.answer_id).where((score.c.answer_id == answer.c.id) & (score.c.scorer == scorer)).exists()
    columns = (answer.c.id, answer.c.case_id, answer.c.case_fingerprint, answer.c.text, answer.c.contexts)
    of_run = (answer.c.run_id == run_id) & (answer.c.phase == phase.value)
    query = sa.select(*columns, has).where(of_run & (answer.c.id > after)).order_by(answer.c.id).limit(limit)
    return [
        (i, case, print_, text, tuple(contexts or ()), bool(there))
        for i, case, print_, text, contexts, there in connection.execute(query)
    ]


def unscored_answers(
    connection: Connection, run_id: str, phase: Phase, scorer: str, *, limit: int, after: int = 0
) -> list[tuple[int, str, str, str, tuple[str, ...]]]:
    """Answers without a row for `scorer`, by id: (answer id, case id, case fingerprint, text, contexts)."""
    has = sa.select(score.c.answer_id).where((score.c.answer_id == answer.c.id) & (score.c.scorer == scorer)).exists()
    columns = (answer.c.id, answer.c.case_id, answer.c.case_fingerprint, answer.c.text, answer.c.contexts)
    of_run = (answer.c.run_id == run_id) & (answer.c.phase == phase.value)
    query = sa.select(*columns).where(of_run & (answer.c.id > after) & ~has).order_by(answer.c.id).limit(limit)
    return [
        (i, case, print_, text, tuple(contexts or ())) for i, case, print_, text, contexts in connection.execute(query)
    ]


def answers_to(
    connection: Connection, suite: str, case_ids: Sequence[str], target: str | None = None
) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """What targets (or `target`) ever answered to these cases, newest first, as a stream.

    (case id, case fingerprint, text, contexts).
    """
    columns = (answer.c.case_id, answer.c.case_fingerprint, answer.c.text, answer.c.contexts)
    of_suite = (run.c.suite == suite) if target is None else (run.c.suite == suite) & (run.c.target == target)
    for start in range(0, len(case_ids), _CHUNK):
        chosen = answer.c.case_id.in_(case_ids[start : start + _CHUNK])
        query = sa.select(*columns).join(run, run.c.id == answer.c.run_id).where(of_suite & chosen)
        rows = connection.execute(query.order_by(answer.c.id.desc()).execution_options(yield_per=_CHUNK))
        for case_id, print_, text, contexts in rows:
            yield case_id, print_, text, tuple(contexts or ())


def answers_with_contexts(
    connection: Connection, run_id: str, phase: Phase
) -> Iterator[tuple[int, str, str, int, str, tuple[str, ...]]]:
    """A run's answers by case and repeat: (id, case id, case fingerprint, repeat, text, contexts), as a stream."""
    columns = (
        answer.c.id,
        answer.c.case_id,
        answer.c.case_fingerprint,
        answer.c.repeat,
        answer.c.text,
        answer.c.contexts,
    )
    query = sa.select(*columns).where((answer.c.run_id == run_id) & (answer.c.phase == phase.value))
    rows = connection.execute(query.order_by(answer.c.case_id, answer.c.repeat).execution_options(yield_per=_CHUNK))
    for i, case, print_, repeat, text, contexts in rows:
        yield i, case, print_, repeat, text, tuple(contexts or ())


def pin_canaries(connection: Connection, run_id: str, canaries: Iterable[StoredCanary]) -> None:
    """Write the canaries of a baseline."""
    rows = [
        {"run_id": run_id, "kind": c.kind, "case_id": c.case_id, "case_fingerprint": c.case_fingerprint, "text": c.text}
        for c in canaries
    ]
    if rows:
        connection.execute(canary.insert(), rows)


def canaries(connection: Connection, run_id: str) -> list[StoredCanary]:
    """The canaries of a baseline, in the order in which they were pinned."""
    columns = (canary.c.kind, canary.c.case_id, canary.c.case_fingerprint, canary.c.text)
    query = sa.select(*columns).where(canary.c.run_id == run_id).order_by(canary.c.id)
    return [StoredCanary(*row) for row in connection.execute(query)]


def _values(one: Judgement) -> dict[str, Any]:
    if one.value is not None and not math.isfinite(one.value):
        raise ValueError(f"a judge's score must be a finite number, got {one.value!r}")
    return {
        "run_id": one.run_id,
        "occasion": one.occasion,
        "sitting": one.sitting,
        "judge": one.juror.name,
        "judge_fingerprint": one.juror.fingerprint,
        "rubric": one.rubric,
        "rubric_fingerprint": one.rubric_fingerprint,
        "material": one.material,
        "case_id": one.case_id,
        "purpose": one.purpose.value,
        "votes": None if one.votes is None else {criterion: list(vote) for criterion, vote in one.votes.items()},
        "value": one.value,
        "reason": one.reason,
        "position": one.position,
        "length": one.length,
        "model": one.model,
        "fingerprint": one.fingerprint,
        "input_tokens": one.input_tokens,
        "cached_input_tokens": one.cached_input_tokens,
        "output_tokens": one.output_tokens,
        "usd": one.usd,
        "latency": one.latency,
        "attempts": one.attempts,
        "judged_at": one.judged_at,
    }


def _judgement(row: Row[Any]) -> Judgement:
    fields = dict(row._mapping)
    del fields["id"]
    juror = Juror(fields.pop("judge"), fields.pop("judge_fingerprint"))
    votes = fields.pop("votes")
    return Judgement(
        juror=juror,
        purpose=Purpose(fields.pop("purpose")),
        votes=None if votes is None else {criterion: (vote[0], vote[1]) for criterion, vote in votes.items()},
        **fields,
    )
