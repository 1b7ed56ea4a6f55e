"""The JSON objects that stand in a text, found so that a quotation is not taken for one; pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_MOST_IN_VAIN = 1_000_000  # characters read as JSON that turned out to be none; each attempt counts as 100 more
_START = re.compile(r"[{\[]")
_OBJECT = re.compile(r"""\{\s*(?:["'“‘]|\w+\s*:)""")  # one in Python's or JavaScript's way is broken, too
_BRACE = re.compile(r"[{}]")
_OPENING, _CLOSING = "\"'“„«‘`", "\"'”“»’`"
_THOUGHT_ENDS = ("</think>", "</thinking>")


class BrokenError(Exception):
    """The text holds something that is meant as JSON and is none, or can be read in two ways. The message says what."""


class _RepeatedKeyError(ValueError):
    pass


@dataclass(frozen=True, slots=True)
class Piece:
    """An object or a list of objects, as it stands in a text."""

    value: dict[str, Any] | list[dict[str, Any]]
    source: str


def pieces(text: str) -> list[Piece]:
    """The objects, and lists of objects, in `text`: none that is inside another, nor in quotation marks.

    Raises BrokenError where an object is broken, repeats a key or is nested too deeply, or where braces stand loose
    behind the first one: then a quotation may have ended an object before its time.
    """
    found: list[Piece] = []
    at = loose = vain = 0
    while (start := _START.search(text, at)) is not None:
        begin = start.start()
        try:
            value, end = _decoded(text, begin)
        except ValueError as error:
            at = begin + 1
            vain += getattr(error, "pos", len(text)) - begin + 100
            if vain > _MOST_IN_VAIN:
                raise BrokenError("there are too many places at which JSON could begin") from None
            continue
        if found and _BRACE.search(text, loose, begin):
            raise BrokenError("braces stand loose behind a JSON object")
        at = loose = end
        fits = isinstance(value, dict) or (value and all(isinstance(one, dict) for one in value))
        if fits and not _quoted(text, begin, end):
            found.append(Piece(value, text[begin:end]))
    if found and _BRACE.search(text, loose):
        raise BrokenError("braces stand loose behind a JSON object")
    return found


def _decoded(text: str, begin: int) -> tuple[Any, int]:
    """What begins there and where it ends; ValueError where that is nothing that was meant as JSON."""
    try:
        return _DECODER.raw_decode(text, begin)
    except _RepeatedKeyError as error:
        raise BrokenError(str(error)) from None
    except RecursionError:
        raise BrokenError("it is nested too deeply") from None
    except ValueError:
        if _OBJECT.match(text, begin):
            raise BrokenError(f"the JSON object at character {begin + 1} is broken or not closed") from None
        raise


def _alone(text: str, begin: int, end: int) -> bool:
    line_end = text.find("\n", end)
    before = text[text.rfind("\n", 0, begin) + 1 : begin].strip().lower()
    after = text[end : line_end if line_end >= 0 else len(text)].strip()
    return (not before or before.endswith(_THOUGHT_ENDS)) and not after


def _quoted(text: str, begin: int, end: int) -> bool:
    before, after = text[begin - 1 : begin], text[end : end + 1]
    return not _alone(text, begin, end) and bool(before and after) and before in _OPENING and after in _CLOSING


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _RepeatedKeyError("a key stands twice in an object of the reply")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_distinct, parse_constant=_no_number)
