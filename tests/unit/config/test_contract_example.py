"""The whole configuration of the contract: what later versions bring is refused by name, and the rest loads."""

from __future__ import annotations

import json
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.config.faults import ConfigError
from monitor.config.load import load_config

EXAMPLE = (Path(__file__).parent / "contract_example.toml").read_text("utf-8")

LATER = {
    "[targets.support-ft] compare_with",
    "[reports]",
}


@pytest.fixture
def example(tmp_path: Path) -> dict[str, Any]:
    """The example, with its paths made to exist, the second suite that it names, and what it leaves open."""
    for name in ("support.jsonl", "general.jsonl"):
        (tmp_path / "path" / "to").mkdir(parents=True, exist_ok=True)
        (tmp_path / "path" / "to" / name).write_text('{"id": "a", "input": "b"}\n', "utf-8")
    (tmp_path / "path" / "to" / "folder").mkdir()
    document = tomllib.loads(EXAMPLE)
    document["suites"]["general"] = {"cases": "path/to/general.jsonl", "metrics": ["choice"], "purpose": "general"}
    document["alerts"]["slack"]["app_token"] = {"env": "SLACK_APP_TOKEN"}
    document["alerts"]["email"] |= {"to": ["oncall@example.com"], "from": "heldout@example.com"}
    return document


def toml(document: dict[str, Any]) -> str:
    """`document` as TOML: one inline table for each table, because JSON's other values are spelt as TOML's are."""

    def value(item: Any) -> str:
        if isinstance(item, dict):
            return "{ " + ", ".join(f"{json.dumps(k)} = {value(v)}" for k, v in item.items()) + " }"
        if isinstance(item, list):
            return "[" + ", ".join(value(part) for part in item) + "]"
        return json.dumps(item, ensure_ascii=False)

    return "\n".join(f"{name} = {value(item)}" for name, item in document.items())


def refused(path: Path) -> set[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    assert {fault.message for fault in caught.value.faults} == {"not in this version"}
    return {f"[{fault.table}] {fault.key or ''}".strip() for fault in caught.value.faults}


def without(document: dict[str, Any], name: str) -> None:
    table, _, key = name.removeprefix("[").partition("]")
    parts = [*table.split("."), *key.strip().split(".")] if key else table.split(".")
    inner = document
    for part in parts[:-1]:
        inner = inner[part]
    del inner[parts[-1]]
    if parts[0] == "hooks" and not inner:
        del document[parts[0]]


def test_all_that_later_versions_bring_is_refused_at_once_and_nothing_else_is(example, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(toml(example), "utf-8")
    assert refused(path) == LATER


def test_any_one_of_them_is_refused_alone(example, tmp_path):
    path = tmp_path / "config.toml"
    for kept in LATER:
        document = json.loads(json.dumps(example))
        for name in LATER - {kept}:
            without(document, name)
        path.write_text(toml(document), "utf-8")
        assert refused(path) == {kept}


def test_the_rest_loads(example, tmp_path):
    for name in LATER:
        without(example, name)
    (tmp_path / "config.toml").write_text(toml(example), "utf-8")
    config = load_config(tmp_path / "config.toml", {})
    assert set(config.targets) == {"support-ft", "support-rag", "local-rag"}
    assert config.suites["support"].weights == {"exact_match": 0.5, "support_answer": 0.5}
    assert config.suites["support"].judged_in_headline == ("support_answer",)
    assert config.rubric("support_answer").criteria
    assert (config.judging.panel, config.judging.anchors, config.judging.min_kappa_for_rollback) == (
        ("strict",),
        8,
        0.4,
    )
    assert config.judges["strict"].model == "claude-…"
    assert config.alerts.slack is not None
    assert config.alerts.slack.channel == "C0123456789"
    assert str(config.alerts.slack.token) == "environment variable SLACK_BOT_TOKEN"
    assert config.alerts.email is not None
    assert (config.alerts.email.to, config.alerts.email.sender) == (("oncall@example.com",), "heldout@example.com")
    assert str(config.alerts.email.smtp) == "environment variable SMTP_URL"
    assert str(config.alerts.slack.app_token) == "environment variable SLACK_APP_TOKEN"
    assert (config.alerts.slack.team, config.alerts.slack.approvers) == ("T0123456789", ("U0123456789",))
    assert config.alerts.slack.hears
    assert config.alerts.slack.mention == "<!subteam^S0123456789>"
    assert config.alerts.slack.fallback_channel == "C9876543210"
    assert config.alerts.slack.fallback_after == timedelta(minutes=15)
    assert config.alerts.repeat_every == timedelta(hours=24)
