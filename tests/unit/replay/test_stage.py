"""A stage writes answers with their scores and failures without, cleaned of what no database holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case
from monitor.domain.run import Phase, Run, RunKind, RunState
from monitor.grading import Grader
from monitor.metrics import Metric, build_metric
from monitor.metrics.metric import Plan
from monitor.replay.ask import Asked
from monitor.replay.budget import Pricer
from monitor.replay.runner import Tally
from monitor.replay.stage import Stage, Workplace, replay_stage
from monitor.store import answers, runs
from monitor.store.database import Database, open_database
from monitor.store.tables import answer, failure, run, score
from tests.fakes import databases

NOW = datetime(2026, 11, 16, 6, tzinfo=UTC)
CASES = tuple(Case(name, "Is it?", expected="yes") for name in "abc")
GRADER = Grader({"exact_match": build_metric("exact_match", {})}, {"exact_match": 1.0})


@pytest.fixture
def database(tmp_path) -> Iterator[Database]:
    opened = open_database(databases.filled(tmp_path))
    with opened.write() as connection:
        assert runs.begin(connection, Run("r", "ft", "s", RunKind.AD_HOC, RunState.RUNNING, "x", "y", NOW))
    yield opened
    opened.close()


def came(reply: Reply | TargetError) -> Asked:
    good = reply if isinstance(reply, Reply) else None
    return Asked(good, None if isinstance(reply, Reply) else reply, 2, 0.5, NOW, NOW)


async def replay(
    database, reply, *, repeats=1, phase=Phase.MAIN, pricer=None, watch=lambda label, tally: None, grader=GRADER
):
    asked = []

    async def ask(case: Case) -> Asked:
        asked.append(case.id)
        return came(reply(case))

    place = Workplace(database, lambda: NOW, asyncio.Event(), watch)
    stage = Stage("r", phase, CASES, repeats, "ft · s")
    halt = await replay_stage(place, stage, grader, ask, pricer or Pricer(None, None), 2)
    return asked, halt


def rows(database, table):
    with database.read() as connection:
        return connection.execute(table.select()).all()


async def test_answers_are_stored_with_what_the_provider_said_and_their_scores(database):
    reply = Reply("yes", "m-1", "fp", "stop", 100, 50, ("passage",))
    asked, halt = await replay(database, lambda case: reply, pricer=Pricer(1.0, 2.0))
    assert (sorted(asked), halt) == (["a", "b", "c"], None)
    first = min(rows(database, answer), key=lambda row: row.case_id)
    assert (first.text, first.model, first.fingerprint, first.finish_reason) == ("yes", "m-1", "fp", "stop")
    assert (first.input_tokens, first.output_tokens, first.usd, first.contexts) == (100, 50, 0.0002, ["passage"])
    assert (first.attempts, first.latency, first.case_fingerprint) == (2, 0.5, CASES[0].fingerprint)
    assert [(row.scorer, row.value) for row in rows(database, score)] == [("exact_match", 1.0)] * 3


async def test_what_is_stored_is_not_asked_again_but_the_other_phase_asks_anew(database):
    await replay(database, lambda case: Reply("yes"))
    assert (await replay(database, lambda case: Reply("yes")))[0] == []
    assert sorted((await replay(database, lambda case: Reply("yes"), repeats=2))[0]) == ["a", "b", "c"]
    assert len((await replay(database, lambda case: Reply("yes"), repeats=2, phase=Phase.CONFIRM))[0]) == 6


async def test_a_failure_is_stored_as_one_and_never_as_a_score(database):
    down = TargetError(ErrorKind.TIMEOUT, "too\x00 slow \ud800")
    await replay(database, lambda case: down if case.id == "b" else Reply("no"))
    (lost,) = rows(database, failure)
    assert (lost.case_id, lost.kind, lost.message, lost.attempts) == ("b", "timeout", "too\ufffd slow \ufffd", 2)
    assert {row.case_id for row in rows(database, answer)} == {"a", "c"}
    assert len(rows(database, score)) == 2
    # It is asked again when the stage is taken up again.
    assert (await replay(database, lambda case: Reply("yes")))[0] == ["b"]


async def test_hostile_text_is_stored_and_not_obeyed(database):
    hostile = "'); DROP TABLE answer; -- \x00 \x1b[31m \u202e \ud800 <!channel>"
    await replay(database, lambda case: Reply(hostile, contexts=(hostile,)))
    kept = hostile.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    assert [row.text for row in rows(database, answer)] == [kept] * 3
    assert rows(database, answer)[0].contexts == [kept]


async def test_progress_is_watched_with_cost(database):
    seen: list[tuple[str, int, int, float]] = []

    def watch(label: str, tally: Tally) -> None:
        seen.append((label, tally.total, tally.answered + tally.failed, round(tally.usd, 6)))

    reply = Reply("yes", input_tokens=1000, output_tokens=1000)
    await replay(database, lambda case: reply, pricer=Pricer(1.0, 1.0), watch=watch)
    assert seen[0] == ("ft · s", 3, 0, 0.0)
    assert seen[-1][1:] == (3, 3, 0.006)


async def test_nothing_to_ask_connects_to_nobody(database):
    with database.read() as connection:
        assert answers.stored(connection, "r", Phase.MAIN) == {}
    assert (await replay(database, lambda case: Reply("yes"), repeats=0)) == ([], None)
    assert rows(database, answer) == []


async def test_an_answer_whose_tokens_nobody_counted_is_stored_at_the_most_it_may_cost(database):
    seen: list[float] = []
    pricer = Pricer(1.0, 2.0, most_output=1000)
    await replay(database, lambda case: Reply("yes"), pricer=pricer, watch=lambda label, tally: seen.append(tally.usd))
    assert [row.usd for row in rows(database, answer)] == [pricer.most(CASES[0])] * 3
    assert pricer.most(CASES[0]) > 0.002
    assert seen[-1] == pytest.approx(3 * pricer.most(CASES[0]))
    with database.read() as connection:
        assert answers.spend(connection, "r").usd == pytest.approx(3 * pricer.most(CASES[0]))


async def test_an_answer_of_an_unpriced_target_has_no_cost(database):
    await replay(database, lambda case: Reply("yes", input_tokens=1, output_tokens=1))
    assert [row.usd for row in rows(database, answer)] == [None] * 3


async def test_others_may_write_while_answers_are_scored(database, tmp_path):
    def compare(answered: str, expected: str) -> float:
        other = open_database(databases.filled(tmp_path))
        with other.write() as connection:
            assert connection.execute(run.update().values(requested_by="another")).rowcount == 1
        other.close()
        return 1.0

    metric = Metric("slow", "slow", Plan(lambda case: (case.expected,), compare))
    await replay(database, lambda case: Reply("yes"), grader=Grader({"slow": metric}, {"slow": 1.0}))
    assert [row.value for row in rows(database, score)] == [1.0] * 3
