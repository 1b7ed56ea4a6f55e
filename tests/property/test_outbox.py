"""Two processes that lease, send, fail and die at random lose nothing, and let nothing overtake its line."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.alert import Alert, Kind
from alerts.channel import Receipt
from alerts.outbox import Dropped, OutboxRow, Outcome, PutOff, Returned, Sent, State
from monitor.store import outbox, tables
from monitor.store.database import Database, open_database
from monitor.store.outbox import StoredOutbox
from tests.fakes import databases
from tests.unit.store.rows import NOW

LEASE = timedelta(seconds=90)
PARTS = ("update", "details")


@dataclass
class World:
    """The other side: what it got, in order, and what was said of rows so far."""

    database: Database
    chance: random.Random
    now: float = 0.0
    told: int = 0
    # By line: everything that the other side has got, for the first time each.
    got: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    # What stood beside its line, or was dropped: its place says nothing any more.
    beside: set[tuple[str, str]] = field(default_factory=set)

    def tell(self) -> None:
        name, line = f"a{self.told:03}", f"line-{self.chance.randrange(3)}"
        self.told += 1
        with self.database.write() as connection:
            payload = Alert(name, Kind.WORSE, line, "support", "investigate").to_json()
            outbox.enqueue(connection, payload, None, ["slack"], self.time)

    @property
    def time(self):
        return NOW + timedelta(seconds=self.now)

    def receive(self, row: OutboxRow) -> Sent:
        key = (row.subject, row.part)
        if key not in self.got[row.line]:
            self.got[row.line].append(key)
        return Sent(row, Receipt(None, PARTS if row.part == "post" and self.chance.random() < 0.2 else ()))


class Process:
    """One deliverer, as `alerts.deliver` goes about it: a line one after the other, and never past its lease."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.box = StoredOutbox(world.database)
        self.leased: list[OutboxRow] = []
        self.outcomes: list[Outcome] = []

    def lease(self) -> None:
        if not self.leased:
            self.leased = list(self.box.lease(self.world.time, "slack", self.world.chance.randint(1, 8), LEASE))

    def send(self) -> None:
        for _ in range(self.world.chance.randint(1, 4)):
            if self.leased:
                self._one()

    def _one(self) -> None:
        world, row = self.world, self.leased.pop(0)
        if world.time + timedelta(seconds=60) > row.leased_until:
            self._give_back(row)
            self.outcomes.append(Returned(row))
            return
        chance = world.chance.random()
        if chance < 0.6:
            self.outcomes.append(world.receive(row))
        elif chance < 0.7:
            world.beside.add((row.subject, row.part))
            self.outcomes.append(Dropped(row, "not wanted"))
        else:
            state = world.chance.choice([State.PENDING, State.BLOCKED, State.FAILED, None])
            if state is State.FAILED:
                world.beside.add((row.subject, row.part))
            else:
                self._give_back(row)
            at = world.time + timedelta(seconds=world.chance.choice([0, 5, 300]))
            self.outcomes.append(PutOff(row, at, "no", state, attempted=state is not None))

    def _give_back(self, row: OutboxRow) -> None:
        self.outcomes += [Returned(other) for other in self.leased if other.line == row.line]
        self.leased = [other for other in self.leased if other.line != row.line]

    def settle(self) -> None:
        self.box.settle(self.world.time, self.outcomes)
        self.outcomes = []

    def die(self) -> None:
        """What it had sent and not written down is not known to anybody."""
        self.leased, self.outcomes = [], []


def overtaken(world: World) -> list[tuple[str, str]]:
    """What came for the first time after a younger one of its line had come, though it stood in it."""
    found = []
    for keys in world.got.values():
        posts = [key for key in keys if key[1] == "post" and key not in world.beside]
        found += [key for place, key in enumerate(posts) if place and posts[place - 1] > key]
    return found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory):
    folder: Path = tmp_path_factory.mktemp("outbox")
    databases.keep(folder)
    opened = open_database(databases.filled(folder))
    yield opened
    opened.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    steps=st.lists(
        st.tuples(st.sampled_from(["tell", "wait", "lease", "send", "settle", "die"]), st.integers(0, 1)), max_size=40
    ),
)
def test_nothing_is_lost_and_nothing_overtakes(shared, seed, steps):
    with shared.write() as connection:
        for table in (tables.outbox, tables.alert):
            connection.execute(table.delete())
    world = World(shared, random.Random(seed))
    processes = [Process(world), Process(world)]
    for _ in range(8):
        world.tell()
    for step, which in steps:
        if step == "tell":
            world.tell()
        elif step == "wait":
            world.now += world.chance.choice([1, 10, 40, 100])
        else:
            getattr(processes[which], step)()
        assert overtaken(world) == []
    # Whatever was in the middle of something has died; then somebody delivers in peace.
    last = Process(world)
    for _ in range(400):
        world.now += 3600
        rows = last.box.lease(world.time, "slack", 50, LEASE)
        if not rows:
            break
        last.box.settle(world.time, [world.receive(row) for row in rows])
    assert overtaken(world) == []
    with shared.read() as connection:
        assert outbox.undelivered(connection) == []
    came = {key for keys in world.got.values() for key in keys} | world.beside
    assert {name for name, part in came if part == "post"} == {f"a{number:03}" for number in range(world.told)}
