"""A process that is killed or stopped anywhere: what is stored stays, is not asked again, and the end is the same."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.harness import (
    FAILED,
    PASS,
    ROLLBACK,
    Case,
    Fake,
    Home,
    alert_ids,
    cases,
    fallen,
    headlines,
    provider,
    slack,
    slot,
)

CONCURRENCY = 4
SLOW = 0.1  # seconds an answer takes, so that there is always something under way
COLLECT = ("baseline", "collect", "bot", "support", "--yes")
RUN = ("run", "--slot", slot(0))
PINNED = "SELECT count(*) FROM baseline"


class Story:
    """A baseline, a model that becomes worse, and the week that finds it, in a place of its own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        folder.mkdir()
        self.known = cases(right=36, wrong=4)
        self.server = stack.enter_context(provider(folder, self.known))
        self.chat = stack.enter_context(slack(folder))
        self.home = Home(folder)
        self.home.configure(self.known, self.server, self.chat, bot={"concurrency": CONCURRENCY})
        self.kills = 0

    def disturb(self, arguments: tuple[str, ...], kills: int, rng: random.Random, done: str) -> None:
        """Run a command again and again, and kill it: at any time, or when it has just asked a few questions.

        `done` is a query that counts something once the command has nothing left to do; then it is left alone.
        """
        for number in range(kills):
            if self.is_done(done):
                return
            if number > 1:
                # The second one waits on PostgreSQL until the first one's lease is silent; once is enough.
                self.home.let_silence_pass("runner")
            process = self.home.start(*arguments)
            if rng.random() < 0.4:
                _lasts(process, rng.uniform(0.0, 1.6))
            else:
                self._asks(process, rng.randint(1, 10))
                _lasts(process, rng.uniform(0.0, 2 * SLOW))
            self.kills += process.poll() is None
            self.home.kill(process)
            assert self.home.is_sound()

    def is_done(self, query: str) -> bool:
        """Whether `query` counts anything; in a database that was killed before it had its tables, nothing does."""
        return "alembic_version" in self.home.tables() and self.home.count(query) > 0

    def become_worse(self) -> None:
        self.server.control(cases=fallen(self.known, 8))

    def verdict(self) -> dict[str, Any]:
        found = self.home.run("gate", "bot", "--json", code=ROLLBACK).json
        return {key: value for key, value in found.items() if key not in ("run", "finished_at")}

    def stored(self) -> int:
        return self.home.count("SELECT count(*) FROM answer")

    def _asks(self, process: subprocess.Popen[str], more: int) -> None:
        wanted, until = self.server.tell()["count"] + more, time.monotonic() + 30.0
        while process.poll() is None and self.server.tell()["count"] < wanted and time.monotonic() < until:
            time.sleep(0.01)


def _lasts(process: subprocess.Popen[str], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _killed_anywhere(tmp_path: Path, seed: int, kills: int) -> None:
    rng = random.Random(seed)
    with ExitStack() as stack:
        calm, story = Story(tmp_path / "calm", stack), Story(tmp_path / "disturbed", stack)
        story.server.control(delay=SLOW)
        story.disturb(COLLECT, kills // 2, rng, done=PINNED)
        for one in (calm, story):
            if not one.is_done(PINNED):
                one.home.run(*COLLECT, code=PASS)
        assert story.stored() == calm.stored() == 160
        for one in (calm, story):
            one.become_worse()
        story.disturb(RUN, kills - story.kills, rng, done="SELECT count(*) FROM outbox WHERE state = 'sent' AND id > 1")
        story.home.let_an_hour_pass()  # the lease of a message that was being sent runs out
        for one in (calm, story):
            one.home.run(*RUN, code=PASS)

        assert story.kills >= kills // 2  # else nothing was tested
        assert story.verdict() == calm.verdict()
        assert story.stored() == calm.stored() == calm.server.tell()["answered"]
        twice = "SELECT 1 FROM answer GROUP BY run_id, phase, case_id, repeat HAVING count(*) > 1"
        assert story.home.rows(twice) == []
        assert story.home.count("SELECT count(*) FROM run") == 2
        # Only what was under way when it was killed was paid for and lost.
        assert story.server.tell()["answered"] - story.stored() <= story.kills * CONCURRENCY

        asked = story.server.tell()["count"]
        story.home.run(*RUN, code=PASS)
        assert story.server.tell()["count"] == asked
        _told_once(story, calm)


def _told_once(story: Story, calm: Story) -> None:
    """Each alert arrived, in order; one that was sent when the process died may have come twice, with its id."""
    told = list(dict.fromkeys(zip(alert_ids(story.chat), headlines(story.chat), strict=True)))
    assert [headline for _, headline in told] == headlines(calm.chat)
    assert len(alert_ids(story.chat)) <= 2 * len(told)
    assert story.home.count("SELECT count(*) FROM outbox WHERE state != 'sent'") == 0


@pytest.mark.timeout(300)
@pytest.mark.long(35)
def test_killed_anywhere_it_comes_to_the_same_end(tmp_path: Path) -> None:
    _killed_anywhere(tmp_path, seed=1, kills=10)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(2, 17))
def test_killed_anywhere_hundreds_of_times(tmp_path: Path, seed: int) -> None:
    _killed_anywhere(tmp_path, seed=seed, kills=20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_stopped_by_a_signal_it_says_how_to_go_on_and_goes_on(
    home: Home, server: Fake, known: list[Case], number: int
) -> None:
    home.configure(known, server, bot={"concurrency": CONCURRENCY})
    server.control(delay=SLOW)
    process = home.start(*COLLECT)
    server.received(20, process)
    stopped = home.end(process, FAILED, by=number)
    assert "Every answer is stored; the same command goes on" in stopped.said
    answered = server.tell()["answered"]
    # A polite stop waits for what is under way: nothing that was paid for is lost.
    assert 0 < home.count("SELECT count(*) FROM answer") == answered < 160
    server.control(delay=0.0)
    home.run(*COLLECT, code=PASS)
    assert server.tell()["answered"] == home.count("SELECT count(*) FROM answer") == 160

    server.control(delay=SLOW)
    process = home.start(*RUN)
    server.received(170, process)
    stopped = home.end(process, FAILED, by=number)
    assert "the same command goes on" in stopped.said
    server.control(delay=0.0)
    (verdict,) = home.run(*RUN, "--json", code=PASS).json["verdicts"]
    assert (verdict["verdict"], verdict["answers"]) == ("pass", 40)
    assert server.tell()["answered"] == 200


def test_a_second_signal_stops_it_at_once(home: Home, server: Fake, known: list[Case]) -> None:
    home.configure(known, server, bot={"concurrency": CONCURRENCY, "timeout": '"60s"'})
    server.control(script=[{}] * 8, always={"action": "hang"})
    process = home.start(*COLLECT)
    server.received(8 + CONCURRENCY, process)
    process.send_signal(signal.SIGINT)
    _lasts(process, 0.5)  # the first one waits a while for what is under way
    stopped = home.end(process, FAILED, by=signal.SIGINT)
    assert "Stopped at once" in stopped.said
    assert home.count("SELECT count(*) FROM answer") == 8


def test_a_stop_does_not_wait_for_a_provider_that_hangs(home: Home, server: Fake, known: list[Case]) -> None:
    home.configure(known, server, bot={"concurrency": CONCURRENCY, "timeout": '"60s"'})
    server.control(script=[{}] * 8, always={"action": "hang"})
    process = home.start(*COLLECT)
    server.received(8 + CONCURRENCY, process)
    stopped = home.end(process, FAILED, by=signal.SIGTERM)
    assert "Every answer is stored" in stopped.said
    assert home.count("SELECT count(*) FROM answer") == 8
