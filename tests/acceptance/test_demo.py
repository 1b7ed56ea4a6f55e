"""The tour: twelve real weeks, of which one is investigated and a later one rolled back; then the page."""

from __future__ import annotations

import os
import pty
import re
import signal
import time
from pathlib import Path

import pytest

from tests.acceptance.harness import HELDOUT, PASS, USAGE, Home, environment
from tests.acceptance.serving import eventually


@pytest.mark.sqlite_only(reason="the tour brings its own database")
@pytest.mark.timeout(200)
def test_the_tour(tmp_path: Path) -> None:
    home = Home(tmp_path, secrets={})
    began = time.monotonic()
    tour = home.run("demo", "tour", code=PASS, timeout=180)
    assert time.monotonic() - began < 180
    weeks = re.findall(r"^Week +(\d+) · .*? · (\w+)", tour.out, re.MULTILINE)
    verdicts = [verdict for _, verdict in weeks]
    assert [int(number) for number, _ in weeks] == list(range(1, 13))
    assert verdicts[:7] == ["PASS"] * 7
    assert verdicts[7:9] == ["INVESTIGATE"] * 2
    assert verdicts[9:] == ["ROLLBACK"] * 3
    assert "│ 🟠 INVESTIGATE: handbook-bot on support" in tour.out
    assert "│ 🔴 ROLLBACK: handbook-bot on support" in tour.out
    # Nobody looks at a page in a pipe: what is printed says how to see it, and not that it is there.
    assert "The daemon runs now" not in tour.said
    assert "  heldout serve --config tour/config.toml\n" in tour.out
    assert tour.err == ""
    # The files are those of any installation, and the folder is not written into twice.
    assert len(list((tmp_path / "tour" / "handbook").iterdir())) == 12
    again = home.run("demo", "tour", code=USAGE)
    assert "is not empty" in again.said
    home.run("status", "--config", "tour/config.toml", code=PASS, HELDOUT_DEMO_INBOX="http://127.0.0.1:1/")


@pytest.mark.sqlite_only(reason="the tour brings its own database")
@pytest.mark.timeout(200)
def test_a_terminal_that_is_closed_takes_the_daemon_with_it(tmp_path: Path) -> None:
    config = tmp_path / "tour" / "config.toml"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(HELDOUT, [str(HELDOUT), "demo", str(config.parent)], environment(TERM="dumb", COLUMNS="200"))
    try:
        shown = b""
        until = time.monotonic() + 120
        while b"Ctrl-C ends the tour" not in shown:
            assert time.monotonic() < until
            shown += os.read(terminal, 4096)
        assert b"The daemon runs now, and shows all this at http://127.0.0.1:" in shown
        assert _serving(config)
        os.close(terminal)
        eventually(lambda: not _serving(config), within=40)
    finally:
        for left in (pid, *_serving(config)):
            os.kill(left, signal.SIGKILL)
        os.waitpid(pid, 0)


def _serving(config: Path) -> list[int]:
    """The processes that serve this configuration."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdecimal() else []
        except OSError:
            continue
        if b"serve" in words and str(config).encode() in words:
            found.append(int(entry.name))
    return found
