"""What an idle daemon costs: time until it is ready, memory, processor; goals: 1.5 s, 110 MB (90), 0.2% of a core.

The process is the real one, on the sample's configuration, after its first weekly run. Beside the time until it is
ready stands what importing its parts alone takes in the same run, because machines differ.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.acceptance.harness import Home
from tests.acceptance.serving import Daemon, eventually, serving
from tests.fakes.ports import free_port

STARTS = 5
IDLE = 60.0
TICKS = os.sysconf("SC_CLK_TCK")


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _home(folder: Path) -> Home:
    home = Home(folder)
    home.run("init", "--from", "sample", code=0)
    path = folder / "config.toml"
    path.write_text(path.read_text().replace("127.0.0.1:8787", f"127.0.0.1:{free_port()}"), encoding="utf-8")
    home.run("baseline", "collect", "handbook", "support", "--yes", code=0)
    home.run("run", "--due", code=0)
    return home


def _ready(home: Home, number: int) -> tuple[float, float]:
    """Seconds from the start of the process until it is ready, and until its parts are imported."""
    began = time.monotonic()
    imports = "import monitor.daemon.serve"
    subprocess.run([sys.executable, "-c", imports], check=True, cwd=home.folder)
    imported = time.monotonic() - began
    with serving(home, f"start-{number}", begin=False) as daemon:
        began = time.monotonic()
        daemon.begin()
        daemon.ready()
        took = time.monotonic() - began
        daemon.stop()
    return took, imported


def _idle(daemon: Daemon) -> tuple[float, float]:
    """Share of a core over IDLE seconds, and resident megabytes at their end."""
    time.sleep(20.0)
    before = _cpu(daemon.process.pid)
    time.sleep(IDLE)
    used = _cpu(daemon.process.pid) - before
    return 100.0 * used / IDLE, daemon.rss / 1e6


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        home = _home(Path(folder))
        starts = [_ready(home, number) for number in range(STARTS)]
        took, imported = (statistics.median(column) for column in zip(*starts, strict=True))
        print(f"ready after {took:.2f} s (median of {STARTS}); its imports alone {imported:.2f} s")
        with serving(home, "idle") as daemon:
            daemon.ready()
            eventually(lambda: daemon.get("/metrics")[0] == 200)
            share, resident = _idle(daemon)
            print(f"idle for {IDLE:.0f} s: {share:.3f}% of a core, {resident:.0f} MB resident")
            daemon.stop()


if __name__ == "__main__":
    main()
