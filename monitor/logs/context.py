"""Fields that stand in every line: the ids of what is being done, bound around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

# The attribute in which an error keeps the fields that were bound where it was raised.
_BOUND = "_heldout_bound"

_context: ContextVar[Mapping[str, Any]] = ContextVar("heldout_log_context", default=MappingProxyType({}))


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Add `fields` to every line that is logged inside, across its asyncio tasks and `to_thread`.

    An error that leaves it keeps them, so that a line about it has them wherever it is written.
    """
    whole = {**_context.get(), **fields}
    token = _context.set(whole)
    try:
        yield
    except BaseException as error:
        if not hasattr(error, _BOUND):
            setattr(error, _BOUND, whole)
        raise
    finally:
        _context.reset(token)


def bound_now() -> Mapping[str, Any]:
    """The fields that are bound here."""
    return _context.get()


def bound_to(error: BaseException | None) -> Mapping[str, Any]:
    """The fields that were bound where `error` was raised."""
    found: Mapping[str, Any] = getattr(error, _BOUND, {})
    return found
