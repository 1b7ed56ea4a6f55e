"""The repository's config.toml: works as it stands, and each setting that is switched off works when switched on."""

from __future__ import annotations

import re
from pathlib import Path

from monitor.config.load import load_config
from monitor.config.models import Config

ROOT = Path(__file__).resolve().parents[2]


def load(tmp_path: Path, text: str) -> Config:
    (tmp_path / "monitor").symlink_to(ROOT / "monitor")
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, {})


def test_it_needs_no_key_and_no_network(tmp_path: Path) -> None:
    config = load(tmp_path, (ROOT / "config.toml").read_text(encoding="utf-8"))
    assert [(name, table.provider) for name, table in config.targets.items()] == [("local-rag", "rag")]
    assert config.alerts.channels == ()
    assert config.deadman is None
    assert (config.web.listen, config.web.tokens) == ("127.0.0.1:8787", {})


def test_everything_that_is_switched_off_works_when_it_is_switched_on(tmp_path: Path) -> None:
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    switched_on = re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE)
    config = load(tmp_path, switched_on)
    assert {table.provider for table in config.targets.values()} == {"rag", "openai", "anthropic", "http"}
    assert len(config.targets) == 6
    assert config.judging.panel == tuple(config.judges) == ("strict",)
    assert config.suites["support"].scorers == ("contains", "f1", "support_answer")
    assert config.alerts.channels == ("slack", "email")
    assert config.deadman is not None
    assert {name: token.role for name, token in config.web.tokens.items()} == {
        "prometheus": "read",
        "operations": "act",
    }
    assert config.web.hosts == ("heldout.example.com",)
