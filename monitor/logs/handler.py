"""Between `logging` and the sink: a line for each record, made in the caller's context and never in its way."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TextIO

from monitor.logs.context import bound_now
from monitor.logs.lines import as_json, as_text
from monitor.logs.sink import Sink

# By which the log speaks of itself.
_NAME = "monitor.logs"


class Handler(logging.Handler):
    """Makes a line of each record in the caller's context, and leaves the writing to a thread of its own.

    `undo` takes back what came with it; the handler only keeps it.
    """

    def __init__(self, stream: TextIO, *, structured: bool, colour: bool, undo: Callable[[], None]) -> None:
        super().__init__()
        self.undo = undo
        self._line = as_json if structured else partial(as_text, colour=colour)
        self._sink = Sink(stream, lambda count: self._line(_lost(count), {}))

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a record that cannot be shown is told as that."""
        try:
            line = self._line(record, bound_now())
        except Exception as error:  # noqa: BLE001  # the log's boundary: it may fail, and the work goes on
            line = self._line(_unshown(record, error), {})
        self._sink.put(line)

    def flush(self) -> None:
        """Wait until what was logged is written, for two seconds at most."""
        self._sink.flush(2.0)

    def close(self) -> None:
        """Write what is left, and end the thread; for a second at most."""
        self._sink.close(1.0)
        super().close()


def _lost(count: int) -> logging.LogRecord:
    return _record(logging.WARNING, "log lines were lost: nobody took them", lines=count)


def _unshown(record: logging.LogRecord, error: Exception) -> logging.LogRecord:
    where = f"{record.name}:{record.lineno}"
    return _record(logging.ERROR, "an event could not be shown", where=where, error=type(error).__name__)


def _record(level: int, event: str, **fields: Any) -> logging.LogRecord:
    values = {"name": _NAME, "levelno": level, "levelname": logging.getLevelName(level), "msg": event, **fields}
    return logging.makeLogRecord(values)
