"""A program's log from its beginning to its end: form, level, and what libraries and the interpreter say."""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TextIO

from monitor.logs.handler import Handler

# Whose events are told at the configured level; libraries are heard from warnings on, because at lower levels some
# write whole requests, with questions and answers, or a line for each tick.
OWN = ("monitor", "alerts", "judges")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class LogSettingError(Exception):
    """HELDOUT_LOG or HELDOUT_LOG_LEVEL holds what it cannot; the message says what it can."""


def wanted(environ: Mapping[str, str], stream: TextIO | None = None) -> bool:
    """Whether someone has asked for logs: by HELDOUT_LOG, or as systemd does, whose journal `stream` leads to."""
    return bool(environ.get("HELDOUT_LOG")) or _is_journal(environ, stream or sys.stderr)


def setup(environ: Mapping[str, str], stream: TextIO | None = None) -> None:
    """Log to `stream` (standard error) from here on; again replaces what was set up before. LogSettingError.

    JSON where `stream` leads to the journal or HELDOUT_LOG is "json", else text; HELDOUT_LOG_LEVEL says from
    which level on, else INFO.
    With JSON on standard error all else that is written there becomes a line of the log as well.
    """
    stream = stream or sys.stderr
    stream = stream.original if isinstance(stream, _Logged) else stream
    structured, level = _structured(environ, stream), _level(environ)
    teardown()
    colour = not structured and stream.isatty() and "NO_COLOR" not in environ and environ.get("TERM") != "dumb"
    root = logging.getLogger()
    handler = Handler(stream, structured=structured, colour=colour, undo=_undoing())
    root.addHandler(handler)
    root.setLevel(max(level, logging.WARNING))
    for name in OWN:
        logging.getLogger(name).setLevel(level)
    _hear_the_interpreter()
    if structured and stream is sys.stderr:
        sys.stderr = _Logged(stream)


def teardown() -> None:
    """Undo `setup`, after what was logged is written or has waited for three seconds; harmless without it."""
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, Handler)]:
        handler.undo()
        root.removeHandler(handler)
        handler.flush()
        handler.close()


def be_silent_unless_set_up() -> None:
    """Keep Python from printing warnings of ours on standard error, where a command says all that people need."""
    for name in OWN:
        logger = logging.getLogger(name)
        if not any(isinstance(one, logging.NullHandler) for one in logger.handlers):
            logger.addHandler(logging.NullHandler())


class _Logged(io.TextIOBase):
    """Standard error as part of the log: what a command or library prints there becomes an event."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, original: TextIO) -> None:
        self.original = original
        self._begun = ""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.original.fileno()

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> int:
        # Raises TypeError for bytes, by which callers find out that this is a stream of text.
        self._begun = (self._begun + text)[-65_536:]
        if self._begun.endswith("\n"):
            said, self._begun = " ".join(self._begun.split()), ""
            if said:
                logging.getLogger("monitor.stderr").warning("%s", said)
        return len(text)


def _undoing() -> Callable[[], None]:
    """What puts things back as they are now."""
    root = logging.getLogger()
    level, hooks = root.level, (sys.excepthook, sys.unraisablehook, threading.excepthook)

    def undo() -> None:
        if isinstance(sys.stderr, _Logged):
            sys.stderr = sys.stderr.original
        logging.captureWarnings(False)
        sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
        root.setLevel(level)
        for name in OWN:
            logging.getLogger(name).setLevel(logging.NOTSET)

    return undo


def _structured(environ: Mapping[str, str], stream: TextIO) -> bool:
    form = environ.get("HELDOUT_LOG", "").lower()
    if form not in ("", "json", "text"):
        raise LogSettingError('HELDOUT_LOG must be "json" or "text"; or leave it out: JSON under systemd, else text')
    return form == "json" or (not form and _is_journal(environ, stream))


def _level(environ: Mapping[str, str]) -> int:
    name = environ.get("HELDOUT_LOG_LEVEL", "").upper()
    if name and name not in LEVELS:
        raise LogSettingError(f"HELDOUT_LOG_LEVEL must be one of {', '.join(LEVELS)}")
    return int(getattr(logging, name)) if name else logging.INFO


def _is_journal(environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether the stream is the one that systemd means: a service may have sent it elsewhere."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _hear_the_interpreter() -> None:
    """Warnings, and errors that nothing handles: Python would write them in several lines."""
    logging.captureWarnings(True)
    sys.excepthook = partial(_uncaught, "the program ended with an error")
    threading.excepthook = lambda raised: _uncaught(
        "a thread ended with an error", raised.exc_type, raised.exc_value, raised.exc_traceback
    )
    sys.unraisablehook = lambda raised: _uncaught(
        raised.err_msg or "an error that could not be raised", raised.exc_type, raised.exc_value, raised.exc_traceback
    )


def _uncaught(event: str, kind: Any, error: Any, trace: Any) -> None:
    logging.getLogger("monitor").critical(event, exc_info=(kind, error, trace))
