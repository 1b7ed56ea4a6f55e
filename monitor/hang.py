"""A process that nobody watches ends by itself when it hangs, and says where."""

from __future__ import annotations

import asyncio
import faulthandler
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

# Seconds for which an event loop may stand still. The watch over it is a thread that needs no lock of Python's: it
# ends a process that hangs in a library's C code, too.
HUNG = 180.0
_EVERY = 1.0


@asynccontextmanager
async def ends_when_it_hangs(turned: Callable[[], None]) -> AsyncIterator[None]:
    """While this lasts, call `turned` each second; where the event loop stands still for HUNG, the process ends.

    Where it stood is written to standard error.
    """
    task = asyncio.create_task(_turn(turned))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        faulthandler.cancel_dump_traceback_later()


async def _turn(turned: Callable[[], None]) -> None:
    while True:
        turned()
        # A stream that is no file has no number, and then there is nowhere to write.
        with suppress(OSError, ValueError, AttributeError):
            faulthandler.dump_traceback_later(HUNG, exit=True, file=sys.stderr)
        await asyncio.sleep(_EVERY)
