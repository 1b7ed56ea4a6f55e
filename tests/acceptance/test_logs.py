"""The log of real runs: under HELDOUT_LOG=json standard error is JSON alone, with ids, and without anyone's words."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.acceptance.harness import API_KEY, FAILED, PASS, SLACK_TOKEN, USAGE, Case, Fake, Home, Result, fallen

HOSTILE = 'It is\r\n{"level": "info", "event": "forged"}\x1b[31m\u2028\u202eleak sk-hostile0123456789abcdef'
RUN = ["run", "target", "suite"]

pytestmark = pytest.mark.sqlite_only("a line is written alike wherever the answers are stored")


def lines(done: Result) -> list[dict[str, Any]]:
    """Standard error, a JSON object a line, each with what every line has."""
    found = [json.loads(line) for line in done.err.split("\n") if line]
    for one in found:
        assert list(one)[:4] == ["time", "level", "logger", "event"]
    return found


def events(found: list[dict[str, Any]]) -> list[str]:
    return [one["event"] for one in found if one["logger"] != "monitor.stderr"]


def about(found: list[dict[str, Any]], event: str) -> dict[str, Any]:
    (one,) = [one for one in found if one["event"] == event]
    return one


def holds_nobodys_words(done: Result, known: list[Case]) -> None:
    """No question, no right or wrong answer, no key."""
    said = done.err
    assert not [case["id"] for case in known if case["input"] in said or case["expected"] in said]
    for words in ("I do not know", "forged", "hostile0123", API_KEY, SLACK_TOKEN):
        assert words not in said


def next_stage(home: Home) -> None:
    """The gap before the run's next stage is over."""
    home.change("UPDATE run SET due_at = ? WHERE state = 'waiting'", "2000-01-01 00:00:00.000000")


def test_a_round_is_told_event_by_event(pinned: Home, server: Fake, known: list[Case]) -> None:
    server.control(cases=fallen(known, 20))
    begun = pinned.run("run", "--due", code=PASS, HELDOUT_LOG="json")
    assert events(lines(begun)) == ["run begins", "stage over", "decided", "round over"]
    next_stage(pinned)
    done = pinned.run("run", "--due", code=PASS, HELDOUT_LOG="json")
    found = lines(begun) + lines(done)
    assert events(lines(done)) == [
        "run taken up",
        "stage over",
        "decided",
        "alert written",
        "round over",
        *["alert delivered"] * 3,  # the message, and in its thread the details and the picture
    ]
    (run_id, slot) = pinned.rows("SELECT id, slot FROM run WHERE kind = 'week'")[0]
    for one in found:
        if one["event"] != "round over" and one["logger"] != "monitor.stderr":
            assert [one[name] for name in RUN] == [run_id, "bot", "support"], one
    begins = about(found, "run begins")
    assert (begins["kind"], begins["slot"][:10], begins["answers"]) == ("week", str(slot)[:10], 0)
    found = lines(done)
    assert about(found, "run taken up")["answers"] == 40
    over = about(found, "stage over")
    assert (over["phase"], over["repeats"], over["answered"], over["failed"]) == ("main", 2, 40, 0)
    assert over["seconds"] > 0
    decided = about(found, "decided")
    assert (decided["verdict"], decided["stage"]) == ("investigate", "pending")
    assert decided["low"] <= decided["drop"] <= decided["high"]
    assert decided["next"].startswith("confirm ×")
    assert decided["due"].endswith("Z")
    delivered = {one["alert"] for one in found if one["event"] == "alert delivered"}
    assert delivered == {about(found, "alert written")["alert"]}
    holds_nobodys_words(begun, known)
    holds_nobodys_words(done, known)

    idle = lines(pinned.run("run", "--due", code=PASS, HELDOUT_LOG="json"))
    assert events(idle) == ["round over"]
    assert (idle[0]["runs"], idle[0]["idle"]) == (0, 1)


def test_what_a_model_says_is_not_in_it(pinned: Home, server: Fake, known: list[Case]) -> None:
    server.control(always={"text": HOSTILE})
    done = pinned.run("run", "--due", code=PASS, HELDOUT_LOG="json")
    assert "decided" in events(lines(done))
    holds_nobodys_words(done, known)


@pytest.mark.parametrize("status", [500, 401, 400])
def test_what_a_provider_says_stays_on_its_line_without_its_secrets(
    pinned: Home, server: Fake, chat: Fake, known: list[Case], status: int
) -> None:
    pinned.configure(known, server, chat, bot={"timeout": '"2s"', "retry_for": '"1s"'})
    server.control(
        always={"status": status, "body": json.dumps({"error": {"message": f"{HOSTILE} {{authorization}}"}})}
    )
    done = pinned.run("run", "--due", HELDOUT_LOG="json")
    found = lines(done)
    halted = about(found, "replay halted")
    assert halted["level"] == "warning"
    assert [halted[name] for name in RUN[1:]] == ["bot", "support"]
    assert halted["why"]
    assert about(found, "decided")["cause"] == "provider"
    for character in ("\x1b", "\r", "\u2028", "\u202e"):
        assert character not in done.err
    assert "hostile0123" not in done.err
    assert all(one["event"] != "forged" for one in found)


def test_a_slack_that_is_down_is_told_with_the_alerts_ids(
    pinned: Home, server: Fake, chat: Fake, known: list[Case]
) -> None:
    chat.control(always={"body": {"ok": False, "error": "invalid_auth"}})
    server.control(always={"status": 401})  # people are told at once
    found = lines(pinned.run("run", "--due", code=FAILED, HELDOUT_LOG="json"))
    postponed = about(found, "delivery postponed")
    assert (postponed["level"], postponed["channel"], postponed["target"]) == ("error", "slack", "bot")
    assert postponed["alert"] == about(found, "alert written")["alert"]
    assert "put a valid bot token" in postponed["why"]


def test_faults_are_lines_too(pinned: Home) -> None:
    (pinned.folder / "support.jsonl").write_text("no json\nnor this\n")
    found = lines(pinned.run("run", "--due", code=USAGE, HELDOUT_LOG="json"))
    assert "support.jsonl" in " ".join(one["event"] for one in found)
    (pinned.folder / "config.toml").write_text("[nothing]\n")
    found = lines(pinned.run("run", "--due", code=USAGE, HELDOUT_LOG="json"))
    assert "config.toml" in " ".join(one["event"] for one in found)


def test_a_run_that_is_stopped_and_gone_on_with_is_told(pinned: Home, server: Fake) -> None:
    pinned.secrets["HELDOUT_LOG"] = "json"
    before = server.tell()["count"]
    server.control(delay=0.5)
    process = pinned.start("run", "--due")
    server.received(before + 20, process)
    stopped = lines(pinned.end(process, FAILED, by=signal.SIGINT))
    assert events(stopped) == ["run begins", "run interrupted"]
    assert [about(stopped, "run interrupted")[name] for name in RUN[1:]] == ["bot", "support"]
    server.control(delay=0.0)
    going_on = lines(pinned.run("run", "--due", code=PASS))
    assert about(going_on, "run taken up")["answers"] > 0
    assert about(going_on, "run taken up")["run"] == about(stopped, "run begins")["run"]


def test_nothing_of_it_is_printed_where_nobody_asked(pinned: Home, server: Fake, chat: Fake, known: list[Case]) -> None:
    chat.control(always={"body": {"ok": False, "error": "invalid_auth"}})
    server.control(always={"status": 401})
    done = pinned.run("run", "--due", code=FAILED)
    assert len(done.err.splitlines()) <= 3, done.err
    for event in ("run begins", "decided", "delivery postponed", "round over"):
        assert event not in done.err


def test_text_is_for_people(pinned: Home, server: Fake, known: list[Case]) -> None:
    done = pinned.run("run", "--due", code=PASS, HELDOUT_LOG="text")
    told = [line for line in done.err.splitlines() if " INFO " in line]
    assert len(told) == 4, done.err
    assert all("target=bot" in line for line in told[:3])
    assert "\x1b" not in done.err
    holds_nobodys_words(done, known)


@pytest.mark.parametrize(("name", "value"), [("HELDOUT_LOG", "yaml"), ("HELDOUT_LOG_LEVEL", "loud")])
def test_a_setting_that_is_none_is_a_fault(pinned: Home, name: str, value: str) -> None:
    done = pinned.run("run", "--due", code=USAGE, **{"HELDOUT_LOG": "json", name: value})
    assert f"{name} must be" in done.err
