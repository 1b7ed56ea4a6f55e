"""A child that shows no sign of life, or gets nowhere, is ended; one that works is left alone."""

from __future__ import annotations

import asyncio
import os

import pytest

from monitor.daemon.child import Child
from monitor.daemon.pace import Pace
from monitor.daemon.supervisor import Supervisor
from monitor.holding import myself
from monitor.store import leases
from monitor.store.leases import RUNNER
from tests.fakes.house import MONDAY, House


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path, now=MONDAY)
    built.keys["target"] = 'timeout = "1s"\nretry_for = "0s"'
    yield built
    built.close()


class Scene:
    """A child that does nothing, and a lease that says what the test wants it to say."""

    def __init__(self, house: House, pace: Pace) -> None:
        self.house, self.config = house, house.config
        self.over = asyncio.Event()
        self.child = Child(("sleep", "60"), {"PATH": os.environ["PATH"]}, self.over.set, pace)
        self.supervisor = Supervisor(self.child, pace)

    async def begin(self) -> None:
        await self.child.start(b"", frozenset({"a"}))
        host = myself().rpartition(":")[0]
        with self.house.database.write() as connection:
            seen = leases.look(connection, RUNNER)
            self.lease = leases.take(connection, seen, f"{host}:{self.child.pid}", MONDAY)

    def beat(self, answered: int) -> None:
        with self.house.database.write() as connection:
            leases.beat(connection, self.lease, MONDAY, None, {"answered": answered})

    async def goes_on(self, seconds: float, *, beats: bool, answers: bool) -> bool:
        """Let time pass; whether the child is still there."""
        for number in range(int(seconds / 0.1)):
            if beats:
                self.beat(number if answers else 0)
            self.supervisor.look(self.house.database, self.config)
            if self.over.is_set():
                return False
            await asyncio.sleep(0.1)
        return True


async def test_one_that_works_is_left_alone(house):
    scene = Scene(house, Pace(silent=0.5, besides=0.0))
    await scene.begin()
    assert await scene.goes_on(1.5, beats=True, answers=True)
    await scene.child.stop(0.1)


async def test_one_without_a_sign_of_life_is_ended(house):
    scene = Scene(house, Pace(silent=0.5))
    await scene.begin()
    assert not await scene.goes_on(5.0, beats=False, answers=False)


async def test_one_that_lives_and_gets_nowhere_is_ended(house):
    scene = Scene(house, Pace(silent=60.0, besides=0.2))
    await scene.begin()
    # One question may take a second here.
    assert await scene.goes_on(0.8, beats=True, answers=False)
    assert not await scene.goes_on(5.0, beats=True, answers=False)


async def test_one_that_never_came_to_its_lease_is_ended(house):
    scene = Scene(house, Pace(silent=0.5))
    await scene.child.start(b"", frozenset({"a"}))
    assert not await scene.goes_on(5.0, beats=False, answers=False)
