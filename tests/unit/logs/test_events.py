"""What the run path writes into the log, with the ids: what a whole process does not show (tests/acceptance)."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from monitor.domain.answer import ErrorKind, TargetError
from tests.fakes.house import MONDAY, House

WEEK = timedelta(weeks=1)


@pytest.fixture
async def house(tmp_path):
    built = House(tmp_path)
    await built.collect()
    yield built
    built.close()


def told(caplog, event: str) -> list[logging.LogRecord]:
    found = [record for record in caplog.records if record.getMessage() == event]
    for record in found:
        assert (record.target, record.suite) == ("ft", "support")
    return found


async def test_slots_that_nobody_was_there_for_are_told_once(house, caplog):
    house.clock.now = MONDAY
    await house.due()
    house.clock.now = MONDAY + 4 * WEEK
    with caplog.at_level(logging.INFO, logger="monitor"):
        await house.due()
        await house.due()
    assert [record.slot[:10] for record in told(caplog, "slot missed")] == [
        f"{MONDAY + n * WEEK:%Y-%m-%d}" for n in (1, 2, 3)
    ]
    assert {record.levelname for record in told(caplog, "slot missed")} == {"WARNING"}


async def test_a_run_that_a_newer_slot_has_overtaken_is_told_with_its_last_verdict(house, caplog):
    house.model.wrong = frozenset(case.id for case in house.cases[:4])
    house.clock.now = MONDAY
    (begun,) = (await house.due()).done
    assert begun.run.due_at is not None
    house.clock.now = MONDAY + WEEK
    with caplog.at_level(logging.INFO, logger="monitor"):
        await house.due()
    (superseded,) = told(caplog, "run superseded")
    assert (superseded.run, superseded.by[:10]) == (begun.run.id, f"{MONDAY + WEEK:%Y-%m-%d}")
    assert told(caplog, "decided")[0].run == begun.run.id
    assert told(caplog, "decided")[0].next == "over"


async def test_a_provider_that_is_down_halts_a_run_with_its_words(house, caplog):
    house.model.down = lambda case: True
    house.model.error = TargetError(ErrorKind.CONNECTION, "no connection")
    house.clock.now = MONDAY
    with caplog.at_level(logging.INFO, logger="monitor"):
        await house.due()
    (halted,) = told(caplog, "replay halted")
    assert (halted.reason, "no connection" in halted.why) == ("outage", True)
    (written,) = told(caplog, "alert written")
    assert written.alert == house.told[0].id


async def test_a_baseline_that_takes_days_is_told_batch_by_batch(house, caplog):
    house.keys["baseline"] = "8"
    house.fingerprint = "configuration-b"
    with caplog.at_level(logging.INFO, logger="monitor"):
        await house.collect(spread=True)
        while not told(caplog, "baseline pinned"):
            house.clock.now += timedelta(days=1)
            assert (await house.due()).collected
    assert len(told(caplog, "baseline goes on")) >= 1
    assert len({record.run for record in told(caplog, "baseline goes on") + told(caplog, "baseline pinned")}) == 1


async def test_an_error_in_the_program_is_told_with_where_it_happened(house, caplog):
    def fail(case: str) -> bool:
        raise ZeroDivisionError("a bug")

    house.model.down = fail
    house.clock.now = MONDAY
    with caplog.at_level(logging.INFO, logger="monitor"):
        done = await house.due()
    (broken,) = [record for record in caplog.records if record.getMessage() == "run broken"]
    assert broken.site == "ft · support"
    assert broken.exc_info is not None
    assert broken.exc_info[1] is done.broken[0].error
