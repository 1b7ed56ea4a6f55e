"""An event's values made fit for JSON, and cut step by step until they fit into a size; pure."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

# What a receiver acts upon: never cut.
_KEPT = frozenset({"hook", "action", "target", "fallback", "expires_at", "result_url", "previous"})
_ESSENTIAL = ("target", "suite", "verdict", "stage", "run", "slot")  # of a verdict, where nothing else fits
_STEPS = ((math.inf, math.inf), (2000, 100), (500, 40), (160, 15), (60, 5))  # characters of a text, items of a list


def fit(event: Mapping[str, object], largest: int) -> bytes:
    """The event as JSON in UTF-8 of at most `largest` bytes.

    `data.left_out` counts the items that are missing from each list, by its path; a text that was cut says so itself.
    NaN and infinities are null, lone surrogates question marks. ValueError where what is never cut is too long, and
    TypeError for a value that JSON has no form for.
    """
    data = event.get("data")
    if not isinstance(data, Mapping):
        raise TypeError("data: an event's data is an object")
    for chars, items in _STEPS:
        made = _encoded(event, data, _Trim(chars, items))
        if len(made) <= largest:
            return made
    bare, missing = _bare(data)
    made = _encoded(event, bare, _Trim(*_STEPS[-1], missing))
    if len(made) > largest:
        raise ValueError(f"an event's own names and addresses take more than {largest:,} bytes")
    return made


def instant(moment: datetime) -> str:
    """ISO 8601 in UTC, with a Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass
class _Trim:
    """One attempt, at one strictness; `left_out` fills as values are cut."""

    chars: float
    items: float
    left_out: Counter[str] = field(default_factory=Counter)

    def value(self, value: object, path: str) -> object:
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if isinstance(value, datetime):
            return instant(value)
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {_plain(key): self.value(part, f"{path}.{_plain(key)}") for key, part in value.items()}
        if isinstance(value, list | tuple):
            return self._list(value, path)
        raise TypeError(f"{path}: an event cannot hold a {type(value).__name__}")

    def _text(self, value: str) -> str:
        text = _plain(value)
        if len(text) <= self.chars:
            return text
        return f"{text[: int(self.chars)].rstrip()} … [cut: {len(text):,} characters]"

    def _list(self, value: list[object] | tuple[object, ...], path: str) -> list[object]:
        kept = value if len(value) <= self.items else value[: int(self.items)]
        if len(kept) < len(value):
            self.left_out[path] += len(value) - len(kept)
        return [self.value(part, path) for part in kept]


def _encoded(event: Mapping[str, object], data: Mapping[str, object], trim: _Trim) -> bytes:
    exact = _Trim(*_STEPS[0])
    made = {key: (exact if key in _KEPT else trim).value(value, key) for key, value in data.items()}
    if trim.left_out:
        made["left_out"] = dict(trim.left_out)
    head = {key: exact.value(value, key) for key, value in event.items() if key != "data"}
    return json.dumps(head | {"data": made}, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")


def _bare(data: Mapping[str, object]) -> tuple[dict[str, object], Counter[str]]:
    """What is never cut, and of a verdict no more than which one it is; with how many fields that leaves out."""
    bare = {key: value for key, value in data.items() if key in _KEPT}
    missing = Counter({"fields": len(data) - len(bare)})
    verdict = data.get("verdict")
    if isinstance(verdict, Mapping):
        which = {key: verdict[key] for key in _ESSENTIAL if isinstance(verdict.get(key), str)}
        bare["verdict"] = which
        missing = Counter({"fields": len(data) - len(bare), "verdict.fields": len(verdict) - len(which)})
    return bare, +missing


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
