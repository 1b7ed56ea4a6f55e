"""Streams that are closed, full or left by their reader: no run ends for them, and no verdict's exit code changes."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.acceptance.harness import (
    FAILED,
    HELDOUT,
    INCONCLUSIVE,
    PASS,
    ROLLBACK,
    Case,
    Fake,
    Home,
    environment,
    fallen,
    headlines,
    slot,
)

pytestmark = pytest.mark.sqlite_only("a stream fails alike wherever the answers are stored")


def shell(home: Home, line: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash, where `heldout` is the command."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("heldout", str(HELDOUT))],
        cwd=home.folder,
        env=environment(HOME=str(home.folder), **home.secrets, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    assert "Exception ignored" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_gates_exit_code_is_its_verdict_wherever_its_output_goes(
    pinned: Home, server: Fake, known: list[Case], unbuffered: str
) -> None:
    assert shell(pinned, "heldout gate bot > /dev/full").returncode == INCONCLUSIVE
    server.control(cases=fallen(known, 8))
    pinned.run("run", "--slot", slot(0), code=PASS)
    for verb in ("gate bot --max-age 3650d", "gate bot --max-age 3650d --json"):
        for where in ("> /dev/full", "| true", ">&-", "2>&-", "> /dev/full 2>&1", "<&- >&- 2>&-"):
            done = shell(pinned, f"heldout {verb} {where}", PYTHONUNBUFFERED=unbuffered)
            assert done.returncode == ROLLBACK, where
            lost = where == "> /dev/full"
            assert done.stderr.count("Standard output takes no more (No space left on device)") == int(lost), where
            assert len(done.stderr.splitlines()) == int(lost)


def test_what_only_prints_fails_where_it_cannot(pinned: Home) -> None:
    for verb in ("status", "status --json", "baseline show bot", "check --offline", "--help"):
        done = shell(pinned, f"heldout {verb} > /dev/full")
        assert done.returncode == FAILED, verb
        assert "Standard output takes no more (No space left on device)" in done.stderr


@pytest.mark.parametrize("where", ["2>&-", "2> /dev/full", "> /dev/full", "<&- >&- 2>&-"])
def test_a_run_measures_and_tells_wherever_its_output_goes(
    pinned: Home, server: Fake, chat: Fake, known: list[Case], where: str
) -> None:
    server.control(cases=fallen(known, 8))
    assert shell(pinned, f"heldout run --slot {slot(0)} {where}").returncode == PASS
    assert pinned.rows("SELECT level FROM verdict ORDER BY id DESC LIMIT 1") == [("rollback",)]
    assert any("rollback" in line.lower() for line in headlines(chat))
    # No message was written into a file that had got a closed stream's number.
    assert pinned.is_sound()


def test_json_is_whole_where_standard_error_is_closed(pinned: Home) -> None:
    done = shell(pinned, "heldout run --target bot --json 2>&-")
    assert [one["verdict"] for one in json.loads(done.stdout)["verdicts"]] == ["pass"]
