"""The tick comes, comes at once when it is asked for, and comes although the clock was set back."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from monitor.daemon.pace import Pace
from monitor.daemon.ticker import Ticker
from tests.fakes.waiting import until


class Work:
    def __init__(self, takes: float = 0.0) -> None:
        self.times = 0
        self.at_once = 0
        self.most_at_once = 0
        self.takes = takes

    async def __call__(self) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.takes)
        self.times += 1
        self.at_once -= 1

    async def until(self, times: int, within: float = 5.0) -> None:
        await until(lambda: self.times >= times, within)


@pytest.fixture
async def begun():
    started = []

    def begin(work: Work, **pace: float) -> Ticker:
        ticker = Ticker(work, Pace(**pace))
        ticker.start()
        started.append(ticker)
        return ticker

    yield begin
    for ticker in started:
        await ticker.stop()


async def test_it_ticks_at_once_and_again_and_again(begun):
    work = Work()
    begun(work, tick=0.1)
    await work.until(4)


async def test_it_never_ticks_twice_at_a_time_and_forgets_no_call(begun):
    work = Work(takes=0.1)
    ticker = begun(work, tick=60.0)
    for _ in range(5):
        await asyncio.sleep(0.01)
        ticker.wake()
    await work.until(2)
    await asyncio.sleep(0.3)
    assert work.most_at_once == 1
    assert work.times <= 3


async def test_it_wakes_when_what_waits_is_due(begun):
    work = Work()
    ticker = begun(work, tick=60.0)
    await work.until(1)
    ticker.wake_in(0.2)
    await work.until(2)
    ticker.wake_in(61.0)  # the tick before that will see to it


async def test_one_that_hangs_is_stale_and_one_that_ticks_is_not(begun):
    work = Work(takes=30.0)
    ticker = begun(work, tick=0.1, stale=0.3)
    assert not ticker.stale
    await asyncio.sleep(0.5)
    assert ticker.stale
    assert ticker.age > 0.3


@pytest.mark.long(7)
async def test_a_clock_set_back_by_a_day_does_not_stop_it(begun, caplog):
    caplog.set_level(logging.WARNING)
    work = Work()
    begun(work, tick=1.0)
    await work.until(1)
    with time_machine.travel(datetime.now(UTC) - timedelta(days=1)):
        before = work.times
        # Without the guard its next run would be a day away.
        await work.until(before + 3, within=15.0)
    assert "the clock was set, or this machine slept" in caplog.messages


@pytest.mark.long(5)
async def test_a_clock_set_forward_by_three_weeks_makes_it_tick_at_once(begun):
    work = Work()
    begun(work, tick=60.0)
    await work.until(1)
    with time_machine.travel(datetime.now(UTC) + timedelta(weeks=3)):
        await work.until(2, within=10.0)
