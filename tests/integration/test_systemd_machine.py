"""The machine that tests boot cannot reach the host: a systemd that boots empties /tmp and writes kernel settings."""

from __future__ import annotations

from pathlib import Path

from tests.integration.systemd_harness import Machine, program_paths
from tests.integration.systemd_harness import machine as second

COMMANDS = "cat /proc/[0-9]*/comm"


def test_nothing_of_the_host_can_be_written(machine: Machine, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("kept")
    assert machine.run("stat", "-f", "-c", "%T", "/", "/tmp", "/var/tmp").split() == ["tmpfs"] * 3
    assert "kept" not in machine.run("find", "/tmp", "/var/tmp", "-maxdepth", "5")
    for path in ("/usr", "/proc/sys/kernel", *map(str, program_paths())):
        machine.run("touch", f"{path}/written", code=1)
    assert machine.run("find", "/dev", "-type", "b") == ""
    assert machine.run("systemctl", "is-enabled", "systemd-tmpfiles-setup.service", code=1).strip() == "masked"
    # What it writes, even by force, stays in it.
    machine.run("find", "/tmp", "/var/tmp", "-mindepth", "1", "-xdev", "-delete")
    machine.write("/etc/heldout/written", "here alone")
    assert kept.read_text() == "kept"
    assert not Path("/etc/heldout/written").exists()


def test_two_machines_do_not_see_each_other(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with second(tmp_path / "second") as other:
        other.write("/run/systemd/system/sleeper.service", "[Service]\nExecStart=/usr/bin/sleep 600\n")
        other.run("systemctl", "start", "sleeper")
        assert other.properties("sleeper", "ActiveState") == {"ActiveState": "active"}
        assert machine.properties("sleeper", "ActiveState", "LoadState")["LoadState"] == "not-found"
        assert "sleep" not in machine.run("sh", "-c", COMMANDS)
        assert "sleep" in other.run("sh", "-c", COMMANDS)


def test_nothing_is_left_over_of_a_machine(tmp_path: Path, machine: Machine) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    (tmp_path / "second").mkdir()
    with second(tmp_path / "second") as other:
        # A program that would outlive its service.
        other.write("/run/systemd/system/sleeper.service", "[Service]\nExecStart=/usr/bin/setsid /usr/bin/sleep 4711\n")
        other.run("systemctl", "start", "sleeper")
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert list((tmp_path / "second" / "root").iterdir()) == []
    commands = (folder / "cmdline" for folder in Path("/proc").iterdir() if folder.name.isdigit())
    assert not [path for path in commands if path.exists() and path.read_bytes().endswith(b"sleep\x004711\x00")]
