"""The stored outbox keeps what delivery relies on: order a target, leases that end, and what is put off."""

from __future__ import annotations

from collections import deque
from datetime import timedelta

import pytest
import sqlalchemy as sa

from alerts.alert import Alert, Kind
from alerts.channel import Picture, Receipt, TransportError
from alerts.deliver import deliver
from alerts.outbox import Dropped, PutOff, Returned, Sent, State
from monitor.store import outbox, tables
from monitor.store.database import DatabaseError
from monitor.store.outbox import StoredOutbox
from tests.fakes.outbox import Clock, ScriptedChannel
from tests.unit.store.rows import NOW, tell

LEASE = timedelta(seconds=90)


@pytest.fixture
def house(begun):
    """Tells alerts, and leases them."""

    class House:
        box = StoredOutbox(begun)
        database = begun

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


# What belongs together.


def put_incident(connection, name="i-1"):
    values = {"id": name, "target": "ft", "suite": "support", "state": "open", "opened_at": NOW, "slot": NOW}
    connection.execute(tables.incident.insert(), values | {"value": {}})


def put_alert(connection, name, incident_id=None, channels=("slack",)):
    payload = Alert(name, Kind.WORSE, "ft", "support", "rollback").to_json()
    outbox.enqueue(connection, payload, None, channels, NOW, incident_id=incident_id, route="first", why="nobody knew")


def test_an_alert_keeps_its_incident_and_the_way_it_goes(house):
    with house.database.write() as connection:
        put_incident(connection)
        put_alert(connection, "a1", "i-1")
    with house.database.read() as connection:
        (kept,) = connection.execute(sa.select(tables.alert)).all()
    assert (kept.incident_id, kept.route, kept.why) == ("i-1", "first", "nobody knew")


def test_the_first_message_of_an_incident_begins_its_thread_in_that_channel(house):
    with house.database.write() as connection:
        put_incident(connection)
        for name in ("a1", "a2"):
            put_alert(connection, name, "i-1", ["slack", "slack-fallback"])
    slack, behind = house.rows(channel="slack")
    assert (slack.incident, slack.thread, behind.thread) == ("i-1", None, None)
    house.sent(slack, "ts-1")
    # It was leased before the thread began, and was sent all the same: what began first counts.
    house.sent(behind, "ts-2")
    (fallback, _) = house.rows(channel="slack-fallback")
    assert fallback.thread is None
    with house.database.read() as connection:
        threads = connection.execute(sa.select(tables.thread)).all()
    assert [(row.incident_id, row.channel, row.reference) for row in threads] == [("i-1", "slack", "ts-1")]
    with house.database.write() as connection:
        put_alert(connection, "a3", "i-1")
    assert [row.thread for row in house.rows(channel="slack")] == ["ts-1"]


def test_a_thread_begins_with_a_message_and_no_part_of_one(house):
    with house.database.write() as connection:
        put_incident(connection)
        put_alert(connection, "a1", "i-1")
    (row,) = house.rows()
    house.sent(row, None, parts=("details",))
    (part,) = house.rows()
    house.sent(part, "ts-details")
    with house.database.read() as connection:
        assert connection.execute(sa.select(tables.thread)).all() == []


def test_the_parts_that_a_receipt_asks_for_are_written_once_and_go_last(house):
    house.tell("a1", "a2")
    first, second = house.rows()
    house.sent(first, "ts-1", parts=("update", "details"))
    house.sent(first, "ts-1", parts=("update", "details"))
    assert house.lease() == []
    house.settle(Returned(second))
    found = house.rows()
    assert [(row.subject, row.part, row.line, row.attempts) for row in found] == [
        ("a2", "post", "ft", 0),
        ("a1", "update", "ft", 0),
        ("a1", "details", "ft", 0),
    ]
    assert found[1].payload["id"] == "a1"


def test_a_picture_comes_with_the_alert_that_has_one(house):
    house.tell("a1", "a2")
    with house.database.write() as connection:
        connection.execute(tables.picture.insert(), {"alert_id": "a2", "png": b"\x89PNG", "alt": "a fall"})
    assert [row.picture for row in house.rows()] == [None, Picture(b"\x89PNG", "a fall")]


# Hooks.


class Seen:
    """An observer that writes what it is told into the hook's row, as whoever minds hooks would."""

    def sent(self, connection, row, receipt, now):
        self._keep(connection, row, "accepted", str(dict(receipt.result or {})))

    def put_off(self, connection, row, error, state, now):
        self._keep(connection, row, "asked", f"{error} ({state})")

    def dropped(self, connection, row, why, now):
        self._keep(connection, row, "expired", why)

    def _keep(self, connection, row, state, why):
        connection.execute(tables.hook.update().where(tables.hook.c.id == row.subject), {"state": state, "why": why})


@pytest.fixture
def hooked(house):
    house.box = StoredOutbox(house.database, Seen())
    with house.database.write() as connection:
        tell(connection, "a1", [])
        verdict_id = connection.execute(sa.select(tables.verdict.c.id)).scalar_one()
        values = {"id": "h-1", "name": "deploy", "action": "rollback", "mode": "auto", "state": "asked", "target": "ft"}
        values |= {"suite": "support", "verdict_id": verdict_id, "requested_at": NOW, "expires_at": NOW}
        connection.execute(tables.hook.insert(), values | {"event": {"type": "heldout.rollback.requested"}})
        outbox.enqueue_hook(connection, "h-1", "deploy", "ft", NOW)

    def state():
        with house.database.read() as connection:
            (row,) = connection.execute(sa.select(tables.hook.c.state, tables.hook.c.why)).all()
        return tuple(row)

    house.hook = state
    return house


def test_a_hook_is_called_with_its_event_and_its_own_id(hooked):
    (row,) = hooked.rows()
    assert (row.channel, row.subject, row.of_hook, row.line, row.part) == ("hook:deploy", "h-1", True, "ft", "post")
    assert row.payload == {"type": "heldout.rollback.requested"}
    hooked.sent(row, None, result={"status": "done"})
    assert hooked.hook() == ("accepted", "{'status': 'done'}")
    with pytest.raises(DatabaseError), hooked.database.write() as connection:
        outbox.enqueue_hook(connection, "h-1", "deploy", "ft", NOW)


def test_who_minds_hooks_is_told_in_the_same_transaction(hooked):
    (row,) = hooked.rows()
    hooked.put_off(row, 5, "busy")
    assert hooked.hook() == ("asked", "busy (pending)")
    (row,) = hooked.rows(after=5)
    hooked.settle(Dropped(row, "it has expired"))
    assert hooked.hook() == ("expired", "it has expired")
    # A process that comes too late says nothing any more.
    hooked.sent(row)
    assert hooked.hook() == ("expired", "it has expired")

    class Failing(Seen):
        def sent(self, connection, row, receipt, now):
            raise RuntimeError("no")

    hooked.tell("a2", target="other")
    with hooked.database.write() as connection:
        connection.execute(tables.outbox.update().where(tables.outbox.c.hook_id == "h-1"), {"state": "pending"})
    hooked.box = StoredOutbox(hooked.database, Failing())
    rows = hooked.rows(after=10)
    with pytest.raises(RuntimeError):
        hooked.settle(*(Sent(row, Receipt()) for row in rows))
    assert hooked.ids()["a2"].state == "pending"


# What ends otherwise.


def test_what_was_dropped_counts_as_neither_sent_nor_waiting(house):
    house.tell("a1", "a2", "a3")
    rows = house.rows()
    house.settle(Dropped(rows[0], "it is over"), Sent(rows[1], Receipt()), Returned(rows[2]))
    assert house.undelivered() == [("slack", "pending", 1, NOW, None)]
    with house.database.read() as connection:
        (found,) = outbox.deliveries(connection)
    assert (found.sent, found.failed, found.dropped, found.waiting) == (1, 0, 1, 1)
    house.box.wake(NOW)
    assert house.lease() == [("a3", "slack")]
    assert house.ids()["a1"].error == "it is over"


def test_one_that_stands_beside_its_line_leads_nobody_past_those_in_it(house):
    house.tell("a1", "a2", "a3", "a4")
    rows = house.rows()
    house.settle(*(Returned(row) for row in rows[2:]), Sent(rows[0], Receipt()))
    house.put_off(rows[1], 3600, state=State.BLOCKED)
    with house.database.write() as connection:
        beside = {"state": "failed", "due_at": NOW}
        connection.execute(tables.outbox.update().where(tables.outbox.c.alert_id == "a1"), beside)
    assert house.box.due(NOW) == ["slack"]
    assert house.lease() == [("a1", "slack")]
    assert house.box.due(NOW) == []


def test_what_is_owed_for_long_is_sent_by_the_fallback_too_and_once(house):
    with house.database.write() as connection:
        for minutes, name in ((0, "a1"), (1, "a2"), (9, "a3")):
            tell(connection, name, ["slack", "email"], minutes=minutes)
    (first,) = house.rows(channel="slack", limit=1)
    house.sent(first, "ts", parts=("details",))
    before, now = NOW + timedelta(minutes=5), NOW + timedelta(minutes=20)
    for copied in (1, 0):
        with house.database.write() as connection:
            assert outbox.copy_to(connection, "slack", "slack-fallback", before, now) == copied
    (row,) = house.rows(after=1200, channel="slack-fallback")
    assert (row.subject, row.part, row.line, row.first_at) == ("a2", "post", "ft", now)
    assert ("a2", "slack") in house.lease(after=1200, channel="slack")


def test_in_a_lease_of_several_lines_each_gets_its_share(house):
    for number in range(6):
        house.tell(f"a{number}", target="a")
    house.tell("b0", "b1", target="b")
    assert house.lease(limit=4) == [("a0", "slack"), ("a1", "slack"), ("b0", "slack"), ("b1", "slack")]
