"""Which slot is due: clocks that change, months that end, and what is caught up, in tables."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from monitor.decide.due import ON_TIME, Timetable, agenda

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
    found = agenda(MONDAYS, WEEK, {utc(r) for r in recorded}, max(map(utc, recorded), default=None), None, utc(now))
    assert found.due == (utc(slot) if slot else None)
    assert reason in found.reason


@pytest.mark.parametrize(("late", "caught_up"), [(0, True), (3600, True), (3601, False), (7200, False)])
def test_a_slot_is_caught_up_to_the_very_second(late, caught_up):
    now = utc("2026-11-16T06:00") + timedelta(seconds=late)
    found = agenda(MONDAYS, timedelta(hours=1), set(), utc("2026-11-15T00:00"), None, now)
    assert (found.due is not None) is caught_up
    assert found.missed == (() if caught_up else (utc("2026-11-16T06:00"),))
    if not caught_up:
        assert found.reason == "no slot within the time that is caught up"


def test_catching_up_nothing_still_runs_what_is_seen_on_time():
    slot = utc("2026-11-16T06:00")
    for late in (timedelta(0), timedelta(seconds=15), ON_TIME):
        assert agenda(MONDAYS, timedelta(0), set(), None, None, slot + late).due == slot
    late = slot + ON_TIME + timedelta(seconds=1)
    assert agenda(MONDAYS, timedelta(0), set(), None, None, late).due is None
    assert agenda(MONDAYS, timedelta(0), set(), slot - WEEK, None, late).missed == (slot,)


@pytest.mark.parametrize("now", ["2027-10-31T00:45", "2027-10-31T01:15", "2027-10-31T01:45", "2027-10-31T02:30"])
def test_the_repeated_hour_makes_no_second_run(now):
    first = utc("2027-10-31T00:30")
    since = first - timedelta(hours=3)
    recorded = agenda(NIGHTLY, timedelta(hours=3), {first}, first, None, utc(now))
    assert (recorded.due, recorded.missed) == (None, ())
    assert agenda(NIGHTLY, timedelta(hours=3), set(), since, None, utc(now)).due == first


def test_of_several_slots_that_nobody_ran_the_newest_is_due_and_the_others_were_missed():
    last, now = utc("2026-11-16T06:00"), utc("2026-12-08T12:00")
    found = agenda(MONDAYS, WEEK, {last}, last, None, now)
    assert found.due == utc("2026-12-07T06:00")
    assert found.missed == (utc("2026-11-23T06:00"), utc("2026-11-30T06:00"))


def test_what_is_too_old_to_be_caught_up_was_missed_too():
    last, now = utc("2026-11-16T06:00"), utc("2026-12-08T12:00")
    found = agenda(MONDAYS, timedelta(days=1), {last}, last, None, now)
    assert found.due is None
    assert [slot.day for slot in found.missed] == [23, 30, 7]


def test_nothing_is_missed_that_was_never_expected_or_is_recorded():
    now = utc("2026-12-08T12:00")
    assert agenda(MONDAYS, WEEK, set(), None, None, now).missed == ()
    newest = utc("2026-12-07T06:00")
    found = agenda(MONDAYS, WEEK, {newest, newest - WEEK}, newest, None, now)
    assert (found.due, found.missed) == (None, ())


def test_what_nobody_had_asked_for_was_not_missed():
    last, now = utc("2026-11-16T06:00"), utc("2026-12-08T12:00")
    found = agenda(MONDAYS, WEEK, {last}, last, utc("2026-11-29T00:00"), now)
    assert (found.due, found.missed) == (utc("2026-12-07T06:00"), (utc("2026-11-30T06:00"),))


@pytest.mark.parametrize("step", [timedelta(minutes=7), timedelta(hours=5), timedelta(days=2), timedelta(days=17)])
@pytest.mark.parametrize("table", [NIGHTLY, MONDAYS, Timetable("0 6 29 feb *", "UTC"), Timetable("0 3 L * *", "UTC")])
def test_however_often_somebody_looks_every_slot_of_four_years_is_taken_or_missed_once(table, step):
    begin = utc("2027-03-01T00:00")
    span = timedelta(days=30 if step < timedelta(hours=1) else 4 * 366)
    taken, missed, since, now = set(), set(), begin, begin
    while now < begin + span:
        now += step
        found = agenda(table, timedelta(days=1), taken | missed, since, begin, now)
        for slot in [*found.missed, *([found.due] if found.due else [])]:
            assert slot not in taken | missed
        missed |= set(found.missed)
        taken |= {found.due} if found.due else set()
        since = max([since, *taken, *missed])
    # The first look also takes the slot before it.
    assert sorted(slot for slot in taken | missed if slot > begin) == table.slots(begin, now)


def test_a_look_at_a_schedule_of_minutes_costs_nothing_where_the_newest_slot_is_recorded():
    """The daemon looks at each target and suite every 15 seconds, and at what is caught up only where it has to."""
    now = utc("2026-11-16T06:00")
    began = time.process_time()
    found = agenda(Timetable("* * * * *", "UTC"), timedelta(days=70), {now}, now, utc("2026-01-01"), now)
    assert (found.due, found.missed) == (None, ())
    assert found.reason == "the slot of 2026-11-16 06:00 UTC has its run"
    assert time.process_time() - began < 0.05
