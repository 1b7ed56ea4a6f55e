"""Writing answers as they come: whatever has arrived is committed together, and nobody goes on before it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")

# More in one transaction would only make the wait for it longer.
_MOST = 500


class Recorder(Generic[T]):
    """Group commit. `put` returns when its item is committed; while one commit runs, the next batch gathers.

    A caller that asks its next question only after `put` can therefore lose, when it is killed, no more answers than it
    has questions in flight. `write` runs in a thread; what it raises reaches everybody whose item was in the batch.
    """

    def __init__(self, write: Callable[[Sequence[T]], None]) -> None:
        self._write = write
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    async def __aenter__(self) -> Recorder[T]:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task

    async def put(self, item: T) -> None:
        """Write `item`; returns when it is committed, even where the caller was cancelled meanwhile."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        self._arrived.set()
        await asyncio.shield(done)

    async def _run(self) -> None:
        while not (self._closing and not self._waiting):
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                await self._commit(batch)

    async def _commit(self, batch: list[tuple[T, asyncio.Future[None]]]) -> None:
        outcome = (
            await asyncio.gather(asyncio.to_thread(self._write, [item for item, _ in batch]), return_exceptions=True)
        )[0]
        for _, done in batch:
            if done.done():
                continue
            if isinstance(outcome, BaseException):
                done.set_exception(outcome)
                # A caller that was cancelled meanwhile no longer looks at it, and asyncio would complain.
                done.exception()
            else:
                done.set_result(None)
