"""A real Prometheus and a real Alertmanager on loopback, what they scrape, and who is told."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.fakes.ports import free_port
from tests.fakes.programs import installed

ALERTMANAGER = """
route:
  receiver: test
  group_by: [alertname, target, suite]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: test
    webhook_configs:
      - url: {receiver}
        send_resolved: true
"""


@contextmanager
def listening(answer: Callable[[BaseHTTPRequestHandler, bytes], tuple[int, str, bytes]]) -> Iterator[str]:
    """An HTTP server that answers every request so: (status, content type, body); gives its address and port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, kind, reply = answer(self, body)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        do_POST = do_GET  # noqa: N815  # the standard library's name

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the standard library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(timeout=5)
        server.server_close()


@dataclass
class Inbox:
    """What Alertmanager has delivered: each alert's newest state by its labels."""

    address: str = ""
    states: dict[tuple[str, str], str] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)

    def take(self, _: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, bytes]:
        for alert in json.loads(body)["alerts"]:
            self.alerts.append(alert)
            labels = alert["labels"]
            self.states[labels["alertname"], labels.get("target", "")] = alert["status"]
        return 200, "text/plain", b""

    def firing(self) -> set[tuple[str, str]]:
        """(alert's name, target) of what was told to fire and not to be over."""
        return {name for name, state in self.states.items() if state == "firing"}


@contextmanager
def inbox() -> Iterator[Inbox]:
    """Someone who is told."""
    found = Inbox()
    with listening(found.take) as address:
        found.address = address
        yield found


@dataclass(frozen=True)
class Stack:
    """Both servers' addresses, and questions to Prometheus."""

    prometheus: str
    alertmanager: str

    def get(self, path: str, **query: str) -> Any:
        """`data` of an answer of Prometheus' API; raises where it refuses."""
        url = f"http://{self.prometheus}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as reply:
            return json.load(reply)["data"]

    def query(self, expression: str) -> list[Any]:
        """The samples of an expression now."""
        return list(self.get("query", query=expression)["result"])


@contextmanager
def stack(folder: Path, config: Callable[[str], str], told: Inbox) -> Iterator[Stack]:
    """Both servers; `config(alertmanager)` gives Prometheus' configuration for the other's address."""
    programs = installed("prometheus", "prometheus-alertmanager", package="prometheus, prometheus-alertmanager")
    found = Stack(f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}")
    (folder / "alertmanager.yml").write_text(ALERTMANAGER.format(receiver=f"http://{told.address}/"))
    (folder / "prometheus.yml").write_text(config(found.alertmanager))
    alertmanager = [
        programs[1], f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/alertmanager",
        f"--web.listen-address={found.alertmanager}", "--cluster.listen-address=",
    ]  # fmt: skip
    prometheus = [
        programs[0], f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/prometheus",
        f"--web.listen-address={found.prometheus}",
        # What fires before Alertmanager has been found is told again soon, and not only after a minute.
        "--rules.alert.resend-delay=1s",
    ]  # fmt: skip
    with started(alertmanager, folder, found.alertmanager), started(prometheus, folder, found.prometheus):
        yield found


@contextmanager
def started(command: list[str], folder: Path, address: str) -> Iterator[None]:
    """A server as a process, ready; ended at the end."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("w") as output, subprocess.Popen(command, cwd=folder, stdout=output, stderr=output) as process:

        def ready() -> bool:
            assert process.poll() is None, f"{command[0]} ended: {log.read_text()[-2000:]}"
            try:
                with urllib.request.urlopen(f"http://{address}/-/ready", timeout=2) as reply:
                    return bool(reply.status == 200)
            except OSError:
                return False

        try:
            wait_for(ready, 15, lambda: f"{command[0]} is not ready: {log.read_text()[-2000:]}")
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for(true: Callable[[], bool], seconds: float, why: Callable[[], object]) -> None:
    """Until `true()`, for `seconds` at the most; then the test fails and says `why()`."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, why()
        time.sleep(0.1)
