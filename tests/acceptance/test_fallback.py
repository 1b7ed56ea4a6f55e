"""Production falls, and what it would be rolled back to was measured beside it, by processes that are killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.harness import PASS, ROLLBACK, Case, Fake, Home, fallen, headlines, provider, slot

CASES = 40


@pytest.fixture
def other(tmp_path: Path, known: list[Case]) -> Iterator[Fake]:
    """Another provider, whose model is as good as production was."""
    folder = tmp_path / "other"
    folder.mkdir()
    with provider(folder, known, seed=2) as fake:
        yield fake


@pytest.fixture
def backed(pinned: Home, known: list[Case], server: Fake, chat: Fake, other: Fake) -> Home:
    """The usual folder with a baseline, to which a fallback was added afterwards; then production falls."""
    rag = {
        "provider": '"openai"',
        "model": '"fake-2"',
        "base_url": f'"{other.url}/v1"',
        "api_key": '{ env = "API_KEY" }',
        "suites": '["support"]',
        "role": '"reference"',
        "concurrency": 4,
        "retry_for": '"1s"',
    }
    pinned.configure(known, server, chat, bot={"fallback": '"rag"'}, **{"targets.rag": rag})
    server.control(cases=fallen(known, 12))
    return pinned


def test_a_rollback_says_that_its_fallback_is_better_and_a_killed_process_asks_it_nothing_twice(
    backed: Home, other: Fake, chat: Fake
) -> None:
    other.control(delay=0.05)
    process = backed.start("run", "--slot", slot(0))
    other.received(60, process)
    backed.kill(process)
    backed.let_silence_pass("runner")
    stored = backed.count("SELECT count(*) FROM answer JOIN run ON run.id = run_id WHERE kind = 'reference'")
    asked = other.tell()["answered"]
    assert 0 < stored <= asked <= stored + 8

    other.control(delay=0.0)
    (verdict,) = backed.run("run", "--slot", slot(0), "--json", code=PASS).json["verdicts"]
    assert (verdict["verdict"], verdict["stage"]) == ("rollback", "confirmed")
    found = verdict["fallback"]
    assert (found["target"], found["ready"], found["repeats"], found["why"]) == ("rag", True, 8, None)
    assert found["better_by"]["points"] == 30.0
    assert 25.0 < found["better_by"]["low"] < 30.0 < found["better_by"]["high"] < 35.0
    # What was under way when the process was killed, the provider may have answered after it was asked how much.
    assert 0 <= other.tell()["answered"] - asked - (8 * CASES - stored) <= 4
    assert "Fallback rag: better by 30.0 points" in backed.run("gate", "bot", code=ROLLBACK).said
    assert headlines(chat)[-1] == "🔴 ROLLBACK: bot on support"
    runs = backed.rows("SELECT target, state FROM run WHERE kind = 'reference'")
    assert runs == [("rag", "done")]
    # It is nobody's week, and no verdict on the fallback itself.
    stands = {one["target"]: one["reasons"][0] for one in backed.run("status", "--json", code=PASS).json["verdicts"]}
    assert stands["rag"].startswith("never measured")


def test_a_fallback_that_is_down_is_said_and_keeps_nobody_from_the_verdict(
    backed: Home, other: Fake, chat: Fake
) -> None:
    other.stop()
    (verdict,) = backed.run("run", "--slot", slot(0), "--json", code=PASS).json["verdicts"]
    assert (verdict["verdict"], verdict["stage"]) == ("rollback", "confirmed")
    assert (verdict["fallback"]["ready"], verdict["fallback"]["better_by"]) == (False, None)
    assert "questions in a row got no answer" in verdict["fallback"]["why"]
    assert headlines(chat)[-1] == "🔴 ROLLBACK: bot on support"
