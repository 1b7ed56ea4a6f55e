"""Long simulated times: whatever happens to clocks and processes, each slot is one of done, under way or missed.

And what was missed was said. The clock is injected; the database and everything between it and the schedule is real.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from monitor.domain.run import RunKind
from tests.fakes.house import CrashError, House

# 02:30 in Berlin: skipped on one day of the year, and there twice on another; 2028 has a leap day. All three lie in the
# winter; the whole year is for `make soak`.
WINTER = datetime(2027, 10, 20, 12, tzinfo=UTC), timedelta(days=164)
YEAR = datetime(2027, 6, 1, 12, tzinfo=UTC), timedelta(days=366)
TIMES = [pytest.param(*WINTER, id="winter"), pytest.param(*YEAR, id="year", marks=pytest.mark.soak)]


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    built = House(tmp_path, cases=40, now=YEAR[0])
    built.keys |= {"cron": "30 2 * * *", "schedule": 'timezone = "Europe/Berlin"\ncatch_up = "3d"', "cap": "1"}
    yield built
    built.close()


async def passes(house: House, rng: random.Random) -> None:
    """One look of a daemon or a timer, which may die at any reading of the clock."""
    if rng.random() < 0.1:
        house.clock.dies_at = house.clock.readings + rng.randint(1, 12)
    try:
        await house.due()
    except CrashError:
        pass
    finally:
        house.clock.dies_at = None


def check(house: House, *, exactly: bool) -> dict[str, int]:
    """Every slot of the schedule so far has one row; returns how many are in each state."""
    rows = [run for run in house.runs if run.kind is RunKind.WEEK]
    by_slot = {run.slot: run.state.value for run in rows}
    assert len(by_slot) == len(rows), "a slot has two runs"
    expected = house.timetable.slots(min(by_slot) - timedelta(seconds=1), house.clock.now)
    assert [slot for slot in expected if slot not in by_slot] == [], "a slot was passed over in silence"
    if exactly:
        assert sorted(by_slot) == expected
    states = list(by_slot.values())
    counts = {state: states.count(state) for state in ("done", "running", "waiting", "missed")}
    assert sum(counts.values()) == len(rows)
    return counts


def said(house: House) -> int:
    """How many missed slots people were told of."""
    reasons = [reason for alert in house.told for reason in alert.reasons]
    return sum(int(found[1]) for reason in reasons if (found := re.search(r": (\d+) slots? missed", reason)))


async def baseline(house: House, begin: datetime) -> None:
    house.clock.now = begin - timedelta(days=1)
    await house.collect()
    house.clock.now = begin


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("begin", "lasts"), TIMES)
@pytest.mark.long(10)
async def test_months_of_looks_restarts_and_sleep(house, begin, lasts):
    rng = random.Random(1)
    await baseline(house, begin)
    while house.clock.now < begin + lasts:
        await passes(house, rng)
        # Mostly an hour or so; sometimes the machine is off for a day, and sometimes it sleeps for three weeks.
        nap = rng.choices([rng.uniform(0.2, 6), rng.uniform(12, 60), 24 * 21], [0.97, 0.029, 0.001])[0]
        house.clock.move(hours=nap)
    for _ in range(3):
        await house.due()
        house.clock.move(minutes=1)
    counts = check(house, exactly=True)
    assert counts["waiting"] == counts["running"] == 0
    assert counts["missed"] == said(house) > 10
    assert counts["done"] > 0.68 * lasts.days
    # A slot that has its run is never asked for again: forty answers each, and what a death had under way once more.
    assert 40 * counts["done"] <= len(house.model.asked) <= 41 * counts["done"] + 400


@pytest.mark.timeout(300)
@pytest.mark.sqlite_only("the looks and restarts are on both; what a clock does is the same")
@pytest.mark.parametrize(("begin", "lasts"), TIMES)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.soak), pytest.param(2, marks=pytest.mark.soak)])
@pytest.mark.long(10)
async def test_months_in_which_the_clock_is_set_back_and_forth(house, begin, lasts, seed):
    rng = random.Random(seed)
    await baseline(house, begin)
    true, error = begin, timedelta()
    while true < begin + lasts:
        true += timedelta(hours=rng.uniform(0.2, 5))
        if rng.random() < 0.02:
            error = timedelta(hours=rng.choice([-24, -1, 0, 1, 24, 24 * 21]))
        elif error and rng.random() < 0.2:
            error = timedelta()
        house.clock.now = true + error
        await passes(house, rng)
    house.clock.now = true
    for _ in range(4):
        await house.due()
        house.clock.move(days=1, minutes=1)
    check(house, exactly=False)
    twice = [alert.id for alert in house.told]
    assert len(twice) == len(set(twice))


async def test_the_hour_that_does_not_exist_and_the_one_that_comes_twice(house):
    await baseline(house, YEAR[0])
    for day, slot in (
        (datetime(2027, 10, 30, 12, tzinfo=UTC), datetime(2027, 10, 31, 0, 30, tzinfo=UTC)),
        (datetime(2028, 2, 28, 12, tzinfo=UTC), datetime(2028, 2, 29, 1, 30, tzinfo=UTC)),
        (datetime(2028, 3, 25, 12, tzinfo=UTC), datetime(2028, 3, 26, 1, 0, tzinfo=UTC)),
    ):
        house.clock.now = day
        await house.due()
        before = {run.slot for run in house.runs}
        for _ in range(24 * 4):
            house.clock.move(minutes=15)
            await house.due()
        new = {run.slot for run in house.runs} - before
        assert new == set(house.timetable.slots(day, house.clock.now)) == {slot}
        assert len([run for run in house.runs if run.slot == slot]) == 1
