"""Caps on calls and money: a run ends before it passes one, and says which."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.harness import FAILED, INCONCLUSIVE, PASS, Case, Fake, Home, headlines, slot

# The fake bills 7 tokens for each question and 3 for each answer.
PRICE = "{ input = 1000.0, output = 1000.0 }"
A_CALL = 0.01

CAPS: dict[str, tuple[dict[str, Any], int, str]] = {
    "calls": ({"calls_per_run": 30}, 30, "calls_per_run"),
    "usd": ({"usd_per_run": 0.25}, 25, "usd_per_run"),
    "month": ({"usd_per_month": 1.85}, 25, "usd_per_month"),
}


@pytest.mark.parametrize(("budget", "most", "key"), CAPS.values(), ids=CAPS)
def test_a_run_stops_before_its_cap(
    home: Home, server: Fake, chat: Fake, known: list[Case], budget: dict[str, Any], most: int, key: str
) -> None:
    bot = {"price": PRICE, "params": "{ max_tokens = 3 }"}
    home.configure(known, server, chat, bot=bot)
    home.run("baseline", "collect", "bot", "support", "--yes", code=PASS)
    home.configure(known, server, chat, bot=bot, budget=budget)
    before = server.tell()["count"]
    done = home.run("run", "--slot", slot(0), "--json", code=PASS)
    (verdict,) = done.json["verdicts"]
    assert (verdict["verdict"], verdict["stage"], verdict["cause"]) == ("inconclusive", "final", "budget")
    assert key in " ".join(verdict["reasons"])
    assert 0 < server.tell()["count"] - before <= most
    assert verdict["calls"] == server.tell()["count"] - before
    assert verdict["usd"] == pytest.approx(verdict["calls"] * A_CALL)
    home.run("gate", "bot", code=INCONCLUSIVE)
    # Once is a note of low priority; a second week in a row that tells nothing is an alert.
    assert headlines(chat) == ["⚪ INCONCLUSIVE: bot on support"]


def test_a_baseline_over_its_budget_is_not_begun_unasked_and_ends_at_its_cap(
    home: Home, server: Fake, known: list[Case]
) -> None:
    home.configure(known, server, bot={"price": PRICE, "params": "{ max_tokens = 3 }"}, budget={"baseline_usd": 0.5})
    unasked = home.run("baseline", "collect", "bot", "support", code=FAILED)
    assert "more than [budget] baseline_usd (0.50 USD) allows: raise it" in unasked.said
    assert server.tell()["count"] == 0
    capped = home.run("baseline", "collect", "bot", "support", "--yes", code=FAILED)
    assert "baseline_usd" in capped.said
    assert 0 < server.tell()["count"] <= 50
    stored = home.count("SELECT count(*) FROM answer")
    home.configure(known, server, bot={"price": PRICE, "params": "{ max_tokens = 3 }"})
    home.run("baseline", "collect", "bot", "support", "--yes", code=PASS)
    assert server.tell()["count"] == home.count("SELECT count(*) FROM answer") == 160 > stored
