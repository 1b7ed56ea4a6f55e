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


def test_a_baseline_that_costs_more_than_its_cap_is_not_begun(home: Home, server: Fake, known: list[Case]) -> None:
    priced = {"price": PRICE, "params": "{ max_tokens = 3 }"}
    for budget, key in (({"baseline_usd": 0.5}, "baseline_usd"), ({"calls_per_run": 100}, "calls_per_run")):
        home.configure(known, server, bot=priced, budget=budget)
        for more in ([], ["--yes"]):
            refused = home.run("baseline", "collect", "bot", "support", *more, code=FAILED)
            assert f"more than [budget] {key}" in refused.said
            assert "raise it" in refused.said
    home.configure(known, server)  # without a price nobody knows, so somebody has to say yes
    assert "add --yes" in home.run("baseline", "collect", "bot", "support", code=FAILED).said
    assert server.tell()["count"] == 0


def test_answers_that_cost_more_than_was_expected_end_a_collection_at_its_cap(
    home: Home, server: Fake, known: list[Case]
) -> None:
    price = {"price": "{ input = 0.0, output = 10.0 }"}
    home.configure(known, server, bot=price, budget={"baseline_usd": 0.6})
    server.control(always={"patch": {"usage": {"prompt_tokens": 7, "completion_tokens": 1000}}})
    capped = home.run("baseline", "collect", "bot", "support", code=FAILED)
    assert "baseline_usd" in capped.said
    assert "raise the cap, and the same command goes on" in capped.said
    paid = server.tell()["answered"]
    assert 20 <= paid <= 60  # a cent each
    assert home.count("SELECT count(*) FROM answer") == paid

    home.configure(known, server, bot=price, budget={"baseline_usd": 5.0})
    home.run("baseline", "collect", "bot", "support", code=PASS)
    assert server.tell()["answered"] == home.count("SELECT count(*) FROM answer") == 160
