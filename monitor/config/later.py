"""Keys of the contract whose feature this version does not have: they are refused, never ignored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monitor.config.places import Finding, Place

NOT_YET = "not in this version"

_TABLES = ("reports",)
_KEYS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("targets", "*"): ("compare_with",),
}


def later_keys(document: dict[str, Any]) -> Iterator[Finding]:
    """Every table and key of `document` that a later version will understand."""
    for name in _TABLES:
        if name in document:
            yield (name,), NOT_YET
    for path, keys in _KEYS.items():
        for place, table in _tables_at(document, path):
            for key in keys:
                if key in table:
                    yield (*place, key), NOT_YET


def _tables_at(table: Any, path: tuple[str, ...], place: Place = ()) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The tables of the document that `path` describes, where `*` is any name."""
    if not isinstance(table, dict):
        return
    if not path:
        yield place, table
        return
    for name in table if path[0] == "*" else path[:1]:
        if name in table:
            yield from _tables_at(table[name], path[1:], (*place, name))


def of_this_version(document: dict[str, Any]) -> dict[str, Any]:
    """`document` without what `later_keys` finds in it; the document itself is left as it is."""
    places = {place[:1] if place[0] in _TABLES else place for place, _ in later_keys(document)}
    return {key: _without(value, places, (key,)) for key, value in document.items() if (key,) not in places}


def _without(value: Any, places: set[Place], here: Place) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _without(item, places, (*here, key)) for key, item in value.items() if (*here, key) not in places}
