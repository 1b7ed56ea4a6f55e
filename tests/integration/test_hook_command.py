"""Hooks as real programs: what they are given, how they end, and that nothing of them is left."""

import asyncio
import json
import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.channel import TransportError
from alerts.hooks.command import LARGEST, CommandRunner
from alerts.hooks.settings import CommandSettings

NOW = datetime(2026, 11, 16, 13, tzinfo=UTC)
DATA = {
    "hook": "deploy",
    "action": "rollback",
    "target": "support-ft",
    "fallback": "support-rag",
    "expires_at": "2026-11-17T13:00:00Z",
}
EVENT = "0193a7c2-5d1e-7f0a-9c3b-1f2e3d4c5b6a"
SECRETS = {"HOOK_SECRET": "whsec_x", "OPENAI_API_KEY": "sk-x", "NOTIFY_SOCKET": "/run/x", "PYTHONPATH": "/x"}


def body(**changes):
    return json.dumps({"type": "heldout.rollback.requested", "data": DATA | changes}).encode()


def runner(*command, **settings):
    environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/root"} | SECRETS
    return CommandRunner(replace(CommandSettings("deploy", command, timeout=20.0), **settings), environ)


async def run(*command, event=None, **settings):
    return await runner(*command, **settings).run(EVENT, event or body(), NOW)


async def shell(script, *more, **options):
    return await run("/bin/sh", "-c", script, *more, **options)


async def test_arguments_are_filled_and_are_never_more_than_one():
    ended = await run("/usr/bin/printf", "%s\\n", "{target}", "--to={fallback}", "{action}/{hook} $HOME", '{"a": 1} {')
    assert ended.output.splitlines() == ["support-ft", "--to=support-rag", "rollback/deploy $HOME", '{"a": 1} {']
    assert (ended.done, ended.code, ended.now_serving) == (True, 0, "support-rag")
    assert (await run("/bin/echo", "{expires_at}")).output == "2026-11-17T13:00:00Z\n"


async def test_the_event_is_on_standard_input_and_the_environment_is_clean():
    ended = await shell("cat; echo; pwd; env")
    came, folder, *environ = ended.output.splitlines()
    assert came.encode() == body()
    assert folder == "/"
    assert f"HELDOUT_HOOK_ID={EVENT}" in environ
    assert "HELDOUT_HOOK_ACTION=rollback" in environ
    names = {line.partition("=")[0] for line in environ}
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {"PATH", "LANG", "HOME", "HELDOUT_HOOK_ID", "HELDOUT_HOOK_ACTION"}


async def test_a_program_that_reads_nothing_is_no_error():
    assert (await run("/bin/true", event=body(verdict="x" * 1_000_000))).done


@pytest.mark.parametrize(
    ("said", "done", "serving"),
    [
        ('{"status": "done", "now_serving": "support-old"}', True, "support-old"),
        ('{"status": "done"}', True, "support-rag"),
        ('{"status": "done", "now_serving": null}', True, "support-rag"),
        ('{"status": "failed", "now_serving": "support-ft"}', False, "support-ft"),
        ('{"status": "failed"}', False, None),
        ('{"status": "done", "now_serving": "-rf /"}', False, None),
        ('{"status": "done", "now_serving": 7}', False, None),
        ('{"status": "perhaps"}', True, "support-rag"),
        ("[1]", True, "support-rag"),
        ("[" * 50_000, True, "support-rag"),
        ('{"status": "failed"}\nrolled back', True, "support-rag"),
        ("", True, "support-rag"),
    ],
)
async def test_the_last_line_may_say_what_came_of_it(said, done, serving):
    ended = await run("/usr/bin/printf", "working\n%s\n\n", said)
    assert (ended.done, ended.now_serving, ended.code, ended.timed_out) == (done, serving, 0, False)
    assert ended.why.startswith("hook deploy (/usr/bin/printf) ")


async def test_what_it_writes_to_standard_error_is_no_result():
    ended = await shell('echo \'{"status": "failed"}\' >&2')
    assert ended.done
    assert "failed" in ended.output


async def test_a_failure_keeps_its_status_and_its_last_words():
    ended = await shell("echo begun; echo 'no such \033[31mrelease\033[0m' >&2; exit 3")
    assert (ended.done, ended.code, ended.now_serving) == (False, 3, None)
    assert ended.output.startswith("begun\nno such ")
    assert "\033" not in ended.output + ended.why
    assert "ended with status 3: no such" in ended.why


async def test_a_signal_is_named():
    ended = await shell("kill -SEGV $$")
    assert (ended.done, ended.code) == (False, -11)
    assert "was ended by SIGSEGV" in ended.why


async def test_status_75_asks_for_another_try():
    with pytest.raises(TransportError, match=r"asks to be run again \(status 75\): busy") as caught:
        await shell("echo busy; exit 75")
    assert not caught.value.permanent


@pytest.mark.parametrize(("program", "why"), [("/no/such/program", "No such file"), ("/etc/passwd", "Permission")])
async def test_what_cannot_be_started_is_for_somebody_to_correct(program, why):
    with pytest.raises(TransportError, match=why) as caught:
        await run(program)
    assert caught.value.permanent
    assert "check hooks.deploy.command" in caught.value.message


async def test_a_flood_is_bounded_and_never_blocks():
    ended = await shell("yes 'spam spam spam' | head -c 20000000; echo the end")
    assert ended.done
    assert len(ended.output) <= LARGEST
    assert ended.output.endswith("the end\n")


def running(name):
    """How many processes have `name` in their command lines, those not counted that have ended."""
    return sum(name.encode() in _words(folder) for folder in Path("/proc").glob("[0-9]*"))


def _words(folder):
    try:
        ended = (folder / "stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
        return b"" if ended else (folder / "cmdline").read_bytes()
    except OSError:
        return b""


async def until(condition):
    """Whether it comes true within two seconds."""
    for _ in range(100):
        if condition():
            return True
        await asyncio.sleep(0.02)
    return False


def stubborn(mark):
    """A script that ignores SIGTERM, as does a child that it has forked twice; both have `mark` in their arguments."""
    return f"trap '' TERM; (sleep 60{mark} &); echo begun; sleep 61{mark}"


async def test_at_the_deadline_the_whole_group_ends_although_it_ignores_being_asked():
    mark = f"{os.getpid()}.125"
    began = time.monotonic()
    ended = await shell(stubborn(mark), timeout=0.8, grace=0.2)
    assert time.monotonic() - began < 5.0
    assert (ended.done, ended.timed_out, ended.now_serving, ended.code) == (False, True, None, -9)
    assert "did not finish within 0.8 s and was ended: begun" in ended.why
    assert await until(lambda: not running(mark))


async def test_a_program_that_is_asked_to_end_may_clean_up():
    ended = await shell("trap 'echo cleaned up; exit 0' TERM; echo begun; sleep 60 & wait", timeout=0.8, grace=5.0)
    assert (ended.done, ended.timed_out, ended.code) == (False, True, 0)
    assert ended.output == "begun\ncleaned up\n"


async def test_a_child_in_the_background_is_ended_with_its_parent():
    mark = f"{os.getpid()}.25"
    ended = await shell(f"sleep 60{mark} & echo done")
    assert ended.done
    assert await until(lambda: not running(f"60{mark}"))


async def test_a_child_in_a_group_of_its_own_is_ended_too():
    mark = f"{os.getpid()}.75"
    child = f"import os; os.setpgid(0, 0); print('apart', flush=True); os.execv('/bin/sleep', ['sleep', '60{mark}'])"
    program = (
        f"import subprocess as s, sys; s.Popen([sys.executable, '-c', {child!r}], stdout=s.PIPE).stdout.readline()"
    )
    ended = await run(sys.executable, "-c", program)
    assert ended.done
    assert await until(lambda: not running(f"60{mark}"))


async def test_an_interruption_ends_the_group():
    mark = f"{os.getpid()}.375"
    task = asyncio.create_task(shell(stubborn(mark)))
    assert await until(lambda: running(f"60{mark}") and running(f"61{mark}"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await until(lambda: not running(mark))


async def test_what_has_expired_is_not_started(tmp_path):
    for expires_at in ("2026-11-16T13:00:00Z", (NOW - timedelta(days=1)).isoformat(), "soon", "2026-11-17T13:00:00"):
        with pytest.raises(TransportError, match="expire") as caught:
            await run("/usr/bin/touch", str(tmp_path / "started"), event=body(expires_at=expires_at))
        assert caught.value.permanent
        assert caught.value.this_message
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("value", [None, "", "-rf", "a b", "a\nb", "../x", 7, ["x"], "x" * 201])
async def test_a_value_that_is_no_name_is_no_argument(value):
    with pytest.raises(TransportError, match=r"nothing to put in the place of \{fallback\}") as caught:
        await run("/bin/echo", "{fallback}", event=body(fallback=value))
    assert caught.value.this_message


async def test_a_retraining_without_a_fallback_is_done_all_the_same():
    ended = await run("/bin/echo", "{target}", event=body(action="retrain", fallback=None))
    assert (ended.done, ended.now_serving) == (True, None)
