"""A server on loopback that behaves like Slack: the Web API's two methods we call, and an incoming webhook.

It knows Slack's published limits by itself (nothing here comes from the code under test), refuses what Slack refuses,
keeps what was posted, and can be told to fail in the ways that Slack and the networks before it fail.

As a process: `python tests/fakes/slack_server.py --port 0 --token xoxb-…` prints `port N`; `POST /control` changes
what the next requests and all further ones meet, `GET /control` tells what was posted. SIGHUP makes it a new server on
the same port, of which `port N` is said again; SIGTERM or SIGINT ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "xoxb-0000-test-token"
CHANNEL = "C0123456789"
HOOK_PATH = "/services/T000/B000/hook-secret"
ALL_BLOCKS = 13_200  # undocumented; found by others
CONTROL = re.compile(r"<([^<>]*)>")


@dataclass(frozen=True)
class Step:
    """What to do with one request instead of answering it well: answer so, or `hang`, or `close` the connection."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    hang: bool = False
    close: bool = False


def refused(code: str, status: int = 200, **headers: str) -> Step:
    """Slack's `ok: false` with an error code."""
    return Step(status, {"ok": False, "error": code}, {k.replace("_", "-"): v for k, v in headers.items()})


def controls(message: dict[str, Any]) -> list[str]:
    """What Slack would act upon: the inside of every `<…>` in the text and the mrkdwn of a message."""
    texts = [message.get("text", ""), *all_texts(message.get("blocks"))]
    return [found for text in texts for found in CONTROL.findall(text)]


def faults(blocks: list[dict[str, Any]]) -> list[str]:
    """What Slack would refuse `blocks` for; empty where they are valid."""
    found = [] if 1 <= len(blocks) <= 50 else [f"{len(blocks)} blocks"]
    for i, block in enumerate(blocks):
        found += [f"block {i}: {fault}" for fault in _block_faults(block)]
    return found


def _block_faults(block: dict[str, Any]) -> list[str]:
    if block.get("type") == "header":
        return _text_faults(block.get("text"), 150, ("plain_text",))
    if block.get("type") == "section":
        fields = block.get("fields", [])
        found = [] if len(fields) <= 10 and ("text" in block or fields) else ["a section of no text or too many fields"]
        found += [fault for part in fields for fault in _text_faults(part, 2000)]
        return found + (_text_faults(block["text"], 3000) if "text" in block else [])
    if block.get("type") == "context":
        elements = block.get("elements", [])
        found = [] if 1 <= len(elements) <= 10 else [f"{len(elements)} elements"]
        return found + [fault for part in elements for fault in _text_faults(part, 3000)]
    return [f"unknown type {block.get('type')!r}"]


def _text_faults(text: Any, limit: int, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> list[str]:
    if not isinstance(text, dict) or text.get("type") not in kinds or not isinstance(text.get("text"), str):
        return ["not a text object of the right type"]
    unknown = set(text) - {"type", "text", "emoji" if text["type"] == "plain_text" else "verbatim"}
    found = [f"unknown keys {sorted(unknown)}"] if unknown else []
    units = len(text["text"].encode("utf-16-le", "surrogatepass")) // 2
    return found if 1 <= units <= limit else [*found, f"{units} characters of text, at most {limit}"]


def all_texts(value: Any) -> list[str]:
    """The text of every text object, however deep it lies in blocks."""
    if isinstance(value, list | tuple):
        return [text for part in value for text in all_texts(part)]
    if not isinstance(value, dict):
        return []
    own = [value["text"]] if isinstance(value.get("text"), str) else []
    return own + [text for part in value.values() for text in all_texts(part)]


class SlackServer:
    """`messages` were accepted; `requests` are all bodies that came; `script` holds what to do with the next ones.

    `always` is what a request meets when the script is empty; None: what Slack would do. In a step's text, and
    anywhere in its body, {authorization} is the request's own header.
    """

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.always: Step | None = None
        self.messages: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.script: deque[Step] = deque()
        self.scopes = "chat:write,channels:read"
        self.stopping = asyncio.Event()
        self.origin = ""

    @property
    def api(self) -> str:
        """The base URL of the Web API."""
        return f"{self.origin}/api/"

    @property
    def hook(self) -> str:
        """The address of the incoming webhook."""
        return f"{self.origin}{HOOK_PATH}"

    async def method(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else {}
        self.requests.append(body)
        step = self.script.popleft() if self.script else self.always
        if step is not None:
            return await self._misbehave(request, step)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        if request.match_info["method"] == "auth.test":
            answer = {"ok": True, "team": "Acme <Corp>", "user": "heldout", "team_id": "T000", "user_id": "U000"}
            return web.json_response(answer, headers={"X-OAuth-Scopes": self.scopes})
        if body.get("channel") != CHANNEL:
            return web.json_response({"ok": False, "error": "channel_not_found"})
        fault = _refuse(body)
        if fault:
            return web.json_response({"ok": False, "error": fault})
        self.messages.append(body)
        return web.json_response({"ok": True, "channel": CHANNEL, "ts": f"1700000000.{len(self.messages):06d}"})

    async def webhook(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        step = self.script.popleft() if self.script else self.always
        if step is not None:
            return await self._misbehave(request, step)
        fault = _refuse(body)
        if fault:
            return web.Response(status=400, text=fault)
        self.messages.append(body)
        return web.Response(text="ok", content_type="text/html")

    async def _misbehave(self, request: web.Request, step: Step) -> web.StreamResponse:
        if step.hang:
            await self.stopping.wait()
        if step.close and request.transport is not None:
            request.transport.close()
        text = step.body if isinstance(step.body, str) else json.dumps(step.body)
        text = text.replace("{authorization}", request.headers.get("Authorization", ""))
        return web.Response(status=step.status, text=text, headers=step.headers, content_type=step.content_type)

    async def tell(self, _: web.Request) -> web.Response:
        return web.json_response({"messages": self.messages, "requests": len(self.requests)})

    async def control(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        if "always" in wanted:
            self.always = None if wanted["always"] is None else Step(**wanted["always"])
        self.script.extend(Step(**step) for step in wanted.get("script", []))
        return web.json_response({"ok": True})


def _refuse(body: dict[str, Any]) -> str | None:
    text, blocks = body.get("text", ""), body.get("blocks", [])
    if not text and not blocks:
        return "no_text"
    if len(text) > 40_000:
        return "msg_too_long"
    if sum(map(len, all_texts(blocks))) > ALL_BLOCKS:
        return "msg_blocks_too_long"
    return "invalid_blocks" if "blocks" in body and faults(blocks) else None


@asynccontextmanager
async def slack_server(port: int = 0, token: str = TOKEN) -> AsyncIterator[SlackServer]:
    """A running server on loopback, on a free port by default; a request that hangs is let go when it stops."""
    server = SlackServer(token)
    app = web.Application()
    app.router.add_post("/api/{method}", server.method)
    app.router.add_post(HOOK_PATH, server.webhook)
    app.router.add_get("/control", server.tell)
    app.router.add_post("/control", server.control)
    runner = web.AppRunner(app, shutdown_timeout=1.0, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    server.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        server.stopping.set()
        await runner.cleanup()


async def _serve(options: argparse.Namespace) -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Queue[signal.Signals]()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, told.put_nowait, number)
    port, again = options.port, True
    while again:
        async with slack_server(port, options.token) as server:
            port = int(server.origin.rpartition(":")[2])
            print(f"port {port}", flush=True)
            again = await told.get() == signal.SIGHUP


def main(arguments: list[str] | None = None) -> int:
    """Run the server until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=TOKEN, help="the bot token that it knows")
    asyncio.run(_serve(parser.parse_args(arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
