"""Frozen dataclasses to plain JSON values and back, with the place of every fault."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class FormatError(ValueError):
    """Stored JSON is not what it should be; the message names the field. Reading it again does not help."""


def dump(value: object) -> object:
    """`value` as JSON: objects, lists, strings, numbers; instants in ISO 8601 with a Z; never NaN or Infinity."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: dump(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [dump(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def load(kind: type[T], value: object, place: str = "") -> T:
    """A `kind` (a frozen dataclass) from what `dump` made of one.

    Unknown keys are passed over, because a later version may have written them; a missing key takes the field's
    default.
    Raises FormatError, naming the place, where a value does not fit.
    """
    if not isinstance(value, Mapping):
        raise FormatError(f"{place or kind.__name__}: an object is expected, not {_named(value)}")
    hints = get_type_hints(kind)
    arguments: dict[str, object] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]  # every caller passes a dataclass
        where = f"{place}.{field.name}" if place else field.name
        if field.name in value:
            arguments[field.name] = _value(hints[field.name], value[field.name], where)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise FormatError(f"{where}: is missing")
    try:
        return kind(**arguments)
    except FormatError:
        raise
    except ValueError as error:
        raise FormatError(f"{place or kind.__name__}: {error}") from None


def _value(hint: Any, value: object, place: str) -> object:
    if get_origin(hint) in (Union, types.UnionType):
        if value is None:
            return None
        (hint,) = (option for option in get_args(hint) if option is not type(None))
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise FormatError(f"{place}: a list is expected, not {_named(value)}")
        item_hint = get_args(hint)[0]
        return tuple(_value(item_hint, item, f"{place}[{i}]") for i, item in enumerate(value))
    if dataclasses.is_dataclass(hint):
        return load(hint, value, place)  # type: ignore[arg-type]  # a hint is the class, not an instance
    return _scalar(hint, value, place)


def _scalar(hint: Any, value: object, place: str) -> object:
    if hint is datetime and isinstance(value, str):
        return _instant(value, place)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        try:
            return hint(str(value))
        except ValueError:
            raise FormatError(f"{place}: must be one of {', '.join(hint)}") from None
    if isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise FormatError(f"{place}: {hint.__name__} is expected, not {_named(value)}")


def _instant(text: str, place: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise FormatError(f"{place}: an instant in ISO 8601 is expected") from None
    if moment.tzinfo is None:
        raise FormatError(f"{place}: an instant needs its offset from UTC")
    return moment.astimezone(UTC)


def _named(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
