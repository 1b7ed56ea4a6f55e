"""The postman's two lanes never wait for each other, and at the end what takes long is broken off and kept."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from alerts.alert import Alert, Kind
from alerts.channel import Health, Outgoing, Receipt
from monitor.config.secrets import SecretError
from monitor.daemon.postman import Postman
from monitor.store import outbox
from monitor.store.database import open_database
from tests.fakes import databases
from tests.fakes.waiting import until


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Way:
    """A channel that answers as soon as it may, from whatever loop it is asked."""

    name: str
    longest: timedelta = timedelta(seconds=30)
    may: threading.Event = field(default_factory=threading.Event)
    began: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    closed: int = 0
    pace: timedelta = timedelta(0)
    at_once: int = 1

    async def send(self, outgoing: Outgoing) -> Receipt:
        self.began.append(outgoing.id)
        await until(self.may.is_set, within=60)
        self.sent.append(outgoing.id)
        return Receipt()

    async def verify(self) -> Health:
        return Health(None, "")

    async def aclose(self) -> None:
        self.closed += 1


class House:
    def __init__(self, database):
        self.database = database
        self.quick = Way("slack")
        self.slow = Way("hook:deploy", longest=timedelta(minutes=10))
        self.fault: Exception | None = None
        self.wanted = True
        self.postman = Postman(database, self.make, now, lambda: self.wanted, a_pass=2.0)

    def make(self):
        if self.fault is not None:
            raise self.fault
        return {way.name: way for way in (self.quick, self.slow)}

    def put(self, name, way):
        with self.database.write() as connection:
            payload = Alert(name, Kind.WORSE, "ft", "support", "rollback").to_json()
            outbox.enqueue(connection, payload, None, [way.name], now())

    def undelivered(self):
        with self.database.read() as connection:
            return {channel: (state, error) for channel, state, _, _, error in outbox.undelivered(connection)}

    @asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.postman.run())
        yield
        self.postman.stop()
        await asyncio.wait_for(task, 5)


@pytest.fixture
def house(tmp_path):
    database = open_database(databases.filled(tmp_path))
    yield House(database)
    database.close()


async def test_what_takes_long_waits_for_itself_alone_and_is_put_off_at_the_end(house):
    house.quick.may.set()
    house.put("long", house.slow)
    async with house.running():
        await until(lambda: house.slow.began)
        house.put("short", house.quick)
        began = now()
        await until(lambda: house.quick.sent)
        assert now() - began < timedelta(seconds=2)
        # It may outlive a pass; nobody begins it a second time meanwhile.
        await asyncio.sleep(0.6)
        assert house.slow.began == ["long"]
    assert house.undelivered() == {
        "hook:deploy": ("pending", "hook:deploy was still at it when heldout came to its end")
    }
    assert house.quick.closed >= 1
    assert house.slow.closed == house.quick.closed, "what was made for a pass is closed with it"


async def test_a_short_one_that_hangs_does_not_hold_up_what_takes_long(house):
    house.slow.may.set()
    house.put("short", house.quick)
    async with house.running():
        await until(lambda: house.quick.began)
        house.put("long", house.slow)
        await until(lambda: house.slow.sent)
        house.quick.may.set()
        await until(lambda: house.undelivered() == {})


async def test_a_fault_is_told_once_and_what_waits_goes_out_after_it(house, caplog):
    house.quick.may.set()
    house.fault = SecretError("SLACK_BOT_TOKEN is not set")
    house.put("a1", house.quick)
    async with house.running():
        await until(lambda: caplog.records)
        await asyncio.sleep(1.2)
        assert [record.reason for record in caplog.records] == ["SLACK_BOT_TOKEN is not set"]
        house.fault = None
        await until(lambda: house.quick.sent)
    assert house.undelivered() == {}


async def test_who_does_not_lead_sends_nothing(house):
    house.quick.may.set()
    house.wanted = False
    house.put("a1", house.quick)
    async with house.running():
        await asyncio.sleep(0.7)
        assert house.quick.began == []
        house.wanted = True
        await until(lambda: house.quick.sent)
