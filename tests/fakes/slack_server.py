"""A server on loopback that behaves like Slack: the methods of the Web API that we call, a webhook, Socket Mode.

It knows Slack's published limits by itself (tests/fakes/slack_limits.py), refuses what Slack refuses, keeps what was
posted, and can be told to fail in the ways that Slack and the networks before it fail.

As a process: `python tests/fakes/slack_server.py --port 0 --token xoxb-…` prints `port N`; `POST /control` changes
what the next requests and all further ones meet, or presses a button, `GET /control` tells what was posted. SIGHUP
makes it a new server on the same port, of which `port N` is said again; SIGTERM or SIGINT ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import json
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import WSMsgType, web

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.fakes.slack_limits import all_texts, buttons, controls, faults, refusal

__all__ = ["all_texts", "buttons", "controls", "faults"]

TOKEN = "xoxb-0000-test-token"
APP_TOKEN = "xapp-0000-test-token"
CHANNEL = "C0123456789"
TEAM, USER = "T0123456789", "U0123456789"
HOOK_PATH = "/services/T000/B000/hook-secret"
PNG = b"\x89PNG\r\n\x1a\n"
# What a method needs of a token's scopes.
SCOPES = {"chat": "chat:write", "files": "files:write"}


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


def pressed(action_id: str, value: str, *, user: str = USER, team: str = TEAM, **changes: Any) -> dict[str, Any]:
    """The payload of a press of a button, with everything that Slack puts there."""
    return {
        "type": "block_actions",
        "user": {"id": user, "username": "ada", "name": "ada", "team_id": team},
        "api_app_id": "A0123456789",
        "token": "deprecated",
        "container": {"type": "message", "message_ts": "1700000000.000001", "channel_id": CHANNEL},
        "trigger_id": "1.2.3",
        "team": {"id": team, "domain": "acme"},
        "enterprise": None,
        "is_enterprise_install": False,
        "channel": {"id": CHANNEL, "name": "alerts"},
        "message": {"type": "message", "ts": "1700000000.000001", "text": "…"},
        "response_url": "https://hooks.slack.com/actions/T0/1/secret",
        "actions": [{"action_id": action_id, "block_id": "b", "type": "button", "value": value, "action_ts": "1.0"}],
        **changes,
    }


def signed(payload: dict[str, Any], secret: str, timestamp: int) -> tuple[dict[str, str], bytes]:
    """The headers and the body by which Slack sends `payload` over HTTP."""
    body = urlencode({"payload": json.dumps(payload)}).encode()
    digest = hmac.new(secret.encode(), b"v0:%d:%b" % (timestamp, body), hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": str(timestamp), "X-Slack-Signature": f"v0={digest}"}, body


class SlackServer:
    """What came: `messages` that were accepted, `updates`, `whispers`, `files`; `requests` are all bodies.

    `shown` is each message as people see it now, by its `ts`. `script` holds what to do with the next requests, and
    `always` what a request meets when it is empty; None: what Slack would do. In a step's text, and anywhere in its
    body, {authorization} is the request's own header. `manner` is how the next socket behaves: "well", "mute" (it never
    greets) or "deaf" (it greets, and answers no ping).
    """

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.always: Step | None = None
        self.messages: list[dict[str, Any]] = []
        self.updates: list[dict[str, Any]] = []
        self.whispers: list[dict[str, Any]] = []
        self.files: list[dict[str, Any]] = []
        self.shown: dict[str, dict[str, Any]] = {}
        self.requests: list[dict[str, Any]] = []
        self.script: deque[Step] = deque()
        self.scopes = "chat:write,channels:read,files:write"
        self.manner = "well"
        self.sockets: list[web.WebSocketResponse] = []
        self.lines = 0
        self.acknowledged: list[str] = []
        self.upload_url: str | None = None
        self.stopping = asyncio.Event()
        self.origin = ""
        self._uploads: dict[str, dict[str, Any]] = {}
        self._envelopes = 0

    @property
    def api(self) -> str:
        """The base URL of the Web API."""
        return f"{self.origin}/api/"

    @property
    def hook(self) -> str:
        """The address of the incoming webhook."""
        return f"{self.origin}{HOOK_PATH}"

    async def method(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else dict(request.query)
        self.requests.append(body)
        step = self.script.popleft() if self.script else self.always
        if step is not None:
            return await self._misbehave(request, step)
        name = request.match_info["method"]
        token = APP_TOKEN if name == "apps.connections.open" else self.token
        if request.headers.get("Authorization") != f"Bearer {token}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        needed = SCOPES.get(name.partition(".")[0])
        if needed is not None and needed not in self.scopes.split(","):
            return web.json_response({"ok": False, "error": "missing_scope", "needed": needed})
        answer = METHODS[name](self, body)
        ok = not isinstance(answer, str)
        headers = {"X-OAuth-Scopes": self.scopes}
        return web.json_response({"ok": True, **answer} if ok else {"ok": False, "error": answer}, headers=headers)

    def _test(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"team": "Acme <Corp>", "user": "heldout", "team_id": "T000", "user_id": "U000"}

    def _post(self, body: dict[str, Any]) -> dict[str, Any] | str:
        fault = self._misplaced(body) or refusal(body)
        if fault:
            return fault
        if body.get("thread_ts") not in self.shown:
            # A reply to what was deleted: Slack posts it to the channel, and says so by what it leaves out.
            body = {key: value for key, value in body.items() if key not in ("thread_ts", "reply_broadcast")}
        self.messages.append(body)
        stamp = f"1700000000.{len(self.messages):06d}"
        self.shown[stamp] = body
        threaded = {key: body[key] for key in ("thread_ts",) if key in body}
        return {"channel": CHANNEL, "ts": stamp, "message": {"text": body.get("text", ""), "ts": stamp, **threaded}}

    def _misplaced(self, body: dict[str, Any]) -> str | None:
        if body.get("channel") != CHANNEL:
            return "channel_not_found"
        if "reply_broadcast" in body and "thread_ts" not in body:
            return "invalid_arguments"
        return None

    def _update(self, body: dict[str, Any]) -> dict[str, Any] | str:
        if body.get("channel") != CHANNEL:
            return "channel_not_found"
        if body.get("ts") not in self.shown:
            return "message_not_found"
        fault = refusal(body, 4_000)
        if fault:
            return fault
        self.updates.append(body)
        self.shown[body["ts"]] = body
        return {"channel": CHANNEL, "ts": body["ts"], "text": body.get("text", "")}

    def _whisper(self, body: dict[str, Any]) -> dict[str, Any] | str:
        if body.get("channel") != CHANNEL:
            return "channel_not_found"
        if not str(body.get("user", "")).startswith("U"):
            return "user_not_in_channel"
        self.whispers.append(body)
        return {"message_ts": "1700000001.000001"}

    def _name_upload(self, body: dict[str, Any]) -> dict[str, Any] | str:
        if not body.get("filename") or not body.get("length"):
            return "invalid_arguments"
        if len(body.get("alt_txt", "")) > 1_000:
            return "alt_txt_too_large"
        file_id = f"F{len(self._uploads):09d}"
        self._uploads[file_id] = {"id": file_id, "alt": body.get("alt_txt"), "length": int(body["length"]), "png": None}
        return {"file_id": file_id, "upload_url": self.upload_url or f"{self.origin}/upload/{file_id}"}

    async def upload(self, request: web.Request) -> web.Response:
        """Where the bytes of a file go."""
        found, content = self._uploads.get(request.match_info["file"]), await request.read()
        if found is None or len(content) != found["length"] or not content.startswith(PNG):
            return web.Response(status=400, text="bad upload")
        found["png"] = content
        return web.Response(text=f"OK - {len(content)}")

    def _complete(self, body: dict[str, Any]) -> dict[str, Any] | str:
        files = [{**self._uploads.get(part["id"], {}), **part} for part in json.loads(body["files"])]
        if any(part.get("png") is None for part in files):
            return "file_not_found"
        if body.get("channel_id") != CHANNEL:
            return "channel_not_found"
        if body.get("thread_ts") not in self.shown:
            return "invalid_thread_ts"
        self.files += [{**part, "thread_ts": body["thread_ts"]} for part in files]
        return {"files": [{"id": part["id"], "title": part["title"]} for part in files]}

    def _open_socket(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"url": f"{self.origin.replace('http', 'ws', 1)}/link/?ticket=socket-secret"}

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """One line of Socket Mode."""
        manner = self.manner
        line = web.WebSocketResponse(autoping=manner != "deaf")
        await line.prepare(request)
        self.lines += 1
        if manner != "mute":
            await line.send_json({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A0"}})
        self.sockets.append(line)
        try:
            async for message in line:
                if message.type is WSMsgType.TEXT:
                    self.acknowledged.append(json.loads(message.data)["envelope_id"])
        finally:
            self.sockets.remove(line)
        return line

    async def press(self, payload: Any, kind: str = "interactive") -> str:
        """Send an envelope over the newest line; returns its id."""
        self._envelopes += 1
        envelope = f"envelope-{self._envelopes}"
        await self.sockets[-1].send_json({"type": kind, "envelope_id": envelope, "payload": payload})
        return envelope

    async def disconnect(self) -> None:
        """Ask the newest line for another, as Slack does every few hours."""
        await self.sockets[-1].send_json({"type": "disconnect", "reason": "refresh_requested"})

    async def webhook(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        step = self.script.popleft() if self.script else self.always
        if step is not None:
            return await self._misbehave(request, step)
        fault = refusal(body) or ("invalid_blocks" if buttons(body.get("blocks", [])) else None)
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
        files = [{key: value for key, value in part.items() if key != "png"} for part in self.files]
        told = {"messages": self.messages, "updates": self.updates, "whispers": self.whispers, "files": files}
        return web.json_response({**told, "requests": len(self.requests), "lines": len(self.sockets)})

    async def control(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        if "always" in wanted:
            self.always = None if wanted["always"] is None else Step(**wanted["always"])
        self.script.extend(Step(**step) for step in wanted.get("script", []))
        if "press" in wanted:
            await self.press(wanted["press"])
        return web.json_response({"ok": True})


METHODS = {
    "auth.test": SlackServer._test,
    "chat.postMessage": SlackServer._post,
    "chat.update": SlackServer._update,
    "chat.postEphemeral": SlackServer._whisper,
    "files.getUploadURLExternal": SlackServer._name_upload,
    "files.completeUploadExternal": SlackServer._complete,
    "apps.connections.open": SlackServer._open_socket,
}


@asynccontextmanager
async def slack_server(port: int = 0, token: str = TOKEN) -> AsyncIterator[SlackServer]:
    """A running server on loopback, on a free port by default; a request that hangs is let go when it stops."""
    server = SlackServer(token)
    app = web.Application()
    app.router.add_post("/api/{method}", server.method)
    app.router.add_post("/upload/{file}", server.upload)
    app.router.add_get("/link/", server.socket)
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
        for line in list(server.sockets):
            await line.close()
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
