"""Where something stands in config.toml: paths of tables and keys, in the words and in the order of the file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monitor.config.addresses import redact
from monitor.config.faults import Fault

Place = tuple[str | int, ...]
Finding = tuple[Place, str]

# Top-level tables whose own sub-tables have names that the user gives.
NAMED = ("suites", "targets", "judges", "hooks")


def _table_depth(place: Place) -> int:
    if place[0] in NAMED or place[:2] in (("alerts", "slack"), ("alerts", "email")):
        return 2
    return 1


def _quoted(part: str | int) -> str:
    """A key as TOML wants it, fit to be shown: escaped where it holds anything but letters, digits, _ and -."""
    text = redact(str(part))
    return (
        text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else json.dumps(text[:100], ensure_ascii=not text.isprintable())
    )


def _key(parts: Place) -> str | None:
    text = ""
    previous: str | int | None = None
    for part in parts:
        if isinstance(part, int):
            text += f" item {part + 1}"
        elif previous is None:
            text += _quoted(part)
        else:
            text += ("." if isinstance(previous, str) else " ") + _quoted(part)
        previous = part
    return text or None


def fault_at(file: Path, place: Place, message: str, *, is_key: bool = False) -> Fault:
    """The fault `message` at `place`; `is_key` says that a place of one part is a key outside every table."""
    message = redact(message)
    if not place:
        return Fault(file, message)
    if is_key and len(place) == 1:
        return Fault(file, message, key=_quoted(place[0]))
    depth = min(_table_depth(place), len(place))
    return Fault(file, message, table=".".join(_quoted(part) for part in place[:depth]), key=_key(place[depth:]))


def position(document: Mapping[str, Any], place: Place) -> tuple[int, ...]:
    """Sorts places as they stand in the document; what is missing comes after what is there."""
    found: list[int] = []
    value: Any = document
    for part in place:
        if isinstance(value, Mapping):
            keys = list(value)
            found.append(keys.index(part) if part in value else len(keys))
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int):
            found.append(part)
            value = value[part] if part < len(value) else None
        else:
            break
    return tuple(found)
