"""Waiting in an event loop for something that comes true, and no longer than a test can bear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(what: Callable[[], object], within: float = 10.0) -> None:
    """Return as soon as `what` gives something true; AssertionError after `within` seconds."""
    for _ in range(round(within / 0.01)):
        if what():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"did not come true within {within} s")
