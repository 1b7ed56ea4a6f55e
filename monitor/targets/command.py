"""A program that answers: the case as JSON on its standard input, the answer on its standard output."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case
from monitor.domain.text import storable
from monitor.targets.port import Account
from monitor.targets.wire import Endpoint

LARGEST = 10 * 2**20  # bytes of standard output
_LAST_WORDS = 4096  # bytes of standard error that are kept, the last ones
_LINGER = 1.0  # seconds that are left to a program's children to finish writing, once it has ended itself
_REAP = 5.0  # seconds for the kernel to hand over a killed program
_TRY_AGAIN = os.EX_TEMPFAIL  # 75, what programs end with by convention (sysexits.h) when another try may help
# Set by systemd for the daemon itself: a program that used them would speak in the daemon's name.
KEPT_BACK = frozenset(
    {"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID", "CREDENTIALS_DIRECTORY"}
)


@dataclass(frozen=True)
class CommandSettings:
    """Everything a command target needs: `environ` is what the program sees, `timeout` is in seconds."""

    command: tuple[str, ...]
    account: Account
    environ: Mapping[str, str] = field(repr=False)
    folder: Path
    timeout: float = 60.0


class Command:
    """A program run once a case, without a shell, as the leader of a session of its own.

    Exit status 0: what it wrote to standard output is the answer, as UTF-8 without its final newline. Exit status 75
    (EX_TEMPFAIL): it may be tried again. Any other: an error for this case, with its last line of standard error.
    Children that outlive the program may write for one more second. In the end, be it an answer, a time-out or an
    interruption of the run, the whole process group is killed.
    """

    def __init__(self, settings: CommandSettings) -> None:
        self._settings = settings
        self._words = Endpoint(settings.command[0])

    @property
    def account(self) -> Account:
        """The account whose limits hold; programs share one where their command lines are equal."""
        return self._settings.account

    async def ask(self, case: Case) -> Reply:
        """Run the program once; raises `TargetError` and nothing else."""
        watcher = _Watcher()
        transport = await self._start(watcher)
        try:
            stdin = cast(asyncio.WriteTransport, transport.get_pipe_transport(0))
            stdin.write(question_json(case))
            stdin.close()  # after what is buffered; a program that does not read it is no error
            async with asyncio.timeout(self._settings.timeout):
                await watcher.ended.wait()
            # A child left in the background may hold the output open for ever.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LINGER):
                    await watcher.over.wait()
        except TimeoutError:
            message = f"{self._name} did not finish within {self._settings.timeout:g} s"
            raise TargetError(ErrorKind.TIMEOUT, message) from None
        finally:
            await _end(transport, watcher)
        return self._reply(transport.get_returncode(), watcher)

    async def aclose(self) -> None:
        """Nothing is kept between cases."""

    @property
    def _name(self) -> str:
        return self._words.quote(self._settings.command[0])

    async def _start(self, watcher: _Watcher) -> asyncio.SubprocessTransport:
        try:
            transport, _ = await asyncio.get_running_loop().subprocess_exec(
                lambda: watcher,
                *self._settings.command,
                env=dict(self._settings.environ),
                cwd=self._settings.folder,
                start_new_session=True,
            )
        except OSError as error:
            message = f"{self._name} cannot be started: {error.strerror or error}"
            if error.errno in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE):
                raise TargetError(ErrorKind.PROGRAM, message) from None
            raise TargetError(ErrorKind.PROGRAM, f"{message}. Check `command`.", fatal=True) from None
        return transport

    def _reply(self, status: int | None, watcher: _Watcher) -> Reply:
        if watcher.too_much:
            message = f"{self._name} wrote more than {LARGEST // 2**20} MB to standard output"
            raise TargetError(ErrorKind.PROGRAM, message, permanent=True)
        if status:
            lines = watcher.err.decode("utf-8", "replace").strip().splitlines()
            said = f": {self._words.quote(lines[-1])}" if lines else ", without a word on standard error"
            how = f"ended with status {status}" if status > 0 else f"was ended by {_signal_name(-status)}"
            raise TargetError(ErrorKind.PROGRAM, f"{self._name} {how}{said}", permanent=status != _TRY_AGAIN)
        text = watcher.out.decode("utf-8", "replace")
        return Reply(storable(text.removesuffix("\n").removesuffix("\r")))


class _Watcher(asyncio.SubprocessProtocol):
    """Collects what the program writes.

    `exited` is set when the program has been reaped, `ended` then too, or when its output is too much, and `over` when
    it has ended and nobody holds its output open any more, or that is too much.
    """

    def __init__(self) -> None:
        self.out = bytearray()
        self.err = bytearray()
        self.too_much = False
        self.over = asyncio.Event()
        self.ended = asyncio.Event()
        self.exited = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self.err = (self.err + data)[-_LAST_WORDS:]
        elif len(self.out) + len(data) > LARGEST:
            self.too_much = True
            self.ended.set()
            self.over.set()
        elif not self.too_much:
            self.out += data

    def process_exited(self) -> None:
        self.exited.set()
        self.ended.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()


async def _end(transport: asyncio.SubprocessTransport, watcher: _Watcher) -> None:
    """Kill what is left of the process group, wait until the program is reaped, and close the pipes.

    In this order: a transport that is closed first reaps the program itself, and asyncio's own watcher, which finds it
    gone, then complains on standard error.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(transport.get_pid(), signal.SIGKILL)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REAP):
                await watcher.exited.wait()
    finally:
        transport.close()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def question_json(case: Case) -> bytes:
    """What a program is told of a case, as one line of JSON; never what is expected or meant for the judge.

    `id`, `input` as it stands in the suite, `question` (the last turn, with the lettered choices), and `choices` where
    there are any.
    """
    turns = case.input if isinstance(case.input, str) else [{"role": t.role, "content": t.content} for t in case.input]
    told: dict[str, object] = {"id": case.id, "input": turns, "question": case.question}
    if case.choices:
        told["choices"] = list(case.choices)
    return json.dumps(told).encode() + b"\n"
