"""What runs have used, by outcome: summed up once when a run is done, read live while it is not.

Money is added up in whole billionths of a USD. Sums of floats depend on their order, which is another one once a run is
done; and a total that shrinks by its last digit is, to Prometheus, a counter that began again from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.store.tables import answer, failure, judgement, run, usage

ANSWERED = "answered"
RETRIED = "retried"
JUDGED = "judged"
_NUMBERS = ("calls", "input_tokens", "output_tokens", "billionths")
_BILLION = 1e9


@dataclass(frozen=True, slots=True)
class Used:
    """Calls, tokens and USD (None: unknown) of one target's runs of one kind, by outcome.

    `usd_since`: the USD of those of them that began since the instant that was asked for; None also where none was.
    """

    target: str
    kind: str
    outcome: str
    calls: int
    input_tokens: int
    output_tokens: int
    usd: float | None
    usd_since: float | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """What one run has used, by outcome."""

    run_id: str
    outcome: str
    calls: int
    input_tokens: int
    output_tokens: int
    usd: float | None


def sum_up(connection: Connection, run_id: str) -> None:
    """Write what a run has used; what was written for it before is replaced."""
    # Another process that sums up the same run waits here until this one has committed.
    connection.execute(sa.select(run.c.id).where(run.c.id == run_id).with_for_update())
    connection.execute(usage.delete().where(usage.c.run_id == run_id))
    live = _live(answer.c.run_id == run_id, failure.c.run_id == run_id, judgement.c.run_id == run_id)
    usd = sa.cast(live.c.billionths, sa.Float) / _BILLION
    columns = (live.c.run_id, live.c.outcome, live.c.calls, live.c.input_tokens, live.c.output_tokens, usd)
    names = ("run_id", "outcome", "calls", "input_tokens", "output_tokens", "usd")
    connection.execute(usage.insert().from_select(names, sa.select(*columns)))


def totals(connection: Connection, since: datetime | None = None) -> list[Used]:
    """Everything that was ever used, by target, kind of run and outcome; none of its numbers ever shrinks.

    But for `usd_since`, which is about the runs that began at `since` or later.
    """
    every = _every(sa.true())
    sums = [sa.func.sum(every.c[name]) for name in _NUMBERS]
    recent: Any = sa.null() if since is None else sa.func.sum(sa.case((run.c.created_at >= since, every.c.billionths)))
    key = (run.c.target, run.c.kind, every.c.outcome)
    columns: list[Any] = [*key, *sums, recent]
    query = sa.select(*columns).join(run, run.c.id == every.c.run_id).group_by(*key).order_by(*key)
    return [
        Used(target, kind, outcome, int(calls), int(given), int(made), _usd(billionths), _usd(lately))
        for target, kind, outcome, calls, given, made, billionths, lately in connection.execute(query)
    ]


def of_runs(connection: Connection, run_ids: Sequence[str]) -> list[Share]:
    """What these runs have used so far, by outcome; a run that has used nothing has no row."""
    every = _every(run.c.id.in_(run_ids))
    rows = connection.execute(sa.select(every).order_by(every.c.run_id, every.c.outcome))
    return [
        Share(run_id, outcome, int(calls), int(given), int(made), _usd(billionths))
        for run_id, outcome, calls, given, made, billionths in rows
    ]


def _every(runs: sa.ColumnElement[bool]) -> sa.Subquery:
    """A row for each of these runs and outcome: of the table where the run was summed up, else counted now."""
    wanted = sa.select(run.c.id).where(runs)
    unsummed = wanted.where(~sa.exists().where(usage.c.run_id == run.c.id))
    live = _live(answer.c.run_id.in_(unsummed), failure.c.run_id.in_(unsummed), judgement.c.run_id.in_(unsummed))
    numbers = (usage.c.calls, usage.c.input_tokens, usage.c.output_tokens, _billionths(usage.c.usd).label("billionths"))
    return sa.union_all(
        sa.select(usage.c.run_id, usage.c.outcome, *numbers).where(usage.c.run_id.in_(wanted)),
        sa.select(live.c.run_id, live.c.outcome, *(live.c[name] for name in _NUMBERS)),
    ).subquery()


def _live(of_answers: Any, of_failures: Any, of_judgements: Any) -> sa.Subquery:
    """The same rows as the table's, computed from answers, failures and judgements; each of these is read once."""

    def total(column: Any) -> Any:
        return sa.func.coalesce(sa.func.sum(column), 0)

    def part(run_id: Any, outcome: Any, *numbers: Any) -> sa.Select[Any]:
        named = zip(numbers, _NUMBERS, strict=True)
        return sa.select(run_id, outcome.label("outcome"), *(number.label(name) for number, name in named))

    answered = (
        sa.select(
            answer.c.run_id,
            sa.func.count().label("calls"),
            total(answer.c.input_tokens).label("input_tokens"),
            total(answer.c.output_tokens).label("output_tokens"),
            sa.func.sum(_billionths(answer.c.usd)).label("billionths"),
            sa.func.sum(answer.c.attempts - 1).label("retries"),
        )
        .where(of_answers)
        .group_by(answer.c.run_id)
        .cte("answered")
    )
    zero, unknown = sa.literal(0), sa.cast(sa.null(), sa.BigInteger)
    lost = (sa.func.sum(failure.c.attempts), zero, zero, sa.func.sum(_billionths(failure.c.usd)))
    judged = (
        sa.func.sum(judgement.c.attempts),
        total(judgement.c.input_tokens),
        total(judgement.c.output_tokens),
        sa.func.sum(_billionths(judgement.c.usd)),
    )
    return sa.union_all(
        part(answered.c.run_id, sa.literal(ANSWERED), *(answered.c[name] for name in _NUMBERS)),
        part(answered.c.run_id, sa.literal(RETRIED), answered.c.retries, zero, zero, unknown).where(
            answered.c.retries > 0
        ),
        part(failure.c.run_id, failure.c.kind, *lost).where(of_failures).group_by(failure.c.run_id, failure.c.kind),
        part(judgement.c.run_id, sa.literal(JUDGED), *judged).where(of_judgements).group_by(judgement.c.run_id),
    ).subquery()


def _billionths(usd: Any) -> Any:
    return sa.cast(sa.func.round(usd * _BILLION), sa.BigInteger)


def _usd(billionths: Any) -> float | None:
    return None if billionths is None else int(billionths) / _BILLION
