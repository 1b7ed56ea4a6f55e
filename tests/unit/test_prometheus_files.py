"""What ships for Prometheus and Grafana: valid, tested, and about metrics that there are."""

from __future__ import annotations

import json
import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.decide.judge_words import UNSCORED_SHARE
from monitor.telemetry.exposition import Telemetry
from tests.fakes.programs import installed
from tests.unit.store.rows import NOW
from tests.unit.telemetry.conftest import config, database  # noqa: F401  # fixtures

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "systemd"
NAMES = re.compile(r"\bheldout_[a-z0-9_]+\b")
CONTRACT = {
    "heldout_score": {"target", "suite", "scorer"},
    "heldout_drop_points": {"target", "suite", "bound"},
    "heldout_verdict": {"target", "suite", "verdict"},
    "heldout_run_last_success_timestamp_seconds": {"target", "suite"},
    "heldout_run_duration_seconds": {"target", "suite"},
    "heldout_calls_total": {"target", "outcome"},
    "heldout_tokens_total": {"target", "kind"},
    "heldout_cost_usd_total": {"target", "purpose"},
    "heldout_deliveries_total": {"channel", "outcome"},
    "heldout_outbox_pending": set(),
    "heldout_judge_shift_points": {"judge", "rubric"},
    "heldout_judge_kappa": {"judge", "rubric"},
    "heldout_scheduler_last_tick_timestamp_seconds": set(),
}


def read(name: str) -> str:
    return (SHIPPED / name).read_text(encoding="utf-8")


def promtool(*arguments: str, folder: Path = SHIPPED) -> str:
    (program,) = installed("promtool", package="prometheus")
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(read("prometheus-rules.yml"))["groups"]
    return list(group["rules"])


def board() -> dict[str, Any]:
    return dict(json.loads(read("grafana-dashboard.json")))


def queries() -> list[str]:
    return [target["expr"] for panel in board()["panels"] for target in panel.get("targets", [])]


@pytest.fixture
def metrics(database, config) -> set[str]:  # noqa: F811
    """The names of all metrics that a scrape knows, with samples or without."""
    page = Telemetry(database, lambda: config, lambda: NOW).render().decode()
    return set(re.findall(r"^# TYPE (\S+)", page, re.MULTILINE))


def test_the_rules_are_valid():
    assert f"{len(rules())} rules found" in promtool("check", "rules", "prometheus-rules.yml")


def test_each_rule_fires_and_is_silent_as_its_tests_say():
    said = promtool("test", "rules", "prometheus-rules.test.yml", "prometheus-rules-days.test.yml")
    assert said.count("SUCCESS") == 2


def test_no_rule_is_untested():
    tests = read("prometheus-rules.test.yml") + read("prometheus-rules-days.test.yml")
    fires = set(re.findall(r'alertname="(\w+)", alertstate="firing"', tests))
    fires |= set(re.findall(r"alertname: (\w+)\n", tests))
    assert fires == {rule["alert"] for rule in rules()}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_tells_whoever_is_woken_what_it_is_and_what_to_do(rule):
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert all(text.strip() == text and "\n" not in text for text in rule["annotations"].values())
    assert len(rule["annotations"]["summary"]) < 110
    assert "`" in rule["annotations"]["runbook"]


def test_a_rule_shows_only_labels_that_its_expression_keeps():
    for rule in rules():
        used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        kept = set(re.findall(r"[a-z]+", " ".join(re.findall(r"\bby \(([^)]*)\)", rule["expr"]))))
        assert used <= kept | ({"instance"} if "up{" in rule["expr"] else set()), rule["alert"]


def test_prometheus_and_slack_are_told_of_the_same_share_without_a_score():
    (rule,) = [rule for rule in rules() if rule["alert"] == "HeldoutJudgeUnscored"]
    assert f"(heldout_judge_unscored_ratio) > {UNSCORED_SHARE})" in rule["expr"]


@pytest.mark.parametrize("switched_on", [False, True])
def test_the_scrape_configuration_is_valid(tmp_path, switched_on):
    text = read("prometheus-scrape.yml")
    if switched_on:
        text = re.sub(r"^( *)#(?=\S|  \S)", r"\1", text, flags=re.MULTILINE)
        text = text.replace("/etc/prometheus/heldout.token", str(tmp_path / "heldout.token"))
        assert "credentials_file" in text
        assert yaml.safe_load(text)["scrape_configs"][0]["authorization"]
    (tmp_path / "heldout.token").write_text("a-token")
    (tmp_path / "prometheus-rules.yml").write_text(read("prometheus-rules.yml"))
    (tmp_path / "prometheus.yml").write_text(text)
    promtool("check", "config", "prometheus.yml", folder=tmp_path)


def test_the_contracts_metrics_are_there_with_their_labels(metrics):
    assert set(CONTRACT) <= metrics


def test_rules_and_dashboard_are_about_metrics_that_there_are(metrics):
    for text in (read("prometheus-rules.yml"), " ".join(queries()), read("prometheus-rules.test.yml")):
        assert set(NAMES.findall(text)) <= metrics
    templating = json.dumps(board()["templating"])
    assert set(NAMES.findall(templating)) == {"heldout_verdict"}


def test_every_metric_is_on_the_dashboard_or_in_a_rule(metrics):
    shown = set(NAMES.findall(" ".join(queries()) + read("prometheus-rules.yml")))
    assert metrics == shown


def test_the_dashboard_asks_for_labels_that_there_are():
    labels = set().union(*CONTRACT.values()) | {"instance", "version"}
    for query in queries():
        assert set(re.findall(r'(\w+)=~?"', query)) <= labels, query
        grouped = " ".join(re.findall(r"\b(?:by|on) \(([^)]*)\)", query))
        assert set(re.findall(r"\w+", grouped)) <= labels, query


def test_several_daemons_on_one_database_do_not_count_twice():
    # What is summed was made one of all instances before.
    twice = re.compile(r"\b(?:sum|avg|count)(?: by \([^)]*\))? ?\((?:\w+\()?heldout_")
    assert twice.search("sum by (outcome) (increase(heldout_calls_total[1h]))")
    for query in [*queries(), *(rule["expr"] for rule in rules())]:
        assert not twice.search(query), query


def test_the_dashboard_is_bound_to_no_grafana():
    text = read("grafana-dashboard.json")
    parsed = board()
    assert (parsed["id"], parsed["uid"], parsed["schemaVersion"]) == (None, "heldout", 41)
    assert set(re.findall(r'"uid": "([^"]*)"', text)) == {"heldout", "${datasource}", "-- Grafana --"}
    variables = {one["name"]: one for one in parsed["templating"]["list"]}
    assert list(variables) == ["datasource", "target", "suite"]
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")


def test_each_panel_is_named_explained_and_has_a_unit():
    panels = board()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        if panel["type"] == "row":
            continue
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in ("none", "short", "s", "percentunit", "currencyUSD",
                                                            "dateTimeFromNow")  # fmt: skip
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)


def test_no_panel_covers_another():
    for one, other in combinations([panel["gridPos"] for panel in board()["panels"]], 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
        assert one["x"] + one["w"] <= 24


def test_the_drop_has_its_interval_as_a_band():
    (panel,) = [panel for panel in board()["panels"] if panel["title"].startswith("Drop")]
    properties = {
        override["matcher"]["options"]: {one["id"]: one["value"] for one in override["properties"]}
        for override in panel["fieldConfig"]["overrides"]
    }
    assert properties["high"]["custom.fillBelowTo"] == "low"
    assert {target["legendFormat"] for target in panel["targets"]} >= {"estimate", "low", "high"}
