"""Rows a second through the real write path: batches as the recorder commits them, each fsynced.

    python tests/bench/bench_store.py [--answers 100000] [--scorers 2] [--judgements 20000] [--batch 500] [--rounds 3]

An answer is a row, and so is each of its scores; a judgement is one row with its five votes. SQLite is a file with
synchronous=FULL; PostgreSQL is a server of the benchmark's own with fsync on, by a loopback connection. Goals: 70,000
rows a second on SQLite, 40,000 on PostgreSQL, and 10,000 judgements a second on both. The best of the rounds is
printed, because whatever else the machine does can only slow one down.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from monitor.domain.judgement import Judgement, Juror, Purpose
from monitor.domain.run import Phase, Run, RunKind, RunState, StoredAnswer
from monitor.domain.score import Score
from monitor.replay.keeping import Batch, keep
from monitor.store import judgements, runs
from monitor.store.database import Database, open_database
from monitor.store.tables import answer, judgement, score
from tests.fakes import postgresql

NOW = datetime(2026, 11, 16, 6, tzinfo=UTC)
GOALS = {"SQLite": 70_000, "PostgreSQL": 40_000}
JUDGED_GOAL = 10_000
TEXT = "Gift cards cannot be returned, because they are final sale; see the page on returns for what can be. " * 2


def batches(count: int, scorers: int, size: int) -> Iterator[Batch]:
    """Answers like those of a chat model: some hundred characters, tokens, a price."""
    usual = StoredAnswer("run", Phase.MAIN, "c", "f" * 64, 0, TEXT, NOW, 0.8, 1, "ft:model-2026-01-01", "fp_0123456789")
    usual = replace(usual, finish_reason="stop", input_tokens=311, output_tokens=52, usd=0.000732)
    scores = {f"scorer_{i}": Score(0.25 * i) for i in range(scorers)}
    for first in range(0, count, size):
        numbers = range(first, first + size)
        kept = [(replace(usual, case_id=f"case-{i % 1000:04}", repeat=i // 1000), scores) for i in numbers]
        yield Batch(kept, [])


def measure(database: Database, count: int, scorers: int, size: int) -> float:
    """Rows a second of one round, on a database that is empty at its beginning."""
    with database.write() as connection:
        for table in (score, answer):
            connection.execute(table.delete())
        runs.begin(connection, Run("run", "ft", "s", RunKind.WEEK, RunState.RUNNING, "a", "b", NOW))
    prepared = list(batches(count, scorers, size))
    began = time.perf_counter()
    for batch in prepared:
        keep(database, batch)
    took = time.perf_counter() - began
    with database.read() as connection:
        stored = [connection.execute(sa.select(sa.func.count()).select_from(t)).scalar_one() for t in (answer, score)]
    assert stored == [count, count * scorers]
    return sum(stored) / took


def judged(count: int) -> list[Judgement]:
    """Judgements like those of a chat model by a rubric of five criteria."""
    quote = "Gift cards cannot be returned, because they are final sale"
    usual = Judgement(
        run_id="run",
        occasion="run",
        juror=Juror("strict", "f" * 16),
        rubric="support_answer",
        rubric_fingerprint="a" * 16,
        material="",
        case_id="c",
        purpose=Purpose.ANSWER,
        votes={f"criterion_{i}": ("met", quote) for i in range(5)},
        value=1.0,
        reason=None,
        position=0,
        length=len(TEXT),
        judged_at=NOW,
        model="judge-2026-01-01",
        input_tokens=1200,
        cached_input_tokens=900,
        output_tokens=180,
        usd=0.0021,
    )
    return [replace(usual, material=f"{i:032x}", case_id=f"case-{i % 1000:04}") for i in range(count)]


def measure_judged(database: Database, count: int, size: int) -> float:
    """Judgements a second of one round, on a table that is empty at its beginning."""
    with database.write() as connection:
        connection.execute(judgement.delete())
    prepared = judged(count)
    began = time.perf_counter()
    for first in range(0, count, size):
        with database.write() as connection:
            judgements.add(connection, prepared[first : first + size])
    took = time.perf_counter() - began
    with database.read() as connection:
        stored = connection.execute(sa.select(sa.func.count()).select_from(judgement)).scalar_one()
    assert stored == count
    return count / took


@contextmanager
def sqlite() -> Iterator[str]:
    # Not in memory, which is where /tmp may be.
    with tempfile.TemporaryDirectory(prefix="heldout-bench-", dir=os.environ.get("BENCH_FOLDER", "/var/tmp")) as folder:
        yield f"sqlite:///{Path(folder) / 'heldout.db'}"


@contextmanager
def server() -> Iterator[str]:
    own = postgresql.Server(
        fsync="on", synchronous_commit="on", full_page_writes="on", shared_buffers="128MB", max_wal_size="1GB"
    )
    own.start()
    try:
        yield own.url("postgres")
    finally:
        own.close()


def show(name: str, what: str, found: list[float], goal: int) -> None:
    every = ", ".join(f"{one:,.0f}" for one in found)
    print(f"{name:10}  {max(found):9,.0f} {what}/s  (goal {goal:,}; all rounds: {every})")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--answers", type=int, default=100_000)
    parser.add_argument("--scorers", type=int, default=2)
    parser.add_argument("--judgements", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(f"{given.answers:,} answers with {given.scorers} scores each, {given.batch} answers a commit")
    for name, made in {"SQLite": sqlite, "PostgreSQL": server}.items():
        if name == "PostgreSQL" and postgresql.programs() is None:
            print(f"{name}: {postgresql.HOW_TO_INSTALL}")
            continue
        with made() as url:
            database = open_database(url)
            found = [measure(database, given.answers, given.scorers, given.batch) for _ in range(given.rounds)]
            said = [measure_judged(database, given.judgements, given.batch) for _ in range(given.rounds)]
            database.close()
        show(name, "rows", found, GOALS[name])
        show(name, "judgements", said, JUDGED_GOAL)


if __name__ == "__main__":
    main()
