"""Writes a suite's file and gives its cases, or its faults without the folder's own path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.domain.case import Suite
from monitor.suites.load import SuiteError, load_suite


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Suite]:
    def loaded(content: str | bytes, name: str = "support.jsonl") -> Suite:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return load_suite("support", path)

    return loaded


@pytest.fixture
def faults_of(tmp_path: Path, load: Callable[..., Suite]) -> Callable[..., list[str]]:
    def faults(content: str | bytes, name: str = "support.jsonl") -> list[str]:
        with pytest.raises(SuiteError) as caught:
            load(content, name)
        return [str(fault).replace(f"{tmp_path}/", "") for fault in caught.value.faults]

    return faults
