"""Weeks of a sampling model on 200 cases at 89%: what is found, what is said of it, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.harness import (
    INVESTIGATE,
    PASS,
    ROLLBACK,
    Fake,
    Home,
    cases,
    headlines,
    provider,
    slack,
    slot,
)
from tests.fakes import databases

RIGHT, BETWEEN, WRONG = 158, 25, 17  # with p = 0.8 between them: a score of 89


pytestmark = pytest.mark.long(30)


def model(drop: float = 0.0) -> list[dict[str, object]]:
    return cases(RIGHT, WRONG, between=BETWEEN, drop=drop)


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, Fake]]:
    """A baseline of as many answers as the thresholds need, collected once for the tests that begin with it."""
    folder = tmp_path_factory.mktemp("collected")
    with provider(folder, model(), seed=7) as server:
        home = Home(folder)
        home.configure(model(), server, bot={"concurrency": 32})
        done = home.run("baseline", "collect", "bot", "support", "--yes", "--json", code=PASS)
        assert 12 <= done.json["answers_a_case"] <= 48
        assert abs(done.json["score"] - 0.89) < 0.01
        assert server.tell()["answered"] == 200 * done.json["answers_a_case"]
        yield home, server


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Fake]:
    with slack(tmp_path) as server:
        yield server


@pytest.fixture
def home(collected: tuple[Home, Fake], chat: Fake, tmp_path: Path) -> Home:
    """A folder of the test's own that begins with the baseline; the model draws from the test's own seed."""
    first, server = collected
    own = Home(tmp_path)
    own.configure(model(), server, chat, bot={"concurrency": 32})
    databases.copy(first.folder, own.folder)
    return own


def test_a_drop_of_six_points_is_found_confirmed_and_told(collected: tuple[Home, Fake], home: Home, chat: Fake) -> None:
    _, server = collected
    server.control(seed=11, cases=model())
    home.run("run", "--slot", slot(0), code=PASS)
    assert headlines(chat) == []

    server.control(cases=model(drop=6.0))
    done = home.run("run", "--slot", slot(1), "--json", code=PASS)
    (verdict,) = done.json["verdicts"]
    assert (verdict["verdict"], verdict["stage"]) == ("rollback", "confirmed")
    assert verdict["drop"]["low"] > 3.0
    assert verdict["confirmation"]["low"] > 3.0
    home.run("gate", "bot", code=ROLLBACK)
    home.run("gate", "bot", "--fail-on", "rollback", code=ROLLBACK)
    assert headlines(chat) == [
        "🟠 INVESTIGATE, rollback pending: bot on support",
        "🔴 ROLLBACK: bot on support",
    ]
    # The confirmation rests on new answers alone.
    phases = dict(
        home.rows("SELECT phase, count(*) FROM answer JOIN run ON run.id = run_id WHERE slot IS NOT NULL GROUP BY 1")
    )
    assert phases["confirm"] >= 200
    assert verdict["answers"] == home.count("SELECT count(*) FROM answer WHERE run_id = ?", verdict["run"])


def test_a_drop_of_three_points_is_investigated_and_not_rolled_back(
    collected: tuple[Home, Fake], home: Home, chat: Fake
) -> None:
    _, server = collected
    server.control(seed=12, cases=model(drop=3.0))
    done = home.run("run", "--slot", slot(0), "--json", code=PASS)
    (verdict,) = done.json["verdicts"]
    assert (verdict["verdict"], verdict["stage"]) == ("investigate", "final")
    assert verdict["confirmation"] is None
    assert verdict["drop"]["low"] > 1.0
    home.run("gate", "bot", code=INVESTIGATE)
    home.run("gate", "bot", "--fail-on", "rollback", code=PASS)
    assert headlines(chat) == ["🟠 INVESTIGATE: bot on support"]


@pytest.mark.sqlite_only("what is decided does not depend on where it is stored; the other weeks are on both")
def test_twelve_weeks_without_a_change_raise_nothing_and_cost_little(
    collected: tuple[Home, Fake], home: Home, chat: Fake
) -> None:
    _, server = collected
    server.control(seed=13, cases=model())
    before = server.tell()["answered"]
    for week in range(12):
        (verdict,) = home.run("run", "--slot", slot(week), "--json", code=PASS).json["verdicts"]
        assert verdict["verdict"] == "pass"
    assert headlines(chat) == []
    assert chat.tell()["requests"] == 0
    assert server.tell()["answered"] - before < 2.0 * 12 * 200
    assert home.count("SELECT count(*) FROM run WHERE kind = 'week' AND state = 'done'") == 12
