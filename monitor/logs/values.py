"""What may stand in a log: values become plain JSON without secrets, and no text can break or colour a line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from numbers import Integral, Real
from pathlib import PurePath
from typing import Any

from monitor.config.addresses import names_a_credential, redact

LONGEST = 2_000  # characters of one value
REDACTED = "[redacted]"
# What is looked through for secrets: more than is kept, so that none is cut in two before it is recognised.
_LOOKED_THROUGH = 2 * LONGEST
_MOST_ITEMS = 50
_DEEPEST = 4
_LARGEST_INTEGER = 2**63

_URL = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{1,30}://)([^\s\"'<>]+)")
# name=value, "name": value, and a header's name: value, where the name turns out to be a credential's.
_PAIR = re.compile(
    r"""\b(?P<name>[A-Za-z][A-Za-z0-9_-]{1,60})(?P<between>["']?\s?=\s?|["']\s?:\s?|:\s)
        (?P<scheme>(?:Basic|Bearer|Token)\s+)?(?P<value>"[^"]*"|'[^']*'|[^\s"',;&)\]}]+)""",
    re.VERBOSE,
)
_HEADERS = {"authorization", "cookie"}


def field(name: str, value: object, depth: int = 0) -> Any:
    """`value` under its name: what the name says is a credential is left out."""
    return REDACTED if value is not None and names_a_credential(name) else plain(value, depth)


def plain(value: object, depth: int = 0) -> Any:
    """`value` as JSON has it: texts cleaned and cut, NaN and infinities null, times in UTC, anything else its repr."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return plain(value.value, depth)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Integral):
        number = int(value)
        # Python refuses to write integers of thousands of digits, and JSON's readers round long ones.
        return number if abs(number) < _LARGEST_INTEGER else text(hex(number))
    if isinstance(value, Real):
        fraction = float(value)
        return fraction if math.isfinite(fraction) else None
    if isinstance(value, datetime):
        return moment(value) if value.tzinfo else value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, BaseException):
        return text(f"{type(value).__name__}: {said(str, value)}")
    if isinstance(value, PurePath):
        return text(str(value))
    return _compound(value, depth)


def _compound(value: object, depth: int) -> Any:
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            named = [(said(str, name), item) for name, item in list(value.items())[:_MOST_ITEMS]]
            return {text(name): field(name, item, depth + 1) for name, item in named}
        if isinstance(value, list | tuple | set | frozenset):
            return [plain(item, depth + 1) for item in list(value)[:_MOST_ITEMS]]
    return text(said(repr, value))


def moment(when: datetime) -> str:
    """UTC, ISO 8601, milliseconds, Z."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text(value: str) -> str:
    """`value` without secrets, and at most `LONGEST` characters long. What would break a line still stands in it."""
    # Half of a surrogate pair is no text, and strict readers of JSON refuse it even where it is escaped.
    seen = str(value[:_LOOKED_THROUGH]).encode("utf-8", "replace").decode("utf-8")
    kept = redact(_PAIR.sub(_without_value, _URL.sub(_bare, seen)))
    return kept if len(kept) <= LONGEST and len(value) <= _LOOKED_THROUGH else kept[: LONGEST - 1] + "…"


def escaped(line: str) -> str:
    r"""`line` on one line: line breaks and all else that cannot be seen as \n, \u001b or \u202e.

    Within JSON it is still JSON, because JSON's own escapes leave such characters in strings alone.
    """
    return line if line.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def said(how: Callable[[Any], str], value: object) -> str:
    """What `str` or `repr` says of a value, whose own code may do anything."""
    try:
        return str(how(value))
    except Exception as error:  # noqa: BLE001  # a value that cannot be shown must not stop what is logged
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def _bare(match: re.Match[str]) -> str:
    """An address without user, password, query and fragment."""
    rest = match[2]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        rest = rest[authority.rindex("@") + 1 :]
    elif "@" in rest and re.search(r":(?!\d*\Z)", authority):
        # A password with a slash in it, which nobody has escaped.
        rest = rest.rpartition("@")[2]
    return match[1] + re.split(r"[?#]", rest, maxsplit=1)[0]


def _without_value(match: re.Match[str]) -> str:
    name, between = match["name"], match["between"]
    if not names_a_credential(name):
        return match[0]
    # "the token: it has run out" is a sentence; "Authorization: …" and "X-Api-Key: …" are not.
    if between == ": " and not match["scheme"] and "-" not in name and name.lower() not in _HEADERS:
        return match[0]
    return f"{name}{between}{REDACTED}"
