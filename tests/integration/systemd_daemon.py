"""`heldout serve` as the service that `heldout install-service` writes, in a booted machine: told, asked, and read."""

from __future__ import annotations

import json
import re
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from tests.fakes import databases
from tests.integration.systemd_harness import Machine, until

HELDOUT = f"{sys.prefix}/bin/heldout"
PYTHON = f"{sys.prefix}/bin/python"
CONFIG = "/etc/heldout/config.toml"
DATABASE = "/var/lib/private/heldout/heldout.db"


@dataclass
class Service:
    """The unit heldout.service, and whoever answers on its port."""

    machine: Machine
    port: int

    def install(self, **drop_in: str) -> None:
        """The units as they are written for this configuration; `drop_in` changes keys of [Service]."""
        self.machine.run(HELDOUT, "install-service", "--config", CONFIG)
        lines = [f"{key}={value}" for key, value in {"RestartSec": "100ms", **drop_in}.items()]
        if "ExecStart" in drop_in:
            lines.insert(0, "ExecStart=")
        text = "[Service]\n" + "\n".join(lines) + "\n"
        self.machine.write("/etc/systemd/system/heldout.service.d/test.conf", text)
        self.machine.run("systemctl", "daemon-reload")
        # Of a unit that nothing refers to, systemd forgets how it ended.
        self.machine.run("systemctl", "enable", "heldout")

    def start(self) -> None:
        self.machine.run("systemctl", "start", "heldout")

    def signal(self, name: str) -> None:
        """Send a signal to the main process."""
        self.machine.run("systemctl", "kill", "--kill-who=main", f"--signal={name}", "heldout")

    def shows(self, *names: str) -> dict[str, str]:
        """Properties of the unit."""
        return self.machine.properties("heldout", *names)

    def says(self, pattern: str, seconds: float = 30.0) -> str:
        """Wait until `systemctl status` shows a status like this, and give it."""
        said = ""

        def does() -> bool:
            nonlocal said
            said = self.shows("StatusText")["StatusText"]
            return re.search(pattern, said) is not None

        until(does, seconds, lambda: f"{said!r} is not like {pattern!r}\n{self.journal}")
        return said

    @property
    def journal(self) -> str:
        """What it and its children have logged."""
        return self.machine.journal("heldout")

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of one event in the journal."""
        lines = [json.loads(line) for line in self.journal.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def logs(self, name: str, count: int = 1, seconds: float = 30.0) -> dict[str, Any]:
        """Wait for the event, for the `count`th time, and give it."""
        until(lambda: len(self.events(name)) >= count, seconds, lambda: f"no {name!r}\n{self.journal}")
        return self.events(name)[count - 1]

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=15) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError:
            return 0, None

    def is_ready(self, seconds: float = 20.0) -> None:
        """Wait until /readyz says so."""
        until(lambda: self.get("/readyz")[0] == 200, seconds, lambda: f"{self.get('/readyz')}\n{self.journal}")

    def processes(self) -> list[int]:
        """The processes of the unit, as the machine numbers them."""
        files = "cat /sys/fs/cgroup/system.slice/heldout.service/cgroup.procs"
        found = self.machine.run("sh", "-c", f"{files} || true")
        return [int(line) for line in found.split() if line.isdigit()]

    def rows(self, query: str, url: str) -> list[list[Any]]:
        """Rows of the database, wherever it is: `url` is where it is for PostgreSQL."""
        if databases.POSTGRESQL:
            program = "import sys, json, psycopg; c = psycopg.connect(sys.argv[1])"
        else:
            program, url = (
                "import sys, json, sqlite3; c = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True)",
                DATABASE,
            )
        program += "; print(json.dumps(c.execute(sys.argv[2]).fetchall(), default=str))"
        found: list[list[Any]] = json.loads(self.machine.run(PYTHON, "-c", program, url, query))
        return found
