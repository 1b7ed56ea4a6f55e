"""The units that ship are clean, and as closed as they can be: systemd itself says so, without running."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monitor.service.shipped import UNITS, folder, shipped
from monitor.service.units import Service, fit
from tests.fakes.programs import installed

# `systemd-analyze security` counts in tenths, from 0 (closed) to 100.
MOST_EXPOSED = "20"
PROGRAM = Path(sys.executable).with_name("heldout")
INSTALLATIONS = {
    "plain": Service(PROGRAM, Path("/etc/heldout/config.toml")),
    "all": Service(
        PROGRAM,
        Path('/srv/a "strange" 100% $HOME/config.toml'),
        ("openai", "slack"),
        (Path("/home/a b"), Path("/root/a:b")),
    ),
}


@pytest.fixture(params=INSTALLATIONS)
def units(tmp_path: Path, request: pytest.FixtureRequest) -> list[Path]:
    """All of them, for an installation that is there; systemd complains of a program that is not."""
    installed("systemd-analyze", package="systemd")
    for name in UNITS:
        (tmp_path / name).write_text(fit(shipped(name), INSTALLATIONS[request.param]))
    return [tmp_path / name for name in UNITS]


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)


def test_systemd_has_nothing_to_say_about_them(units: list[Path]) -> None:
    done = analyze("verify", "--man=no", *units)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_what_is_wrong_would_be_said(units: list[Path]) -> None:
    units[0].write_text(units[0].read_text().replace("Type=notify\n", "Type=notify-me\n"))
    assert "Failed to parse service type" in analyze("verify", "--man=no", units[0]).stderr


def test_services_are_closed(units: list[Path]) -> None:
    for unit in units:
        if unit.suffix == ".service":
            done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", unit)
            assert done.returncode == 0, done.stdout


def test_an_open_service_would_be_found(units: list[Path]) -> None:
    units[0].write_text("\n".join(line for line in units[0].read_text().splitlines() if not line.startswith("Protect")))
    assert analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", units[0]).returncode != 0


def test_every_unit_that_ships_is_installed() -> None:
    kinds = (".service", ".timer", ".socket", ".target", ".path")
    assert sorted(path.name for path in folder().iterdir() if path.suffix in kinds) == sorted(UNITS)


def test_the_service_waits_longer_for_its_end_than_the_daemon_drains() -> None:
    assert "TimeoutStopSec=30s" in shipped("heldout.service")
    assert "notify-reload" not in shipped("heldout.service")  # systemd 252 ignores it
