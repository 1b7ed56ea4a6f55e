"""What the schedule holds at one instant, on a real database: a slot has one row, what was missed is said once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from alerts.alert import Kind
from monitor import schedule
from monitor.domain.run import RunKind, RunState
from monitor.store import runs
from monitor.store.tables import timetable
from monitor.wiring import new_id
from tests.fakes.house import MONDAY, House

WEEK = timedelta(days=7)


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    built = House(tmp_path, now=MONDAY + timedelta(seconds=10))
    yield built
    built.close()


def look(house: House) -> schedule.Look:
    return schedule.look(house.database, house.config, house.channels, house.clock.now, house.new_id)


def slots(house: House) -> list[tuple[datetime | None, str]]:
    return sorted((run.slot, run.state.value) for run in house.runs if run.kind is RunKind.WEEK)


def settle(house: House, state: RunState = RunState.DONE) -> None:
    """As if a child had done what is due."""
    with house.database.write() as connection:
        for run in runs.unfinished(connection):
            runs.save(connection, replace(run, state=state, suite_fingerprint="s", due_at=None))


def test_a_due_slot_is_recorded_once_and_is_due_until_it_is_taken_up(house):
    first, second = look(house), look(house)
    assert [run.slot for run in first.recorded] == [MONDAY]
    assert second.recorded == ()
    assert [run.slot for run in first.due] == [run.slot for run in second.due] == [MONDAY]
    assert slots(house) == [(MONDAY, "waiting")]
    settle(house)
    third = look(house)
    assert (third.due, third.idle) == ((), {("ft", "support"): "the slot of 2026-11-16 06:00 UTC has its run"})


def test_boot_exactly_at_a_slot(house):
    house.clock.now = MONDAY
    assert [run.slot for run in look(house).due] == [MONDAY]


def test_boot_after_a_missed_slot_and_after_several(house):
    look(house)
    settle(house)
    house.clock.now = MONDAY + WEEK + timedelta(days=2)
    assert [run.slot for run in look(house).due] == [MONDAY + WEEK]
    settle(house)
    # Three weeks of sleep: the newest is made up for, the others are said, in one message.
    house.clock.now += 3 * WEEK
    found = look(house)
    assert [run.slot for run in found.due] == [MONDAY + 4 * WEEK]
    assert [run.slot for run in found.missed] == [MONDAY + 2 * WEEK, MONDAY + 3 * WEEK]
    assert look(house).missed == ()
    (told,) = house.told
    assert told.kind is Kind.MISSED
    assert "2 slots missed" in told.reasons[0]
    assert slots(house)[2:] == [
        (MONDAY + 2 * WEEK, "missed"),
        (MONDAY + 3 * WEEK, "missed"),
        (MONDAY + 4 * WEEK, "waiting"),
    ]


def test_what_is_too_old_to_be_made_up_for_is_said_too(house):
    house.keys["schedule"] = 'catch_up = "1d"'
    look(house)
    settle(house)
    house.clock.now = MONDAY + WEEK + timedelta(days=2)
    found = look(house)
    assert (found.due, [run.slot for run in found.missed]) == ((), [MONDAY + WEEK])
    assert [one.kind for one in house.told] == [Kind.MISSED]


def test_a_slot_that_nobody_could_begin_before_the_next_was_missed(house):
    look(house)
    house.clock.now = MONDAY + WEEK
    found = look(house)
    assert [run.slot for run in found.missed] == [MONDAY]
    assert [run.slot for run in found.due] == [MONDAY + WEEK]
    assert slots(house) == [(MONDAY, "missed"), (MONDAY + WEEK, "waiting")]
    assert len(house.told) == 1


def test_a_run_longer_than_its_period_goes_on_and_the_next_slot_waits_for_it(house):
    look(house)
    settle(house, RunState.RUNNING)
    house.clock.now = MONDAY + WEEK + timedelta(hours=1)
    found = look(house)
    assert {(run.slot, run.state) for run in found.due} == {
        (MONDAY, RunState.RUNNING),
        (MONDAY + WEEK, RunState.WAITING),
    }
    assert found.missed == ()


def test_a_clock_set_back_by_a_day_makes_nothing_twice_and_holds_no_wait_for_longer(house):
    look(house)
    with house.database.write() as connection:
        (run,) = runs.unfinished(connection)
        begun = replace(run, suite_fingerprint="s", due_at=house.clock.now + timedelta(hours=6))
        runs.save(connection, begun)
    house.clock.move(days=-1)
    found = look(house)
    assert (found.recorded, found.missed) == ((), ())
    assert [run.slot for run in found.due] == [MONDAY]  # its wait of 6 hours would have become one of 30
    settle(house)
    house.clock.move(days=1)
    assert look(house).recorded == ()
    assert slots(house) == [(MONDAY, "done")]


def test_a_clock_set_forward_and_back_again_skips_no_slot(house):
    look(house)
    settle(house)
    right = house.clock.now
    house.clock.now = right + 3 * WEEK
    ahead = look(house)
    assert len(ahead.missed) == 2
    settle(house)
    for week in (1, 2, 3):
        house.clock.now = right + week * WEEK
        found = look(house)
        # The slot that was run ahead of its time has its run; the two that were called missed come after all.
        assert [run.slot for run in found.recorded] == ([MONDAY + week * WEEK] if week < 3 else [])
        assert found.missed == ()
        settle(house)
    assert slots(house) == [(MONDAY + week * WEEK, "done") for week in range(4)]


def test_a_schedule_that_was_first_seen_in_the_future_is_not_waited_for(house):
    right = house.clock.now
    house.clock.now = right + timedelta(days=4 * 365)
    house.keys["schedule"] = 'catch_up = "1h"'
    look(house)
    house.clock.now = right
    assert [run.slot for run in look(house).due] == [MONDAY]
    settle(house)
    house.clock.now = right + WEEK
    assert [run.slot for run in look(house).due] == [MONDAY + WEEK]


def test_a_changed_schedule_wants_nothing_of_the_time_before_it(house):
    look(house)
    settle(house)
    house.keys["cron"] = "0 * * * *"
    house.clock.now = MONDAY + timedelta(days=3, minutes=1)
    found = look(house)
    # Its newest slot is made up for; of the 71 before it nobody had heard.
    assert ([run.slot for run in found.due], found.missed) == ([MONDAY + timedelta(days=3)], ())
    settle(house)
    house.clock.move(hours=2)
    found = look(house)
    assert [run.slot for run in found.due] == [MONDAY + timedelta(days=3, hours=2)]
    assert [run.slot for run in found.missed] == [MONDAY + timedelta(days=3, hours=1)]


def test_a_database_of_an_earlier_version_says_what_was_missed_since_its_last_slot(house):
    look(house)
    settle(house)
    with house.database.write() as connection:
        connection.execute(timetable.delete())
    house.clock.move(weeks=3)
    found = look(house)
    assert [run.slot for run in found.due] == [MONDAY + 3 * WEEK]
    assert len(found.missed) == 2


def test_a_target_that_is_new_misses_nothing(house):
    look(house)
    settle(house)
    house.clock.move(weeks=2)
    house.keys["target"] = '\n[targets.new]\nprovider = "command"\ncommand = ["never-started"]\nsuites = ["support"]'
    found = look(house)
    assert {(run.target, run.slot) for run in found.due} == {("ft", MONDAY + 2 * WEEK), ("new", MONDAY + 2 * WEEK)}
    assert [(run.target, run.slot) for run in found.missed] == [("ft", MONDAY + WEEK)]


def test_what_was_missed_by_several_is_one_message(house):
    house.keys["target"] = '\n[targets.new]\nprovider = "command"\ncommand = ["never-started"]\nsuites = ["support"]'
    look(house)
    settle(house)
    house.clock.move(weeks=3)
    look(house)
    (told,) = house.told
    assert (told.target, told.suite, len(told.reasons)) == ("ft, new", "support", 2)


def test_a_replay_by_hand_is_not_the_schedules_and_one_that_was_asked_for_is(house):
    look(house)
    settle(house)
    with house.database.write() as connection:
        asked = runs.request(connection, "asked", "ft", "support", "operations", house.clock.now)
        assert runs.request(connection, "again", "ft", "support", "operations", house.clock.now) == asked
        by_hand = replace(asked, id="hand", requested_by=None, state=RunState.RUNNING, suite_fingerprint="s")
        assert runs.begin(connection, by_hand)
    assert [run.id for run in look(house).due] == ["asked"]


def test_a_wait_says_when_it_is_over(house):
    look(house)
    goes_on = house.clock.now + timedelta(hours=1)
    with house.database.write() as connection:
        (run,) = runs.unfinished(connection)
        runs.save(connection, replace(run, suite_fingerprint="s", due_at=goes_on))
    found = look(house)
    assert (found.due, found.next_at) == ((), goes_on)
    assert "waits until 2026-11-16 07:00 UTC" in found.idle["ft", "support"]
    house.clock.move(hours=1)
    assert [run.slot for run in look(house).due] == [MONDAY]


def test_several_processes_at_once_record_a_slot_once(house):
    config, now = house.config, house.clock.now
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: schedule.look(house.database, config, (), now, new_id), range(8)))
    assert sum(len(one.recorded) for one in found) == 1
    assert slots(house) == [(MONDAY, "waiting")]


def test_what_was_overtaken_is_said_once_and_one_that_was_begun_meanwhile_is_not_missed(house):
    look(house)
    with house.database.read() as connection:
        (noted,) = runs.unfinished(connection)
    later = house.clock.now + WEEK
    with house.database.write() as connection:
        assert runs.miss(connection, noted, later) is not None
        assert runs.miss(connection, noted, later) is None
        runs.save(connection, replace(noted, state=RunState.RUNNING, suite_fingerprint="s"))
        assert runs.miss(connection, noted, later) is None
    assert slots(house) == [(MONDAY, "running")]


def test_after_a_first_start_in_the_future_the_next_slots_are_run_all_the_same(house):
    right = house.clock.now
    house.clock.now = right + timedelta(days=400)
    look(house)
    settle(house)
    house.clock.now = right + timedelta(days=1)
    assert look(house).due == ()
    for week in (1, 2, 3):
        house.clock.now = right + week * WEEK
        found = look(house)
        assert [run.slot for run in found.due] == [MONDAY + week * WEEK]
        assert found.missed == ()
        settle(house)


async def test_the_very_first_slot_is_not_passed_over_where_nothing_is_made_up_for(house):
    house.keys["schedule"] = 'catch_up = "0s"'
    house.clock.now = MONDAY - timedelta(days=2)
    await house.collect()
    assert look(house).due == ()  # it ticks before its first slot
    house.clock.now = MONDAY + timedelta(hours=1)  # and is down over it
    found = look(house)
    assert (found.due, [run.slot for run in found.missed]) == ((), [MONDAY])
    assert [one.kind for one in house.told] == [Kind.MISSED]
    assert look(house).missed == ()


async def test_a_target_that_is_given_its_baseline_later_missed_nothing_before_it(house):
    look(house)
    settle(house)
    house.keys["target"] = '\n[targets.new]\nprovider = "command"\ncommand = ["never-started"]\nsuites = ["support"]'
    house.clock.move(weeks=3)
    with house.database.write() as connection:
        (done,) = (run for run in house.runs if run.slot == MONDAY)
        runs.pin(connection, replace(done, target="new"), house.clock.now, "ada")
    assert [run.target for run in look(house).missed] == ["ft", "ft"]
    house.clock.move(weeks=2)
    settle(house)
    assert sorted(run.target for run in look(house).missed) == ["ft", "new"]
