"""Delivery against a scripted channel: nothing is lost, nothing overtakes, one bad row stops no other."""

import asyncio
import logging
import math
from collections import deque
from datetime import timedelta
from itertools import pairwise

import pytest

from alerts.channel import TransportError
from alerts.deliver import State, deliver, next_attempt
from tests.fakes.outbox import START, Clock, MemoryOutbox, ScriptedChannel
from tests.unit.alerts.samples import ROLLBACK, numbered


class House:
    """An outbox, one Slack channel and a clock, put together."""

    def __init__(self, *errors):
        self.clock = Clock()
        self.outbox = MemoryOutbox()
        self.slack = ScriptedChannel(self.clock, errors=deque(errors))
        self.channels = {"slack": self.slack}

    def put(self, *numbers, target="support-ft"):
        return [self.outbox.put(numbered(n, target), self.clock()) for n in numbers]

    async def deliver(self, seconds=30.0):
        until = self.clock() + timedelta(seconds=seconds)
        return await deliver(self.outbox, self.channels, self.clock, until=until, sleep=self.clock.sleep)

    @property
    def delivered(self):
        return [alert.id for alert in self.slack.got]


def passing(retry_after=None):
    return TransportError("Slack is down", permanent=False, retry_after=retry_after)


def to_fix():
    return TransportError("Slack answered invalid_auth: put a valid token", permanent=True)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 5), (2, 30), (3, 120), (4, 600), (5, 1800), (6, 3600), (7, 3600), (5000, 3600)]
)
def test_the_schedule_ends_in_every_hour(attempts, seconds):
    assert next_attempt(attempts, START) == START + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [(None, 30), (1.5, 30), (90.5, 90.5), (1e9, 3600), (math.inf, 30), (math.nan, 30), (-5.0, 30)],
)
def test_the_other_side_may_ask_for_up_to_an_hour(retry_after, seconds):
    assert next_attempt(2, START, retry_after) == START + timedelta(seconds=seconds)


async def test_what_is_due_goes_out_with_its_receipt():
    house = House()
    row, _ = house.put(1, 2)
    tally = await house.deliver()
    assert (tally.sent, tally.problems) == (2, ())
    assert house.delivered == ["alert-1", "alert-2"]
    assert (row.state, row.receipt) == ("sent", "ts-alert-1")


async def test_an_empty_outbox_is_left_at_once():
    house = House()
    assert (await house.deliver()).sent == 0
    assert house.clock.slept == []


async def test_many_go_out_one_a_second():
    house = House()
    house.put(*range(5))
    await house.deliver()
    times = [when for _, when in house.slack.tried]
    assert [b - a for a, b in pairwise(times)] == [timedelta(seconds=1)] * 4


async def test_a_passing_fault_is_tried_again_within_the_same_call():
    house = House(passing())
    (row,) = house.put(1)
    tally = await house.deliver()
    assert (tally.sent, tally.retried, tally.problems) == (1, 1, ("Slack is down",))
    assert [when - START for _, when in house.slack.tried] == [timedelta(0), timedelta(seconds=5)]
    assert (row.state, row.attempts, row.error) == ("sent", 2, None)


async def test_what_is_not_due_before_the_end_is_not_waited_for():
    house = House(passing(), passing())
    (row,) = house.put(1)
    tally = await house.deliver(seconds=20)
    assert (tally.sent, tally.retried) == (0, 2)
    assert (row.state, row.attempts, row.error) == (State.PENDING, 2, "Slack is down")
    assert house.clock() == START + timedelta(seconds=5), "the next try is beyond the end: nothing to wait for"


async def test_a_day_without_slack_delays_every_message_and_loses_none():
    house = House(*[passing() for _ in range(200)])
    house.put(1, 2, target="a")
    house.put(3, target="b")
    while house.clock() < START + timedelta(days=1):
        await house.deliver(seconds=60)
        house.clock.now += timedelta(seconds=60)
    assert house.delivered == []
    assert len(house.slack.tried) < 100, "an hour apart, not a storm"
    house.slack.errors.clear()
    house.clock.now += timedelta(hours=1)
    tally = await house.deliver(seconds=60)
    assert tally.sent == 3
    assert sorted(house.delivered) == ["alert-1", "alert-2", "alert-3"]
    assert house.delivered.index("alert-1") < house.delivered.index("alert-2")


async def test_one_success_brings_forward_what_waits_for_the_channel():
    house = House(passing())
    (old,) = house.put(1, target="a")
    await house.deliver(seconds=1)
    old.attempts, old.due_at = 9, house.clock() + timedelta(hours=1)
    house.put(2, target="b")
    tally = await house.deliver(seconds=30)
    assert tally.sent == 2
    assert house.delivered == ["alert-2", "alert-1"]


async def test_after_a_failure_the_channel_rests_and_the_others_do_not_count_an_attempt():
    house = House(passing(retry_after=12.0))
    first, second = (*house.put(1, target="a"), *house.put(2, target="b"))
    tally = await house.deliver(seconds=10)
    assert house.slack.tried == [("alert-1", START)]
    assert (tally.retried, tally.held) == (1, 1)
    assert (first.attempts, second.attempts) == (1, 0)
    assert first.due_at == second.due_at == START + timedelta(seconds=12)
    assert second.error == "Slack is down"
    assert second.leased_until is None


async def test_nothing_overtakes_an_older_message_of_its_target():
    house = House(passing(retry_after=600.0))
    house.put(1)
    await house.deliver(seconds=1)
    house.clock.now += timedelta(minutes=5)
    (recovered,) = house.put(2)
    await house.deliver(seconds=1)
    assert house.slack.tried == [("alert-1", START)]
    assert recovered.attempts == 0
    house.clock.now = START + timedelta(minutes=10)
    await house.deliver()
    assert house.delivered == ["alert-1", "alert-2"]


async def test_what_the_operator_has_to_fix_waits_loudly_and_goes_out_after_the_fix(caplog):
    house = House(to_fix())
    (row,) = house.put(1)
    with caplog.at_level(logging.WARNING, logger="alerts.deliver"):
        tally = await house.deliver()
    assert tally.blocked == 1
    assert tally.problems == ("Slack answered invalid_auth: put a valid token",)
    assert (row.state, row.due_at) == (State.BLOCKED, START + timedelta(hours=1))
    assert [(r.levelname, r.alert, r.channel, r.target) for r in caplog.records] == [
        ("ERROR", "alert-1", "slack", "support-ft")
    ]
    assert "invalid_auth" in caplog.records[0].why
    house.clock.now += timedelta(hours=1)
    assert (await house.deliver()).sent == 1
    assert row.state == "sent"


async def test_a_message_that_cannot_be_sent_stands_beside_the_line():
    house = House(TransportError("invalid_blocks, also to plain text", permanent=True, this_message=True))
    bad, good = house.put(1, 2)
    tally = await house.deliver()
    assert (tally.failed, tally.sent) == (1, 1)
    assert (bad.state, good.state) == (State.FAILED, "sent")
    assert bad.due_at == START + timedelta(hours=1), "kept and tried again, because a later version may manage it"


async def test_a_row_that_cannot_be_read_stops_no_other():
    house = House()
    bad = house.outbox.put(numbered(1), START, payload={"schema": 1, "id": "x"})
    house.put(2)
    tally = await house.deliver()
    assert (tally.failed, tally.sent) == (1, 1)
    assert bad.state == State.FAILED
    assert bad.error == "the stored alert cannot be read: kind: is missing"


async def test_an_unforeseen_error_stops_no_other_and_tells_no_secret(caplog):
    house = House(RuntimeError("https://hooks.example/services/SECRET"))
    bad, good = house.put(1, 2)
    with caplog.at_level(logging.DEBUG, logger="alerts.deliver"):
        tally = await house.deliver(seconds=3)
    assert (tally.failed, good.state) == (1, "sent")
    assert (bad.state, bad.attempts, bad.due_at) == (State.FAILED, 1, START + timedelta(seconds=5))
    assert bad.error.startswith("an error in heldout itself (RuntimeError at outbox.py:")
    assert "SECRET" not in bad.error + caplog.text + repr(tally)


async def test_a_channel_that_is_gone_keeps_its_messages_with_the_reason():
    house = House()
    (gone,) = [house.outbox.put(ROLLBACK, START, channel="email")]
    house.put(2)
    tally = await house.deliver()
    assert (tally.held, tally.sent) == (1, 1)
    assert (gone.state, gone.attempts) == (State.PENDING, 0)
    assert "email is not configured any more" in gone.error
    house.channels["email"] = house.slack
    house.clock.now += timedelta(hours=1)
    await house.deliver()
    assert gone.state == "sent"


async def test_holding_a_failed_row_does_not_put_it_back_into_the_line():
    house = House(passing())
    (bad,) = house.put(1, target="a")
    bad.state = State.FAILED
    del house.channels["slack"]
    await house.deliver()
    assert bad.state == State.FAILED


async def test_a_send_that_never_ends_is_cut_at_the_end_and_kept():
    class Stuck(ScriptedChannel):
        async def send(self, alert):
            await asyncio.Event().wait()

    house = House()
    house.channels = {"slack": Stuck(house.clock)}
    (row,) = house.put(1)
    tally = await house.deliver(seconds=0.01)
    assert tally.retried == 1
    assert (row.state, row.attempts) == (State.PENDING, 1)
    assert row.error == "slack took longer than 1 s"


async def test_a_lease_left_by_a_killed_process_runs_out_and_the_message_goes_out():
    house = House()
    (row,) = house.put(1)
    assert [r.id for r in house.outbox.lease(START, "slack", 1, timedelta(seconds=90))] == [row.id]
    assert (await house.deliver()).sent == 0
    house.clock.now = START + timedelta(seconds=90)
    assert (await house.deliver()).sent == 1


async def test_an_outbox_that_fails_is_the_callers_to_know():
    class Broken(MemoryOutbox):
        def settle(self, now, outcomes):
            raise OSError("disk full")

    house = House()
    house.outbox = Broken()
    (row,) = house.put(1)
    with pytest.raises(OSError, match="disk full"):
        await house.deliver()
    assert row.state == State.PENDING
    assert row.leased_until is not None, "it goes out again, with the same id, when the lease has run out"


async def test_a_clock_set_back_does_not_hold_the_caller():
    house = House(passing())

    async def sleep(seconds):
        await house.clock.sleep(seconds)
        house.clock.now -= timedelta(days=1)

    house.put(1)
    until = START + timedelta(seconds=30)
    await deliver(house.outbox, house.channels, house.clock, until=until, sleep=sleep)
    assert sum(house.clock.slept) <= 30


async def test_at_the_end_nothing_new_is_begun():
    house = House()
    rows = house.put(*range(10))
    tally = await house.deliver(seconds=3)
    assert tally.sent == 4  # at 0, 1 and 2 s; the fourth was leased before the end and waited its second
    assert [row.state for row in rows].count("sent") == 4
    assert all(row.leased_until is None for row in rows[4:])
