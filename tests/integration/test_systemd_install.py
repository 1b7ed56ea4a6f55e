"""What `heldout install-service` writes and explains, done step by step: the real program, in its sandbox."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.service.shipped import shipped
from monitor.service.units import Service, fit
from tests.acceptance.harness import Fake
from tests.integration.systemd_harness import Machine

HELDOUT = f"{sys.prefix}/bin/heldout"
CONFIG = "/etc/heldout/config.toml"


@pytest.fixture
def configured(machine: Machine) -> Machine:
    """The sample's configuration, where services look for it."""
    machine.run(HELDOUT, "init", "--from", "sample", "/etc/heldout")
    return machine


def test_every_step_that_is_explained_works(configured: Machine) -> None:
    told = json.loads(configured.run(HELDOUT, "install-service", "--config", CONFIG, "--json"))
    assert [file["state"] for file in told["files"]] == ["new"] * 3
    assert told["database"] == "/var/lib/heldout/heldout.db"
    commands = [shlex.split(command) for step in told["steps"] for command in step["commands"]]
    spoken = {command[1] if command[0] == "sudo" else command[0]: command for command in commands}

    configured.run(*["systemctl", "daemon-reload"])
    configured.run("systemctl", "enable", "--now", "heldout-run.timer")
    assert configured.properties("heldout-run.timer", "ActiveState", "UnitFileState") == {
        "ActiveState": "active",
        "UnitFileState": "enabled",
    }

    # Without a bus, as here, systemd-run has no terminal to give, and does not wait.
    baseline = [word for word in spoken["systemd-run"][1:] if word != "--pty"]
    place = baseline.index("TARGET")
    baseline[place : place + 2] = ["handbook", "support"]
    configured.run(baseline[0], "--unit=collects", "--remain-after-exit", *baseline[1:])
    configured.until("collects", {"SubState": "exited", "Result": "success"}, 60.0)

    configured.run("systemctl", "start", "heldout-run")
    assert "PASS" in configured.journal("heldout-run")
    status = next(command for command in commands if "status" in command and "STATE_DIRECTORY" in command[1])
    assert configured.run("env", *status[1:]).startswith("✓ pass")
    owners = set(configured.run("find", "/var/lib/private/heldout", "-printf", "%u %m\n").split("\n")) - {""}
    assert len({owner.split()[0] for owner in owners}) == 1
    assert all(owner.split()[1] in ("600", "700") for owner in owners)


IMPORTS = "ctypes, numpy, scipy.stats, pandas, openai, anthropic, aiohttp, psycopg, uvicorn"


@pytest.mark.parametrize(
    "command",
    [
        f"{HELDOUT} baseline collect handbook support --yes --config {CONFIG}",
        f"{sys.prefix}/bin/python -c 'import {IMPORTS}; ctypes.CFUNCTYPE(ctypes.c_int)(int)()'",
    ],
    ids=["a baseline", "libraries"],
)
def test_heldout_itself_needs_no_memory_that_is_writable_and_executable(configured: Machine, command: str) -> None:
    configured.run(HELDOUT, "install-service", "--config", CONFIG)
    strict = f"[Service]\nMemoryDenyWriteExecute=yes\nExecStart=\nExecStart={command}\n"
    configured.write("/etc/systemd/system/heldout-run.service.d/strict.conf", strict)
    configured.run("systemctl", "daemon-reload")
    configured.run("systemctl", "start", "heldout-run")
    assert configured.properties("heldout-run", "MemoryDenyWriteExecute") == {"MemoryDenyWriteExecute": "yes"}


def test_the_pass_beside_the_daemon_does_not_take_the_database_away(configured: Machine) -> None:
    configured.run(HELDOUT, "install-service", "--config", CONFIG)
    writes = "while :; do echo x >>$STATE_DIRECTORY/daemon || exit 9; sleep 0.05; done"
    configured.write(
        "/etc/systemd/system/heldout.service.d/test.conf",
        f"[Service]\nType=exec\nWatchdogSec=0\nExecStart=\nExecStart=/bin/sh -c '{writes.replace('$', '$$')}'\n",
    )
    configured.run("systemctl", "daemon-reload")
    configured.run("systemctl", "start", "heldout")
    for _ in range(2):
        configured.run("systemctl", "start", "heldout-run")
    owner = configured.run("stat", "-c", "%u", "/var/lib/private/heldout/daemon", "/var/lib/private/heldout/heldout.db")
    assert len(set(owner.split())) == 1
    assert configured.properties("heldout", "ActiveState", "NRestarts") == {"ActiveState": "active", "NRestarts": "0"}


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[str]:
    """The address of a dead man's switch; it is a secret."""
    fake = Fake("deadman_server.py", tmp_path / "deadman.log")
    yield f"{fake.url}/ping/5f1d0e7a-secret"
    fake.stop()


def test_a_credential_reaches_the_service_and_nobody_else(configured: Machine, switch: str) -> None:
    text = configured.run("cat", CONFIG) + '\n[deadman]\nurl = { credential = "deadman" }\n'
    configured.write(CONFIG, text)
    configured.write("/etc/heldout/credentials/deadman", f"{switch}\n", "0600")
    configured.run(HELDOUT, "install-service", "--config", CONFIG)
    file = "/etc/heldout/credentials/deadman"
    look = f"cat $$CREDENTIALS_DIRECTORY/deadman; env | grep -c 5f1d0e7a; cat {file}; {HELDOUT} check --config {CONFIG}"
    configured.write(
        "/etc/systemd/system/heldout-run.service.d/test.conf",
        f"[Service]\nExecStart=\nExecStart=/bin/sh -c '{look}'\n",
    )
    configured.run("systemctl", "daemon-reload")
    configured.run("systemctl", "start", "heldout-run", code=None)
    said = configured.printed("heldout-run")
    assert f"{switch}\n0\n" in said
    assert "cat: /etc/heldout/credentials/deadman: Permission denied" in said
    assert "Everything answers." in said


@pytest.mark.parametrize("name", ["plain", "100%n of $HOME", "${d};e #f", "ä:ö=!-@", "\"a\" 'b' c\\d"])
def test_whatever_a_path_holds_systemd_takes_it_as_it_is(machine: Machine, name: str) -> None:
    config, folder = Path("/opt", name, "config.toml"), Path("/home", name)
    # systemd itself starts no program whose path holds quotes or backslashes.
    program = Path("/opt", "plain" if '"' in name else name, "program")
    machine.write(str(program), '#!/bin/sh\nprintf "%s\\n" "$@"\ncat /home/*/x\n', "0755")
    machine.write(str(config), "")
    machine.write(str(folder / "x"), "shown\n")
    machine.write("/home/other/x", "hidden\n")
    unit = fit(shipped("heldout-run.service"), Service(program, config, shown=(folder,)))
    machine.write("/etc/systemd/system/heldout-run.service", unit)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "heldout-run")
    said = machine.printed("heldout-run")
    assert f"run\n--due\n--config\n{config}\nshown\n" in said
    assert "hidden" not in said
