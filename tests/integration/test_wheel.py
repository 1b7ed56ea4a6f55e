"""A wheel carries what a checkout has: heldout installed from one, elsewhere, finds units, pages and migrations."""

from __future__ import annotations

import shutil
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "monitor", "judges", "alerts", "systemd")


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment that heldout was installed into from its wheel; other packages are this one's."""
    tmp_path = tmp_path_factory.mktemp("wheel")
    source, wheels, target = tmp_path / "source", tmp_path / "wheels", tmp_path / "environment"
    source.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, source / name)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir")
    run(
        *pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", wheels, source, folder=tmp_path
    )
    shutil.rmtree(source)
    venv.create(target, with_pip=False)
    (packages,) = target.glob("lib/python*/site-packages")
    run(*pip, "--python", target, "install", "--no-deps", "--no-index", *wheels.iterdir(), folder=tmp_path)
    # After its own, so that heldout is the wheel's.
    found = [entry for entry in (*site.getsitepackages(), *sys.path) if entry.endswith("site-packages")]
    (packages / "others.pth").write_text("\n".join(dict.fromkeys(found)) + "\n")
    return target / "bin"


def test_an_installed_heldout_finds_the_units(installed: Path, tmp_path: Path) -> None:
    where = "from monitor.service import shipped; print(shipped.folder(), shipped.__file__)"
    folder, module = run(installed / "python", "-c", where, folder=tmp_path).split()
    names = sorted(path.name for path in Path(folder).iterdir())
    assert Path(module).is_relative_to(installed.parent)
    assert Path(folder) == (installed.parent / "share" / "heldout" / "systemd").resolve()
    assert names == sorted(path.name for path in (REPOSITORY / "systemd").iterdir() if path.is_file())
    run(installed / "heldout", "init", "--from", "sample", folder=tmp_path)
    printed = run(installed / "heldout", "install-service", "--print", folder=tmp_path)
    assert f"ExecStart={installed / 'heldout'} serve --config {tmp_path}/config.toml" in printed.splitlines()


def test_an_installed_heldout_has_its_pages_and_its_schema(installed: Path, tmp_path: Path) -> None:
    where = (
        "from monitor.web import render; render.Renderer().error('/', 404, 'x');"
        "import jinja2; print(*jinja2.FileSystemLoader(render._TEMPLATES).list_templates())"
    )
    names = sorted(path.name for path in (REPOSITORY / "monitor" / "web" / "templates").iterdir())
    assert run(installed / "python", "-c", where, folder=tmp_path).split() == names
    run(installed / "heldout", "init", "--from", "sample", folder=tmp_path)
    assert "empty →" in run(installed / "heldout", "db", "upgrade", folder=tmp_path)
