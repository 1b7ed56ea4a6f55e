"""The first quarter of an hour: the sample configuration, without a key or a network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.acceptance.harness import INCONCLUSIVE, PASS, REPOSITORY, Home


@pytest.fixture
def sample(tmp_path: Path) -> Home:
    """A copy of what the repository runs on."""
    home = Home(tmp_path, secrets={})
    text = (REPOSITORY / "config.toml").read_text()
    assert "sqlite:///heldout.db" in text
    (tmp_path / "config.toml").write_text(text.replace("sqlite:///heldout.db", home.url))
    shutil.copytree(REPOSITORY / "monitor" / "sample", tmp_path / "monitor" / "sample")
    return home


def test_the_sample_is_collected_measured_and_passes(sample: Home) -> None:
    before = sample.run("gate", "local-rag", code=INCONCLUSIVE)
    assert "never measured" in before.said
    assert not sample.tables()  # asking how things stand creates nothing

    collected = sample.run("baseline", "collect", "local-rag", "support", "--yes", "--json", code=PASS)
    assert collected.json["cases"] == 200
    assert collected.json["answers_a_case"] >= 4

    done = sample.run("run", "--due", "--json", code=PASS)
    (verdict,) = done.json["verdicts"]
    assert (verdict["verdict"], verdict["stage"], verdict["cases"]) == ("pass", "final", 200)
    assert verdict["score"] == verdict["baseline_score"] == collected.json["score"]
    assert verdict["drop"]["points"] == 0.0
    answers = sample.count("SELECT count(*) FROM answer")

    again = sample.run("run", "--due", "--json", code=PASS)
    assert again.json["verdicts"] == []
    assert "has its run" in again.said
    assert sample.count("SELECT count(*) FROM answer") == answers

    assert sample.run("status", code=PASS).out.startswith("✓ pass")
    assert sample.run("gate", "local-rag", "--json", code=PASS).json == {**verdict, "stale": False}


@pytest.mark.sqlite_only("what it writes names a file")
def test_init_writes_a_sample_that_runs_where_there_is_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path, secrets={})
    home.run("init", "--from", "sample", code=PASS)
    checked = home.run("check", "--offline", code=PASS)
    assert "the configuration is sound" in checked.said
    home.run("baseline", "collect", "handbook", "support", "--yes", code=PASS)
    home.run("run", "--due", code=PASS)
    home.run("gate", "handbook", code=PASS)


def test_without_a_baseline_a_week_says_how_to_collect_one(sample: Home) -> None:
    done = sample.run("run", "--due", code=PASS)
    assert "`heldout baseline collect local-rag support`" in done.said
    gate = sample.run("gate", "local-rag", "--json", code=INCONCLUSIVE)
    assert gate.json["cause"] == "no-baseline"
