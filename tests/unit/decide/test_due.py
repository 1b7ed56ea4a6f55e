"""Which slot is due: clocks that change, months that end, and what is caught up, in tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.decide.due import Timetable, due_slot

WEEK = timedelta(days=7)
MONDAYS = Timetable("0 6 * * mon", "UTC")
NIGHTLY = Timetable("30 2 * * *", "Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "after", "until", "slots"),
    [
        ("0 6 * * mon", "UTC", "2026-11-09T06:00", "2026-11-23T06:00", ["2026-11-16T06:00", "2026-11-23T06:00"]),
        # 28 March 2027: 02:00 becomes 03:00, so 02:30 happens right after the change.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2027-03-27T12:00",
            "2027-03-29T12:00",
            ["2027-03-28T01:00", "2027-03-29T00:30"],
        ),
        # 31 October 2027: 02:30 comes twice, and only the first is a slot.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2027-10-30T12:00",
            "2027-11-01T12:00",
            ["2027-10-31T00:30", "2027-11-01T01:30"],
        ),
        # Every hour stays every hour on the day that has 23 of them.
        (
            "0 * * * *",
            "Europe/Berlin",
            "2027-03-27T23:30",
            "2027-03-28T03:00",
            [f"2027-03-28T0{h}:00" for h in range(4)],
        ),
        ("0 2,3 * * *", "Europe/Berlin", "2027-03-27T12:00", "2027-03-28T12:00", ["2027-03-28T01:00"]),
        ("0 6 29 feb *", "UTC", "2026-01-01T00:00", "2033-01-01T00:00", ["2028-02-29T06:00", "2032-02-29T06:00"]),
        ("0 6 1 jan,JUL *", "UTC", "2026-02-01T00:00", "2027-02-01T00:00", ["2026-07-01T06:00", "2027-01-01T06:00"]),
        ("0 6 L * *", "UTC", "2027-01-31T06:00", "2027-03-31T05:59", ["2027-02-28T06:00"]),
        ("0 22 * * sun", "America/New_York", "2026-11-15T00:00", "2026-11-17T00:00", ["2026-11-16T03:00"]),
    ],
)
def test_slots_are_the_instants_of_the_schedule(cron, zone, after, until, slots):
    assert Timetable(cron, zone).slots(utc(after), utc(until)) == [utc(slot) for slot in slots]


@pytest.mark.parametrize("around", ["2027-03-28T01:00", "2027-10-31T00:30", "2026-11-16T06:00"])
@pytest.mark.parametrize("table", [NIGHTLY, MONDAYS, Timetable("*/7 1-3 * * *", "Europe/Berlin")])
def test_however_the_time_is_cut_the_slots_are_the_same(table, around):
    begin, end = utc(around) - timedelta(hours=5), utc(around) + timedelta(hours=5)
    whole = table.slots(begin, end)
    for minutes in range(0, 600, 10):
        cut = begin + timedelta(minutes=minutes)
        assert table.slots(begin, cut) + table.slots(cut, end) == whole
        assert all(slot > cut for slot in [table.following(cut)])


@pytest.mark.parametrize(
    ("table", "moment", "is_one"),
    [
        (MONDAYS, "2026-11-16T06:00:00", True),
        (MONDAYS, "2026-11-16T06:00:01", False),
        (MONDAYS, "2026-11-17T06:00:00", False),
        (NIGHTLY, "2027-03-28T01:00:00", True),
        (NIGHTLY, "2027-03-28T01:30:00", False),
        (NIGHTLY, "2027-10-31T00:30:00", True),
        (NIGHTLY, "2027-10-31T01:30:00", False),
    ],
)
def test_an_instant_is_a_slot_or_not(table, moment, is_one):
    assert table.is_slot(utc(moment)) is is_one


def test_the_following_slot():
    assert MONDAYS.following(utc("2026-11-16T06:00")) == utc("2026-11-23T06:00")
    assert MONDAYS.following(utc("2026-11-16T05:59:59")) == utc("2026-11-16T06:00")


@pytest.mark.parametrize(
    ("now", "recorded", "slot", "reason"),
    [
        ("2026-11-16T06:00:00", [], "2026-11-16T06:00", "has no run yet"),
        ("2026-11-16T05:59:59", [], "2026-11-09T06:00", "has no run yet"),
        ("2026-11-16T05:59:59", ["2026-11-09T06:00"], None, "2026-11-09 06:00 UTC has its run"),
        ("2026-11-16T06:00:01", ["2026-11-16T06:00"], None, "2026-11-16 06:00 UTC has its run"),
        # An older slot that was missed is not run after a newer one.
        ("2026-11-23T07:00:00", ["2026-11-23T06:00"], None, "has its run"),
        ("2026-11-23T07:00:00", ["2026-11-16T06:00"], "2026-11-23T06:00", "has no run yet"),
    ],
)
def test_the_newest_slot_is_due_unless_it_has_its_run(now, recorded, slot, reason):
    found = due_slot(MONDAYS, WEEK, {utc(r) for r in recorded}, utc(now))
    assert found.slot == (utc(slot) if slot else None)
    assert reason in found.reason


@pytest.mark.parametrize(("late", "caught_up"), [(0, True), (3600, True), (3601, False), (7200, False)])
def test_a_slot_is_caught_up_to_the_very_second(late, caught_up):
    now = utc("2026-11-16T06:00") + timedelta(seconds=late)
    found = due_slot(MONDAYS, timedelta(hours=1), set(), now)
    assert (found.slot is not None) is caught_up
    if not caught_up:
        assert found.reason == "no slot within the time that is caught up"


def test_catching_up_nothing_still_runs_at_the_instant_itself():
    slot = utc("2026-11-16T06:00")
    assert due_slot(MONDAYS, timedelta(0), set(), slot).slot == slot
    assert due_slot(MONDAYS, timedelta(0), set(), slot + timedelta(seconds=1)).slot is None


@pytest.mark.parametrize("now", ["2027-10-31T00:45", "2027-10-31T01:15", "2027-10-31T01:45", "2027-10-31T02:30"])
def test_the_repeated_hour_makes_no_second_run(now):
    first = utc("2027-10-31T00:30")
    assert due_slot(NIGHTLY, timedelta(hours=3), {first}, utc(now)).slot is None
    assert due_slot(NIGHTLY, timedelta(hours=3), set(), utc(now)).slot == first
