"""One paying process at a time: another is told which, and a lock dies with its holder."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from monitor.store.database import DatabaseError
from monitor.store.lock import LockedError, sole_daemon, sole_runner

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


def test_a_lock_whose_file_takes_no_byte_is_a_lock(url, tmp_path):
    # As on a full disk: the lock can be had, and who holds it cannot be written down.
    program = (
        "import resource\n"
        "from monitor.store.lock import sole_runner\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        f"with sole_runner({url!r}):\n"
        "    print('held')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("held\n", "")
    assert (tmp_path / "heldout.db.lock").read_bytes() == b""


def test_a_link_in_its_place_leads_nowhere(url, tmp_path):
    # Whoever owns the folder could else have root empty any file.
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "heldout.db.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(DatabaseError, match=r"heldout\.db\.lock"), sole_runner(url):
        pytest.fail("it was followed")
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
@pytest.mark.parametrize("there", ["the database", "its folder alone"])
def test_what_root_locks_its_owner_can_lock_too(there):
    # As after `sudo heldout run` beside a service, whose user must not be shut out. Not below pytest's folder, which
    # another user may not enter.
    with tempfile.TemporaryDirectory() as name:
        folder, user = Path(name), 4711
        os.chown(folder, user, user)
        database = folder / "heldout.db"
        if there == "the database":
            database.touch(0o600)
            os.chown(database, user, user)
        for held in (sole_runner, sole_daemon):
            with held(f"sqlite:///{database}"):
                pass
        locks = [folder / "heldout.db.lock", folder / "heldout.db.daemon.lock"]
        assert [(lock.stat().st_uid, lock.stat().st_gid) for lock in locks] == [(user, user)] * 2
        if there == "the database":
            assert [stat.S_IMODE(lock.stat().st_mode) for lock in locks] == [0o600] * 2
        for lock in locks:
            subprocess.run(["flock", "-n", lock, "true"], user=user, group=user, extra_groups=(), check=True)


def test_a_lock_file_that_holds_anything_at_all_names_no_process(url, tmp_path):
    (tmp_path / "heldout.db.lock").write_bytes(b"\xff\xfe")
    with (tmp_path / "heldout.db.lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LockedError), sole_runner(url):
            pytest.fail("two at a time")


def test_a_lock_that_cannot_be_had_at_all_is_no_lock_that_somebody_holds(tmp_path):
    (tmp_path / "heldout.db.lock").mkdir()
    with pytest.raises(DatabaseError, match=r"heldout\.db\.lock: .*; see that this user may write to it"):
        sole_runner(f"sqlite:///{tmp_path / 'heldout.db'}").__enter__()
