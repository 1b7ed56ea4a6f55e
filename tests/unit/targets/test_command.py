"""The command target with real programs: what they are told, what their end means, and that none of them stays."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case, Message
from monitor.targets.command import LARGEST, Command, CommandSettings
from monitor.targets.port import Account

CASE = Case(
    "geo", "Which?", choices=("Elbe", "Oder"), expected="THE-EXPECTED", context="FOR-THE-JUDGE", tags=frozenset("t")
)
FOREVER = "import time; time.sleep(3600)"


def command(folder: Path, code: str | None = None, *argv: str, **settings: Any) -> Command:
    line = (sys.executable, "-c", code) if code is not None else argv
    chosen = {"environ": {"PATH": os.environ["PATH"]}, "timeout": 30.0, **settings}
    return Command(CommandSettings(tuple(line), Account("command"), folder=folder, **chosen))


async def failure(target: Command, case: Case = CASE) -> TargetError:
    with pytest.raises(TargetError) as caught:
        await target.ask(case)
    assert caught.value.message.isprintable()
    return caught.value


def is_gone(pid: int) -> bool:
    """Whether the process has ended; one that ended and was reaped has no entry, one not reaped by its init is Z."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def until_gone(pid: int) -> bool:
    for _ in range(200):
        if is_gone(pid):
            return True
        await asyncio.sleep(0.02)
    return False


def written_in(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def pid_in(path: Path) -> int:
    """The process id that a program writes into a file."""
    for _ in range(500):
        if (written := written_in(path)).endswith("\n"):
            return int(written)
        await asyncio.sleep(0.02)
    raise AssertionError(f"no process wrote {path}")


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def no_zombies() -> bool:
    """Whether every child that ended was reaped."""
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return True


async def test_a_program_is_told_the_question_and_not_the_answer(tmp_path: Path) -> None:
    told = json.loads((await command(tmp_path, "import sys; print(sys.stdin.read())").ask(CASE)).text)
    assert told == {
        "id": "geo",
        "input": "Which?",
        "question": "Which?\n\nA. Elbe\nB. Oder",
        "choices": ["Elbe", "Oder"],
    }
    turns = Case("c", (Message("user", "a"), Message("user", "b\ud83d")))
    told = json.loads((await command(tmp_path, "import sys; print(sys.stdin.read())").ask(turns)).text)
    assert told == {
        "id": "c",
        "input": [{"role": "user", "content": "a"}, {"role": "user", "content": "b\ud83d"}],
        "question": "b\ud83d",
    }


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (b"The Danube.\n", "The Danube."),
        (b"The Danube.\r\n", "The Danube."),
        (b" two\n\n", " two\n"),
        (b"", ""),
        ("Größe".encode(), "Größe"),
        (b"\xff\x00", "\ufffd\ufffd"),
    ],
)
async def test_standard_output_is_the_answer(tmp_path: Path, written: bytes, text: str) -> None:
    code = f"import sys; sys.stderr.write('chatter'); sys.stdout.buffer.write({written!r})"
    assert await command(tmp_path, code).ask(CASE) == Reply(text)


async def test_no_shell_reads_the_command_line(tmp_path: Path) -> None:
    found = await command(tmp_path, None, sys.executable, "-c", "import sys; print(sys.argv[1])", "$HOME; echo x").ask(
        CASE
    )
    assert found.text == "$HOME; echo x"


async def test_it_runs_in_the_configurations_folder_with_its_own_environment(tmp_path: Path) -> None:
    real = tmp_path.resolve()  # noqa: ASYNC240
    program = tmp_path / "answer.sh"
    program.write_text('#!/bin/sh\ncat >/dev/null\npwd\necho "$ONLY"\n')
    program.chmod(0o755)
    found = await command(tmp_path, None, "./answer.sh", environ={"ONLY": "this"}).ask(CASE)
    assert found.text == f"{real}\nthis"


async def test_a_program_need_not_read_its_input(tmp_path: Path) -> None:
    huge = Case("c", "x" * 5_000_000)
    assert (await command(tmp_path, "import os; os.close(0); print('ok')").ask(huge)).text == "ok"


@pytest.mark.parametrize(
    ("code", "permanent", "words"),
    [
        ("import sys; sys.stderr.write('one\\ntwo \\x1b[31mred\\n'); sys.exit(3)", True, "ended with status 3: two"),
        ("import sys; sys.exit(75)", False, "ended with status 75, without a word"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", True, "was ended by SIGTERM"),
        ("import sys; sys.stderr.write('x' * 100_000 + 'end'); sys.exit(1)", True, "xxx"),
    ],
)
async def test_a_failed_program(tmp_path: Path, code: str, permanent: bool, words: str) -> None:
    error = await failure(command(tmp_path, code))
    assert (error.kind, error.permanent, error.fatal) == (ErrorKind.PROGRAM, permanent, False)
    assert words in error.message
    assert len(error.message) < 700


@pytest.mark.parametrize("name", ["no-such-program-here", "./missing", "/etc/hostname", "/"])
async def test_what_cannot_be_started_stops_the_run(tmp_path: Path, name: str) -> None:
    error = await failure(command(tmp_path, None, name))
    assert (error.kind, error.fatal) == (ErrorKind.PROGRAM, True)
    assert name in error.message


async def test_too_much_output_ends_the_program(tmp_path: Path) -> None:
    written = tmp_path / "pid"
    code = (
        f"import os, sys; open({str(written)!r}, 'w').write(f'{{os.getpid()}}\\n')\n"
        f"while True: sys.stdout.write('x' * {LARGEST // 4})"
    )
    error = await failure(command(tmp_path, code))
    assert (error.kind, error.permanent) == (ErrorKind.PROGRAM, True)
    assert "more than 10 MB" in error.message
    assert await until_gone(await pid_in(written))
    assert no_zombies()


def with_a_child(folder: Path, then: str) -> str:
    """A program that starts a child, which holds its output open, and writes down both process ids."""
    return (
        f"import os, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {FOREVER!r}])\n"
        f"open({str(folder / 'child')!r}, 'w').write(f'{{child.pid}}\\n')\n"
        f"open({str(folder / 'parent')!r}, 'w').write(f'{{os.getpid()}}\\n')\n"
        f"{then}\n"
    )


@pytest.mark.parametrize("then", [FOREVER, "import signal; signal.signal(15, signal.SIG_IGN); " + FOREVER])
async def test_at_the_time_out_the_whole_group_is_killed(tmp_path: Path, then: str) -> None:
    error = await failure(command(tmp_path, with_a_child(tmp_path, then), timeout=1.5))
    assert (error.kind, error.permanent) == (ErrorKind.TIMEOUT, False)
    for name in ("parent", "child"):
        assert await until_gone(await pid_in(tmp_path / name))
    assert no_zombies()


async def test_many_time_outs_at_once_are_reaped_by_one_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    target = command(tmp_path, None, "/bin/sleep", "3600", timeout=0.3)
    errors = await asyncio.gather(*(failure(target) for _ in range(32)))
    assert {error.kind for error in errors} == {ErrorKind.TIMEOUT}
    assert no_zombies()
    assert caplog.messages == []


SAYS_AND_ENDS = "sys.stdout.write('The Danube.\\n'); sys.stdout.flush(); os._exit({status})"


async def test_an_answer_stands_although_a_child_holds_the_output_open(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = await command(tmp_path, with_a_child(tmp_path, SAYS_AND_ENDS.format(status=0))).ask(CASE)
    assert found == Reply("The Danube.")
    assert await until_gone(await pid_in(tmp_path / "child"))
    assert no_zombies()
    assert caplog.messages == []


async def test_a_status_stands_although_a_child_holds_the_output_open(tmp_path: Path) -> None:
    error = await failure(command(tmp_path, with_a_child(tmp_path, SAYS_AND_ENDS.format(status=3))))
    assert (error.kind, error.permanent) == (ErrorKind.PROGRAM, True)
    assert "ended with status 3" in error.message
    assert await until_gone(await pid_in(tmp_path / "child"))


async def test_a_child_that_writes_the_rest_is_waited_for(tmp_path: Path) -> None:
    found = await command(tmp_path, None, "/bin/sh", "-c", "(sleep 0.1; echo Danube) & printf 'The '").ask(CASE)
    assert found == Reply("The Danube")


async def test_after_an_answer_nothing_of_the_group_stays(tmp_path: Path) -> None:
    written = tmp_path / "child"
    line = f"sleep 3600 >/dev/null 2>&1 </dev/null & echo $! > {written}; echo ok"
    assert await command(tmp_path, None, "/bin/sh", "-c", line).ask(CASE) == Reply("ok")
    assert await until_gone(await pid_in(written))


async def test_an_interruption_kills_the_whole_group(tmp_path: Path) -> None:
    asking = asyncio.create_task(command(tmp_path, with_a_child(tmp_path, FOREVER)).ask(CASE))
    parent = await pid_in(tmp_path / "parent")
    assert not is_gone(parent)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    for name in ("parent", "child"):
        assert await until_gone(await pid_in(tmp_path / name))
    assert no_zombies()


async def test_many_at_once_leave_neither_processes_nor_files_open(tmp_path: Path) -> None:
    target = command(tmp_path, None, "/bin/cat")
    await target.ask(CASE)
    open_before = open_files()
    found = await asyncio.gather(*(target.ask(Case(f"c{i}", "q")) for i in range(40)))
    assert [json.loads(one.text)["id"] for one in found] == [f"c{i}" for i in range(40)]
    await asyncio.sleep(0)
    assert open_files() <= open_before
    assert no_zombies()
