"""Delivery of several things at a time: lines, parts, threads, what is withdrawn, what takes long, and its own end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from alerts.channel import Outgoing, Receipt, TransportError, WithdrawnError
from alerts.deliver import deliver
from alerts.outbox import State
from tests.fakes.outbox import START, Clock, MemoryOutbox, ScriptedChannel
from tests.fakes.waiting import until
from tests.unit.alerts.samples import numbered

NO_PACE = timedelta(0)


@dataclass
class Busy(ScriptedChannel):
    """Several at a time; answers when `go` is set, and counts how many were under way; `parts` follow each post."""

    pace: timedelta = NO_PACE
    at_once: int = 4
    go: asyncio.Event = field(default_factory=asyncio.Event)
    parts: tuple[str, ...] = ()
    under_way: int = 0
    most: int = 0
    sent: list[tuple[str, str, str | None]] = field(default_factory=list)

    async def send(self, outgoing: Outgoing) -> Receipt:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.go.wait()
            receipt = await super().send(outgoing)
        finally:
            self.under_way -= 1
        self.sent.append((outgoing.id, outgoing.part, outgoing.thread))
        return replace(receipt, parts=self.parts if outgoing.part == "post" else ())


class House:
    def __init__(self, **channel: object) -> None:
        self.clock = Clock()
        self.outbox = MemoryOutbox()
        self.channel = Busy(self.clock, **channel)
        self.channels = {"slack": self.channel}

    def put(self, number, target="a", **more):
        return self.outbox.put(numbered(number, target), self.clock(), **more)

    def begin(self, seconds=30.0, **more):
        end = self.clock() + timedelta(seconds=seconds)
        delivery = deliver(self.outbox, self.channels, self.clock, until=end, sleep=self.clock.sleep, **more)
        return asyncio.create_task(delivery)

    async def deliver(self, **more):
        self.channel.go.set()
        return await self.begin(**more)


async def test_lines_go_side_by_side_up_to_what_the_channel_takes_and_each_in_its_order():
    house = House()
    for number in range(60):
        house.put(number, f"target-{number % 6}")
    delivery = house.begin()
    await until(lambda: house.channel.under_way == 4)
    house.channel.go.set()
    assert (await delivery).sent == 60
    assert house.channel.most == 4
    numbers = [int(name.removeprefix("alert-")) for name, _, _ in house.channel.sent]
    for line in range(6):
        assert [n for n in numbers if n % 6 == line] == list(range(line, 60, 6))


async def test_no_more_is_leased_than_a_process_that_dies_may_hold_up():
    house = House()
    for number in range(60):
        house.put(number, f"target-{number}")
    delivery = house.begin()
    await until(lambda: house.channel.under_way == 4)
    assert sum(row.leased_until is not None for row in house.outbox.rows.values()) == 32
    house.channel.go.set()
    await delivery


async def test_what_stands_behind_one_that_is_put_off_goes_back_as_it_was():
    house = House()
    house.channel.errors.extend([None, TransportError("down", permanent=False)])
    rows = [house.put(number) for number in range(4)]
    tally = await house.deliver(seconds=1.0)
    assert (tally.sent, tally.retried, tally.held) == (1, 1, 0)
    assert [(row.state, row.attempts, row.error) for row in rows] == [
        ("sent", 1, None),
        ("pending", 1, "down"),
        ("pending", 0, None),
        ("pending", 0, None),
    ]
    assert [row.leased_until for row in rows] == [None] * 4
    assert rows[3].due_at == START


async def test_one_that_cannot_be_sent_lets_those_behind_it_go_on():
    house = House()
    house.channel.errors.append(TransportError("no", permanent=True, this_message=True))
    rows = [house.put(number) for number in range(3)]
    assert (await house.deliver()).sent == 2
    assert [row.state for row in rows] == [State.FAILED, "sent", "sent"]


async def test_parts_follow_as_things_of_their_own_at_the_end_of_the_line():
    house = House(parts=("update", "details"))
    house.put(1)
    house.put(2)
    house.channel.errors.extend([None, None, None, TransportError("no", permanent=True, this_message=True)])
    tally = await house.deliver()
    assert (tally.sent, tally.failed) == (5, 1)
    assert [(name, part) for name, part, _ in house.channel.sent] == [
        ("alert-1", "post"),
        ("alert-2", "post"),
        ("alert-1", "update"),
        ("alert-2", "update"),
        ("alert-2", "details"),
    ]


async def test_what_was_leased_before_a_thread_began_belongs_to_it():
    house = House()
    for number in (1, 2):
        house.put(number).incident = "i-1"
    house.put(3).incident = "i-2"
    await house.deliver()
    assert house.channel.sent == [
        ("alert-1", "post", None),
        ("alert-2", "post", "ts-alert-1"),
        ("alert-3", "post", None),
    ]


async def test_what_is_withdrawn_is_never_sent_and_keeps_nobody_waiting():
    house = House()
    house.channel.errors.append(WithdrawnError("the hook has expired"))
    gone, other = house.put(1), house.put(2)
    tally = await house.deliver()
    assert (tally.dropped, tally.sent, tally.problems) == (1, 1, ())
    assert (gone.state, gone.error, gone.attempts, other.state) == ("dropped", "the hook has expired", 0, "sent")
    house.clock.now += timedelta(days=2)
    assert (await house.deliver()).sent == 0


async def test_what_may_take_long_is_waited_for_past_the_end_and_nothing_else_is_begun():
    house = House(longest=timedelta(minutes=10), at_once=1)
    first, second = house.put(1), house.put(2, "b")
    delivery = house.begin(seconds=0.2)
    await until(lambda: house.channel.under_way == 1)
    assert second.leased_until is None
    assert first.leased_until == START + timedelta(minutes=10, seconds=30)
    house.clock.now += timedelta(minutes=5)
    house.channel.go.set()
    assert (await delivery).sent == 1
    assert (first.state, second.state) == ("sent", State.PENDING)


async def test_only_the_channels_that_are_wanted():
    house = House()
    house.channels["email"] = house.channel
    here, there = house.put(1), house.put(2, channel="email")
    assert (await house.deliver(only=lambda name: name == "email")).sent == 1
    assert (here.state, there.state) == (State.PENDING, "sent")


async def test_a_channel_that_hangs_holds_up_no_other_and_what_comes_meanwhile_goes_out():
    house = House(at_once=1)
    quick = ScriptedChannel(house.clock, pace=NO_PACE)
    house.channels["email"] = quick
    house.put(1)
    delivery = house.begin()
    await until(lambda: house.channel.under_way == 1)
    late = house.put(2, channel="email")
    await until(lambda: late.state == "sent")
    house.channel.go.set()
    assert (await delivery).sent == 2


async def test_a_lease_that_is_over_is_not_used():
    """The process was frozen while the first was sent: by now somebody else may be sending the second."""
    house = House(at_once=1)
    first, second = house.put(1), house.put(2)
    delivery = house.begin(seconds=200.0)
    await until(lambda: house.channel.under_way == 1)
    house.clock.now += timedelta(seconds=120)
    second.leased_until = house.clock() + timedelta(seconds=90)
    house.channel.go.set()
    await asyncio.sleep(0.01)
    assert (first.state, second.state) == ("sent", State.PENDING)
    assert [name for name, _, _ in house.channel.sent] == ["alert-1"]
    second.leased_until = None
    assert (await delivery).sent + (await house.deliver()).sent == 2


async def test_a_delivery_that_is_cancelled_writes_down_what_it_breaks_off():
    house = House()
    rows = [house.put(number, f"target-{number % 5}") for number in range(10)]
    delivery = house.begin()
    await until(lambda: house.channel.under_way == 4)
    delivery.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivery
    assert [row.attempts for row in rows] == [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert all(row.leased_until is None and row.state is State.PENDING for row in rows)
    assert rows[0].error == "slack was still at it when heldout came to its end"
    assert rows[4].error is None


async def test_a_delivery_that_is_cancelled_before_anything_began_gives_everything_back():
    house = House()
    row = house.put(1)
    delivery = house.begin()
    for _ in range(3):
        await asyncio.sleep(0)
    assert row.leased_until is not None
    delivery.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivery
    assert (row.leased_until, house.channel.sent) == (None, [])
