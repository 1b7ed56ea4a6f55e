"""What runs have used, by outcome: summed up once when a run is done, read live while it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.store.tables import answer, failure, run, usage

ANSWERED = "answered"
RETRIED = "retried"
_NUMBERS = ("calls", "input_tokens", "output_tokens", "usd")


@dataclass(frozen=True, slots=True)
class Used:
    """Calls, tokens and USD (None: unknown) of one target's runs of one kind, by outcome."""

    target: str
    kind: str
    outcome: str
    calls: int
    input_tokens: int
    output_tokens: int
    usd: float | None


def sum_up(connection: Connection, run_id: str) -> None:
    """Write what a run has used; what was written for it before is replaced."""
    connection.execute(usage.delete().where(usage.c.run_id == run_id))
    live = _live(answer.c.run_id == run_id, failure.c.run_id == run_id)
    columns = ("run_id", "outcome", *_NUMBERS)
    connection.execute(usage.insert().from_select(columns, sa.select(*(live.c[name] for name in columns))))


def totals(connection: Connection) -> list[Used]:
    """Everything that was ever used, by target, kind of run and outcome."""
    open_runs = sa.select(run.c.id).where(~sa.exists().where(usage.c.run_id == run.c.id))
    live = _live(answer.c.run_id.in_(open_runs), failure.c.run_id.in_(open_runs))
    names = ("run_id", "outcome", *_NUMBERS)
    every = sa.union_all(
        sa.select(*(usage.c[name] for name in names)), sa.select(*(live.c[name] for name in names))
    ).subquery()
    sums = [sa.func.sum(every.c[name]).label(name) for name in _NUMBERS]
    query = (
        sa.select(run.c.target, run.c.kind, every.c.outcome, *sums)
        .join(run, run.c.id == every.c.run_id)
        .group_by(run.c.target, run.c.kind, every.c.outcome)
        .order_by(run.c.target, run.c.kind, every.c.outcome)
    )
    return [
        Used(target, kind, outcome, int(calls), int(given), int(made), None if usd is None else float(usd))
        for target, kind, outcome, calls, given, made, usd in connection.execute(query)
    ]


def _live(of_answers: Any, of_failures: Any) -> sa.Subquery:
    """The same rows as the table's, computed from answers and failures."""

    def total(column: Any) -> Any:
        return sa.func.coalesce(sa.func.sum(column), 0)

    def part(run_id: Any, outcome: Any, *numbers: Any) -> sa.Select[Any]:
        named = zip(numbers, _NUMBERS, strict=True)
        return sa.select(run_id, outcome.label("outcome"), *(number.label(name) for number, name in named))

    zero, unknown = sa.literal(0), sa.cast(sa.null(), sa.Float)
    given, made = total(answer.c.input_tokens), total(answer.c.output_tokens)
    retries = sa.func.sum(answer.c.attempts - 1)
    answered = part(answer.c.run_id, sa.literal(ANSWERED), sa.func.count(), given, made, sa.func.sum(answer.c.usd))
    retried = part(answer.c.run_id, sa.literal(RETRIED), retries, zero, zero, unknown)
    failed = part(
        failure.c.run_id, failure.c.kind, sa.func.sum(failure.c.attempts), zero, zero, sa.func.sum(failure.c.usd)
    )
    return sa.union_all(
        answered.where(of_answers).group_by(answer.c.run_id),
        retried.where(of_answers).group_by(answer.c.run_id).having(retries > 0),
        failed.where(of_failures).group_by(failure.c.run_id, failure.c.kind),
    ).subquery()
