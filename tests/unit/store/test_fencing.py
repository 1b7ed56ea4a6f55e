"""Leases: one holder, and nothing is written by one that has lost it; on PostgreSQL also while both are at it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from monitor.holding import Contender, Runner
from monitor.store import answers, leases
from monitor.store.database import Database, DatabaseError, open_database
from monitor.store.leases import FencedDatabase, Lease, LeaseLostError
from tests.fakes.postgresql import Server
from tests.unit.store.rows import NOW, answer, failure

WAITS = pytest.mark.postgresql_only("SQLite has one writer at a time")


def take(database: Database, holder: str) -> Lease:
    with database.write() as connection:
        taken = leases.take(connection, leases.look(connection, leases.RUNNER), holder, NOW)
    assert taken is not None
    return taken


def holder(database: Database) -> str | None:
    with database.read() as connection:
        return leases.look(connection, leases.RUNNER).holder


def stored(database: Database) -> dict[str, set[int]]:
    with database.read() as connection:
        return answers.stored(connection, "run-1", answer("a").phase)


def test_only_who_has_seen_it_as_it_is_takes_it(begun):
    with begun.read() as connection:
        seen = leases.look(connection, leases.RUNNER)
    first = take(begun, "one")
    with begun.write() as connection:
        assert leases.take(connection, seen, "two", NOW) is None
        leases.beat(connection, first, NOW, None, None)
    with begun.write() as connection:
        assert leases.take(connection, first, "two", NOW) is None
    assert (holder(begun), take(begun, "two").token) == ("one", 2)


def test_who_has_lost_it_writes_nothing_and_gives_no_sign_of_life(begun):
    late = take(begun, "one")
    take(begun, "two")
    with pytest.raises(LeaseLostError), FencedDatabase(begun, late).write() as connection:
        answers.add_failures(connection, [failure("a")])
    with pytest.raises(LeaseLostError), begun.write() as connection:
        leases.beat(connection, late, NOW, None, None)
    with begun.write() as connection:
        leases.release(connection, late, NOW)
    assert holder(begun) == "two"


@WAITS
def test_who_takes_it_waits_for_what_is_being_written_and_refuses_what_comes_later(begun):
    late = FencedDatabase(begun, take(begun, "one"))
    taken, write = threading.Event(), threading.Event()

    def follow() -> None:
        with begun.write() as connection:
            assert leases.take(connection, leases.look(connection, leases.RUNNER), "two", NOW) is not None
            taken.set()
            assert write.wait(10)

    with ThreadPoolExecutor(2) as pool:
        with late.write() as connection:
            following = pool.submit(follow)
            assert not taken.wait(0.3)
            answers.add(connection, [answer("a")], [{}])
        assert taken.wait(10)

        def come_late() -> None:
            with late.write() as connection:
                answers.add(connection, [answer("b")], [{}])

        refused = pool.submit(come_late)
        time.sleep(0.3)
        # It cannot know yet who holds the lease.
        assert not refused.done()
        write.set()
        assert isinstance(refused.exception(10), LeaseLostError)
        following.result(10)
    assert stored(begun) == {"a": {0}}


@WAITS
def test_a_sign_of_life_and_letting_go_wait_for_nothing_that_is_being_written(begun):
    held = take(begun, "one")
    mine = Runner(FencedDatabase(begun, held), held, lambda: NOW)
    with mine.database.write() as connection:
        answers.add(connection, [answer("a")], [{}])
        began = time.monotonic()
        mine.beat()
        with begun.read() as other:
            assert leases.look(other, leases.RUNNER).beats == held.beats + 1
        mine.end()
        assert time.monotonic() - began < 5
    assert (holder(begun), stored(begun)) == (None, {"a": {0}})


@pytest.mark.postgresql_only("a server that goes away")
def test_a_holder_is_not_taken_for_dead_because_the_server_was_away():
    with closing(Server()) as server:
        server.start()
        server.do("CREATE DATABASE heldout")
        database = open_database(server.url("heldout"))
        waiter = Contender(database, leases.RUNNER, lambda: NOW, certain=False, silent=0.5)
        take(database, "one")
        assert waiter.step() is None
        server.stop()
        time.sleep(0.3)
        with pytest.raises(DatabaseError):
            waiter.step()
        time.sleep(0.3)
        server.start()
        # The holder has had no time yet to be heard.
        assert waiter.step() is None
        time.sleep(0.5)
        assert waiter.step() is not None
        database.close()
