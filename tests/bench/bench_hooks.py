"""Signed events a second to a local receiver, with connections that are kept for a pass, and with a new one each.

    python tests/bench/bench_hooks.py [--events 10000] [--concurrency 32] [--rounds 2]

The receiver is a process of its own that reads and verifies each event. Goal: 500 a second on two cores, together with
the outbox, so that sending alone has to be well above. The best of the rounds is printed, because whatever else the
machine does can only slow one down.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import aiohttp

from alerts.hooks.event import Occasion, encode, rollback_requested
from alerts.hooks.settings import WebhookSettings
from alerts.hooks.webhook import WebhookSender
from tests.fakes.hook_server import PATH, SECRET

GOAL = 500
NOW = datetime(2026, 11, 16, 13, tzinfo=UTC)


def event() -> bytes:
    """A body of usual size."""
    reasons = ["the interval of the drop lies above the investigate threshold, its estimate above the other"] * 5
    verdict = {"target": "support-ft", "suite": "support", "verdict": "rollback", "reasons": reasons, "score": 0.833}
    occasion = Occasion("deploy", "support-ft", NOW, NOW + timedelta(hours=24), "https://heldout.internal/x?token=y")
    return encode(rollback_requested(occasion, "support-rag", verdict))


@asynccontextmanager
async def receiver() -> AsyncIterator[str]:
    """A receiver in its own process; its origin."""
    command = [sys.executable, "tests/fakes/hook_server.py", "--port", "0"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int((await process.stdout.readline()).split()[1])}"
    finally:
        process.terminate()
        await process.wait()


async def measure(origin: str, events: int, concurrency: int, *, kept: bool) -> float:
    """Events a second; `kept`: one sender for all of them, else a sender an event."""
    settings, body = WebhookSettings("deploy", origin + PATH, SECRET), event()
    left = iter(range(events))

    async def worker(sender: WebhookSender | None) -> None:
        for _ in left:
            if sender is not None:
                await sender.send(str(uuid4()), body, datetime.now(UTC))
                continue
            async with WebhookSender(settings) as own:
                await own.send(str(uuid4()), body, datetime.now(UTC))

    began = time.perf_counter()
    async with WebhookSender(settings) as sender:
        await asyncio.gather(*(worker(sender if kept else None) for _ in range(concurrency)))
    return events / (time.perf_counter() - began)


async def check(origin: str, sent: int) -> None:
    """Every event has come, rightly signed."""
    async with aiohttp.ClientSession() as client, client.get(f"{origin}/control") as told:
        came = json.loads(await told.read())["received"]
    assert len({one["id"] for one in came}) == sent, f"{len(came)} of {sent} came"
    assert all(one["valid"] for one in came)


async def run(options: argparse.Namespace) -> None:
    for kept, words in ((True, "connections kept for a pass"), (False, "a connection an event")):
        async with receiver() as origin:
            rounds = range(options.rounds)
            rates = [await measure(origin, options.events, options.concurrency, kept=kept) for _ in rounds]
            await check(origin, options.rounds * options.events)
        goal = f"  (goal {GOAL})" if kept else ""
        print(f"{words}: {max(rates):,.0f} events/s at concurrency {options.concurrency}{goal}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
