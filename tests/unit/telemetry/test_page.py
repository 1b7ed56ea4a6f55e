"""The page itself: valid for Prometheus, small to load, up when the database is not, and open for other metrics."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from dataclasses import replace

from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import CollectorRegistry

from monitor.domain.verdict import Cause, CauseKind, ModelSeen
from monitor.store import answers, outbox, runs
from monitor.telemetry.exposition import Telemetry
from tests.fakes.programs import installed
from tests.unit.store.rows import NOW, answer, failure, run, tell
from tests.unit.telemetry.conftest import TARGETS, configured, parsed
from tests.unit.telemetry.test_metrics import MEASURED, conclude

LOADS = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from monitor.config.load import load_config
from monitor.store.database import open_database
from monitor.telemetry.exposition import Telemetry
config = load_config(Path(sys.argv[1]), {})
database = open_database(sys.argv[2])
assert b"heldout_verdict{" in Telemetry(database, lambda: config, lambda: datetime.now(UTC)).render()
print(json.dumps(sorted(sys.modules)))
"""


def test_it_needs_neither_numbers_nor_sdks(database, config):
    conclude(database)
    url = database.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", LOADS, str(config.path), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    unwanted = {"numpy", "scipy", "pandas", "openai", "anthropic", "slack_sdk", "aiohttp", "alembic"}
    assert not loaded & unwanted


def test_promtool_has_nothing_to_say_about_it(database, config):
    (promtool,) = installed("promtool", package="prometheus")
    conclude(database)
    page = Telemetry(database, lambda: config, lambda: NOW).render()
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, timeout=30)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_every_metric_says_what_it_means(database, config):
    text = Telemetry(database, lambda: config, lambda: NOW).render().decode()
    helps = dict(re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE))
    kinds = dict(re.findall(r"^# TYPE (\S+) (.+)$", text, re.MULTILINE))
    assert helps.keys() == kinds.keys()
    assert all(len(meaning) > 25 and meaning.endswith(".") for meaning in helps.values())
    assert {name for name, kind in kinds.items() if kind == "counter"} == {n for n in kinds if n.endswith("_total")}
    for name, meaning in helps.items():
        if name.endswith("_timestamp_seconds"):
            assert meaning.startswith("Unix time")
        elif name.endswith("_seconds"):
            assert "seconds" in meaning
        elif "_usd" in name:
            assert "USD" in meaning


def test_without_its_tables_it_says_that_the_database_is_gone(database, config, caplog):
    telemetry = Telemetry(database, lambda: config, lambda: NOW)
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE outbox RENAME TO elsewhere")
    with caplog.at_level(logging.WARNING):
        page = parsed(telemetry.render())
    assert {key.split("{")[0] for key in page} == {"heldout_build_info", "heldout_database_up"}
    assert page["heldout_database_up"] == 0.0
    assert "no metrics for this scrape" in caplog.text
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO outbox")
    assert parsed(telemetry.render())["heldout_database_up"] == 1.0


def test_a_reload_and_the_time_are_seen_at_the_next_scrape(database, config, tmp_path):
    given = {"config": config, "now": NOW}
    telemetry = Telemetry(database, lambda: given["config"], lambda: given["now"])
    assert 'target="ft"' in telemetry.render().decode()
    given["config"] = configured(tmp_path, TARGETS.replace("ft", "other"))
    page = telemetry.render().decode()
    assert 'target="ft"' not in page
    assert 'target="other"' in page


def test_it_stands_beside_other_metrics_of_the_registry_that_it_is_given(database, config):
    class Other:
        def collect(self):
            yield GaugeMetricFamily("other", "Another.", value=7)

    registry = CollectorRegistry()
    registry.register(Other())
    page = parsed(Telemetry(database, lambda: config, lambda: NOW, registry).render())
    assert (page["other"], page["heldout_database_up"]) == (7.0, 1.0)


def test_what_a_model_or_provider_said_is_not_on_it(database, config):
    said = "words-of-a-model"
    cause = Cause(CauseKind.PROVIDER, said)
    conclude(database, said=replace(MEASURED, reasons=(said,), causes=(cause,), model=ModelSeen(said, said, said)))
    with database.write() as connection:
        assert runs.begin(connection, run(2, slot=None, requested_model=said))
        answers.add(connection, [answer("a", run_id="run-2", text=said, model=said, finish_reason=said)], [{}])
        answers.add_failures(connection, [failure("b", run_id="run-2", message=said)])
        tell(connection, "alert", ["slack"])
        connection.execute(outbox.outbox.update().values(error=said))
    page = Telemetry(database, lambda: config, lambda: NOW).render().decode()
    assert 'heldout_calls_total{outcome="timeout",target="ft"} 3.0' in page
    assert said not in page
