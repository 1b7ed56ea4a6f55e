"""A log record becomes one line: JSON for programs, or a readable line for people."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from monitor.logs.context import bound_to
from monitor.logs.values import escaped, field, moment, plain, said, text

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_FIXED = ("time", "level", "logger", "event", "exception", "stack")
_MOST_FRAMES = 40
_OUTERMOST = 5
_MOST_CAUSES = 5
_ROOT = str(Path(__file__).resolve().parents[2])
_COLOURS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}


def as_json(record: logging.LogRecord, context: Mapping[str, Any]) -> str:
    """One JSON object: time (UTC), level, logger, event, then the fields. `context`: fields of every line."""
    whole = {
        "time": moment(datetime.fromtimestamp(record.created, UTC)),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": _event(record),
        **_fields(record, context),
    }
    return escaped(json.dumps(whole, ensure_ascii=False, allow_nan=False))


def as_text(record: logging.LogRecord, context: Mapping[str, Any], *, colour: bool = False) -> str:
    """Local time with its offset, level, event, then key=value. The day is told: a daemon is read for weeks."""
    when = datetime.fromtimestamp(record.created, UTC).astimezone().isoformat(" ", "seconds")
    level = f"{record.levelname:<8}"
    fields = _fields(record, context)
    raised = fields.pop("exception", None)
    parts = [_event(record), *(f"{name}={_word(value)}" for name, value in fields.items() if value is not None)]
    if raised is not None:
        causes = "".join(f" < {cause}" for cause in raised.get("causes", ()))
        what = f"{raised['type']}: {raised['message']}{causes}"
        parts.append(f"exception={_word(what)}")
        parts.append(f"at={_word(' > '.join(raised['traceback']))}")
    paint = _COLOURS.get(record.levelname) if colour else None
    shown = f"\x1b[{paint}m{level}\x1b[0m" if paint else level
    return f"{when} {shown} {escaped('  '.join(parts))}"


def exception(error: BaseException) -> dict[str, Any]:
    """Type, message, traceback as "file:line function" with the outermost first, and what it came from.

    Neither source lines nor local values: they may hold anything, a secret too.
    """
    found: dict[str, Any] = {
        "type": type(error).__name__,
        "message": _message(error),
        "traceback": _frames(error.__traceback__),
    }
    causes = [
        text(f"{type(one).__name__}: {_message(one)} ({(_frames(one.__traceback__) or ['not raised'])[-1]})")
        for one in _causes(error)
    ]
    return {**found, "causes": causes} if causes else found


def _event(record: logging.LogRecord) -> str:
    try:
        return text(record.getMessage().strip())
    except Exception:  # noqa: BLE001  # a library's wrong format string must cost neither the line nor the program
        return text(f"{said(str, record.msg)} {plain(record.args)!r}")


def _fields(record: logging.LogRecord, context: Mapping[str, Any]) -> dict[str, Any]:
    """The context's fields, the record's own (which win), and what was raised."""
    error = record.exc_info[1] if record.exc_info else None
    # A line about an error has the ids of where it was raised, though it may be written elsewhere.
    own = {name: value for name, value in vars(record).items() if name not in _OWN}
    found = {_named(name): field(name, value) for name, value in {**context, **bound_to(error), **own}.items()}
    if error is not None:
        found["exception"] = exception(error)
    if record.stack_info:
        found["stack"] = [text(line.strip()) for line in record.stack_info.splitlines()[-2 * _MOST_FRAMES :]]
    return found


def _named(name: str) -> str:
    """A field that has a fixed one's name stands beside it."""
    return f"{name}_" if name in _FIXED else text(name)


def _causes(error: BaseException) -> list[BaseException]:
    """What a group holds, then the chain of what it was raised from; each once."""
    found: list[BaseException] = list(error.exceptions[:_MOST_CAUSES]) if isinstance(error, BaseExceptionGroup) else []
    here = error
    while len(found) < _MOST_CAUSES:
        following = here.__cause__ or (None if here.__suppress_context__ else here.__context__)
        if following is None or any(following is one for one in (error, *found)):
            break
        found.append(following)
        here = following
    return found


def _message(error: BaseException) -> str:
    notes = getattr(error, "__notes__", ())
    return text(" ".join([said(str, error), *(str(note) for note in notes)]))


def _frames(trace: TracebackType | None) -> list[str]:
    frames = [
        f"{_place(frame.f_code.co_filename)}:{line} {frame.f_code.co_name}" for frame, line in traceback.walk_tb(trace)
    ]
    if len(frames) <= _MOST_FRAMES:
        return frames
    left_out = f"… {len(frames) - _MOST_FRAMES} more …"
    return [*frames[:_OUTERMOST], left_out, *frames[_OUTERMOST - _MOST_FRAMES :]]


def _place(filename: str) -> str:
    """A source file, from its package on."""
    for root in ("/site-packages/", f"{_ROOT}/", f"{sys.base_prefix}/lib/"):
        if root in filename:
            return filename.partition(root)[2]
    return filename


def _word(value: Any) -> str:
    """A value as one word: quoted where it would not be one."""
    if isinstance(value, str) and value and value.isprintable() and not set(value) & set(" \"'=\\"):
        return value
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
