"""A provider that fails: nothing is ever scored for it, and people are told what it is and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.harness import FAILED, INCONCLUSIVE, PASS, Case, Fake, Home, headlines, slot

OUTAGES = {
    "500": {"status": 500},
    "closed": {"action": "close"},
    "hanging": {"action": "hang"},
}


# That nothing is scored, and a run goes on, is seen on both; how faults are told apart is the provider's matter.
ONCE = pytest.mark.sqlite_only("another answer of the provider's, and the same rows")


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, id=name, marks=[ONCE] if name != "500" else []) for name, fault in OUTAGES.items()]
)
def test_an_outage_is_no_drop_and_the_next_week_says_that_it_is_over(
    pinned: Home, server: Fake, chat: Fake, known: list[Case], fault: dict[str, Any]
) -> None:
    pinned.configure(known, server, chat, bot={"timeout": '"1s"', "retry_for": '"2s"'})
    server.control(always=fault)
    before = server.tell()["count"]
    done = pinned.run("run", "--slot", slot(0), "--json", code=PASS)
    (verdict,) = done.json["verdicts"]
    assert (verdict["verdict"], verdict["stage"], verdict["cause"]) == ("inconclusive", "final", "provider")
    assert (verdict["score"], verdict["drop"], verdict["answers"]) == (None, None, 0)
    assert pinned.count("SELECT count(*) FROM score") == 160  # the baseline's
    # It gives up when it is clear that nothing answers, rather than try all 40 cases for as long as each may take.
    assert server.tell()["count"] - before <= 80
    gate = pinned.run("gate", "bot", code=INCONCLUSIVE)
    assert "got no answer" in gate.said
    assert headlines(chat) == ["⚫ NOT MEASURED: bot on support"]

    server.control(always={})
    (verdict,) = pinned.run("run", "--slot", slot(1), "--json", code=PASS).json["verdicts"]
    assert (verdict["verdict"], verdict["score"]) == ("pass", 0.9)
    assert headlines(chat)[1:] == ["✅ RECOVERED: bot on support"]


@ONCE
def test_a_few_lost_cases_are_tried_again_with_the_next_answers(pinned: Home, server: Fake, chat: Fake) -> None:
    # One failed try of each of three requests is mended by a retry; nobody hears of it.
    server.control(script=[{"status": 500}, {"status": 503}, {"action": "truncate"}])
    (verdict,) = pinned.run("run", "--slot", slot(0), "--json", code=PASS).json["verdicts"]
    assert (verdict["verdict"], verdict["coverage"], verdict["answers"]) == ("pass", 1.0, 40)
    assert verdict["calls"] == 43
    assert headlines(chat) == []


REFUSALS = {
    "key": ({"status": 401}, "the key in $API_KEY was refused", "Renew it or give another"),
    "model": ({"status": 404}, "the model fake-1 does not exist", "was it retired, or is the address wrong?"),
}


@ONCE
@pytest.mark.parametrize(("refusal", "what", "remedy"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_that_no_retry_mends_fails_fast_and_says_what_to_do(
    pinned: Home, server: Fake, chat: Fake, refusal: dict[str, Any], what: str, remedy: str
) -> None:
    server.control(always=refusal)
    before = server.tell()["count"]
    done = pinned.run("run", "--slot", slot(0), code=FAILED)
    assert server.tell()["count"] - before <= 16  # those under way at the same time
    assert what in done.said
    assert remedy in done.said
    gate = pinned.run("gate", "bot", "--json", code=INCONCLUSIVE).json
    assert (gate["cause"], gate["score"], gate["drop"]) == ("provider", None, None)
    assert pinned.count("SELECT count(*) FROM score") == 160
    assert headlines(chat) == ["⚫ NOT MEASURED: bot on support"]
    (message,) = chat.tell()["messages"]
    assert what in message["text"]


def test_once_the_key_is_renewed_the_command_in_the_message_goes_on_at_once(
    pinned: Home, server: Fake, chat: Fake
) -> None:
    server.control(always={"status": 401})
    refused = pinned.run("run", "--due", code=FAILED)
    assert "tried once more tomorrow" in refused.said
    pinned.run("run", "--due", code=PASS)  # until then an hourly timer has nothing to do
    (message,) = chat.tell()["messages"]
    server.control(always={})
    (command,) = [text.strip() for text in message["text"].splitlines() if "--slot" in text]
    done = pinned.run(*command.split()[1:], "--json", code=PASS)
    assert [one["verdict"] for one in done.json["verdicts"]] == ["pass"]
    assert headlines(chat) == ["⚫ NOT MEASURED: bot on support", "✅ RECOVERED: bot on support"]


@ONCE
@pytest.mark.parametrize(("refusal", "what", "remedy"), REFUSALS.values(), ids=REFUSALS)
def test_a_baseline_is_not_collected_from_a_target_that_refuses(
    home: Home, server: Fake, refusal: dict[str, Any], what: str, remedy: str
) -> None:
    server.control(always=refusal)
    done = home.run("baseline", "collect", "bot", "support", "--yes", code=FAILED)
    assert what in done.said
    assert remedy in done.said
    assert "Nothing was pinned" in done.said
    assert server.tell()["count"] <= 16
    checked = home.run("check", code=FAILED)
    assert what in checked.said
    server.control(always={})
    home.run("baseline", "collect", "bot", "support", "--yes", code=PASS)


def test_a_retired_model_in_the_middle_of_a_run_keeps_what_was_answered(pinned: Home, server: Fake) -> None:
    before = server.tell()["answered"]
    server.control(script=[{}] * 20, always={"status": 404})
    (verdict,) = pinned.run("run", "--slot", slot(0), "--json", code=FAILED).json["verdicts"]
    assert (verdict["verdict"], verdict["cause"]) == ("inconclusive", "provider")
    answered = server.tell()["answered"] - before
    assert 20 <= answered < 40
    assert verdict["answers"] == answered == pinned.count("SELECT count(*) FROM answer") - 160
