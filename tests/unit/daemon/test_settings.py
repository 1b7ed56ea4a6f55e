"""The configuration in force: a file that cannot be used as a whole is not used in part."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.outputs import database_url
from monitor.daemon.settings import Settings

TOML = """
[database]
url = "{url}"
[web]
listen = "{listen}"
[suites.support]
cases = "support.jsonl"
metrics = ["exact_match"]
[targets.{target}]
provider = "command"
command = ["never-started"]
suites = ["support"]
"""


def write(folder: Path, **changes: str) -> Path:
    path = folder / "config.toml"
    (folder / "support.jsonl").write_text("{}\n")
    usual = {"url": "sqlite:///heldout.db", "listen": "127.0.0.1:8787", "target": "ft"}
    path.write_text(TOML.format(**{**usual, **changes}))
    return path


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(write(tmp_path), {})


def test_another_database_takes_a_restart_and_until_then_nothing_of_the_file_holds(settings, tmp_path):
    before = settings.content
    # A child would work on the new one, and the schedule, delivery and page on the old one.
    write(tmp_path, url="sqlite:///other.db", target="new")
    assert not settings.reload()
    assert settings.fault == (
        f"{tmp_path / 'config.toml'}: [database] url: names another database, which takes a restart of `heldout serve`"
    )
    assert (settings.content, list(settings.config.targets)) == (before, ["ft"])
    write(tmp_path, target="new")
    assert settings.reload()
    assert (settings.fault, list(settings.config.targets)) == (None, ["new"])


def test_another_password_for_the_same_database_may_come_into_force(tmp_path):
    path = write(tmp_path, url="X")
    path.write_text(path.read_text().replace('"X"', '{ env = "DATABASE" }'))
    environ = {"DATABASE": "postgresql://heldout:first-password@db/heldout"}
    settings = Settings(path, environ)
    environ["DATABASE"] = "postgresql://heldout:second-password@db/heldout"
    assert settings.reload()
    assert "second" in database_url(settings.config, environ)
    environ["DATABASE"] = "postgresql://heldout:second-password@elsewhere/heldout"
    assert not settings.reload()
    assert "second-password" not in str(settings.fault)
