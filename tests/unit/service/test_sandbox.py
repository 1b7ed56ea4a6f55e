"""What the sandbox hides is shown to the service, but never a whole home; what its user cannot read is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from judges.rubric_file import bundled_path
from monitor.config.faults import FaultsError
from monitor.config.load import load_config
from monitor.config.models import Config
from monitor.service import sandbox

CONFIG = """
[suites.s]
cases = "suite.jsonl"
metrics = ["contains"]
rubrics = ["tone", "rubrics/own.toml"]
headline = { contains = 1 }
[judges.j]
provider = "openai"
model = "m"
[judging]
panel = ["j"]
[targets.a]
provider = "rag"
documents = "documents"
suites = ["s"]
[targets.b]
provider = "openai"
model = "m"
suites = ["s"]
system = { file = "prompts/system.txt" }
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "documents").mkdir()
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "system.txt").write_text("You answer.")
    (tmp_path / "rubrics").mkdir()
    own = bundled_path("summary").read_text("utf-8").replace('"summary"', '"own"')
    (tmp_path / "rubrics" / "own.toml").write_text(own, "utf-8")
    (tmp_path / "suite.jsonl").write_text('{"id": "a", "input": "x", "expected": "y"}\n')
    (tmp_path / "config.toml").write_text(CONFIG)
    return load_config(tmp_path / "config.toml", {})


def test_every_input_is_found(config: Config, tmp_path: Path) -> None:
    names = ("suite.jsonl", "documents", "prompts/system.txt", "rubrics/own.toml")
    assert sorted(sandbox.input_paths(config)) == sorted(tmp_path / name for name in names)


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        ("/home/ada/venv", True),
        ("/root/.pyenv", True),
        ("/tmp/x", True),
        ("/var/tmp/x", True),
        ("/run/user/1000/x", True),
        ("/opt/heldout", False),
        ("/homes/ada", False),
        ("/etc/heldout", False),
    ],
)
def test_homes_and_temporary_files_are_hidden(path: str, hidden: bool) -> None:
    assert sandbox.is_hidden(Path(path)) == hidden


def test_the_installation_is_made_of_its_environment_its_python_and_its_packages() -> None:
    found = sandbox.installation(Path(sys.prefix, "bin", "heldout"))
    package = Path(sandbox.__file__).parents[1]
    assert {Path(sys.prefix), Path(sys.base_prefix), package, package.parent / "alerts"} <= set(found)
    assert package.parent not in found or str(package.parent) in sys.path


def test_folders_of_hidden_inputs_are_shown_once(config: Config, tmp_path: Path) -> None:
    shown = sandbox.to_show(Path("/opt/heldout/bin/heldout"), config)
    if sandbox.is_hidden(tmp_path):
        assert tmp_path in shown
    assert all(sandbox.is_hidden(path) for path in shown)
    assert not [path for path in shown for other in shown if path != other and path.is_relative_to(other)]


@pytest.mark.parametrize("folder", ["/home/ada", "/root", "/tmp", "/home"])
def test_a_home_is_never_shown_as_a_whole(config: Config, folder: str) -> None:
    moved = config.model_copy(update={"path": config.path})
    suite = moved.suites["s"].model_copy(update={"cases": Path(folder, "suite.jsonl")})
    moved = moved.model_copy(update={"suites": {"s": suite}})
    with pytest.raises(FaultsError, match=f"{folder}/suite.jsonl: lies in a folder .* move it to /etc/heldout"):
        sandbox.to_show(Path("/opt/heldout/bin/heldout"), moved)


def test_what_others_may_not_read_is_named(tmp_path: Path) -> None:
    inner = tmp_path / "closed" / "open"
    inner.mkdir(parents=True)
    file = inner / "file"
    file.write_text("x")
    shown = (inner,)
    assert sandbox.unreadable(file, shown) is None
    file.chmod(0o640)
    assert sandbox.unreadable(file, shown) == file
    file.chmod(0o644)
    inner.chmod(0o700)
    assert sandbox.unreadable(file, shown) == inner
    # What lies above is made anew for the service.
    inner.chmod(0o755)
    inner.parent.chmod(0o700)
    assert sandbox.unreadable(file, shown) is None
    assert sandbox.unreadable(file, ()) is not None
    assert sandbox.unreadable(inner / "missing", shown) == inner / "missing"
    inner.chmod(0o754)
    assert sandbox.unreadable(inner, shown) == inner
