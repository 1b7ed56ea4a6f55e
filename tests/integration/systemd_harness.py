"""A scratch machine with a real systemd as its PID 1, for tests of units; root and Linux namespaces are all it needs.

systemd_init.sh builds the machine: everything of the host is read-only in it, everything else is gone when it ends. Its
loopback is the host's. It is ended by killing the process that holds its namespaces, by id.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
INIT = Path(__file__).with_name("systemd_init.sh")
SYSTEMD = Path("/lib/systemd/systemd")
_NAMESPACES = ("--mount", "--pid", "--ipc", "--uts", "--cgroup")


def impossible() -> str | None:
    """Why no machine can be booted here; None where one can."""
    needed = ("unshare", "nsenter", "setpriv", "systemctl", "journalctl")
    missing = [name for name in needed if shutil.which(name) is None]
    if missing or not SYSTEMD.exists():
        return f"{', '.join(missing) or SYSTEMD} is not installed (Debian: systemd, util-linux)"
    if os.geteuid() != 0:
        return "a machine can be booted by root alone"
    if _cgroups() is None:
        return "there is no cgroup v2 that can be written to"
    tried = subprocess.run(["unshare", *_NAMESPACES, "--fork", "true"], capture_output=True, text=True, timeout=20)
    return None if tried.returncode == 0 else f"namespaces cannot be made: {tried.stderr.strip()}"


def _cgroups() -> Path | None:
    """Where cgroup v2 is mounted: alone, or beside v1."""
    for place in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        if (place / "cgroup.procs").exists() and os.access(place, os.W_OK):
            return place
    return None


def program_paths() -> list[Path]:
    """What the Python that runs the tests is made of, and the checkout; each folder once, without those in /usr."""
    found = [REPOSITORY, *(Path(entry) for entry in (sys.prefix, sys.base_prefix, *sys.path) if entry)]
    real = sorted({path for path in found if path.is_absolute() and path.is_dir()})
    return [
        path for path in real if not any(above in path.parents for above in real) and not path.is_relative_to("/usr")
    ]


class Machine:
    """A booted machine."""

    def __init__(self, folder: Path) -> None:
        self._root = folder / "root"
        self._root.mkdir()
        self._log = folder / "boot.log"
        place = _cgroups()
        assert place is not None
        # A cgroup of its own: systemd counts every process in it as one of its services.
        self._cgroup = place / f"heldout-test-{secrets.token_hex(6)}"
        self._holder: subprocess.Popen[bytes] | None = None
        self._init = 0

    def boot(self) -> None:
        """Start it, and wait until it is up."""
        self._cgroup.mkdir()
        join = f'echo $$ >"{self._cgroup}/cgroup.procs" && exec "$@"'
        inside = ["/bin/sh", str(INIT), str(self._root), *map(str, program_paths())]
        command = ["unshare", "--kill-child=SIGKILL", *_NAMESPACES, "--fork", *inside]
        with self._log.open("wb") as log:
            self._holder = subprocess.Popen(
                ["/bin/sh", "-c", join, "sh", *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until(self._is_up, 30.0, lambda: f"the machine did not boot: {self._log.read_text()}")

    def _is_up(self) -> bool:
        assert self._holder is not None
        assert self._holder.poll() is None, f"the machine ended: {self._log.read_text()}"
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text().split()
        if not children:
            return False
        self._init = int(children[0])
        # Before it is systemd it is the script, in which systemctl would speak to nobody, or to the host's.
        if not Path(f"/proc/{self._init}/cmdline").read_bytes().startswith(b"/lib/systemd/systemd"):
            return False
        return self.run("systemctl", "is-system-running", code=None).strip() in ("running", "degraded")

    def run(self, *command: str, code: int | None = 0, timeout: float = 60.0, given: str | None = None) -> str:
        """Run a command in the machine as root, and give what it printed on both streams."""
        enter = ["nsenter", f"--target={self._init}", *_NAMESPACES, "--root"]
        done = subprocess.run(
            [
                *enter,
                "env",
                "-i",
                "--chdir=/",
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG=C.UTF-8",
                "HOME=/root",
                *command,
            ],
            input=given if given is not None else "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        assert code is None or done.returncode == code, f"{command}: exit {done.returncode}\n{done.stdout}"
        return done.stdout

    def write(self, path: str, text: str, mode: str = "0644") -> None:
        """Write a file in the machine, with the folders that it needs."""
        self.run("install", "-D", "-m", mode, "/dev/stdin", path, given=text)

    def properties(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit, as `systemctl show` tells them."""
        shown = self.run("systemctl", "show", unit, "--property", ",".join(names))
        return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)

    def until(self, unit: str, wanted: Mapping[str, str], seconds: float = 20.0) -> None:
        """Wait until the unit's properties are `wanted`."""
        until(
            lambda: self.properties(unit, *wanted) == dict(wanted),
            seconds,
            lambda: f"{self.properties(unit, *wanted)} instead of {wanted}\n{self.journal(unit)}",
        )

    def journal(self, unit: str) -> str:
        """What the unit has logged."""
        return self.run("journalctl", "--no-pager", "--output=cat", "--unit", unit, code=None)

    def printed(self, unit: str) -> str:
        """What the unit's own processes have printed: systemd's messages about it may come in between the lines."""
        chosen = (f"_SYSTEMD_UNIT={unit}.service", "_TRANSPORT=stdout")
        return self.run("journalctl", "--no-pager", "--output=cat", *chosen, code=None)

    def stop(self) -> None:
        """End it, and see that nothing is left over of it."""
        space = _pid_namespace(self._init) if self._init else None
        if self._holder is not None:
            self._holder.kill()
            self._holder.wait(20.0)
        until(lambda: not _inhabitants(space), 10.0, lambda: f"processes are left over: {_inhabitants(space)}")
        until(lambda: _removed(self._cgroup), 10.0, lambda: f"{self._cgroup} is still in use")
        mounts = Path("/proc/self/mountinfo").read_text()
        assert str(self._root) not in mounts, f"mounts are left over:\n{mounts}"
        assert list(self._root.iterdir()) == []


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """A machine that is up, and that is ended whatever happens."""
    made = Machine(folder)
    try:
        made.boot()
        yield made
    finally:
        made.stop()


def until(condition: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
    """Wait until `condition`, for at most `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, otherwise()
        time.sleep(0.05)


def _pid_namespace(pid: int) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return None


def _inhabitants(space: str | None) -> list[int]:
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [] if space is None else [pid for pid in pids if _pid_namespace(pid) == space]


def _removed(cgroup: Path) -> bool:
    """Remove a cgroup with those in it, deepest first; False while a process is still in one."""
    folders = [Path(folder) for folder, _, _ in os.walk(cgroup, topdown=False)]
    try:
        for folder in folders:
            folder.rmdir()
    except OSError:
        return False
    return not cgroup.exists()
