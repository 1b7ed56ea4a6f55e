"""The dead-man's switch of real rounds: what is pinged when, and that one that is down delays nothing for long."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.acceptance.harness import FAILED, PASS, USAGE, Case, Fake, Home, fallen, headlines, slot

SECRET_PATH = "/ping/5f1d0e7a-secret"
# monitor.deadman bounds the end of a round: 5 s for a start under way and 1 to let go of it, twice 10 s, 1 between.
WITHIN = 27.0
A_RUN_TAKES = 20.0  # seconds at the most, on a busy machine

pytestmark = pytest.mark.sqlite_only("what is pinged does not depend on where a round is stored")


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[Fake]:
    server = Fake("deadman_server.py", tmp_path / "deadman.log")
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def watched(pinned: Home, server: Fake, chat: Fake, switch: Fake, known: list[Case]) -> Home:
    """A pinned folder with a dead-man; its address is a secret that no output may hold."""
    pinned.secrets["HEALTHCHECK_URL"] = f"{switch.url}{SECRET_PATH}"
    configure(pinned, known, server, chat)
    return pinned


def configure(home: Home, known: list[Case], server: Fake, chat: Fake, **bot: str) -> None:
    home.configure(known, server, chat, deadman={"url": '{ env = "HEALTHCHECK_URL" }'}, bot=bot)


def pings(switch: Fake) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = switch.tell()["pings"]
    return found


def kinds(switch: Fake) -> list[str]:
    return [ping["path"] for ping in pings(switch)]


def test_a_round_that_works_is_a_start_and_a_success_and_an_idle_hour_is_nothing(
    watched: Home, server: Fake, switch: Fake, known: list[Case]
) -> None:
    server.control(cases=fallen(known, 8))
    watched.run("run", "--due", code=PASS)
    start, end = pings(switch)
    assert (start["path"], end["path"]) == ("/start", "")
    assert parse_qs(start["query"])["rid"] == parse_qs(end["query"])["rid"]
    assert end["body"].startswith("measured bot · support: ")
    # A rollback that is pending is no failure of the round, and not the business of whoever keeps the switch.
    for told in (start["body"], end["body"]):
        assert "bot · support" in told
        assert "rollback" not in told.lower()
        assert not any(case["input"] in told or case["expected"] in told for case in known)
    watched.run("run", "--due", code=PASS)
    assert len(pings(switch)) == 2


def test_what_no_schedule_wanted_is_no_sign_of_life(watched: Home, switch: Fake) -> None:
    watched.run("run", code=PASS)
    watched.run("run", "--slot", slot(0), code=PASS)
    watched.run("status", code=PASS)
    assert kinds(switch) == []


def test_a_target_that_refuses_the_key_is_a_failure(watched: Home, server: Fake, switch: Fake) -> None:
    server.control(always={"status": 401, "body": '{"error": {"message": "words of the provider"}}'})
    watched.run("run", "--due", code=FAILED)
    assert kinds(switch) == ["/start", "/fail"]
    told = pings(switch)[-1]["body"]
    assert "halted bot · support: fatal" in told
    assert "words" not in told


def test_a_suite_that_nobody_can_read_is_a_failure_while_something_is_due(watched: Home, switch: Fake) -> None:
    (watched.folder / "support.jsonl").write_text("no json, but words of a case\n")
    watched.run("run", "--due", code=USAGE)
    assert kinds(switch) == ["/fail"]
    told = pings(switch)[0]["body"]
    assert "SuiteError" in told
    assert "words" not in told


def test_a_round_that_is_stopped_is_neither_and_the_next_one_goes_on(watched: Home, server: Fake, switch: Fake) -> None:
    before = server.tell()["count"]
    server.control(delay=0.5)
    process = watched.start("run", "--due")
    server.received(before + 20, process)
    watched.end(process, FAILED, by=signal.SIGINT)
    assert kinds(switch) == ["/start"]
    server.control(delay=0.0)
    watched.run("run", "--due", code=PASS)
    assert kinds(switch) == ["/start", "/start", ""]


@pytest.mark.long(29)
def test_one_that_hangs_delays_the_end_by_its_bound_and_changes_nothing(
    watched: Home, server: Fake, chat: Fake, switch: Fake
) -> None:
    switch.control(always={"hang": True})
    server.control(always={"status": 401})  # a failure that people are told of at once
    began = time.monotonic()
    process = watched.start("run", "--due")
    until = began + A_RUN_TAKES
    while not headlines(chat):
        assert time.monotonic() < until, "the alert waits for the dead-man"
        time.sleep(0.1)
    watched.end(process, FAILED)
    assert time.monotonic() - began < A_RUN_TAKES + WITHIN
    assert kinds(switch) == ["/start", "/fail", "/fail"]


@pytest.mark.parametrize("always", [{"status": 404}, {"status": 302, "headers": {"Location": "/elsewhere"}}])
def test_one_that_refuses_is_a_warning_in_the_log_without_its_path(
    watched: Home, switch: Fake, always: dict[str, Any]
) -> None:
    switch.control(always=always)
    done = watched.run("run", "--due", code=PASS, HELDOUT_LOG="text")
    warned = [line for line in done.err.splitlines() if "dead-man not told" in line]
    assert len(warned) == 2
    assert all(f"place={switch.url}" in line and f"it answers {always['status']}" in line for line in warned)
    assert "5f1d0e7a" not in done.out + done.err
    assert kinds(switch) == ["/start", ""]


def test_an_address_that_is_missing_or_none_keeps_no_week_from_being_measured(watched: Home) -> None:
    watched.secrets["HEALTHCHECK_URL"] = "hc-ping.com/without-a-scheme"
    done = watched.run("run", "--due", code=PASS)
    assert "The dead-man is not told of this round: environment variable HEALTHCHECK_URL holds no address" in done.said
    del watched.secrets["HEALTHCHECK_URL"]
    assert "HEALTHCHECK_URL is not set" in watched.run("run", "--due", code=PASS).said
    assert watched.count("SELECT count(*) FROM verdict") == 1
    assert "[deadman] url" in watched.run("check", "--offline", code=USAGE).said


def test_check_has_it_take_a_note_and_says_so(watched: Home, switch: Fake) -> None:
    done = watched.run("check", code=PASS)
    assert f"dead-man: {switch.url} takes notes of each round" in done.said
    assert kinds(switch) == ["/log"]
    watched.run("check", "--offline", code=PASS)
    assert len(pings(switch)) == 1
    switch.control(always={"status": 404})
    done = watched.run("check", code=FAILED)
    assert f"[deadman] url, at {switch.url}: it answers 404" in done.said
