"""CPU that short verbs take, beside what importing SQLAlchemy alone takes in the same run.

python tests/bench/bench_startup.py [--times 7]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[2] / "monitor" / "sample"
CONFIG = f"""
[suites.support]
cases = "{SAMPLE / "support.jsonl"}"
metrics = ["contains"]
[targets.local-rag]
provider = "rag"
documents = "{SAMPLE / "handbook"}"
suites = ["support"]
"""


def cpu(command: list[str], folder: Path) -> float:
    """Seconds of user and system CPU of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--times", type=int, default=7)
    times = parser.parse_args().times
    heldout = str(Path(sys.executable).parent / "heldout")
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import monitor (goal 0.1)": [sys.executable, "-c", "import monitor"],
        "import sqlalchemy": [sys.executable, "-c", "import sqlalchemy"],
        "heldout --help (goal 0.2)": [heldout, "--help"],
        "heldout gate (goal 0.4)": [heldout, "gate", "local-rag"],
        "heldout status": [heldout, "status"],
    }
    os.environ["NO_COLOR"] = "1"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.toml").write_text(CONFIG, encoding="utf-8")
        subprocess.run([heldout, "run"], cwd=folder, check=True, capture_output=True)
        # In turn, so that all see the same machine.
        taken = {label: [] for label in commands}
        for _ in range(times):
            for label, command in commands.items():
                taken[label].append(cpu(command, folder))
    unit = statistics.median(taken["import sqlalchemy"])
    for label, seconds in taken.items():
        middle = statistics.median(seconds)
        print(f"{label:28} {middle:.3f} s (from {min(seconds):.3f}), {middle / unit:.2f} times importing SQLAlchemy")


if __name__ == "__main__":
    main()
