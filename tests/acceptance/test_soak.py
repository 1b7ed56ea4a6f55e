"""Weeks with a daemon, and its child, that are killed at random: no slot twice, none passed over, no alert lost."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from tests.acceptance.harness import Case, Fake, Home, alert_ids, fallen
from tests.acceptance.serving import Daemon, eventually, serving
from tests.fakes.ports import free_port

WEEK = timedelta(weeks=1)
CONCURRENCY = 8


class Tale:
    """A daemon in a time that the test moves; it, or its child, is killed `kills` times."""

    def __init__(self, home: Home, server: Fake, chat: Fake, rng: random.Random, kills: int) -> None:
        self.home, self.server, self.chat, self.rng = home, server, chat, rng
        self.left, self.kills = kills, 0
        self.clock = home.folder / "clock"
        self.offset = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def move_to(self, moment: datetime) -> None:
        """Let it be that time from now on; replaced in one step, because it is read all the while."""
        self.offset = moment - datetime.now(UTC)
        new = self.clock.with_suffix(".new")
        new.write_text(str(self.offset.total_seconds()), encoding="ascii")
        new.replace(self.clock)

    def disturb(self, daemon: Daemon) -> None:
        """Kill the daemon, or the child that is at work, and begin again what was killed."""
        self.left, self.kills = self.left - 1, self.kills + 1
        working = daemon.events("a child is at work")
        if working and self.rng.random() < 0.4:
            with suppress(ProcessLookupError):
                os.killpg(int(working[-1]["pid"]), signal.SIGKILL)
            return
        daemon.kill()
        if self.kills % 3:
            # On PostgreSQL each third one watches it.
            self.home.let_silence_pass("leader")
        daemon.begin_hasty()

    def trouble(self, daemon: Daemon, times: int) -> None:
        """Kill so often, each time after a moment in which much or little may have happened."""
        for _ in range(min(times, self.left)):
            time.sleep(self.rng.uniform(0.0, 2.5))
            self.disturb(daemon)

    def until(self, daemon: Daemon, query: str, *values: object) -> None:
        """Until nothing is left of it."""
        until = time.monotonic() + 200
        while self.home.count(query, *values):
            assert time.monotonic() < until, daemon.text[-4000:]
            assert daemon.process.poll() is None, daemon.text[-4000:]
            time.sleep(self.rng.uniform(0.05, 0.5))


SLOTS = "SELECT count(*) FROM run WHERE kind = 'week'"
# Begun and not over, or recorded and not begun.
AT_WORK = f"{SLOTS} AND (state = 'running' OR (state = 'waiting' AND suite_fingerprint = ''))"
UNFINISHED = f"{SLOTS} AND state IN ('running', 'waiting')"
UNSENT = "SELECT count(*) FROM outbox WHERE state != 'sent'"


def _story(home: Home, server: Fake, chat: Fake, known: list[Case], weeks: int, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    tale = Tale(home, server, chat, rng, kills)
    first = datetime(2027, 1, 4, 6, tzinfo=UTC)
    tale.move_to(first - timedelta(hours=1))
    # Two weeks each time: the second one's slot is just young enough to be made up for, the first one's is not.
    naps = rng.sample(range(3, weeks - 2, 3), max(1, weeks // 12))
    asleep = {week for nap in naps for week in (nap, nap + 1)}
    a_week = -(-kills // (weeks - len(asleep)))
    skipped = 0
    with serving(home, begin=False) as daemon:
        daemon.begin_hasty()
        for week in range(weeks):
            slot = first + week * WEEK
            if week in asleep:
                # Nobody is there: the machine is off.
                daemon.kill()
                skipped += 1
                continue
            # From the middle on, a third of the weeks have a model that has become worse.
            server.control(cases=fallen(known, 6) if week % 3 == 2 and week > weeks // 2 else list(known))
            tale.move_to(slot - timedelta(seconds=3))
            if daemon.process.poll() is not None:
                daemon.begin_hasty()
            recorded, stamp = f"{SLOTS} AND slot = ?", slot.strftime("%Y-%m-%d %H:%M:%S.%f")
            eventually(lambda q=recorded, s=stamp: home.count(q, s), within=60)
            tale.trouble(daemon, a_week // 2)
            for _ in range(6):
                # An hour goes by in a second, as often as there are stages and confirmations.
                tale.until(daemon, AT_WORK)
                if not home.count(UNFINISHED):
                    break
                tale.trouble(daemon, 1)
                tale.move_to(tale.now() + timedelta(hours=25))
                time.sleep(rng.uniform(0.5, 2.0))
            tale.trouble(daemon, a_week - a_week // 2)
        tale.move_to(tale.now() + timedelta(days=2))
        tale.until(daemon, UNFINISHED)
        eventually(lambda: home.count(UNSENT) == 0, within=120, every=0.5, why=daemon.text[-3000:])
        assert daemon.stop() == 0
    _check(tale, first, weeks, skipped, len(known))


def _check(tale: Tale, first: datetime, weeks: int, skipped: int, cases: int) -> None:
    home = tale.home
    rows = home.rows("SELECT slot, state, id FROM run WHERE kind = 'week' ORDER BY slot")
    slots = [s if isinstance(s, datetime) else datetime.fromisoformat(s) for s, _, _ in rows]
    mine = [s for s in (s.replace(tzinfo=UTC) if s.tzinfo is None else s.astimezone(UTC) for s in slots) if s >= first]
    assert mine == [first + week * WEEK for week in range(weeks)], "a slot was passed over, or run twice"
    missed = sum(state == "missed" for _, state, _ in rows)
    texts = [message["text"] for message in tale.chat.tell()["messages"]]
    assert missed >= skipped // 2
    # Each was said, whatever else was; a message that came twice says it twice.
    assert sum(int(n) for text in dict.fromkeys(texts) for n in re.findall(r": (\d+) slots? missed", text)) == missed
    twice = "SELECT 1 FROM answer GROUP BY run_id, phase, case_id, repeat HAVING count(*) > 1"
    assert home.rows(twice) == []
    stored, asked = home.count("SELECT count(*) FROM answer"), tale.server.tell()["answered"]
    assert stored <= asked <= stored + CONCURRENCY * tale.kills
    # No alert is lost; one that was being sent when its sender died may have come twice, with the same id.
    told = alert_ids(tale.chat)
    written = {alert for (alert,) in home.rows("SELECT id FROM alert")}
    assert set(told) == written
    assert len(told) <= len(written) + tale.kills
    print(f"{weeks} weeks, {tale.kills} kills: {len(rows)} slots, {missed} missed and said, {len(written)} alerts")


@pytest.fixture
def home(home: Home, known: list[Case], server: Fake, chat: Fake) -> Home:
    home.configure(
        known,
        server,
        chat,
        web={"listen": f'"127.0.0.1:{free_port()}"'},
        decision={"baseline_repeats": 4, "max_repeats": 8},
        bot={"concurrency": CONCURRENCY},
    )
    return home


@pytest.mark.timeout(400)
@pytest.mark.long(50)
def test_some_weeks_with_kills(pinned: Home, server: Fake, chat: Fake, known: list[Case]) -> None:
    server.control(delay=0.05)
    _story(pinned, server, chat, known, weeks=7, kills=10, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_year_with_two_hundred_kills(pinned: Home, server: Fake, chat: Fake, known: list[Case]) -> None:
    server.control(delay=0.05)
    _story(pinned, server, chat, known, weeks=52, kills=200, seed=2)
