"""A process that nobody watches ends by itself when it hangs, and says where."""

from __future__ import annotations

import asyncio
import faulthandler
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

# Seconds for which an event loop may stand still. The watch over it is a thread that needs no lock of Python's: it
# ends a process that hangs in a library's C code, too.
HUNG = 180.0
_EVERY = 1.0
# Its number: where Python's own stream leads elsewhere, this does not.
_STDERR = 2


@asynccontextmanager
async def ends_when_it_hangs(turned: Callable[[], None], after: float = HUNG) -> AsyncIterator[None]:
    """While this lasts, call `turned` each second; a loop that stands still for `after` seconds ends the process.

    Where it stood is written to standard error.
    """
    # Once before the loop has turned at all: what hangs may do so before it lets anybody else run.
    _arm(after)
    task = asyncio.create_task(_turn(turned, after))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        faulthandler.cancel_dump_traceback_later()


async def _turn(turned: Callable[[], None], after: float) -> None:
    while True:
        turned()
        _arm(after)
        await asyncio.sleep(_EVERY)


def _arm(after: float) -> None:
    faulthandler.dump_traceback_later(after, exit=True, file=_STDERR)
