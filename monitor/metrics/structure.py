"""The metric `json_match`: field by field, how much of the expected JSON value stands in the one that the answer gives.

The answer's value is the whole text where that is JSON; else the last code fence that holds JSON of the expected kind
(object, array, or other); else the last object or array of that kind in the prose. A leaf is a value that holds no
others, at its path of keys and positions; the score is the share of expected leaves that the answer has, equal, at the
same path. Numbers are compared by value (1 is 1.0), strings without the space around them, true is not 1. What the
answer has beyond is ignored, or with `strict` counts as leaves missed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

from monitor.domain.case import Case, Json
from monitor.metrics.metric import Plan, UnscorableError, texts

_MISSING = object()

_FENCE = re.compile(r"```[\w-]{0,20}[ \t]*\n(.*?)```", re.DOTALL)
_OPENING = re.compile(r"[{\[]")
_PROSE = 100_000
_INT_DIGITS = 400  # longer integers are kept as Decimal, which reads any number of digits in linear time


def _equals_nothing(_name: str) -> Json:
    """What NaN or Infinity in an answer reads as: the rest of the value still counts."""
    return float("nan")


def json_match(answer: str, expected: Json, *, strict: bool = False) -> float:
    """The share of the leaves of `expected` that the answer's JSON value has, in [0, 1]; no JSON at all is 0."""
    try:
        given = extract(answer, expected)
    except LookupError:
        return 0.0
    hits = wanted = shared = 0
    for want, have in _leaf_pairs(expected, given):
        wanted += 1
        shared += _is_leaf(have)
        hits += _equal(have, want)
    return hits / (wanted + _count_leaves(given) - shared if strict else wanted)


def extract(text: str, like: Json) -> Json:
    """The JSON value that `text` gives, of the kind of `like`; LookupError where there is none."""
    text = text.strip("\ufeff \t\r\n")
    try:
        return parse(text)
    except ValueError:
        pass
    for found in (_fenced(text), _in_prose(text)):
        fitting = [value for value in found if _kind(value) == _kind(like)]
        if fitting:
            return fitting[-1]
    raise LookupError("no JSON in the text")


def parse(text: str, constant: Callable[[str], Json] = _equals_nothing) -> Json:
    """`text` as one JSON value; ValueError where it is not, or where it is nested too deep to read.

    `constant` says what NaN and Infinity become, which JSON does not have.
    """
    try:
        return _decoder(constant).decode(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _fenced(text: str) -> Iterator[Json]:
    for fence in _FENCE.finditer(text):
        try:
            yield parse(fence[1].strip())
        except ValueError:
            continue


def _in_prose(text: str) -> Iterator[Json]:
    """The objects and arrays in `text` from left to right.

    What a failed attempt has read is not read again; nesting too deep ends the search. Only the last _PROSE characters
    are searched, because each failure counts the lines before it.
    """
    text = text[-_PROSE:]
    decoder = _decoder(_equals_nothing)
    at = 0
    while opening := _OPENING.search(text, at):
        try:
            value, at = decoder.raw_decode(text, opening.start())
        except json.JSONDecodeError as error:
            at = max(opening.end(), error.pos)
        except RecursionError:
            return
        else:
            yield value


def _leaf_pairs(expected: Json, given: Json) -> Iterator[tuple[Json, Json]]:
    """Each leaf of `expected` with what `given` has at its path, or _MISSING; without recursion, however deep."""
    pending = [(expected, given)]
    while pending:
        want, have = pending.pop()
        if _is_leaf(want):
            yield want, have
        elif isinstance(want, dict):
            pairs = have if isinstance(have, dict) else {}
            pending.extend((child, pairs.get(key, _MISSING)) for key, child in want.items())
        elif isinstance(want, list):
            items = have if isinstance(have, list) else []
            pending.extend((child, items[i] if i < len(items) else _MISSING) for i, child in enumerate(want))


def _count_leaves(value: Json) -> int:
    count, pending = 0, [value]
    while pending:
        node = pending.pop()
        if _is_leaf(node):
            count += 1
        else:
            pending.extend(node.values() if isinstance(node, dict) else list(node))  # type: ignore[call-overload]
    return count


def _is_leaf(value: Json) -> bool:
    """Whether `value` holds no others: a scalar, or an empty object or array."""
    return value is not _MISSING and not (isinstance(value, dict | list) and value)


def _equal(given: Any, wanted: Any) -> bool:
    if isinstance(given, str) and isinstance(wanted, str):
        return given.strip() == wanted.strip()
    if isinstance(given, bool) or isinstance(wanted, bool):
        return given is wanted
    return bool(given == wanted)


def _kind(value: Json) -> str:
    return "object" if isinstance(value, dict) else "array" if isinstance(value, list) else "other"


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _INT_DIGITS else Decimal(digits)


def _not_json(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


@lru_cache(maxsize=2)
def _decoder(constant: Callable[[str], Json]) -> json.JSONDecoder:
    return json.JSONDecoder(parse_int=_integer, parse_constant=constant)


@lru_cache(maxsize=4096)
def _expected(text: str) -> tuple[Json] | str:
    """The value of an expected output, or what is wrong with it."""
    try:
        return (parse(text.strip(), _not_json),)
    except ValueError as error:
        return (
            f"the expected output {text[:60]!r} is not JSON ({error}); "
            "a list of strings is a list of alternatives: write an array of strings as one string"
        )


def _read(case: Case) -> tuple[Json, ...]:
    read = [_expected(text) for text in texts(case)]
    faults = [r for r in read if isinstance(r, str)]
    if faults:
        raise UnscorableError(faults[0])
    return tuple(r[0] for r in read)


def json_match_plan(strict: bool) -> Plan:
    """The plan of `json_match`."""
    return Plan(_read, partial(json_match, strict=strict))
