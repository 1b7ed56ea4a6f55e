"""A database that is away for a while in the middle of a run: nothing that was paid for is lost, or asked twice."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from tests.acceptance.harness import FAILED, PASS, Case, Fake, Home
from tests.fakes.postgresql import Server

COLLECT = ("baseline", "collect", "bot", "support", "--yes")
SLOW = 0.15


@pytest.fixture
def postgresql() -> Iterator[Server]:
    """A server of the test's own, whose commits outlive a crash."""
    server = Server(synchronous_commit="on")
    server.start()
    yield server
    server.close()


def count(server: Server, query: str) -> int:
    with psycopg.connect(server.url("postgres")) as connection:
        (found,) = connection.execute(query.encode()).fetchone() or (None,)
    return int(found)


def collecting(home: Home, server: Fake) -> subprocess.Popen[str]:
    """A collection that is well under way."""
    server.control(delay=SLOW)
    process = home.start(*COLLECT)
    server.received(30, process)
    return process


@pytest.mark.postgresql_only("it is about the server")
@pytest.mark.parametrize(
    ("how", "away"),
    [
        (signal.SIGINT, 0.0),
        (signal.SIGQUIT, 4.0),
        pytest.param(signal.SIGINT, 30.0, marks=pytest.mark.soak),
    ],
    ids=["restarted", "crashed", "half a minute"],
)
def test_a_server_that_goes_and_comes_back_costs_no_answer(
    home: Home, server: Fake, known: list[Case], postgresql: Server, how: signal.Signals, away: float
) -> None:
    home.configure(known, server, database={"url": f'"{postgresql.url("postgres")}"'}, bot={"concurrency": 4})
    process = collecting(home, server)
    postgresql.stop(how)
    time.sleep(away)
    postgresql.start()
    home.end(process, PASS)
    assert count(postgresql, "SELECT count(*) FROM answer") == server.tell()["answered"] == 160
    assert count(postgresql, "SELECT count(*) FROM score") == 160
    assert count(postgresql, "SELECT count(*) FROM baseline") == 1


@pytest.mark.postgresql_only("it is about the server")
def test_a_server_that_is_not_there_is_named_and_no_question_is_asked(
    home: Home, server: Fake, known: list[Case], postgresql: Server
) -> None:
    home.configure(known, server, database={"url": f'"{postgresql.url("postgres")}"'})
    postgresql.stop()
    for verb in (COLLECT, ("run", "--due"), ("status",), ("gate", "bot"), ("db", "upgrade")):
        done = home.run(*verb, code=FAILED)
        assert f"127.0.0.1:{postgresql.port}/postgres" in done.said
        assert "the database server is away or busy; see that it runs, and try again" in done.said
    assert server.tell()["count"] == 0


@pytest.mark.sqlite_only("it is about the file's lock")
def test_a_file_that_another_program_locks_for_a_while_costs_no_answer(
    home: Home, server: Fake, known: list[Case]
) -> None:
    home.configure(known, server, bot={"concurrency": 4})
    process = collecting(home, server)
    with closing(sqlite3.connect(home.database, timeout=30.0, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        stored = int(other.execute("SELECT count(*) FROM answer").fetchone()[0])
        time.sleep(4.0)
        other.execute("COMMIT")
    assert 0 < stored < 160
    home.end(process, PASS)
    assert home.count("SELECT count(*) FROM answer") == server.tell()["answered"] == 160
