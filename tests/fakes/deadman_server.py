"""An address that is pinged, on loopback, as Healthchecks is: it keeps what came, and answers as it was told to.

Inside a test: `async with deadman_server() as server`. As a process: `python tests/fakes/deadman_server.py --port 0`
prints `port N`; `POST /control` changes how it answers, `GET /control` tells what came. SIGTERM or SIGINT ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web

SECRET_PATH = "/ping/5f1d0e7a-secret"


@dataclass(frozen=True)
class Step:
    """What to do with one ping; `hang`: it is kept, and never answered."""

    status: int = 200
    text: str = "OK"
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False


@dataclass(frozen=True)
class Ping:
    """What came: the path's end after the address's own, its query, its body."""

    path: str
    query: str
    body: str
    headers: dict[str, str]


class DeadmanServer:
    """`pings` came, in this order; the next ones meet `script`, and all others `always`."""

    def __init__(self) -> None:
        self.pings: list[Ping] = []
        self.script: deque[Step] = deque()
        self.always = Step()
        self.stopping = asyncio.Event()
        self.arrived = asyncio.Event()
        self.url = ""

    @property
    def kinds(self) -> list[str]:
        """The ends of the paths."""
        return [ping.path for ping in self.pings]

    async def ping(self, request: web.Request) -> web.Response:
        body = (await request.read()).decode()
        path = request.path.removeprefix(SECRET_PATH)
        self.arrived.set()
        self.pings.append(Ping(path, request.rel_url.raw_query_string, body, dict(request.headers)))
        step = self.script.popleft() if self.script else self.always
        if step.hang:
            await self.stopping.wait()
        return web.Response(status=step.status, text=step.text, headers=step.headers)

    async def tell(self, _: web.Request) -> web.Response:
        return web.json_response({"pings": [asdict(ping) for ping in self.pings]})

    async def control(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        if "always" in wanted:
            self.always = Step(**wanted["always"])
        self.script.extend(Step(**step) for step in wanted.get("script", []))
        return web.json_response({"ok": True})


@asynccontextmanager
async def deadman_server(port: int = 0) -> AsyncIterator[DeadmanServer]:
    """A running server; whoever hangs is let go when it stops."""
    server = DeadmanServer()
    app = web.Application()
    app.router.add_get("/control", server.tell)
    app.router.add_post("/control", server.control)
    app.router.add_route("*", "/{path:.*}", server.ping)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}{SECRET_PATH}"
    try:
        yield server
    finally:
        server.stopping.set()
        await runner.cleanup()


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with deadman_server(options.port) as server:
        print(f"port {server.url.split(':')[2].split('/')[0]}", flush=True)
        await stop.wait()


def main(arguments: list[str] | None = None) -> int:
    """Run the server until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    options: Any = parser.parse_args(arguments)
    asyncio.run(_serve(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
