"""The daemon at work in the whole sandbox of heldout.service: its child measures, it alerts, drains, dies, goes on.

Provider, Slack and the dead man's switch are on the loopback, which the machine shares with the host; every secret
comes by LoadCredential. On PostgreSQL, where the tests run on it, its server is on the loopback as well.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.harness import API_KEY, SLACK_TOKEN, Case, Fake, Home, cases, fallen, headlines, provider, slack
from tests.fakes.ports import free_port
from tests.integration.systemd_daemon import CONFIG, DATABASE, HELDOUT, Service
from tests.integration.systemd_harness import Machine, until

SECRETS = {"openai": API_KEY, "slack": SLACK_TOKEN, "operations": "operations-token-0123456789"}
TOKENS = '{ operations = { secret = { credential = "operations" }, role = "act" } }'
# Four answers a case make the baseline of 40 cases; a weekly run asks 40 at first.
BASELINE, WEEK = 160, 40


@pytest.fixture
def known() -> list[Case]:
    return cases(right=36, wrong=4)


@pytest.fixture
def server(tmp_path: Path, known: list[Case]) -> Iterator[Fake]:
    with provider(tmp_path, known) as fake:
        yield fake


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Fake]:
    with slack(tmp_path) as fake:
        yield fake


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[Fake]:
    fake = Fake("deadman_server.py", tmp_path / "deadman.log")
    yield fake
    fake.stop()


class Site:
    """The service with a configuration of its own and a baseline."""

    def __init__(
        self, machine: Machine, folder: Path, known: list[Case], server: Fake, chat: Fake, switch: Fake
    ) -> None:
        self.machine = machine
        self.server = server
        self.service = Service(machine, free_port())
        home = Home(folder)
        home.configure(
            known,
            server,
            chat,
            web={"listen": f'"127.0.0.1:{self.service.port}"', "tokens": TOKENS},
            decision={"stage_gap": '"1s"', "confirm_gap": '"2s"', "baseline_repeats": 4},
            bot={"api_key": '{ credential = "openai" }'},
            slack={"token": '{ credential = "slack" }'},
            deadman={"url": '{ credential = "deadman" }'},
        )
        self.url = home.url
        for name in ("config.toml", "support.jsonl"):
            machine.write(f"/etc/heldout/{name}", (folder / name).read_text())
        for name, secret in {**SECRETS, "deadman": f"{switch.url}/ping/5f1d0e7a-secret"}.items():
            machine.write(f"/etc/heldout/credentials/{name}", secret, "0600")
        self.service.install()
        self.once("baseline", "collect", "bot", "support", "--yes")
        assert server.tell()["answered"] == BASELINE

    def once(self, *arguments: str) -> None:
        """Run `heldout` in the sandbox of heldout-run.service."""
        place = "/etc/systemd/system/heldout-run.service.d/once.conf"
        command = " ".join([HELDOUT, *arguments, "--config", CONFIG])
        self.machine.write(place, f"[Service]\nExecStart=\nExecStart={command}\n")
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "start", "heldout-run")
        self.machine.run("rm", place)
        self.machine.run("systemctl", "daemon-reload")

    def rows(self, query: str) -> list[list[object]]:
        return self.service.rows(query, self.url)

    @property
    def answers(self) -> int:
        ((found,),) = self.rows("SELECT count(*) FROM answer")
        return int(str(found))

    def weeks(self) -> list[list[object]]:
        return self.rows("SELECT target, state FROM run WHERE kind = 'week' ORDER BY slot")

    def is_done(self, seconds: float = 60.0) -> None:
        """Wait until this week's run is over."""
        until(lambda: self.weeks() == [["bot", "done"]], seconds, lambda: f"{self.weeks()}\n{self.service.journal}")

    def asks(self, more: int) -> None:
        """Wait until the provider was asked `more` questions than the baseline has."""
        until(lambda: self.server.tell()["count"] >= BASELINE + more, 30.0, lambda: self.service.journal)


@pytest.fixture
def site(machine: Machine, tmp_path: Path, known: list[Case], server: Fake, chat: Fake, switch: Fake) -> Site:
    return Site(machine, tmp_path, known, server, chat, switch)


@pytest.mark.long(12)
def test_it_measures_alerts_and_says_so_in_the_whole_sandbox(
    site: Site, server: Fake, chat: Fake, switch: Fake, known: list[Case]
) -> None:
    service, machine = site.service, site.machine
    server.control(cases=fallen(known, 8))
    service.start()
    until(lambda: len(headlines(chat)) >= 2, 60.0, lambda: service.journal)
    assert headlines(chat)[-1].startswith("🔴 ROLLBACK: bot on support")
    site.is_done()
    assert service.get("/api/v1/verdicts/bot")[1]["verdict"] == "rollback"
    service.says("^waits for the slot of ")
    paths = [ping["path"] for ping in switch.tell()["pings"]]
    assert any(path.endswith("/start") for path in paths)
    assert paths[-1] == "" or paths[-1].endswith("5f1d0e7a-secret")
    # The journal has a line of JSON for each event, of the child's as well, and knows how serious it is.
    child = service.events("a child is at work")[0]["pid"]
    shown = machine.run("journalctl", "--no-pager", "--output=json", "--unit=heldout")
    entries = [json.loads(line) for line in shown.splitlines()]
    said = [entry for entry in entries if entry.get("_PID") == str(child)]
    assert said
    assert all(json.loads(entry["MESSAGE"])["event"] for entry in said)
    assert any(json.loads(entry["MESSAGE"]).get("target") == "bot" for entry in said)
    assert not any(secret in shown for secret in SECRETS.values())
    if DATABASE in machine.run("find", "/var/lib/private/heldout"):
        owners = machine.run("find", "/var/lib/private/heldout", "-printf", "%U %m\n").split("\n")
        assert {line.split()[1] for line in owners if line} <= {"600", "700"}
        assert len({line.split()[0] for line in owners if line}) == 1


@pytest.mark.sqlite_only("its environment is the same")
def test_a_child_neither_speaks_to_systemd_nor_holds_a_secret_in_its_environment(site: Site, server: Fake) -> None:
    server.control(delay=0.5)
    site.service.start()
    site.asks(1)
    site.service.says(r"^measures what is due \(process \d+\)$")
    main = int(site.service.shows("MainPID")["MainPID"])
    environments = {
        pid: site.machine.run("cat", f"/proc/{pid}/environ").split("\0") for pid in site.service.processes()
    }
    assert len(environments) == 2
    for pid, variables in environments.items():
        names = {variable.partition("=")[0] for variable in variables}
        assert ({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} <= names) is (pid == main)
        assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & names or pid == main
        assert not any(secret in variable for variable in variables for secret in SECRETS.values())


@pytest.mark.parametrize(
    "answers", ["slowly", pytest.param("never", marks=pytest.mark.sqlite_only("it waits for the provider alone"))]
)
def test_stop_drains_while_a_child_is_at_work(site: Site, server: Fake, answers: str) -> None:
    service = site.service
    server.control(**({"delay": 0.6} if answers == "slowly" else {"always": {"action": "hang"}}))
    service.start()
    site.asks(10)
    assert len(service.processes()) == 2
    began = time.monotonic()
    site.machine.run("systemctl", "stop", "heldout", timeout=60.0)
    assert time.monotonic() - began < 25.0
    assert service.shows("ActiveState", "Result", "ExecMainCode", "ExecMainStatus", "NRestarts") == {
        "ActiveState": "inactive",
        "Result": "success",
        "ExecMainCode": "1",
        "ExecMainStatus": "0",
        "NRestarts": "0",
    }
    assert service.processes() == []
    assert "heldout run --due" not in site.machine.run("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    # What was answered is stored, and is not asked again.
    assert site.answers == server.tell()["answered"]
    server.control(delay=0.0, always={})
    service.start()
    site.is_done()
    assert site.answers == server.tell()["answered"] == BASELINE + WEEK


@pytest.mark.long(12)
def test_killed_while_a_child_is_at_work_it_is_started_again_and_goes_on(site: Site, server: Fake) -> None:
    service = site.service
    server.control(delay=0.6)
    service.start()
    site.asks(20)
    before = service.shows("MainPID")
    stored = site.answers
    service.signal("SIGKILL")
    server.control(delay=0.0)
    site.machine.until("heldout", {"NRestarts": "1", "ActiveState": "active"})
    assert service.shows("MainPID") != before
    service.is_ready()
    site.is_done()
    # What was stored was not asked again. What was under way was: systemd ends the child with its daemon.
    assert stored >= BASELINE
    assert site.answers == BASELINE + WEEK
    assert server.tell()["answered"] <= BASELINE + WEEK + 16


def test_the_hourly_pass_beside_the_daemon_does_nothing_twice(site: Site, server: Fake, chat: Fake) -> None:
    server.control(delay=0.4)
    site.service.start()
    site.asks(1)
    # In the middle of a child's work, and again when nothing is left.
    site.machine.run("systemctl", "start", "heldout-run")
    site.is_done()
    site.machine.run("systemctl", "start", "heldout-run")
    assert site.machine.properties("heldout-run", "Result") == {"Result": "success"}
    assert site.answers == server.tell()["answered"] == BASELINE + WEEK
    assert site.service.shows("ActiveState", "NRestarts") == {"ActiveState": "active", "NRestarts": "0"}
    assert headlines(chat) == []
