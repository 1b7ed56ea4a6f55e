"""The daemon as its operators know it: it starts, measures, tells, reloads, drains, and begins again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.acceptance.harness import FAILED, HELDOUT, PASS, USAGE, Case, Fake, Home, fallen, headlines
from tests.acceptance.serving import TOKEN, Daemon, eventually, port_of, serving
from tests.fakes.ports import free_port

WEB = '{ operations = { secret = { env = "OPERATIONS" }, role = "act" } }'


@pytest.fixture
def home(home: Home, known: list[Case], server: Fake, chat: Fake) -> Home:
    """The usual folder, with a page on a free port and short gaps."""
    configure(home, known, server, chat)
    return home


def configure(home: Home, known: list[Case], server: Fake, chat: Fake, **changes: dict[str, object]) -> None:
    port = port_of(home) if "[web]" in (home.folder / "config.toml").read_text() else free_port()
    home.configure(
        known,
        server,
        chat,
        web={"listen": f'"127.0.0.1:{port}"', "tokens": WEB},
        decision={"stage_gap": '"1s"', "confirm_gap": '"2s"', "baseline_repeats": 4},
        **changes,
    )


@pytest.fixture
def daemon(pinned: Home) -> Iterator[Daemon]:
    with serving(pinned) as running:
        yield running.ready()


def weeks(home: Home) -> list[tuple[str, ...]]:
    return home.rows("SELECT target, state FROM run WHERE kind = 'week' ORDER BY slot")


def test_it_measures_what_is_due_tells_and_ends_when_it_is_told_to(
    pinned: Home, server: Fake, chat: Fake, known: list[Case]
) -> None:
    server.control(cases=fallen(known, 8))
    with serving(pinned) as daemon:
        daemon.ready()
        eventually(lambda: len(headlines(chat)) >= 2, within=60)
        assert headlines(chat)[-1].startswith("🔴 ROLLBACK: bot on support")
        status, verdict = daemon.get("/api/v1/verdicts/bot")
        assert (status, verdict["verdict"], verdict["stage"]) == (200, "rollback", "confirmed")
        assert weeks(pinned) == [("bot", "done")]
        assert 'heldout_verdict{suite="support",target="bot",verdict="rollback"} 1.0' in daemon.get("/metrics")[1]
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 5
    # Each line of the log is one event with its ids, and holds neither a key nor what a model said.
    decided = [line for line in daemon.lines if line.get("target") == "bot" and line.get("run")]
    assert decided, daemon.text
    assert not any(secret in daemon.text for secret in (*pinned.secrets.values(), TOKEN))
    assert "It is 1." not in daemon.text


def test_paths_start_at_the_configuration_wherever_it_is_started(pinned: Home) -> None:
    with serving(pinned, begin=False) as daemon:
        daemon.begin("env", "--chdir=/", str(HELDOUT), "serve", "--config", str(pinned.folder / "config.toml"))
        daemon.ready()
        eventually(lambda: weeks(pinned) == [("bot", "done")])
        assert daemon.stop() == 0


def test_begun_again_it_does_nothing_twice(pinned: Home, server: Fake, chat: Fake) -> None:
    for _ in range(3):
        with serving(pinned) as daemon:
            daemon.ready()
            eventually(lambda: weeks(pinned) == [("bot", "done")])
            assert daemon.stop() == 0
    assert server.tell()["answered"] == 200
    assert headlines(chat) == []


def test_it_drains_and_the_next_one_goes_on(pinned: Home, server: Fake) -> None:
    server.control(delay=0.4)
    with serving(pinned) as daemon:
        daemon.ready()
        server.received(170, daemon.process)
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 15
        # What was under way is stored: nothing that was paid for is lost.
        assert pinned.count("SELECT count(*) FROM answer") == server.tell()["answered"] < 200
        assert daemon.events("heldout has ended")
    server.control(delay=0.0)
    with serving(pinned, "again") as daemon:
        daemon.ready()
        eventually(lambda: weeks(pinned) == [("bot", "done")])
    assert server.tell()["answered"] == 200


def test_a_stop_does_not_wait_for_a_provider_that_hangs(pinned: Home, server: Fake) -> None:
    server.control(always={"action": "hang"})
    with serving(pinned) as daemon:
        daemon.ready()
        server.received(176, daemon.process)
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 20


def test_killed_at_work_its_child_ends_too_and_the_next_one_goes_on(pinned: Home, server: Fake) -> None:
    server.control(delay=0.3)
    with serving(pinned) as daemon:
        daemon.ready()
        child = int(daemon.logs("a child is at work")["pid"])
        server.received(170, daemon.process)
        daemon.kill()
        eventually(lambda: _is_dead(child), within=20)
    server.control(delay=0.0)
    with serving(pinned, "again") as daemon:
        daemon.ready().leads()
        eventually(lambda: weeks(pinned) == [("bot", "done")], within=60)
    assert server.tell()["answered"] == pinned.count("SELECT count(*) FROM answer") == 200


def test_a_child_that_dies_is_followed_by_another(pinned: Home, server: Fake) -> None:
    server.control(delay=0.2)
    with serving(pinned, hasty=True) as daemon:
        daemon.ready()
        child = int(daemon.logs("a child is at work")["pid"])
        os.killpg(child, signal.SIGKILL)
        assert daemon.logs("the child has ended")["exit"] == -signal.SIGKILL
        assert daemon.get("/readyz")[0] == 200
        server.control(delay=0.0)
        eventually(lambda: weeks(pinned) == [("bot", "done")], within=60)
        assert len(daemon.events("a child is at work")) == 2


def test_what_a_child_had_started_ends_with_it_also_when_it_is_killed(
    pinned: Home, server: Fake, chat: Fake, known: list[Case]
) -> None:
    pids = pinned.folder / "pids"
    program = f"""["/bin/sh", "-c", "echo $$ >> '{pids}'; sleep 300"]"""
    slow = {"provider": '"command"', "command": program, "suites": '["support"]', "concurrency": 2}
    configure(pinned, known, server, chat, **{"targets.slow": slow})
    with serving(pinned) as daemon:
        daemon.ready()
        child = int(daemon.logs("a child is at work")["pid"])
        eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        # As the kernel does it when memory runs out: nobody is left who keeps the programs to their time.
        os.kill(child, signal.SIGKILL)
        daemon.logs("the child has ended")
        eventually(lambda: all(_is_dead(int(pid)) for pid in pids.read_text().split()), within=5)


def test_ctrl_c_drains_and_twice_stops_at_once(pinned: Home, server: Fake) -> None:
    server.control(always={"action": "hang"})
    with serving(pinned) as daemon:
        daemon.ready()
        server.received(176, daemon.process)
        child = int(daemon.logs("a child is at work")["pid"])
        daemon.signal(signal.SIGINT)
        daemon.logs("heldout comes to its end")
        began = time.monotonic()
        daemon.signal(signal.SIGINT)
        assert daemon.process.wait(10) == FAILED
        assert time.monotonic() - began < 2
        eventually(lambda: _is_dead(child), within=5)


def test_a_bad_file_keeps_the_old_configuration_and_a_good_one_replaces_it(
    daemon: Daemon, pinned: Home, server: Fake, chat: Fake, known: list[Case]
) -> None:
    eventually(lambda: weeks(pinned) == [("bot", "done")])
    good = (pinned.folder / "config.toml").read_text()
    (pinned.folder / "config.toml").write_text(good.replace("exact_match", "exact_mach"))
    daemon.signal(signal.SIGHUP)
    said = daemon.logs("the configuration was not reloaded, the one before stays in force")
    assert "exact_mach" in said["fault"] or "unknown metric" in said["fault"]
    status, health = daemon.get("/readyz")
    assert status == 200
    assert "unknown metric" in health["configuration"]
    # A child works by what is in force, not by what the file holds.
    assert daemon.get("/api/v1/runs", token=TOKEN, body={"target": "bot"})[0] == 202
    eventually(lambda: pinned.rows("SELECT state FROM run WHERE kind = 'adhoc'") == [("done",)], within=40)
    configure(pinned, known, server, chat, schedule={"cron": '"30 5 * * tue"'})
    path = pinned.folder / "config.toml"
    path.write_text(path.read_text().replace(f"127.0.0.1:{port_of(pinned)}", f"127.0.0.1:{free_port()}"))
    daemon.signal(signal.SIGHUP)
    assert daemon.logs("this change takes a restart")["setting"] == "[web] listen"
    daemon.logs("the configuration was reloaded")
    eventually(lambda: daemon.get("/readyz")[1]["configuration"] is None)
    eventually(lambda: pinned.rows("SELECT cron FROM timetable ORDER BY since DESC")[0] == ("30 5 * * tue",))


def test_a_replay_that_was_asked_for_is_made_and_raises_no_alert(
    daemon: Daemon, pinned: Home, server: Fake, chat: Fake, known: list[Case]
) -> None:
    eventually(lambda: weeks(pinned) == [("bot", "done")])
    server.control(cases=fallen(known, 8))
    assert daemon.get("/api/v1/runs", body={"target": "bot"})[0] == 401
    status, asked = daemon.get("/api/v1/runs", token=TOKEN, body={"target": "bot", "suite": "support"})
    assert status == 202
    (run,) = asked["runs"]
    eventually(lambda: daemon.get(f"/api/v1/runs/{run['id']}")[1]["run"]["state"] == "done", within=40)
    assert daemon.get("/api/v1/verdicts/bot")[1]["verdict"] == "rollback"
    assert daemon.get(f"/api/v1/runs/{run['id']}")[1]["run"]["requested_by"] == "operations"
    assert headlines(chat) == []


def test_slots_that_nobody_was_there_for_are_said_at_the_next_boot(pinned: Home, chat: Fake) -> None:
    with serving(pinned) as daemon:
        daemon.ready()
        eventually(lambda: weeks(pinned) == [("bot", "done")])
        daemon.stop()
    # As if that had been three weeks ago.
    past = datetime.now(UTC) - timedelta(weeks=3)
    pinned.change("UPDATE timetable SET since = ?", _stamp(past))
    (slot,) = pinned.rows("SELECT slot FROM run WHERE kind = 'week'")[0]
    moment = slot if isinstance(slot, datetime) else datetime.fromisoformat(slot).replace(tzinfo=UTC)
    pinned.change("UPDATE run SET slot = ? WHERE kind = 'week'", _stamp(moment - timedelta(weeks=3)))
    with serving(pinned, "again") as daemon:
        daemon.ready()
        eventually(lambda: headlines(chat))
        eventually(lambda: weeks(pinned)[-1] == ("bot", "done"))
        assert len(daemon.events("slot missed")) == 2
    assert weeks(pinned) == [("bot", "done"), ("bot", "missed"), ("bot", "missed"), ("bot", "done")]
    assert headlines(chat) == ["⚫ MISSED: bot on support"]
    assert "2 slots missed" in chat.tell()["messages"][0]["text"]


def test_a_broken_suite_is_told_once_and_measured_when_it_is_mended(pinned: Home, server: Fake, chat: Fake) -> None:
    suite = pinned.folder / "support.jsonl"
    good = suite.read_text()
    suite.write_text("{broken\n")
    with serving(pinned) as daemon:
        daemon.ready()
        eventually(lambda: headlines(chat))
        daemon.logs("the child has ended")
        assert headlines(chat) == ["⚫ NOT MEASURED: bot on support"]
        assert "support.jsonl" in chat.tell()["messages"][0]["text"]
        suite.write_text(good)
        daemon.signal(signal.SIGHUP)
        eventually(lambda: weeks(pinned) == [("bot", "done")])
    assert len(headlines(chat)) == 1


def test_a_look_at_the_schedule_that_breaks_is_not_ready_until_one_does_not(daemon: Daemon, pinned: Home) -> None:
    eventually(lambda: weeks(pinned) == [("bot", "done")])
    daemon.logs("the child has ended")
    # What no version has written: nobody foresaw the error that comes of it.
    pinned.change("UPDATE run SET state = ? WHERE kind = 'week'", "odd")
    daemon.signal(signal.SIGHUP)
    eventually(lambda: daemon.get("/readyz")[0] == 503)
    assert "ended in an error (ValueError)" in daemon.get("/readyz")[1]["scheduler"]
    pinned.change("UPDATE run SET state = ? WHERE kind = 'week'", "done")
    daemon.signal(signal.SIGHUP)
    daemon.ready()


@pytest.mark.parametrize("port", ["the page's", "none"])
def test_what_keeps_it_from_starting_is_said_and_nothing_is_left(pinned: Home, port: str) -> None:
    if port == "none":
        text = (pinned.folder / "config.toml").read_text()
        (pinned.folder / "config.toml").write_text(text.replace("[web]\nlisten", "[web]\nlitsen"))
        ended = pinned.run("serve", code=USAGE)
        assert "[web] litsen: unknown key; did you mean" in ended.said
        return
    with serving(pinned) as daemon:
        daemon.ready()
        other = Home(pinned.folder / "other", pinned.secrets)
        other.folder.mkdir()
        text = (pinned.folder / "config.toml").read_text().replace("support.jsonl", "../support.jsonl")
        (other.folder / "config.toml").write_text(text)
        ended = other.run("serve", OPERATIONS=TOKEN)
        assert ended.code != PASS
        assert "[web] listen" in ended.said


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def _is_dead(pid: int) -> bool:
    """Gone, or ended and not yet waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
