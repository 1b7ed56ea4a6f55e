"""Leases: one holder at a time, followed when it is silent, and refused when it comes back late."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from monitor.domain.run import RunState
from monitor.store import leases, runs
from monitor.store.leases import RUNNER, FencedDatabase, LeaseLostError
from tests.unit.store.rows import NOW, run

LATER = NOW + timedelta(seconds=3)


def take(database, holder="a:1"):
    with database.write() as connection:
        return leases.take(connection, leases.look(connection, RUNNER), holder, NOW)


def test_one_that_was_never_taken_is_free(database):
    with database.read() as connection:
        seen = leases.look(connection, RUNNER)
    assert (seen.holder, seen.token, seen.beats) == (None, 0, 0)
    held = take(database)
    assert (held.holder, held.token, held.name) == ("a:1", 1, RUNNER)


def test_only_what_was_seen_can_be_taken(database):
    with database.read() as connection:
        seen = leases.look(connection, RUNNER)
    held = take(database, "a:1")
    with database.write() as connection:
        assert leases.take(connection, seen, "b:2", NOW) is None
        leases.beat(connection, held, LATER, LATER, {"site": "ft · support"})
        assert leases.take(connection, held, "b:2", NOW) is None, "it has moved since"
        found = leases.look(connection, RUNNER)
    assert (found.holder, found.token, found.beat_at, found.worked_at) == ("a:1", 1, LATER, LATER)
    assert found.note == {"site": "ft · support"}
    with database.write() as connection:
        assert leases.take(connection, found, "b:2", LATER).token == 2


def test_a_holder_that_was_followed_can_neither_beat_nor_write_nor_release(database):
    old = take(database, "a:1")
    new = take(database, "b:2")
    fenced = FencedDatabase(database, old)
    with pytest.raises(LeaseLostError, match="another process has taken over"), database.write() as connection:
        leases.beat(connection, old, LATER, None, None)
    with pytest.raises(LeaseLostError), fenced.write() as connection:
        runs.begin(connection, run(1))
    with database.write() as connection:
        leases.release(connection, old, LATER)
    with database.read() as connection:
        assert runs.get(connection, "run-1") is None
        assert leases.look(connection, RUNNER).holder == "b:2"
    with FencedDatabase(database, new).write() as connection:
        assert runs.begin(connection, run(1, state=RunState.DONE))


def test_one_that_was_released_is_free_at_once_and_its_next_number_is_another(database):
    held = take(database)
    with database.write() as connection:
        leases.release(connection, held, LATER)
        found = leases.look(connection, RUNNER)
    assert (found.holder, found.token) == (None, 1)
    assert take(database, "b:2").token == 2


def test_of_many_at_once_one_gets_it(database):
    together = threading.Barrier(8)

    def contend(number):
        with database.read() as connection:
            seen = leases.look(connection, RUNNER)
        together.wait(10)
        with database.write() as connection:
            return leases.take(connection, seen, f"host:{number}", NOW)

    for expected in (1, 2):
        with ThreadPoolExecutor(8) as pool:
            got = [one for one in pool.map(contend, range(8)) if one is not None]
        assert [one.token for one in got] == [expected]


def test_nobody_takes_over_in_the_middle_of_a_write(database):
    """What was checked at the beginning of a write still holds at its end."""
    held = take(database, "a:1")
    began, order = threading.Event(), []

    def follow():
        began.wait(10)
        take(database, "b:2")
        order.append("taken over")

    thread = threading.Thread(target=follow)
    thread.start()
    with FencedDatabase(database, held).write() as connection:
        runs.begin(connection, run(1))
        began.set()
        thread.join(0.5)
        order.append("written")
    thread.join(10)
    assert order == ["written", "taken over"]
