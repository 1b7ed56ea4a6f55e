"""A disk that runs full: the command fails with a message, and goes on when there is room again; nothing is lost."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.harness import FAILED, PASS, Case, Fake, Home

pytestmark = pytest.mark.sqlite_only("the disk is the server's")
SIZE = 4 * 2**20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, full but for what a test frees."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True, timeout=30)
    if mounted.returncode != 0:
        pytest.skip(f"a disk of its own can only be mounted by root: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=30)


def fill(disk: Path, leave: int) -> None:
    """Leave `leave` bytes free."""
    (disk / "ballast").unlink(missing_ok=True)
    about = os.statvfs(disk)
    with (disk / "ballast").open("wb", buffering=0) as file:
        file.write(b"\0" * (about.f_bavail * about.f_frsize - leave))


@pytest.fixture
def home(tmp_path: Path, disk: Path, known: list[Case], server: Fake, chat: Fake) -> Home:
    place = Home(tmp_path)
    url = f'"sqlite:///{disk}/heldout.db"'
    place.configure(known, server, chat, database={"url": url}, bot={"concurrency": 4})
    (tmp_path / "heldout.db").symlink_to(disk / "heldout.db")  # where the harness looks
    return place


def test_a_full_disk_stops_a_collection_and_loses_nothing(home: Home, server: Fake, disk: Path) -> None:
    home.run("db", "upgrade", code=PASS)  # writes the schema
    asked = server.tell()["answered"]
    fill(disk, leave=160 * 1024)
    stopped = home.run("baseline", "collect", "bot", "support", "--yes", code=FAILED)
    assert "disk is full" in stopped.said
    assert "free some space" in stopped.said
    stored = home.count("SELECT count(*) FROM answer")
    answered = server.tell()["answered"] - asked
    assert 0 < stored < 160
    assert answered - stored <= 4  # those under way; nobody goes on asking what cannot be kept
    assert home.rows("PRAGMA integrity_check") == [("ok",)]

    (disk / "ballast").unlink()
    home.run("baseline", "collect", "bot", "support", "--yes", code=PASS)
    assert home.count("SELECT count(*) FROM answer") == 160
    assert server.tell()["answered"] - asked == 160 + (answered - stored)


def test_a_full_disk_at_the_very_beginning(home: Home, server: Fake, disk: Path) -> None:
    fill(disk, leave=0)
    for verb in (["run", "--due"], ["baseline", "collect", "bot", "support", "--yes"]):
        stopped = home.run(*verb, code=FAILED)
        assert "free some space" in stopped.said
    assert server.tell()["count"] == 0
    (disk / "ballast").unlink()
    home.run("baseline", "collect", "bot", "support", "--yes", code=PASS)


def test_a_disk_that_is_full_when_a_week_begins(home: Home, server: Fake, disk: Path) -> None:
    home.run("baseline", "collect", "bot", "support", "--yes", code=PASS)
    asked = server.tell()["count"]
    fill(disk, leave=0)
    for verb in (["run", "--due"], ["status"], ["gate", "bot"]):
        stopped = home.run(*verb, code=FAILED)
        assert "free some space" in stopped.said
    assert server.tell()["count"] == asked
    fill(disk, leave=48 * 1024)
    home.run("run", "--due", code=FAILED)
    # With room for the journal's index it can still be seen how things stood.
    assert "never measured" in home.run("status", code=PASS).said
    (disk / "ballast").unlink()
    home.run("run", "--due", code=PASS)
    home.run("gate", "bot", code=PASS)
