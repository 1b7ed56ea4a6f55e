"""Holds values against the part of JSON Schema that our OpenAPI document uses; an unknown keyword is a fault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
_SAID = {"title", "description", "default"}


def faults(value: Any, schema: dict[str, Any], document: dict[str, Any], place: str = "$") -> Iterator[str]:
    """What is wrong with `value`; a property that the schema does not name is a fault, too."""
    if "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        yield from faults(value, target, document, place)
        return
    known = {"type", "anyOf", "properties", "additionalProperties", "required", "items", "enum", "const", "pattern"}
    unknown = set(schema) - _SAID - known
    if unknown:
        yield f"{place}: the schema has {unknown}, which is not looked at here"
    if "anyOf" in schema:
        tried = [list(faults(value, one, document, place)) for one in schema["anyOf"]]
        if all(tried):
            yield min(tried, key=len)[0]
        return
    if not _is_type(value, schema.get("type")):
        yield f"{place}: {value!r} is no {schema.get('type')}"
        return
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        yield f"{place}: {value!r} is not {schema.get('enum') or schema['const']}"
    if not re.search(schema.get("pattern", ""), str(value)):
        yield f"{place}: {value!r} does not match {schema['pattern']}"
    if isinstance(value, dict):
        yield from _of_object(value, schema, document, place)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from faults(item, schema["items"], document, f"{place}[{index}]")


def _of_object(value: dict[str, Any], schema: dict[str, Any], document: dict[str, Any], place: str) -> Iterator[str]:
    known = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield f"{place}: {name} is missing"
    for name, item in value.items():
        one = known.get(name, schema.get("additionalProperties"))
        if isinstance(one, dict):
            yield from faults(item, one, document, f"{place}.{name}")
        else:
            yield f"{place}: {name} is not in the schema"


def _is_type(value: Any, kind: str | None) -> bool:
    if kind is None:
        return True
    if kind in ("number", "integer"):
        return isinstance(value, int if kind == "integer" else int | float) and not isinstance(value, bool)
    return isinstance(value, _TYPES[kind])
