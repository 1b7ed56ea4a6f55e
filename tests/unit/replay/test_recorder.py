"""Group commit: what arrives while one commit runs is committed together, and nobody goes on before it is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from monitor.replay.recorder import Recorder


class Disk:
    """A write that waits until it is let go."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[int] = set()
        self.error: BaseException | None = None
        self.writing = threading.Event()
        self.go = threading.Event()
        if not held:
            self.go.set()

    def write(self, batch: Sequence[int]) -> None:
        self.writing.set()
        assert self.go.wait(30)
        if self.error is not None:
            raise self.error
        self.threads.add(threading.get_ident())
        self.batches.append(list(batch))


async def until_writing(disk: Disk) -> None:
    assert await asyncio.to_thread(disk.writing.wait, 30)


async def test_what_was_put_is_committed_when_put_returns():
    disk = Disk()
    async with Recorder(disk.write) as recorder:
        for item in range(3):
            await recorder.put(item)
            assert disk.batches[-1] == [item]
    assert threading.get_ident() not in disk.threads


async def test_what_arrives_while_a_commit_runs_is_committed_together():
    disk = Disk(held=True)
    async with Recorder(disk.write) as recorder:
        first = asyncio.create_task(recorder.put(0))
        await until_writing(disk)
        others = [asyncio.create_task(recorder.put(item)) for item in range(1, 6)]
        await asyncio.sleep(0)
        assert not first.done()
        disk.go.set()
        await asyncio.gather(first, *others)
    assert disk.batches == [[0], [1, 2, 3, 4, 5]]


async def test_very_many_are_committed_in_parts():
    disk = Disk(held=True)
    async with Recorder(disk.write) as recorder:
        waiting = [asyncio.create_task(recorder.put(item)) for item in range(1201)]
        await until_writing(disk)
        disk.go.set()
        await asyncio.gather(*waiting)
    assert [len(batch) for batch in disk.batches] == [500, 500, 201]
    assert [item for batch in disk.batches for item in batch] == list(range(1201))


async def test_an_error_reaches_everyone_whose_item_was_in_the_batch_and_nobody_else():
    disk = Disk(held=True)
    disk.error = OSError("the disk is full")
    async with Recorder(disk.write) as recorder:
        doomed = [asyncio.create_task(recorder.put(item)) for item in range(2)]
        await until_writing(disk)
        disk.go.set()
        outcomes = await asyncio.gather(*doomed, return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["the disk is full"] * 2
        disk.error = None
        await recorder.put(2)
    assert disk.batches == [[2]]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_caller_that_is_cancelled_leaves_its_item_to_be_committed(fails):
    disk = Disk(held=True)
    disk.error = OSError("the disk is full") if fails else None
    async with Recorder(disk.write) as recorder:
        caller = asyncio.create_task(recorder.put(7))
        await until_writing(disk)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        disk.go.set()
    assert disk.batches == ([] if fails else [[7]])


async def test_leaving_waits_for_what_was_put():
    disk = Disk(held=True)
    async with Recorder(disk.write) as recorder:
        waiting = [asyncio.create_task(recorder.put(item)) for item in range(3)]
        await until_writing(disk)
        asyncio.get_running_loop().call_soon(disk.go.set)
    assert [item for batch in disk.batches for item in batch] == [0, 1, 2]
    await asyncio.gather(*waiting)


async def test_nothing_put_writes_nothing():
    disk = Disk()
    async with Recorder(disk.write):
        pass
    assert disk.batches == []
