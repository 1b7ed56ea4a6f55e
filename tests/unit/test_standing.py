"""How a target stands: its newest verdict, stale when it is too old, and inconclusive when there is none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from monitor import standing
from monitor.domain.verdict import Level
from monitor.rounds import run_now, run_slot
from tests.fakes.house import MONDAY, FakeModel, House

PAIR = [("ft", "support")]
EIGHT_DAYS = timedelta(days=8)


@pytest.fixture
async def house(tmp_path) -> Iterator[House]:
    built = House(tmp_path)
    await built.collect()
    built.clock.now = MONDAY
    built.model = FakeModel()
    yield built
    built.close()


def stands(house: House, pairs=PAIR) -> list[standing.Standing]:
    return standing.of(house.database, house.config, pairs, house.clock.now, EIGHT_DAYS)


async def test_the_newest_verdict_counts(house):
    await house.due()
    house.clock.move(hours=1)
    house.model.wrong = frozenset(f"case-{i:03}" for i in range(20))
    app = house.app()
    await run_now(app, list(app.sites.values()))
    (found,) = stands(house)
    assert (found.level, found.payload["verdict"], found.payload["stale"]) == (Level.ROLLBACK, "rollback", False)


@pytest.mark.parametrize(("seconds", "level", "stale"), [(0, Level.PASS, False), (1, Level.INCONCLUSIVE, True)])
async def test_a_verdict_goes_stale_after_its_time_and_not_before(house, seconds, level, stale):
    await house.due()
    house.clock.now = MONDAY + EIGHT_DAYS + timedelta(seconds=seconds)
    (found,) = stands(house)
    assert (found.level, found.payload["stale"]) == (level, stale)
    assert found.payload["verdict"] == level.value
    if stale:
        assert found.payload["reasons"][0] == "stale: the newest verdict (pass) is 8 days old, more than 8 days."
        assert len(found.payload["reasons"]) == 2


@pytest.mark.parametrize("opened", [True, False])
async def test_what_was_never_measured_is_inconclusive_and_says_how_to_measure_it(house, opened):
    database = house.database if opened else None
    (found,) = standing.of(database, house.config, PAIR, house.clock.now, EIGHT_DAYS)
    assert (found.level, found.payload["stale"], found.payload["finished_at"]) == (Level.INCONCLUSIVE, True, None)
    assert "`heldout run --target ft`" in found.payload["reasons"][0]
    assert found.payload["thresholds"] == {"investigate": 3.0, "rollback": 5.0, "unit": "points"}


async def test_filling_in_an_old_slot_does_not_change_how_things_stand(house):
    house.keys["cap"] = "1"
    house.model.wrong = frozenset(f"case-{i:03}" for i in range(20))
    await house.due()
    house.clock.move(hours=1)
    house.model.wrong = frozenset()
    app = house.app()
    await run_slot(app, list(app.sites.values()), house.timetable, MONDAY - timedelta(days=7))
    (found,) = stands(house)
    assert (found.level, found.payload["slot"]) == (Level.INVESTIGATE, "2026-11-16T06:00:00Z")


async def test_a_week_dated_by_a_wrong_clock_does_not_hide_the_later_ones(house):
    house.clock.now = MONDAY + timedelta(days=400)
    await house.due()
    house.clock.now = MONDAY
    house.keys["cap"] = "1"
    house.model.wrong = frozenset(f"case-{i:03}" for i in range(20))
    await house.due()
    (found,) = stands(house)
    assert found.level is Level.INVESTIGATE


async def test_a_verdict_of_the_future_is_no_verdict(house):
    house.clock.now = MONDAY + timedelta(days=7)
    app = house.app()
    await run_now(app, list(app.sites.values()))
    house.clock.now = MONDAY
    (found,) = stands(house)
    assert (found.level, found.payload["stale"]) == (Level.INCONCLUSIVE, True)
    assert "was a clock wrong?" in found.payload["reasons"][0]


async def test_a_run_on_demand_does_not_talk_a_weeks_alert_away(house):
    house.keys["cap"] = "1"
    house.model.wrong = frozenset(f"case-{i:03}" for i in range(20))
    await house.due()
    house.clock.move(hours=1)
    house.model.wrong = frozenset()
    app = house.app()
    (done,) = (await run_now(app, list(app.sites.values()))).done
    assert done.verdict.level is Level.PASS
    (found,) = stands(house)
    assert found.level is Level.INVESTIGATE


async def test_after_a_new_baseline_what_was_measured_since_counts(house):
    house.keys["cap"] = "1"
    house.model.wrong = frozenset(f"case-{i:03}" for i in range(20))
    await house.due()
    house.clock.move(hours=1)
    await house.collect()
    assert stands(house)[0].level is Level.INVESTIGATE
    app = house.app()
    house.clock.move(hours=1)
    await run_now(app, list(app.sites.values()))
    (found,) = stands(house)
    assert (found.level, found.payload["slot"]) == (Level.PASS, None)
