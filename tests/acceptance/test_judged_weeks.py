"""A baseline and a week that are judged, by processes that are killed while they judge: nothing is judged twice."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.harness import INVESTIGATE, PASS, Fake, Home, cases, fallen, provider, slot
from tests.fakes import databases

CONCURRENCY = 4
SLOW = 0.04  # seconds a reply takes, so that there is always something under way
COLLECT = ("baseline", "collect", "bot", "support", "--yes")
RUN = ("run", "--slot", slot(0))
# What is judged on an occasion: each text to each case once, of answers and of the canaries that take a model.
TEXTS = """SELECT count(*) FROM (SELECT case_id, text FROM answer WHERE run_id IN (SELECT id FROM run WHERE {runs})
UNION SELECT case_id, text FROM canary WHERE kind IN ('good', 'bad', 'injection_order', 'injection_forged')) AS texts"""


class Story:
    """A home whose answers are judged, and the provider of both models."""

    def __init__(self, folder: Path, server: Fake) -> None:
        self.known = cases(right=36, wrong=4)
        self.server = server
        self.home = Home(folder)
        self.kills = 0
        judge = {
            "provider": '"openai"',
            "model": '"judge-1"',
            "base_url": f'"{server.url}/v1"',
            "api_key": '{ env = "API_KEY" }',
            "concurrency": CONCURRENCY,
        }
        changes: dict[str, dict[str, Any]] = {
            "support": {"rubrics": '["support_answer"]', "headline": "{ support_answer = 1.0 }"},
            "judges.strict": judge,
            "judging": {"panel": '["strict"]', "canaries": "20"},
        }
        self.home.configure(self.known, server, None, bot={"concurrency": 16}, **changes)

    def killed_while_judging(self, arguments: tuple[str, ...], kills: int, rng: random.Random) -> None:
        """Run a command again and again, and kill it when it has had a few more judgements."""
        for _ in range(kills):
            process = self.home.start(*arguments)
            wanted, until = self.ruled() + rng.randint(1, 24), time.monotonic() + 30.0
            while process.poll() is None and self.ruled() < wanted and time.monotonic() < until:
                time.sleep(0.01)
            _lasts(process, rng.uniform(0.0, 2 * SLOW))
            self.kills += process.poll() is None
            self.home.kill(process)
            if databases.POSTGRESQL:
                # As if whoever follows had waited until it is silent for long enough.
                self.home.change("UPDATE lease SET holder = NULL, beats = beats + 1")

    def ruled(self) -> int:
        """How many judgements were answered, and so paid for."""
        return int(self.server.tell()["ruled"])

    def judged(self) -> int:
        return self.home.count("SELECT count(*) FROM judgement")

    def check(self) -> None:
        """Nothing that is stored was judged twice, and what was lost had been under way."""
        assert self.home.is_sound()
        assert self.ruled() - self.judged() <= self.kills * CONCURRENCY
        answered = self.server.tell()["answered"] - self.ruled()
        assert answered - self.home.count("SELECT count(*) FROM answer") <= self.kills * 16
        twice = "SELECT 1 FROM judgement GROUP BY occasion, judge, material HAVING count(*) > 1"
        assert self.home.rows(twice) == []
        unscored = "SELECT count(*) FROM answer WHERE id NOT IN (SELECT answer_id FROM score WHERE scorer LIKE ?)"
        assert self.home.count(unscored, "support_answer@%") == 0


def _lasts(process: subprocess.Popen[str], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


@contextmanager
def story(folder: Path) -> Iterator[Story]:
    known = cases(right=36, wrong=4)
    with provider(folder, known, judge=True) as server:
        yield Story(folder, server)


def _disturbed(told: Story, rng: random.Random, of_collect: int, of_week: int) -> None:
    told.server.control(delay=SLOW)
    told.killed_while_judging(COLLECT, of_collect, rng)
    told.server.control(delay=0.0)
    told.home.run(*COLLECT, code=PASS)
    at_deployment = told.home.count(TEXTS.format(runs="kind = 'baseline'"))
    assert told.judged() == at_deployment
    assert 80 < at_deployment < 120
    told.check()

    told.server.control(cases=fallen(told.known, 8), delay=SLOW)
    told.killed_while_judging(RUN, of_week, rng)
    told.server.control(delay=0.0)
    told.home.run(*RUN, code=PASS)
    told.check()
    assert told.kills >= (of_collect + of_week) // 2  # else nothing was tested
    verdict = told.home.run("gate", "bot", "--json", code=INVESTIGATE).json
    assert (verdict["score"], verdict["baseline_score"], verdict["drop"]["points"]) == (0.7, 0.9, 20.0)
    # Canaries and answers of deployment again, and what is new of this week's.
    assert told.judged() == at_deployment + told.home.count(TEXTS.format(runs="true"))
    asked = told.server.tell()["count"]
    told.home.run(*RUN, code=PASS)
    assert told.server.tell()["count"] == asked


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("seed", "of_collect", "of_week"),
    [pytest.param(1, 2, 0, marks=pytest.mark.sqlite_only("one of the two is enough")), (2, 0, 2)],
)
def test_killed_while_it_judges_it_judges_nothing_twice(
    tmp_path: Path, seed: int, of_collect: int, of_week: int
) -> None:
    with story(tmp_path) as told:
        _disturbed(told, random.Random(seed), of_collect, of_week)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(3, 9))
def test_killed_while_it_judges_many_times(tmp_path: Path, seed: int) -> None:
    with story(tmp_path) as told:
        _disturbed(told, random.Random(seed), 8, 12)


@pytest.mark.sqlite_only("the database has no part in it")
def test_a_judge_that_fails_known_answers_decides_nothing_until_it_is_mended(tmp_path: Path) -> None:
    with story(tmp_path) as told:
        told.home.run(*COLLECT, code=PASS)
        told.server.control(strict=0.4)
        (verdict,) = told.home.run(*RUN, "--json", code=PASS).json["verdicts"]
        assert (verdict["verdict"], verdict["cause"], verdict["score"]) == ("inconclusive", "judge", None)
        assert "known good answers failed" in verdict["reasons"][0]
        told.server.control(strict=0.0)
        (verdict,) = told.home.run("run", "--slot", slot(1), "--json", code=PASS).json["verdicts"]
        assert (verdict["verdict"], verdict["score"]) == ("pass", 0.9)
