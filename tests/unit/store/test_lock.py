"""One paying process at a time: another is told which, and a lock dies with its holder."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.store.lock import LockedError, sole_runner

ROOT = Path(__file__).parents[3]


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'heldout.db'}"


def test_a_second_one_in_the_same_process_is_refused_and_the_next_is_not(url):
    with sole_runner(url), pytest.raises(LockedError, match=f"process {os.getpid()}"), sole_runner(url):
        pytest.fail("two at a time")
    with sole_runner(url):
        pass


def test_an_error_inside_gives_it_back(url):
    with pytest.raises(KeyError), sole_runner(url):
        raise KeyError
    with sole_runner(url):
        pass


def test_databases_do_not_hinder_one_another(url):
    with sole_runner(url), sole_runner(f"{url}2"):
        pass


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_holder_that_is_killed_frees_it(url, how):
    program = (
        "import sys\n"
        "from monitor.store.lock import sole_runner\n"
        f"with sole_runner({url!r}):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=f"process {holder.pid}") as raised, sole_runner(url):
            pytest.fail("two at a time")
        assert not raised.value.permanent
    finally:
        holder.send_signal(how)
        holder.communicate(timeout=30)
    with sole_runner(url):
        pass


def test_two_paths_to_one_database_are_one_lock(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "heldout.db", tmp_path / "elsewhere" / "link.db"
    # Before the file exists, too: the first two runs on a new database are two as well.
    link.symlink_to(real)
    for _ in range(2):
        with (
            sole_runner(f"sqlite:///{real}"),
            pytest.raises(LockedError, match=f"process {os.getpid()}"),
            sole_runner(f"sqlite:///{link}"),
        ):
            pytest.fail("two at a time")
        real.touch()


def test_a_lock_whose_file_takes_no_byte_is_a_lock(tmp_path):
    # As on a full disk: the lock can be had, and who holds it cannot be written down.
    (tmp_path / "heldout.db.lock").symlink_to("/dev/full")
    with sole_runner(f"sqlite:///{tmp_path / 'heldout.db'}"):
        pass


def test_a_lock_file_that_holds_anything_at_all_names_no_process(url, tmp_path):
    (tmp_path / "heldout.db.lock").write_bytes(b"\xff\xfe")
    with (tmp_path / "heldout.db.lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LockedError), sole_runner(url):
            pytest.fail("two at a time")


def test_a_lock_that_cannot_be_had_at_all_is_no_lock_that_somebody_holds(tmp_path):
    (tmp_path / "heldout.db.lock").mkdir()
    from monitor.store.database import DatabaseError

    with pytest.raises(DatabaseError, match=r"heldout\.db\.lock: .*; see that this user may write to it"):
        sole_runner(f"sqlite:///{tmp_path / 'heldout.db'}").__enter__()
