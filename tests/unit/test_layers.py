"""The layers of ARCHITECTURE.md, and what may not be imported before it is needed, hold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_imports_only_point_down() -> None:
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("command", "unwanted"),
    [
        (["--help"], {"pydantic", "sqlalchemy", "numpy", "scipy", "pandas", "openai", "anthropic", "slack_sdk"}),
        (["gate", "nothing"], {"numpy", "scipy", "pandas", "openai", "anthropic", "slack_sdk", "alembic", "aiohttp"}),
        (["status"], {"numpy", "scipy", "pandas", "openai", "anthropic", "slack_sdk", "alembic", "aiohttp"}),
        (["run"], {"pandas", "openai", "anthropic", "slack_sdk", "scipy.stats"}),
    ],
)
def test_a_verb_loads_only_what_it_needs(tmp_path: Path, command: list[str], unwanted: set[str]) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "a.md").write_text("# Refunds\n\nWithin 14 days.\n", encoding="utf-8")
    (tmp_path / "suite.jsonl").write_text('{"id": "a", "input": "Refunds?", "expected": "14 days"}\n', encoding="utf-8")
    (tmp_path / "config.toml").write_text(
        '[suites.s]\ncases = "suite.jsonl"\nmetrics = ["contains"]\n'
        '[targets.nothing]\nprovider = "rag"\ndocuments = "documents"\nsuites = ["s"]\n',
        encoding="utf-8",
    )
    program = (
        "import sys, json, atexit\n"
        f"sys.argv = ['heldout', *{command!r}]\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
        "from monitor.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr, done.stderr
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert not loaded & unwanted


@pytest.mark.parametrize("modules", ["monitor.web.app, monitor.web.server", "monitor.daemon.serve"])
def test_what_runs_for_months_loads_no_numbers_and_no_sdk(modules: str) -> None:
    program = f"import sys, json, {modules}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    unwanted = {"numpy", "scipy", "pandas", "openai", "anthropic", "slack_sdk", "aiohttp", "alembic", "monitor.cycle"}
    assert not set(json.loads(done.stdout)) & unwanted
