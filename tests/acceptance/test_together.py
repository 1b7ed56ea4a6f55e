"""Several processes on one database: one works, the others say so."""

from __future__ import annotations

import time

from tests.acceptance.harness import FAILED, PASS, Fake, Home


def test_two_runs_at_once_are_one(pinned: Home, server: Fake, chat: Fake) -> None:
    server.control(delay=0.3)
    first = pinned.start("run", "--due", "--json")
    server.received(161, first)
    second = pinned.run("run", "--due", "--json", code=PASS)
    assert f"another heldout run (process {first.pid}) is at work" in second.said
    assert "nothing was done" in second.said
    # What was asked for by hand and is not done is a failure.
    by_hand = pinned.run("run", "--target", "bot", code=FAILED)
    assert "another heldout run" in by_hand.said
    # Looking on is always possible.
    pinned.run("status", code=PASS)
    (verdict,) = pinned.end(first, PASS).json["verdicts"]
    assert verdict["verdict"] == "pass"
    assert pinned.rows("SELECT slot, count(*) FROM run WHERE kind = 'week' GROUP BY slot") == [
        (pinned.rows("SELECT slot FROM run WHERE kind = 'week'")[0][0], 1)
    ]
    assert server.tell()["answered"] == 200


def test_many_at_the_same_moment_do_the_slot_once(pinned: Home, server: Fake) -> None:
    server.control(delay=0.05)
    together = [pinned.start("run", "--due") for _ in range(5)]
    ended = [pinned.end(process, PASS) for process in together]
    assert any("PASS" in one.out for one in ended)
    assert pinned.count("SELECT count(*) FROM run WHERE kind = 'week'") == 1
    assert pinned.count("SELECT count(*) FROM verdict") == 1
    assert server.tell()["answered"] == 200


def test_a_first_command_in_an_empty_folder_may_be_several(home: Home, server: Fake) -> None:
    together = [home.start("run", "--due") for _ in range(4)]
    for process in together:
        home.end(process, PASS)
    assert home.count("SELECT count(*) FROM alembic_version") == 1
    assert home.count("SELECT count(*) FROM run") == 1


def test_a_lock_dies_with_its_holder(pinned: Home, server: Fake) -> None:
    server.control(delay=0.3)
    first = pinned.start("run", "--due")
    server.received(165, first)
    pinned.kill(first)
    server.control(delay=0.0)
    started = time.time()
    pinned.run("run", "--due", code=PASS)
    (finished,) = pinned.rows("SELECT strftime('%s', finished_at) FROM run WHERE kind = 'week'")
    assert int(finished[0]) >= int(started) - 1
    assert pinned.count("SELECT count(*) FROM answer") == 200
