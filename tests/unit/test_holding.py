"""Taking a lease and keeping it: a thread gives signs of life, and silence is followed."""

from __future__ import annotations

import time

import pytest

from monitor import holding
from monitor.holding import Contender, runner
from monitor.replay.runner import Tally
from monitor.store import leases
from monitor.store.leases import LEADER, RUNNER
from monitor.store.lock import LockedError
from tests.fakes.house import MONDAY, House


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path, now=MONDAY)
    yield built
    built.close()


def look(house, name=RUNNER):
    with house.database.read() as connection:
        return leases.look(connection, name)


def test_it_is_held_reported_and_let_go(house):
    with runner(house.database, house.clock, certain=False) as held:
        held.report("ft · support main ×2", Tally(total=40, answered=7, failed=1))
        held.beat()
        seen = look(house)
        assert seen.holder == holding.myself()
        assert seen.note == {"site": "ft · support", "stage": "main ×2", "answered": 7, "failed": 1, "total": 40}
        assert seen.worked_at == MONDAY
        with held.database.write() as connection:
            assert leases.look(connection, RUNNER).token == 1
    assert look(house).holder is None


def test_it_beats_by_itself(house):
    with runner(house.database, house.clock, certain=False):
        before = look(house).beats
        until = time.monotonic() + 3 * holding.BEAT
        while look(house).beats == before:
            assert time.monotonic() < until
            time.sleep(0.1)


def test_a_second_one_is_refused_while_the_first_lives_and_follows_when_it_has_ended(house):
    with (
        runner(house.database, house.clock, certain=False),
        pytest.raises(LockedError, match="another heldout run"),
        runner(house.database, house.clock, certain=False),
    ):
        pass
    with runner(house.database, house.clock, certain=False):
        assert look(house).token == 2


def test_where_something_stronger_is_certain_a_dead_ones_lease_is_taken_at_once(house):
    with house.database.write() as connection:
        leases.take(connection, leases.look(connection, RUNNER), "dead:1", MONDAY)
    began = time.monotonic()
    with runner(house.database, house.clock, certain=True):
        assert time.monotonic() - began < 1.0
        assert look(house).holder == holding.myself()


def test_silence_is_followed_after_its_time_and_not_before(house):
    with house.database.write() as connection:
        leases.take(connection, leases.look(connection, LEADER), "dead:1", MONDAY)
    silent = 4.0
    contender = Contender(house.database, LEADER, house.clock, certain=False, silent=silent)
    began = time.monotonic()
    while (held := contender.step()) is None:
        time.sleep(0.2)
    took = time.monotonic() - began
    assert silent <= took < silent + 2
    assert holding.SILENT > 3 * holding.BEAT  # two signs of life may get lost on their way
    assert (held.token, held.holder) == (2, holding.myself())


def test_one_that_was_followed_is_told_and_ends(house):
    lost = []
    with runner(house.database, house.clock, certain=False) as held:
        held.on_lost = lambda: lost.append(True)
        with house.database.write() as connection:
            leases.take(connection, leases.look(connection, RUNNER), "other:2", MONDAY)
        held.beat()
        assert lost == [True]
        with pytest.raises(leases.LeaseLostError), held.database.write():
            pass
    assert look(house).holder == "other:2"
