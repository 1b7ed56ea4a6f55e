"""The daemon's HTTP side for tests: a real uvicorn in a thread, on what a test's house has stored."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from monitor.config.models import Config
from monitor.incidents.actions import Actions
from monitor.store.database import Database
from monitor.web.app import create_app
from monitor.web.server import Server
from monitor.web.service import Health, Service, SlackAnswer, Token
from tests.fakes.house import MONDAY, House

READ, ACT, GATE = "read-secret-1", "act-secret-2", "gate-secret-3"
TOKENS = {
    "grafana": Token("grafana", READ, "read"),
    "operations": Token("operations", ACT, "act"),
    "argo.rollouts": Token("argo.rollouts", GATE, "gate"),
}


@dataclass
class Answer:
    """An answer with its headers in lower case; a header that comes more than once is joined."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        assert self.headers["content-type"].startswith("application/json"), (self.status, self.body)
        return json.loads(self.body, parse_constant=_no_number)


def _no_number(name: str) -> None:
    raise AssertionError(f"JSON holds {name}")


@dataclass
class WebDaemon:
    """What the daemon would hand to the web, for a test to change; and requests to it."""

    house: House
    config: Config
    tokens: dict[str, Token] = field(default_factory=lambda: dict(TOKENS))
    health: Health = field(default_factory=lambda: Health("leader", None, None, None, MONDAY - timedelta(days=3)))
    woken: int = 0
    metrics: bytes = b"heldout_outbox_pending 0\n"
    database: Database | None = None
    slack: Callable[[Mapping[str, str], bytes], SlackAnswer] | None = None
    host: str = ""
    port: int = 0
    loop: asyncio.AbstractEventLoop | None = None
    stop: asyncio.Event | None = None

    def service(self) -> Service:
        def wake() -> None:
            self.woken += 1

        return Service(
            database=self.database or self.house.database,
            config=lambda: self.config,
            tokens=lambda: self.tokens,
            clock=self.house.clock,
            new_id=self.house.new_id,
            health=lambda: self.health,
            wake=wake,
            metrics=lambda: self.metrics,
            actions=self.actions,
            slack=self.slack,
        )

    def actions(self) -> Actions:
        return Actions(
            self.database or self.house.database, self.config, ("slack",), self.house.clock(), self.house.new_id
        )

    def is_ill(self, **faults: str) -> None:
        self.health = replace(self.health, **faults)

    def ask(
        self,
        path: str,
        method: str = "GET",
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | Mapping[str, object] | None = None,
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if isinstance(body, Mapping):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        joined: dict[str, str] = {}
        for name, value in answer.getheaders():
            joined[name.lower()] = f"{joined[name.lower()]}\n{value}" if name.lower() in joined else value
        return Answer(answer.status, joined, content)


@contextmanager
def serving(daemon: WebDaemon, listen: str = "127.0.0.1:0") -> Iterator[WebDaemon]:
    """Serve until the block ends; listens on `listen`, whatever the configuration says."""
    started = threading.Event()
    failed: list[BaseException] = []

    async def serve() -> None:
        stop = asyncio.Event()
        daemon.loop, daemon.stop = asyncio.get_running_loop(), stop
        server = Server(create_app(daemon.service()), listen)
        try:
            daemon.host, daemon.port = await server.start()
        finally:
            started.set()
        await stop.wait()
        await server.stop(2.0)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            failed.append(error)
            started.set()

    thread = threading.Thread(target=run, name="web")
    thread.start()
    assert started.wait(20)
    try:
        if failed:
            raise failed[0]
        yield daemon
    finally:
        if daemon.loop is not None and daemon.stop is not None and not daemon.loop.is_closed():
            daemon.loop.call_soon_threadsafe(daemon.stop.set)
        thread.join(20)
        assert not thread.is_alive()
    if failed:
        raise failed[0]


# A listener that other machines could reach, as far as the application knows; the socket stays on loopback.
OPEN = 'listen = "0.0.0.0:8787"\n[web.tokens.grafana]\nsecret = { env = "X" }\nrole = "read"'
# Two production targets, one with two suites; a reference, a candidate, and one that only writes for the candidate.
HOUSEHOLD = """
[suites.support]
cases = "support.jsonl"
metrics = ["exact_match"]
[suites.general]
cases = "support.jsonl"
metrics = ["exact_match"]
[targets.ft]
provider = "command"
command = ["never-started"]
suites = ["support", "general"]
[targets.summaries]
provider = "command"
command = ["never-started"]
suites = ["support"]
[targets.prompt]
provider = "command"
command = ["never-started"]
suites = ["support"]
role = "reference"
[targets.writer]
provider = "openai"
model = "m"
[targets.books]
provider = "rag"
documents = "documents"
generator = "writer"
suites = ["support"]
role = "candidate"
against = "ft"
"""
