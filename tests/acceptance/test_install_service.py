"""`heldout install-service` as a user calls it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.harness import HELDOUT, PASS, USAGE, Home, environment
from tests.fakes.programs import installed

UNITS = ("heldout.service", "heldout-run.service", "heldout-run.timer")

pytestmark = pytest.mark.sqlite_only("it comes to no database")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The sample's configuration, in a folder of its own, and one for units."""
    place = Home(tmp_path / "configured", secrets={})
    place.folder.mkdir()
    (tmp_path / "units").mkdir()
    place.run("init", "--from", "sample", code=PASS)
    return place


@pytest.fixture
def units(home: Home) -> Path:
    return home.folder.parent / "units"


def verified(folder: Path) -> None:
    """systemd has nothing to say about the units in `folder`."""
    (program,) = installed("systemd-analyze", package="systemd")
    command = [program, "verify", "--man=no", *map(str, sorted(folder.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_it_writes_units_that_start_this_very_program(home: Home, units: Path) -> None:
    done = home.run("install-service", "--directory", str(units), code=PASS)
    assert sorted(path.name for path in units.iterdir()) == sorted(UNITS)
    verified(units)
    start = f"ExecStart={HELDOUT.resolve()} serve --config {home.folder.resolve()}/config.toml"
    assert start in (units / "heldout.service").read_text().splitlines()
    for command in ("systemctl daemon-reload", "systemctl enable --now heldout.service heldout-run.timer"):
        assert command in done.out
    assert "sudo STATE_DIRECTORY=/var/lib/heldout" in done.out
    assert "journalctl -u heldout" in done.out
    assert f"sudo cp {units}/heldout.service" in done.out  # systemd does not look there


def test_a_second_time_changes_nothing_and_a_change_is_kept(home: Home, units: Path) -> None:
    home.run("install-service", "--directory", str(units), code=PASS)
    again = home.run("install-service", "--directory", str(units), "--json", code=PASS)
    assert [file["state"] for file in again.json["files"]] == ["same"] * 3
    unit = units / "heldout.service"
    unit.write_text(unit.read_text().replace("RestartSec=10s", "RestartSec=99s"))
    refused = home.run("install-service", "--directory", str(units), code=USAGE)
    assert "-RestartSec=99s" in refused.err
    assert "+RestartSec=10s" in refused.err
    assert "--force" in refused.err
    assert "RestartSec=99s" in unit.read_text()
    home.run("install-service", "--directory", str(units), "--force", code=PASS)
    assert "RestartSec=10s" in unit.read_text()


def test_print_writes_nothing(home: Home, units: Path) -> None:
    done = home.run("install-service", "--directory", str(units), "--print", code=PASS)
    assert list(units.iterdir()) == []
    assert "Type=notify" in done.out
    assert "OnCalendar=hourly" in done.out
    as_json = home.run("install-service", "--directory", str(units), "--print", "--json", code=PASS)
    assert [Path(file["path"]).name for file in as_json.json["files"]] == list(UNITS)
    assert as_json.json["files"][0]["text"] in done.out
    assert as_json.json["database"] == "/var/lib/heldout/heldout.db"


def test_references_become_credentials_or_a_warning(home: Home, units: Path) -> None:
    config = home.folder / "config.toml"
    tokens = (
        '[web.tokens.a]\nsecret = { env = "TOKEN_A" }\nrole = "read"\n[deadman]\nurl = { credential = "deadman" }\n'
    )
    config.write_text(config.read_text() + tokens)
    done = home.run("install-service", "--directory", str(units), "--json", code=PASS)
    (warning,) = [text for text in done.json["warnings"] if "TOKEN_A" in text]
    assert "[web] tokens.a.secret" in warning
    for name in ("heldout.service", "heldout-run.service"):
        assert "\nLoadCredential=deadman:/etc/heldout/credentials/deadman\n" in (units / name).read_text()
    verified(units)


def test_a_broken_configuration_or_a_folder_that_is_not_there_is_said(home: Home, units: Path) -> None:
    nowhere = home.run("install-service", "--directory", str(units / "nowhere"), code=USAGE)
    assert "there is no such folder" in nowhere.err
    (home.folder / "config.toml").write_text("[databse]\n")
    broken = home.run("install-service", "--directory", str(units), code=USAGE)
    assert "databse" in broken.err
    assert list(units.iterdir()) == []


def test_who_may_not_write_there_is_told_how(home: Home, units: Path) -> None:
    units.chmod(0o555)
    command = [str(HELDOUT), "install-service", "--directory", str(units)]
    if os.geteuid() == 0:
        # Root may write anywhere, unless it gives that up.
        drop = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}", *command]
    done = subprocess.run(
        command, cwd=home.folder, env=environment(HOME=str(home.folder)), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == USAGE
    assert "may not write here: say `sudo " in done.stderr
    assert "install-service --config" in done.stderr
    assert "Traceback" not in done.stderr
    units.chmod(0o755)
    assert list(units.iterdir()) == []
