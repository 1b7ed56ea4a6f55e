"""Several processes on one database: one works, the others say so."""

from __future__ import annotations

from tests.acceptance.harness import FAILED, PASS, Case, Fake, Home


def test_two_runs_at_once_are_one(pinned: Home, server: Fake, chat: Fake, known: list[Case]) -> None:
    pinned.configure(known, server, chat, bot={"timeout": '"60s"'})
    server.control(always={"action": "hold"})
    first = pinned.start("run", "--due", "--json")
    server.received(161, first)
    second = pinned.run("run", "--due", "--json", code=PASS)
    assert "another heldout run (process " in second.said
    assert f"{first.pid}) is at work" in second.said
    assert "nothing was done" in second.said
    # What was asked for by hand and is not done is a failure.
    by_hand = pinned.run("run", "--target", "bot", code=FAILED)
    assert "another heldout run" in by_hand.said
    # Looking on is always possible.
    pinned.run("status", code=PASS)
    server.control(release=True)
    (verdict,) = pinned.end(first, PASS).json["verdicts"]
    assert verdict["verdict"] == "pass"
    assert pinned.rows("SELECT kind, count(*) FROM run GROUP BY kind ORDER BY kind") == [("baseline", 1), ("week", 1)]
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
    server.control(script=[{}] * 5, always={"action": "hang"})
    first = pinned.start("run", "--due")
    server.received(165 + 16, first)
    pinned.kill(first)
    assert pinned.rows("SELECT state FROM run WHERE kind = 'week'") == [("running",)]
    server.control(always={})
    pinned.run("run", "--due", code=PASS)
    assert pinned.rows("SELECT state FROM run WHERE kind = 'week'") == [("done",)]
    assert pinned.count("SELECT count(*) FROM answer") == 200
