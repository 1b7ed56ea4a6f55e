"""The one child: never two, not again and again for nothing, and ended with whatever it has started."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from monitor.daemon.child import Child
from monitor.daemon.pace import Pace
from tests.fakes.waiting import until

DUE, OTHER = frozenset({"a"}), frozenset({"b"})
HASTY = Pace(again=(0.2, 0.4), after_failure=(0.3, 0.6))


class Ended:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1

    async def until(self, times: int) -> None:
        await until(lambda: self.times >= times)


@pytest.fixture
async def made():
    children = []

    def make(script: str, pace: Pace = HASTY, **environ: str) -> tuple[Child, Ended]:
        ended = Ended()
        child = Child(("sh", "-c", script), {"PATH": os.environ["PATH"], **environ}, ended, pace)
        children.append(child)
        return child, ended

    yield make
    for child in children:
        await child.stop(0.1)


async def test_while_one_is_at_work_there_is_no_second(made):
    child, _ = made("sleep 30")
    assert child.may_start(DUE)
    await child.start(b"", DUE)
    assert child.pid is not None
    assert not child.may_start(DUE)
    assert not child.may_start(OTHER)


async def test_what_is_still_due_after_a_good_end_waits_a_little_and_longer_each_time(made):
    child, ended = made("exit 0")
    for number, pause in enumerate((0.2, 0.4, 0.4), 1):
        await child.start(b"", DUE)
        await ended.until(number)
        began = time.monotonic()
        assert not child.may_start(DUE)
        assert child.may_start(OTHER), "something else is due: no reason to wait"
        await until(lambda: child.may_start(DUE))
        assert pause - 0.1 < time.monotonic() - began < pause + 0.3


async def test_after_a_failure_it_waits_longer_unless_somebody_may_have_mended_it(made):
    child, ended = made("exit 2")
    await child.start(b"", DUE)
    await ended.until(1)
    assert not child.may_start(DUE)
    child.forget()
    assert child.may_start(DUE)


async def test_it_is_handed_the_configuration_and_nothing_of_systemds(made, tmp_path):
    child, ended = made(
        f"head -n 1 > {tmp_path}/handed; env > {tmp_path}/env", NOTIFY_SOCKET="/run/x", WATCHDOG_USEC="1", KEPT="yes"
    )
    await child.start(b'[database]\nurl = "\xff"\n', DUE)
    await ended.until(1)
    assert (tmp_path / "handed").read_text() == '{"config": "[database]\\nurl = \\"\\udcff\\"\\n"}\n'
    environ = (tmp_path / "env").read_text()
    assert "KEPT=yes" in environ
    assert "NOTIFY_SOCKET" not in environ
    assert "WATCHDOG" not in environ


async def test_one_that_does_not_listen_is_ended_by_force_with_what_it_has_started(made, tmp_path):
    child, ended = made(f"trap '' TERM; sleep 300 & echo $! > {tmp_path}/pid; wait; sleep 300")
    await child.start(b"", DUE)
    pid = tmp_path / "pid"
    await until(lambda: pid.exists() and pid.read_text().strip())
    grandchild = int((tmp_path / "pid").read_text())
    began = time.monotonic()
    await child.stop(grace=0.3)
    assert time.monotonic() - began < 3
    await ended.until(1)
    assert child.pid is None
    await until(lambda: not _lives(grandchild))


async def test_what_a_child_leaves_behind_ends_with_it(made, tmp_path):
    child, ended = made(f"sleep 300 & echo $! > {tmp_path}/pid; exit 0")
    await child.start(b"", DUE)
    await ended.until(1)
    left = int((tmp_path / "pid").read_text())
    await until(lambda: not _lives(left))


async def test_a_program_that_is_not_there_is_a_failure(tmp_path):
    child = Child((str(tmp_path / "nothing"),), {}, lambda: None, HASTY)
    await child.start(b"", DUE)
    assert child.pid is None
    assert not child.may_start(DUE)


def _lives(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
