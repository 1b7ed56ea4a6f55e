"""The stored outbox keeps what delivery relies on: order a target, leases that end, and what is put off."""

from __future__ import annotations

from collections import deque
from datetime import timedelta

import pytest

from alerts.channel import Receipt, TransportError
from alerts.deliver import deliver
from alerts.outbox import PutOff, Sent, State
from monitor.store import outbox
from monitor.store.outbox import StoredOutbox
from tests.fakes.outbox import Clock, ScriptedChannel
from tests.unit.store.rows import NOW, tell

LEASE = timedelta(seconds=90)


@pytest.fixture
def house(begun):
    """Tells alerts, and leases them."""

    class House:
        box = StoredOutbox(begun)

        def tell(self, *names, channels=("slack",), target="ft"):
            with begun.write() as connection:
                for name in names:
                    tell(connection, name, list(channels), target=target)

        def rows(self, after=0.0, limit=10, channel=None):
            now = NOW + timedelta(seconds=after)
            channels = self.box.due(now) if channel is None else [channel]
            return [row for name in channels for row in self.box.lease(now, name, limit, LEASE)]

        def lease(self, after=0.0, limit=10, channel=None):
            return [(row.subject, row.channel) for row in self.rows(after, limit, channel)]

        def settle(self, *outcomes, after=0.0):
            self.box.settle(NOW + timedelta(seconds=after), outcomes)

        def sent(self, row, reference=None, after=0.0, **receipt):
            self.settle(Sent(row, Receipt(reference, **receipt)), after=after)

        def put_off(self, row, seconds, error="no", state=State.PENDING):
            at = NOW + timedelta(seconds=seconds)
            self.settle(PutOff(row, at, error, state, attempted=state is not None))

        def ids(self):
            with begun.read() as connection:
                rows = connection.execute(outbox.outbox.select().order_by(outbox.outbox.c.id)).all()
            return {row.alert_id: row for row in rows}

        def undelivered(self):
            with begun.read() as connection:
                return outbox.undelivered(connection)

    return House()


def test_each_target_is_told_in_order_and_each_channel_by_itself(house):
    house.tell("a1", channels=["email", "slack"])
    house.tell("a2")
    house.tell("b1", target="other")
    assert house.lease(limit=2) == [("a1", "email"), ("a1", "slack"), ("b1", "slack")]
    assert house.lease() == []


def test_what_was_sent_makes_way_for_the_next(house):
    house.tell("a1", "a2")
    (row,) = house.rows(limit=1)
    assert (row.attempts, row.first_at) == (0, NOW)
    house.sent(row, "ts-1")
    done = house.ids()["a1"]
    assert (done.state, done.receipt, done.attempts, done.done_at) == ("sent", "ts-1", 1, NOW)
    assert house.lease() == [("a2", "slack")]


def test_a_limit_is_kept(house):
    house.tell("a1")
    house.tell("b1", target="other")
    assert house.lease(limit=1) == [("a1", "slack")]
    assert house.lease(limit=1) == [("b1", "slack")]


def test_a_lease_that_nobody_gave_back_ends_by_itself(house):
    house.tell("a1")
    assert house.lease() == [("a1", "slack")]
    assert house.lease(after=89.9) == []
    assert house.lease(after=90) == [("a1", "slack")]


def test_what_is_put_off_comes_back_when_it_is_due_with_its_attempts(house):
    house.tell("a1")
    (row,) = house.rows()
    house.put_off(row, 30, "busy")
    assert house.lease(after=29) == []
    (row,) = house.rows(after=30)
    assert row.attempts == 1
    house.put_off(row, 60, "closed", state=None)
    kept = house.ids()["a1"]
    assert (kept.attempts, kept.state, kept.error, kept.leased_until) == (1, "pending", "closed", None)


@pytest.mark.parametrize(
    ("state", "others"), [(State.PENDING, []), (State.BLOCKED, []), (State.FAILED, [("a2", "slack")])]
)
def test_only_a_message_that_failed_by_itself_lets_the_next_pass(house, state, others):
    house.tell("a1", "a2")
    (row,) = house.rows(limit=1)
    house.put_off(row, 3600, state=state)
    assert house.lease() == others


def test_a_channel_that_works_again_gets_at_once_what_waits_for_it(house):
    house.tell("a1")
    house.tell("b1", target="other")
    house.tell("c1", target="third", channels=["email"])
    rows = house.rows()
    for row in rows:
        house.put_off(row, 3600, "down", state=State.BLOCKED)
    assert house.lease(after=1) == []
    house.sent(next(row for row in rows if row.subject == "a1"))
    assert house.lease(after=1) == [("b1", "slack")]


def test_a_late_deliverer_cannot_undo_what_another_has_sent(house):
    house.tell("a1", "a2")
    (late,) = house.rows(limit=1)
    # It was frozen for longer than its lease; another has sent the message, and the one after it.
    (again,) = house.rows(after=90, limit=1)
    house.sent(again, "ts-1", after=91)
    house.put_off(late, 92, "no answer")
    assert (house.ids()["a1"].state, house.ids()["a1"].receipt) == ("sent", "ts-1")
    assert house.lease(after=100) == [("a2", "slack")]


def test_times_that_were_written_by_a_clock_that_was_ahead_hold_up_nothing(house):
    house.tell("a1")
    house.tell("b1", target="other")
    day = 86400
    # One is put off, one is leased by a process that died; then the clock is set right, back by a day.
    put_off, _ = house.rows(after=day)
    house.put_off(put_off, day + 5, "busy")
    assert house.box.anything_due(NOW)
    assert house.lease() == [("a1", "slack"), ("b1", "slack")]


def test_what_is_undelivered_is_counted_by_channel_and_state(house):
    house.tell("a1", "a2", channels=["slack", "email"])
    (row,) = house.rows(limit=1, channel="slack")
    house.put_off(row, 0, "no such channel", state=State.BLOCKED)
    assert house.undelivered() == [
        ("email", "pending", 2, NOW, None),
        ("slack", "blocked", 1, NOW, "no such channel"),
        ("slack", "pending", 1, NOW, None),
    ]


def test_an_alert_without_a_channel_is_kept_and_waits_for_nobody(house):
    house.tell("a1", channels=[])
    assert house.lease() == []
    assert house.undelivered() == []


async def test_delivery_drains_it_in_order_over_failures(house):
    house.tell("a1", "a2")
    house.tell("b1", target="other")
    clock = Clock(NOW)
    down = TransportError("Slack is down", permanent=False, retry_after=None)
    slack = ScriptedChannel(clock, errors=deque([down, None]))
    tally = await deliver(house.box, {"slack": slack}, clock, until=NOW + timedelta(minutes=5), sleep=clock.sleep)
    assert tally.sent == 3
    assert [alert.id for alert in slack.got] == ["a1", "a2", "b1"]
    assert house.undelivered() == []
