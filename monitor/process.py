"""The edges of the process: streams that are closed or full, and errors that become a message and an exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from monitor.exits import FAILED


class OutputLostError(Exception):
    """Standard output takes no more; `reader_gone`: whoever read it went away, as in `heldout status | head`."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"Standard output takes no more ({error.strerror}): not all of the result was printed.")
        self.reader_gone = isinstance(error, BrokenPipeError)


def run(command: Callable[[], object]) -> None:
    """Run the command: errors that a person can mend become a message and an exit code, never a traceback."""
    _prepare_streams()
    try:
        command()
    except SystemExit:
        # Every verb ends so; without this clause the last one would import what it needs to explain errors.
        raise
    except OutputLostError as error:
        _say(error)
        sys.exit(FAILED)
    except _expected() as error:
        from monitor.errors import exit_code, message

        sys.stderr.write(f"{message(error)}\n")
        sys.exit(exit_code(error))


@contextmanager
def result_stands() -> Iterator[None]:
    """Around what prints a result that is more than its text: output that is lost changes no exit code.

    A gate whose reader went away, or whose log is on a full disk, would else say "failed" of a target that passed; and
    a run would not deliver its alerts.
    """
    try:
        yield
    except OutputLostError as error:
        _say(error)


def _say(error: OutputLostError) -> None:
    if not error.reader_gone:
        sys.stderr.write(f"{error}\n")


def _expected() -> tuple[type[BaseException], ...]:
    # Python evaluates this only when an error was raised, so a verb that ends well imports none of it.
    from monitor.errors import expected

    return expected()


def _prepare_streams() -> None:
    """Give the process three streams that are open, and whose failures are told from those of other files."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            # The number of a closed stream would be given to the next file that is opened, such as the database, and
            # messages would be written into it. Opened in the order of their numbers, each stream gets its own back.
            os.open(os.devnull, os.O_RDWR)
        if number == 0:
            sys.stdin = stream or io.TextIOWrapper(io.BufferedReader(io.FileIO(number, closefd=False)))
            continue
        # A terminal that cannot show a character shows another; it does not change a verdict's exit code.
        encoding = getattr(stream, "encoding", None) or "utf-8"
        raw = _Stream(number, essential=number == 1)
        # typeshed asks of a raw stream more than RawIOBase has, and than io.BufferedWriter needs.
        text = io.TextIOWrapper(io.BufferedWriter(raw), encoding, "replace", line_buffering=True)  # type: ignore[type-var]
        setattr(sys, name, text)


class _Stream(io.RawIOBase):
    """Standard output or standard error; once it has failed, it takes everything and keeps nothing.

    What is `essential` fails once, with OutputLostError. Messages are just lost: a log that is full must stop no run.
    """

    def __init__(self, number: int, *, essential: bool) -> None:
        self._number = number
        self._essential = essential
        self._lost = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        left = memoryview(data)
        while left and not self._lost:
            try:
                left = left[os.write(self._number, left) :]
            except OSError as error:
                self._lost = True
                if self._essential:
                    raise OutputLostError(error) from error
        return len(data)
