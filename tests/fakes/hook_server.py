"""A receiver of hooks on loopback: it checks signatures by itself, keeps what came, and fails as receivers do.

As a process: `python tests/fakes/hook_server.py --port 0 --secret whsec_…` prints `port N`; `POST /control` changes
what the next requests and all further ones meet, `GET /control` tells what came. SIGTERM or SIGINT ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PATH = "/hooks/secret-path"
TRAP = "/never"  # where redirects lead
TOLERANCE = 300  # seconds


@dataclass(frozen=True)
class Step:
    """What one request meets: this answer; or `hang`; or `close`, without an answer.

    `drip` sends the head, and then a byte of the body every so many seconds, without an end; `size` bytes of body.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    hang: bool = False
    close: bool = False
    drip: float = 0.0
    size: int = 0


@dataclass(frozen=True)
class Received:
    """One request: its three headers, whether a signature is right and in time, and the body as it came."""

    id: str
    timestamp: str
    signature: str
    valid: bool
    body: str
    headers: dict[str, str]


def signed(secret: str, headers: Any, body: bytes, now: float) -> bool:
    """Whether one of the signatures is `secret`'s: the standard's scheme, written down once more."""
    stamp = headers.get("webhook-timestamp", "")
    if not stamp.isdecimal() or abs(int(stamp) - now) > TOLERANCE:
        return False
    text = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    made = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), text, hashlib.sha256).digest()
    wanted = "v1," + base64.b64encode(made).decode()
    return any(hmac.compare_digest(wanted, one) for one in headers.get("webhook-signature", "").split(" "))


class FixedNames(AbstractResolver):
    """Every host has these addresses; `asked` are the hosts that were looked up."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        return [
            ResolveResult(hostname=host, host=one, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
            for one in self.addresses
        ]

    async def close(self) -> None:
        pass


class HookServer:
    """`received` is what came, `trapped` what followed a redirect; `script` holds what the next requests meet.

    `always` is what a request meets when the script is empty.
    """

    def __init__(self, secret: str = SECRET) -> None:
        self.secret = secret
        self.always = Step()
        self.script: deque[Step] = deque()
        self.received: list[Received] = []
        self.trapped = 0
        self.connections: set[Any] = set()
        self.stopping = asyncio.Event()
        self.origin = ""

    @property
    def url(self) -> str:
        """The address that takes events."""
        return self.origin + PATH

    async def take(self, request: web.Request) -> web.StreamResponse:
        body, headers = await request.read(), request.headers
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        valid = signed(self.secret, headers, body, time.time())
        self.received.append(Received(*(headers.get(n, "") for n in names), valid, body.decode(), dict(headers)))
        self.connections.add(request.transport)
        step = self.script.popleft() if self.script else self.always
        if step.hang:
            await self.stopping.wait()
        if step.close and request.transport is not None:
            request.transport.abort()
        if step.drip:
            return await self._drip(request, step)
        text = "x" * step.size or step.body
        return web.Response(status=step.status, text=text, headers=step.headers)

    async def _drip(self, request: web.Request, step: Step) -> web.StreamResponse:
        response = web.StreamResponse(status=step.status, headers=step.headers)
        await response.prepare(request)
        while not self.stopping.is_set():
            try:
                await response.write(b".")
            except ConnectionError:
                break
            await asyncio.sleep(step.drip)
        return response

    async def trap(self, _: web.Request) -> web.Response:
        self.trapped += 1
        return web.Response(text="nobody should be here")

    async def tell(self, _: web.Request) -> web.Response:
        return web.json_response({"received": [asdict(one) for one in self.received], "trapped": self.trapped})

    async def control(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        if "always" in wanted:
            self.always = Step(**(wanted["always"] or {}))
        self.script.extend(Step(**step) for step in wanted.get("script", []))
        return web.json_response({"ok": True})


@asynccontextmanager
async def hook_server(port: int = 0, secret: str = SECRET, tls: Any = None) -> AsyncIterator[HookServer]:
    """A running receiver, on a free port by default; a request that hangs is let go when it stops."""
    server = HookServer(secret)
    app = web.Application()
    app.router.add_post(PATH, server.take)
    app.router.add_route("*", TRAP, server.trap)
    app.router.add_get("/control", server.tell)
    app.router.add_post("/control", server.control)
    runner = web.AppRunner(app, shutdown_timeout=0.2, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
    server.origin = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        server.stopping.set()
        await runner.cleanup()


async def _serve(options: argparse.Namespace) -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with hook_server(options.port, options.secret) as server:
        print(f"port {server.origin.rpartition(':')[2]}", flush=True)
        await told.wait()


def main(arguments: list[str] | None = None) -> int:
    """Run the receiver until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--secret", default=SECRET, help="the secret that it checks signatures with")
    asyncio.run(_serve(parser.parse_args(arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
