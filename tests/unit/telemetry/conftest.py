"""The store's database, a configuration with targets of each role, and the page as a dict."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor.config.load import load_config
from monitor.config.models import Config
from monitor.store.database import Database
from monitor.telemetry.exposition import Telemetry
from tests.unit.store.conftest import begun, database  # noqa: F401  # the same fixtures, on whatever databases they are

TARGETS = """
[targets.ft]
provider = "command"
command = ["never-started"]
suites = ["support", "general"]
[targets.rag]
provider = "command"
command = ["never-started"]
suites = ["support"]
role = "reference"
[alerts.slack]
webhook_url = { env = "HOOK" }
"""
SUITES = """
[thresholds]
investigate = 3.0
rollback = 5.0
unit = "UNIT"
[suites.support]
cases = "support.jsonl"
metrics = ["exact_match"]
[suites.general]
cases = "support.jsonl"
metrics = ["exact_match"]
"""

Page = dict[str, float]
ORDER = {"target": 0, "channel": 0, "suite": 1}


def configured(folder: Path, targets: str = TARGETS, unit: str = "points") -> Config:
    (folder / "support.jsonl").write_text("{}\n", encoding="utf-8")
    (folder / "config.toml").write_text(SUITES.replace("UNIT", unit) + targets, encoding="utf-8")
    return load_config(folder / "config.toml", {})


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configured(tmp_path)


def parsed(page: bytes) -> Page:
    """The samples of a page: `name{a=b, …}`, target and suite first, to their values."""
    found: Page = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            ordered = sorted(sample.labels.items(), key=lambda label: ORDER.get(label[0], 2))
            labels = ", ".join(f"{name}={value}" for name, value in ordered)
            key = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


@pytest.fixture
def scrape(database: Database, config: Config) -> Callable[..., Page]:  # noqa: F811
    """The page at a time, by another configuration where one is given."""

    def page(now: datetime, other: Config | None = None) -> Page:
        return parsed(Telemetry(database, lambda: other or config, lambda: now).render())

    return page
