"""A hook as a program of the operator's: no shell, a clean environment, a deadline, and nothing left running."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from alerts.channel import TransportError
from alerts.hooks.settings import PLACEHOLDER, CommandSettings
from alerts.text import clean

LARGEST = 64 * 1024  # bytes of output that are kept, the last ones
_PASSED_ON = ("PATH", "LANG", "HOME")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LINGER = 1.0  # seconds that are left to a program's children to finish writing, once it has ended itself
_REAP = 5.0  # seconds for the kernel to hand over a killed program
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_INSTANT = re.compile(r"[0-9][0-9T:.+Z-]{0,39}")
_SCARCE = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: `why` is one sentence about it, `done` whether it did what was asked.

    `code` is its exit status, or minus a signal's number; `output` is the end of both outputs in the order they came,
    at most 64 kB, cleaned of controls. `now_serving` is what it says is serving now, else the fallback; None where it
    failed without saying so, or where there is no fallback.
    """

    done: bool
    code: int | None
    output: str
    timed_out: bool
    now_serving: str | None
    why: str


class CommandRunner:
    """Runs the program of one hook. Of `environ` it sees PATH, LANG and HOME, and HELDOUT_HOOK_ID and _ACTION besides.

    It gets the event on its standard input, starts in `/`, and leads a session of its own, of which nothing is left in
    the end: what shall go on, or needs more than the daemon's sandbox allows, has to be a service of its own.
    """

    def __init__(self, settings: CommandSettings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = {"PATH": _PATH} | {name: environ[name] for name in _PASSED_ON if name in environ}

    async def run(self, event_id: str, body: bytes, now: datetime) -> Ended:
        """Run it once for the event `body`, as `event.encode` made it.

        Raises TransportError where it could not be started, where its exit status 75 asks for another try, and where
        the event has expired at `now` or holds what cannot be an argument.
        """
        data = _data(body)
        self._still_wanted(data, now)
        arguments = [self._filled(part, data) for part in self._settings.command]
        told = {"HELDOUT_HOOK_ID": event_id, "HELDOUT_HOOK_ACTION": str(data.get("action", ""))}
        watcher = _Watcher()
        transport = await self._start(arguments, self._environ | told, watcher)
        timed_out = True
        try:
            stdin = cast(asyncio.WriteTransport, transport.get_pipe_transport(0))
            stdin.write(body)
            stdin.close()  # after what is buffered; a program that does not read it is no error
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.timeout):
                    await watcher.exited.wait()
                timed_out = False
            if timed_out:
                _signal(transport, signal.SIGTERM)
            # After its end a child left in the background may hold the output open for ever.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.grace if timed_out else _LINGER):
                    await watcher.over.wait()
        finally:
            await _end(transport, watcher)
        return self._ended(transport.get_returncode(), watcher, timed_out, _name_in(data, "fallback"))

    @property
    def _who(self) -> str:
        return f"hook {self._settings.name} ({self._settings.command[0]})"

    def _still_wanted(self, data: Mapping[str, object], now: datetime) -> None:
        """A rollback that comes late is dangerous, so that the last one to look is whoever starts it."""
        expires_at = data.get("expires_at")
        if expires_at is None:
            return
        try:
            moment = datetime.fromisoformat(str(expires_at))
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise self._unusable("no instant that it expires at")
        if moment <= now:
            raise self._unusable(f"a request that expired at {expires_at}")

    def _filled(self, part: str, data: Mapping[str, object]) -> str:
        """One argument, whatever its values hold; none of them can begin an option."""
        return PLACEHOLDER.sub(lambda found: self._value(found[1], data), part)

    def _value(self, name: str, data: Mapping[str, object]) -> str:
        value = data.get(name)
        allowed = _INSTANT if name == "expires_at" else _NAME
        if not isinstance(value, str) or not allowed.fullmatch(value):
            raise self._unusable(f"nothing to put in the place of {{{name}}}")
        return value

    def _unusable(self, what: str) -> TransportError:
        return TransportError(f"{self._who}: the event holds {what}", permanent=True, this_message=True)

    async def _start(
        self, arguments: list[str], environ: Mapping[str, str], watcher: _Watcher
    ) -> asyncio.SubprocessTransport:
        try:
            transport, _ = await asyncio.get_running_loop().subprocess_exec(
                lambda: watcher, *arguments, env=dict(environ), cwd="/", start_new_session=True
            )
        except OSError as error:
            said = f"{self._who} cannot be started: {error.strerror or type(error).__name__}"
            if error.errno in _SCARCE:
                raise TransportError(f"{said}; it will be tried again", permanent=False) from None
            advice = f"check hooks.{self._settings.name}.command, and that it may be run"
            raise TransportError(f"{said}: {advice}", permanent=True) from None
        return transport

    def _ended(self, code: int | None, watcher: _Watcher, timed_out: bool, fallback: str | None) -> Ended:
        output = _shown(watcher.both)
        lines = output.strip().splitlines()
        last = f": {lines[-1][:300]}" if lines else ""
        if timed_out:
            why = f"{self._who} did not finish within {self._settings.timeout:g} s and was ended{last}"
            return Ended(False, code, output, True, None, why)
        if code == os.EX_TEMPFAIL:
            raise TransportError(f"{self._who} asks to be run again (status {code}){last}", permanent=False)
        if code != 0:
            how = f"ended with status {code}" if code is None or code > 0 else f"was ended by {_signal_name(-code)}"
            return Ended(False, code, output, False, None, f"{self._who} {how}{last}")
        return self._by_its_words(watcher.out, output, fallback)

    def _by_its_words(self, out: bytearray, output: str, fallback: str | None) -> Ended:
        said = _result(out)
        if said is None:
            return Ended(True, 0, output, False, fallback, f"{self._who} ended with status 0")
        serving = _name_in(said, "now_serving")
        if said.get("now_serving") is not None and serving is None:
            # Nothing can be verified on a target without a name, so that a person has to look.
            return Ended(False, 0, output, False, None, f"{self._who} says that something without a name is serving")
        if said["status"] == "failed":
            return Ended(False, 0, output, False, serving, f"{self._who} says that it failed")
        return Ended(True, 0, output, False, serving or fallback, f"{self._who} says that it is done")


class _Watcher(asyncio.SubprocessProtocol):
    """Keeps the end of what a program writes, and takes in the rest, so that it never waits for a reader.

    `out` is of its standard output alone, `both` of both in the order they came. `exited` is set when the program was
    reaped, `over` when nobody holds its outputs open any more either.
    """

    def __init__(self) -> None:
        self.out = bytearray()
        self.both = bytearray()
        self.exited = asyncio.Event()
        self.over = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.both = (self.both + data)[-LARGEST:]
        if fd == 1:
            self.out = (self.out + data)[-LARGEST:]

    def process_exited(self) -> None:
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()


async def _end(transport: asyncio.SubprocessTransport, watcher: _Watcher) -> None:
    """Kill what is left of the session, wait until the program is reaped, and close the pipes.

    In this order: a transport that is closed first reaps the program itself, and asyncio's own watcher, which finds it
    gone, then complains on standard error.
    """
    _signal(transport, signal.SIGKILL)
    _kill_session(transport.get_pid())
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REAP):
                await watcher.exited.wait()
    finally:
        transport.close()


def _signal(transport: asyncio.SubprocessTransport, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(transport.get_pid(), number)


def _kill_session(leader: int) -> None:
    """Kill what has left the group and is in the session still, such as the jobs of a shell with `set -m`."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # After the program's name in brackets: state, parent, group, session.
            fields = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            if int(fields[3]) == leader:
                os.kill(int(folder.name), signal.SIGKILL)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _data(body: bytes) -> Mapping[str, object]:
    event = json.loads(body)
    data = event.get("data") if isinstance(event, dict) else None
    return data if isinstance(data, dict) else {}


def _result(out: bytearray) -> Mapping[str, object] | None:
    """What the last line of standard output says, where it says `done` or `failed` as the API's result does."""
    lines = out.decode("utf-8", "replace").strip().splitlines()
    try:
        said = json.loads(lines[-1]) if lines else None
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and said.get("status") in ("done", "failed") else None


def _name_in(data: Mapping[str, object], key: str) -> str | None:
    value = data.get(key)
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


def _shown(output: bytearray) -> str:
    return clean(output.decode("utf-8", "replace"))
