"""A database that is away, locked or full: the daemon says so, stays up, and loses nothing."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.harness import PASS, Case, Fake, Home
from tests.acceptance.serving import TOKEN, eventually, serving
from tests.acceptance.test_disk_full import disk, fill
from tests.fakes.ports import free_port
from tests.fakes.postgresql import Server

__all__ = ["disk"]  # a fixture, taken from its neighbour

AWAY = "the database does not answer; everything waits for it"
BACK = "the database answers again"
WEEKS = "SELECT state FROM run WHERE kind = 'week'"


def configure(home: Home, known: Sequence[Case], server: Fake, chat: Fake, url: str) -> None:
    home.configure(
        known,
        server,
        chat,
        database={"url": f'"{url}"'},
        web={
            "listen": f'"127.0.0.1:{free_port()}"',
            "tokens": '{ operations = { secret = { env = "OPERATIONS" }, role = "act" } }',
        },
        decision={"baseline_repeats": 4},
        bot={"concurrency": 4},
    )


@pytest.fixture
def postgresql() -> Iterator[Server]:
    """A server that the test may stop."""
    server = Server()
    server.start()
    server.do("CREATE DATABASE heldout")
    yield server
    server.close()


@pytest.mark.postgresql_only(reason="a server that goes away")
@pytest.mark.timeout(200)
@pytest.mark.long(25)
def test_a_server_that_goes_away_and_comes_back(
    home: Home, known: list[Case], server: Fake, chat: Fake, postgresql: Server
) -> None:
    configure(home, known, server, chat, postgresql.url("heldout"))
    home.run("baseline", "collect", "bot", "support", "--yes", code=PASS)
    with serving(home) as daemon:
        daemon.ready().leads()
        daemon.logs("the child has ended")
        postgresql.stop()
        daemon.logs(AWAY, within=30)
        status, health = daemon.get("/readyz")
        assert (status, health["ready"]) == (503, False)
        assert daemon.get("/healthz")[0] == 200
        assert "heldout_database_up 0.0" in daemon.get("/metrics")[1]
        assert daemon.get("/api/v1/verdicts")[0] == 503
        assert daemon.get("/api/v1/runs", token=TOKEN, body={"target": "bot"})[0] == 503
        postgresql.start()
        daemon.logs(BACK, within=40)
        daemon.ready()
        assert daemon.get("/api/v1/verdicts/bot")[1]["verdict"] == "pass"
        assert daemon.get("/api/v1/runs", token=TOKEN, body={"target": "bot"})[0] == 202
        eventually(lambda: 'outcome="answered",target="bot"} 240' in daemon.get("/metrics")[1], within=60)
        # It is said once, not at each look.
        assert (len(daemon.events(AWAY)), len(daemon.events(BACK))) == (1, 1)
        assert daemon.stop() == PASS


@pytest.mark.postgresql_only(reason="a server that is not there yet")
def test_it_begins_before_its_database_is_there(
    home: Home, known: list[Case], server: Fake, chat: Fake, postgresql: Server
) -> None:
    configure(home, known, server, chat, postgresql.url("heldout"))
    postgresql.stop()
    with serving(home) as daemon:
        daemon.logs(AWAY, within=30)
        assert daemon.get("/readyz")[0] == 503
        postgresql.start()
        daemon.ready(within=40).leads()
        daemon.logs("a slot is due", within=40)
        assert daemon.stop() == PASS


@pytest.fixture
def full(tmp_path: Path, disk: Path, known: list[Case], server: Fake, chat: Fake) -> Home:
    """A folder whose database lies on a small disk of its own."""
    place = Home(tmp_path)
    configure(place, known, server, chat, f"sqlite:///{disk}/heldout.db")
    (tmp_path / "heldout.db").symlink_to(disk / "heldout.db")  # where the harness looks
    return place


@pytest.mark.sqlite_only(reason="the database is a file on a disk of its own")
@pytest.mark.timeout(200)
@pytest.mark.long(34)
def test_a_disk_that_is_full(full: Home, disk: Path, server: Fake) -> None:
    full.run("baseline", "collect", "bot", "support", "--yes", code=PASS)
    with serving(full) as daemon:
        daemon.ready()
        eventually(lambda: full.rows(WEEKS) == [("done",)], within=60)
        daemon.logs("the child has ended")
        with closing(sqlite3.connect(disk / "heldout.db")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        fill(disk, 0)
        said = daemon.logs(AWAY, within=60)
        assert "free some space" in said["reason"]
        assert daemon.get("/readyz")[0] == 503
        assert daemon.get("/metrics")[0] == 200
        assert daemon.get("/api/v1/verdicts/bot")[1]["verdict"] == "pass"
        assert daemon.get("/api/v1/runs", token=TOKEN, body={"target": "bot"})[0] == 503
        assert daemon.process.poll() is None
        (disk / "ballast").unlink()
        daemon.logs(BACK, within=60)
        assert daemon.get("/api/v1/runs", token=TOKEN, body={"target": "bot"})[0] == 202
        eventually(lambda: full.count("SELECT count(*) FROM answer") == 240, within=60)
        assert (len(daemon.events(AWAY)), len(daemon.events(BACK))) == (1, 1)
        assert full.is_sound()
        assert daemon.stop() == PASS


@pytest.mark.sqlite_only(reason="PostgreSQL has no lock on everything")
def test_a_database_that_somebody_has_locked(home: Home, known: list[Case], server: Fake, chat: Fake) -> None:
    configure(home, known, server, chat, "sqlite:///heldout.db")
    home.run("baseline", "collect", "bot", "support", "--yes", code=PASS)
    with closing(sqlite3.connect(home.database, timeout=30.0, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with serving(home) as daemon:
            daemon.ready()
            time.sleep(6.0)
            # Looking is possible all the while.
            assert daemon.get("/api/v1/verdicts/bot")[0] == 200
            assert home.rows(WEEKS) == []
            other.execute("COMMIT")
            eventually(lambda: home.rows(WEEKS) == [("done",)], within=60)
            assert not daemon.events("a tick failed")
            assert daemon.stop() == PASS
