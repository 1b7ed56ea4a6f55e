"""Where log lines go: a bounded queue and a thread that writes it out, so that no caller ever waits for a reader."""

from __future__ import annotations

import os
import queue
import select
import threading
import time
import weakref
from collections.abc import Callable
from typing import TextIO

# Lines that wait at the most, for a reader that is slow; what comes beyond that is counted, and the count is told.
MOST_WAITING = 5_000
# Seconds that a stream which somebody has made non-blocking may take for one line.
_PATIENCE = 1.0


class Sink:
    """Takes lines from any thread, in a signal's handler and after a fork: SimpleQueue's `put` may interrupt itself.

    `lost(count)` makes the line that says how many were dropped. The thread writes to the stream's descriptor, not to
    the stream: one that hangs there then holds no lock that the interpreter needs in order to end.
    """

    _queue: queue.SimpleQueue[str | threading.Event | None]
    _thread: threading.Thread | None

    def __init__(self, stream: TextIO, lost: Callable[[int], str]) -> None:
        self._stream = stream
        self._lost = lost
        self._torn = False
        self._closed = False
        self._begin_anew()
        again = weakref.WeakMethod(self._begin_anew)
        # A fork copies no thread, and may have copied a queue in the middle of something.
        os.register_at_fork(after_in_child=lambda: (found := again()) and found())

    def put(self, line: str) -> None:
        """Never waits, never raises."""
        if self._closed or self._queue.qsize() >= MOST_WAITING:
            self._dropped += 1
            return
        self._queue.put(line)
        if self._thread is None:
            self._start()

    def flush(self, seconds: float) -> None:
        """Wait until all that was put is written, for `seconds` at most."""
        if self._thread is not None:
            written = threading.Event()
            self._queue.put(written)
            written.wait(seconds)

    def close(self, seconds: float) -> None:
        """Write what is left, for `seconds` at most, and end the thread; what is put after that is dropped."""
        self._closed = True
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join(seconds)

    def _begin_anew(self) -> None:
        self._queue = queue.SimpleQueue()
        self._thread = None
        self._dropped = 0

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # No more threads can be had here: the next line tries again, and what waits is written then.
            self._thread = None

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, threading.Event):
                item.set()
                continue
            if self._dropped and self._write(self._lost(self._dropped)):
                self._dropped = 0
            if not self._write(item):
                self._dropped += 1

    def _write(self, line: str) -> bool:
        """Whether the line is written. A disk that is full may have room again for the next one."""
        try:
            number = self._stream.fileno()
        except (OSError, ValueError):
            return self._write_text(line)
        # What was cut off stays on a line of its own.
        data = f"{chr(10) if self._torn else ''}{line}\n".encode()
        left = memoryview(data)
        until = time.monotonic() + _PATIENCE
        while left:
            try:
                left = left[os.write(number, left) :]
            except BlockingIOError:
                if time.monotonic() >= until:
                    break
                _await_room(number)
            except OSError:
                break
        self._torn = 0 < len(left) < len(data) or (self._torn and bool(left))
        return not left

    def _write_text(self, line: str) -> bool:
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):
            return False
        return True


def _await_room(number: int) -> None:
    room = select.poll()
    room.register(number, select.POLLOUT)
    room.poll(int(_PATIENCE * 1000))
