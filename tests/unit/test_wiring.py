"""What is built of a configuration: the fallback of a site, also where it cannot be built or is not asked the suite."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from monitor import wiring
from monitor.app import App
from monitor.config.load import load_config
from monitor.site import Site, Unbuilt
from monitor.store.database import open_database
from monitor.targets.build import TargetConfigError

TOML = """
[suites.support]
cases = "support.jsonl"
metrics = ["exact_match"]
[suites.general]
cases = "support.jsonl"
metrics = ["exact_match"]
purpose = "general"
[targets.ft]
provider = "command"
command = ["never-started"]
suites = ["support", "general"]
fallback = "rag"
[targets.rag]
provider = "rag"
documents = "handbook"
suites = ["support"]
role = "reference"
"""


def build(folder, **how) -> App:
    async def built() -> App:
        database = open_database(f"sqlite:///{folder / 'heldout.db'}")
        try:
            return wiring.build(config, {}, database, **how)
        finally:
            database.close()

    (folder / "config.toml").write_text(TOML, "utf-8")
    (folder / "support.jsonl").write_text('{"id": "a", "input": "Why?", "expected": "Because."}\n', "utf-8")
    (folder / "handbook").mkdir()
    (folder / "handbook" / "one.md").write_text("# One\n\nText.\n", "utf-8")
    config = load_config(folder / "config.toml", {})
    if how.pop("broken", False):
        shutil.rmtree(folder / "handbook")
    return asyncio.run(built())


def production_alone(target: str, suite: str) -> bool:
    return target == "ft"


def test_a_fallback_is_asked_the_same_suite_whether_it_is_a_site_of_its_own_or_not(tmp_path):
    app = build(tmp_path)
    found = app.sites["ft", "support"].fallback
    assert isinstance(found, Site)
    # One opening of it, with the limits and prices of its account.
    assert found.connect is app.sites["rag", "support"].connect
    assert app.sites["rag", "support"].fallback is None
    assert app.sites["ft", "general"].fallback == Unbuilt("rag", "it is not asked this suite ([targets.rag] suites)")


def test_one_that_is_left_out_of_a_command_is_measured_beside_production_all_the_same(tmp_path):
    app = build(tmp_path, only=production_alone)
    assert set(app.sites) == {("ft", "support"), ("ft", "general")}
    found = app.sites["ft", "support"].fallback
    assert isinstance(found, Site)
    assert (found.target, found.suite) == ("rag", app.sites["ft", "support"].suite)


def test_one_that_cannot_be_built_keeps_nobody_from_measuring_production(tmp_path):
    app = build(tmp_path, only=production_alone, broken=True)
    found = app.sites["ft", "support"].fallback
    assert isinstance(found, Unbuilt)
    assert found.why.startswith("[targets.rag] documents: ")
    assert app.left_out == {}


def test_asked_for_itself_it_is_a_fault_as_ever(tmp_path):
    with pytest.raises(TargetConfigError):
        build(tmp_path, broken=True)
