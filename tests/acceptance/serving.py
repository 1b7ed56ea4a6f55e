"""A `heldout serve` as a process: started, asked, told by signals, and ended whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance.harness import HELDOUT, REPOSITORY, Home, environment

SIMULATED = Path(__file__).with_name("simulated.py")
TOKEN = "operations-token-0123456789"


def port_of(home: Home) -> int:
    """The port that the folder's configuration names."""
    web = tomllib.loads((home.folder / "config.toml").read_text("utf-8"))["web"]
    return int(str(web["listen"]).rpartition(":")[2])


def eventually(what: Callable[[], Any], *, within: float = 30.0, every: float = 0.1, why: str = "") -> Any:
    """What `what` gives as soon as that is true; a test waits for nothing longer than it has to."""
    until = time.monotonic() + within
    while True:
        with suppress(OSError):
            if found := what():
                return found
        assert time.monotonic() < until, f"did not come true within {within} s{why and f': {why}'}"
        time.sleep(every)


@dataclass
class Daemon:
    """One process, with its log as JSON lines in a file."""

    home: Home
    port: int
    log: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def begin(self, *command: str, **more: str) -> None:
        """Start it; `command` is another program than `heldout serve`."""
        path = self.home.folder / "config.toml"
        line = list(command) or [str(HELDOUT), "serve", "--config", str(path)]
        secrets = {**self.home.secrets, "OPERATIONS": TOKEN, "HELDOUT_LOG": "json", "HOME": str(self.home.folder)}
        with self.log.open("ab") as err:
            self.process = subprocess.Popen(
                line,
                cwd=self.home.folder,
                env=environment(**{**secrets, **more}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=err,
                start_new_session=True,
            )

    def begin_hasty(self) -> None:
        """Start one that looks each second, and begins again after one, instead of a quarter of a minute.

        Its time is the machine's, moved by the seconds that the file `clock` holds, if there is one already.
        """
        clock = self.home.folder / "clock"
        if not clock.exists():
            clock.write_text("0", encoding="ascii")
        config = str(self.home.folder / "config.toml")
        self.begin(sys.executable, str(SIMULATED), "serve", config, str(clock), PYTHONPATH=str(REPOSITORY))

    def ready(self, within: float = 20.0) -> Daemon:
        """Wait until it says that it is ready."""
        eventually(lambda: self.get("/readyz")[0] == 200, within=within, every=0.02, why=self.text[-2000:])
        return self

    def leads(self, within: float = 40.0) -> Daemon:
        """Wait until it is the one that works."""
        eventually(lambda: self.get("/readyz")[1]["role"] == "leader", within=within, every=0.05)
        return self

    def get(self, path: str, *, token: str | None = None, body: object = None) -> tuple[int, Any]:
        """Status and content, which is JSON where it says so."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=data, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return answer.status, _content(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _content(error)

    @property
    def text(self) -> str:
        """All that it, and its children, wrote to standard error."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its log; every line is one JSON object."""
        return [json.loads(line) for line in self.text.splitlines() if line]

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of one event."""
        return [line for line in self.lines if line["event"] == name]

    def logs(self, name: str, count: int = 1, within: float = 30.0) -> dict[str, Any]:
        """Wait for the event, for the `count`th time, and return it."""
        found = eventually(lambda: self.events(name)[count - 1 :], within=within, why=f"{name}\n{self.text[-3000:]}")
        return dict(found[0])

    @property
    def rss(self) -> int:
        """Resident memory of the process itself, in bytes."""
        line = next(r for r in Path(f"/proc/{self.process.pid}/status").read_text().splitlines() if "VmRSS" in r)
        return int(line.split()[1]) * 1024

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def stop(self, within: float = 30.0) -> int:
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(within)

    def kill(self) -> None:
        """SIGKILL, as an oom-killer would: to the process, and to what started it in its place; not to its child."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)


def _content(answer: Any) -> Any:
    text = answer.read().decode("utf-8")
    return json.loads(text) if answer.headers.get_content_type() == "application/json" else text


@contextmanager
def serving(
    home: Home, name: str = "serve", *, port: int | None = None, begin: bool = True, hasty: bool = False
) -> Iterator[Daemon]:
    """A daemon on `home`, whose configuration has to have the port; ended at the end, with its child."""
    daemon = Daemon(home, port or port_of(home), home.folder / f"{name}.log")
    try:
        if hasty:
            daemon.begin_hasty()
        elif begin:
            daemon.begin()
        yield daemon
    finally:
        end(daemon)


def end(daemon: Daemon) -> None:
    """End what is left of a daemon and its children."""
    if not hasattr(daemon, "process"):
        return
    daemon.kill()
    for line in daemon.text.splitlines():
        # A child ends when its daemon is gone; one that a test has frozen does not.
        with suppress(ValueError, KeyError, ProcessLookupError, PermissionError):
            event = json.loads(line)
            if event["event"] == "a child is at work":
                os.killpg(int(event["pid"]), signal.SIGKILL)
