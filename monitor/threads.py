"""Work that may block, in threads that nobody has to wait for at the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` returns or raises, computed in a thread of its own.

    The loop's own pool is waited for when the interpreter ends, so that one call that hangs, at a database or a name
    server, would keep a program from ending; these threads die with the process.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(set_: Callable[[], None]) -> None:
        if not done.done():
            set_()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  # it is raised where the result is awaited
            failure = error
            _call(loop, lambda: settle(lambda: done.set_exception(failure)))
        else:
            _call(loop, lambda: settle(lambda: done.set_result(result)))

    threading.Thread(target=run, name="in_thread", daemon=True).start()
    return await done


def _call(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    # The loop is closed when the program has ended before this work: then nobody asks for the result any more.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call)
