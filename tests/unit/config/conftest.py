"""A folder with what a small configuration reads, and the faults of one without the folder's own path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from monitor.config.faults import ConfigError
from monitor.config.load import load_config
from monitor.config.models import Config

NOTHING: Mapping[str, str] = MappingProxyType({})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "support.jsonl").write_text('{"id": "a", "input": "Why?", "expected": "Because."}\n', "utf-8")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "one.md").write_text("# One\n\nText.\n", "utf-8")
    (tmp_path / "prompt.txt").write_text("\ufeffAnswer briefly.\n", "utf-8")
    (tmp_path / "blank.txt").write_text(" \n", "utf-8")
    (tmp_path / "latin.txt").write_bytes(b"Gr\xfc\xdfe")
    return tmp_path


@pytest.fixture
def load(folder: Path) -> Callable[..., Config]:
    def loaded(text: str, environ: Mapping[str, str] = NOTHING) -> Config:
        path = folder / "config.toml"
        path.write_text(text, "utf-8")
        return load_config(path, environ)

    return loaded


@pytest.fixture
def faults_of(folder: Path, load: Callable[..., Config]) -> Callable[..., list[str]]:
    """The faults of a configuration as they are shown, with the folder's path taken out."""

    def faults(text: str, environ: Mapping[str, str] = NOTHING) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, environ)
        assert str(caught.value) == "\n".join(str(fault) for fault in caught.value.faults)
        return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]

    return faults
