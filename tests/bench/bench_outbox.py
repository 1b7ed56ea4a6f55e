"""Messages a second from the outbox to a receiver on loopback, by the real delivery; goal: 500 on either database.

    python tests/bench/bench_outbox.py [--rows 10000] [--at-once 16] [--rounds 1]

The receiver is a process of its own that answers at once, and counts what comes twice. SQLite is a file with
synchronous=FULL; PostgreSQL is a server of the benchmark's own with fsync on. What is in one line goes one after the
other, so that one line for all shows what a single send and its share of the database take.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
from aiohttp import web

from alerts.alert import Alert, Kind
from alerts.channel import Health, Outgoing, Receipt, TransportError
from alerts.deliver import deliver
from monitor.store import outbox
from monitor.store.database import Database, open_database
from monitor.store.outbox import StoredOutbox
from monitor.store.tables import alert as alert_table
from monitor.store.tables import outbox as outbox_table
from tests.bench.bench_store import server, sqlite
from tests.fakes import postgresql
from tests.fakes.ports import free_port

GOAL = 500
LINES = (1, 20, 1000)


def receive(port: int, ready: Connection) -> None:
    """The other side: takes everything, and says how often each id came."""
    seen: Counter[str] = Counter()

    async def take(request: web.Request) -> web.Response:
        await request.read()
        seen[request.headers["webhook-id"]] += 1
        return web.Response(status=202)

    async def count(request: web.Request) -> web.Response:
        found = {"different": len(seen), "twice": sum(times - 1 for times in seen.values())}
        seen.clear()
        return web.json_response(found)

    async def serve() -> None:
        app = web.Application()
        app.add_routes([web.post("/", take), web.get("/", count)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        ready.send("ready")
        await asyncio.sleep(3600)

    asyncio.run(serve())


@dataclass
class Post:
    """A channel that posts what it is given to an address, as plainly as it can be done."""

    url: str
    at_once: int
    name: str = "post"
    pace: timedelta = timedelta(0)
    longest: timedelta = timedelta(seconds=30)
    session: aiohttp.ClientSession | None = field(default=None, repr=False)

    async def send(self, outgoing: Outgoing) -> Receipt:
        if self.session is None:
            self.session = aiohttp.ClientSession()
        headers = {"webhook-id": f"{outgoing.id} {outgoing.part}"}
        async with self.session.post(self.url, json=outgoing.payload, headers=headers) as answer:
            if answer.status >= 300:
                raise TransportError(f"answered {answer.status}", permanent=False)
        return Receipt()

    async def verify(self) -> Health:
        return Health(None, "not asked")

    async def aclose(self) -> None:
        if self.session is not None:
            await self.session.close()


def fill(database: Database, rows: int, lines: int) -> None:
    """That many messages, in turn for each of the targets."""
    now = datetime.now(UTC)
    with database.write() as connection:
        for table in (outbox_table, alert_table):
            connection.execute(table.delete())
        for number in range(rows):
            target = f"target-{number % lines}"
            told = Alert(f"alert-{number}", Kind.WORSE, target, "support", "investigate", reasons=("It fell. " * 20,))
            outbox.enqueue(connection, told.to_json(), None, ["post"], now)


async def drain(database: Database, url: str, at_once: int) -> tuple[float, dict[str, Any]]:
    """Seconds that the delivery took, and what the receiver counted."""
    channel = Post(url, at_once)
    began = time.perf_counter()
    clock = lambda: datetime.now(UTC)  # noqa: E731
    done = await deliver(StoredOutbox(database), {"post": channel}, clock, until=clock() + timedelta(minutes=5))
    took = time.perf_counter() - began
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        counted = await answer.json()
    await channel.aclose()
    assert done.sent == counted["different"], (done, counted)
    return took, counted


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    logging.disable(logging.INFO)
    port = free_port()
    ready, theirs = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=receive, args=(port, theirs), daemon=True)
    receiver.start()
    ready.recv()
    print(f"{given.rows:,} messages, {given.at_once} at once where they are not of one line")
    for name, made in {"SQLite": sqlite, "PostgreSQL": server}.items():
        if name == "PostgreSQL" and postgresql.programs() is None:
            print(f"{name}: {postgresql.HOW_TO_INSTALL}")
            continue
        with made() as url:
            database = open_database(url)
            for lines in LINES:
                found = []
                for _ in range(given.rounds):
                    fill(database, given.rows, lines)
                    found.append(asyncio.run(drain(database, f"http://127.0.0.1:{port}/", given.at_once)))
                rate = max(given.rows / took for took, _ in found)
                lost = sum(given.rows - counted["different"] for _, counted in found)
                twice = sum(counted["twice"] for _, counted in found)
                print(
                    f"{name:10}  {lines:5,} lines: {rate:6,.0f} messages/s  (goal {GOAL}); {lost} lost, {twice} twice"
                )
            database.close()
    receiver.terminate()


if __name__ == "__main__":
    main()
