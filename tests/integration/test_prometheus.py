"""A real Prometheus scrapes the metrics, its rules fire, and a real Alertmanager tells someone; then it is over."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from alerts.channel import Receipt
from alerts.outbox import Sent
from monitor.config.load import load_config
from monitor.domain.judging import Judged, JudgeSeen
from monitor.domain.run import RunKind, RunState
from monitor.domain.verdict import Interval, Level, Stage, Verdict
from monitor.judging.configured import rubric_scorers
from monitor.store import answers, calibrations, leases, runs, verdicts
from monitor.store.database import Database, open_database
from monitor.store.outbox import StoredOutbox
from monitor.telemetry.exposition import Telemetry
from tests.fakes.prometheus import Stack, inbox, listening, stack, wait_for
from tests.unit.store.rows import NOW, answer, calibration, decided, failure, run, tell

SHIPPED = Path(__file__).resolve().parents[2] / "systemd"
TOKEN = "a-token-that-only-prometheus-reads"
CONFIG = """
[suites.support]
cases = "support.jsonl"
metrics = ["exact_match"]
rubrics = ["tone"]
headline = { exact_match = 0.5, tone = 0.5 }
[judging]
panel = ["strict"]
[judges.strict]
provider = "openai"
model = "judge-1"
[alerts.slack]
webhook_url = { env = "HOOK" }
"""
TARGET = """
[targets.NAME]
provider = "command"
command = ["never-started"]
suites = ["support"]
"""
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MEASURED = decided(
    score=0.83,
    baseline_score=0.88,
    scores={"exact_match": 0.83},
    drop=Interval(5.6, 4.5, 6.7),
    judged=Judged((JudgeSeen("strict", "tone", judged=800, points=-0.4, low=-0.9, high=0.1),), watched=True),
)
MISJUDGED = Judged((JudgeSeen("strict", "tone", untrusted="it passed wrong answers"),), unscored=0.5, watched=True)


@dataclass(frozen=True)
class Scraped:
    """What Prometheus asks: `address` with `TOKEN` as its bearer, and the database that it is computed from."""

    address: str
    database: Database


def now() -> datetime:
    return datetime.now(UTC)


def week(database: Database, target: str, age: timedelta, said: Verdict = MEASURED) -> None:
    begun = run(1, slot=now() - age)
    begun = replace(begun, id=f"run-{target}", target=target, state=RunState.DONE, created_at=now() - age)
    with database.write() as connection:
        assert runs.begin(connection, begun)
        verdicts.add(connection, replace(said, target=target, run=begun.id, slot=begun.slot), False, now() - age)


@pytest.fixture
def troubled(tmp_path: Path) -> Iterator[Database]:
    """A database of someone who has every reason to be told."""
    database = open_database(f"sqlite:///{tmp_path / 'heldout.db'}")
    week(database, "good", HOUR)
    week(database, "old", 9 * DAY)
    week(database, "fallen", HOUR, replace(MEASURED, level=Level.ROLLBACK, stage=Stage.CONFIRMED, judged=MISJUDGED))
    missed = run(2, slot=now() - 8 * DAY, created_at=now() - HOUR, state=RunState.MISSED)
    with database.write() as connection:
        assert runs.record(connection, replace(missed, target="good"))
        assert runs.begin(connection, run(1, slot=None, kind=RunKind.AD_HOC, target="good", created_at=now()))
        answers.add(connection, [answer("a", usd=1.0, input_tokens=9, output_tokens=3)], [{}])
        answers.add_failures(connection, [failure("b")])
        tell(connection, "alert-1", ["slack"], target="fallen", minutes=int((now() - 2 * HOUR - NOW) / MINUTE))
    tick(database, now() - 10 * MINUTE)
    with database.write() as connection:
        runner = leases.take(connection, leases.look(connection, leases.RUNNER), "host:2", now())
        assert runner is not None
        leases.beat(connection, runner, now(), now(), None)
    yield database
    database.close()


def tick(database: Database, at: datetime) -> None:
    with database.write() as connection:
        leader = leases.take(connection, leases.look(connection, leases.LEADER), "host:1", at)
        assert leader is not None
        leases.beat(connection, leader, at, at, None)


@pytest.fixture
def scraped(troubled: Database, tmp_path: Path) -> Iterator[Scraped]:
    """The endpoint that Prometheus scrapes."""
    (tmp_path / "support.jsonl").write_text("{}\n")
    text = CONFIG + "".join(TARGET.replace("NAME", name) for name in ("good", "old", "fallen"))
    (tmp_path / "config.toml").write_text(text)
    config = load_config(tmp_path / "config.toml", {})
    key = rubric_scorers(config.suites["support"], config)["tone"].key
    with troubled.write() as connection:
        calibrations.add(connection, [calibration(0.6, scorer=key)])
    telemetry = Telemetry(troubled, lambda: config, now)

    def page(request: BaseHTTPRequestHandler, _: bytes) -> tuple[int, str, bytes]:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, "text/plain", b""
        return 200, CONTENT_TYPE_PLAIN_0_0_4, telemetry.render()

    with listening(page) as address:
        yield Scraped(address, troubled)


def shipped(folder: Path, scraped: Scraped) -> Callable[[str], str]:
    """The configuration as shipped, with its token switched on, quicker, and with this test's addresses."""
    (folder / "heldout.token").write_text(TOKEN)
    rules = (SHIPPED / "prometheus-rules.yml").read_text()
    # Of all that has to last for minutes only this is not old already: that nobody answers, before the first scrape.
    (folder / "prometheus-rules.yml").write_text(re.sub(r"\b(for|keep_firing_for): \d+[mh]", r"\1: 3s", rules))
    text = (SHIPPED / "prometheus-scrape.yml").read_text()
    text = re.sub(r"^( *)#(?=authorization:|  credentials_file:)", r"\1", text, flags=re.MULTILINE)
    text = text.replace("/etc/prometheus/heldout.token", str(folder / "heldout.token"))
    text = text.replace("127.0.0.1:8787", scraped.address).replace("scrape_interval: 30s", "scrape_interval: 1s")
    text = "global: { evaluation_interval: 1s, scrape_timeout: 1s }\n" + text
    return lambda alertmanager: text.replace("127.0.0.1:9093", alertmanager)


def expressions() -> dict[str, str]:
    """Every expression of the dashboard with its variables filled in, by its panel."""
    board = json.loads((SHIPPED / "grafana-dashboard.json").read_text())
    found = {}
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"].replace("$__interval", "1h")
            text = text.replace('=~"$target"', '=~"good|old|fallen"').replace('=~"$suite"', '=~"support"')
            text = text.replace('="$target"', '="fallen"').replace('="$suite"', '="support"')
            assert "$" not in text, text
            found[f"{panel['title']} {target['refId']}"] = text
    return found


@pytest.mark.long(11)
def test_trouble_reaches_whoever_is_told_and_so_does_its_end(scraped: Scraped, tmp_path: Path) -> None:
    expected = {
        ("HeldoutNoMeasuredRun", "old"),
        ("HeldoutRollback", "fallen"),
        ("HeldoutSlotMissed", "good"),
        ("HeldoutSchedulerStale", ""),
        ("HeldoutDeliveryStuck", ""),
        ("HeldoutJudgeUntrusted", ""),
        ("HeldoutJudgeUnscored", "fallen"),
    }
    with inbox() as told, stack(tmp_path, shipped(tmp_path, scraped), told) as servers:
        wait_for(lambda: told.firing() >= expected, 20, lambda: (told.firing(), servers.get("rules")))
        # One more would be someone who got up for nothing.
        assert told.firing() == expected
        (one,) = [alert for alert in told.alerts if alert["labels"]["alertname"] == "HeldoutNoMeasuredRun"][:1]
        assert one["labels"] == {
            "alertname": "HeldoutNoMeasuredRun", "severity": "warning", "target": "old", "suite": "support",
        }  # fmt: skip
        assert one["annotations"]["summary"].startswith("old on support was last measured 9d ")
        assert "`heldout run --target old --suite support`" in one["annotations"]["runbook"]
        dashboard_is_served(servers)

        tick(scraped.database, now())
        outbox = StoredOutbox(scraped.database)
        for row in outbox.lease(now(), "slack", 10, HOUR):
            outbox.settle(now(), [Sent(row, Receipt())])
        over = {("HeldoutSchedulerStale", ""), ("HeldoutDeliveryStuck", "")}
        wait_for(lambda: told.firing() == expected - over, 15, lambda: (told.firing(), servers.get("rules")))
        assert {told.states[name] for name in over} == {"resolved"}


def last_error(servers: Stack) -> str:
    (target,) = servers.get("targets")["activeTargets"]
    return f"{target['health']}: {target['lastError']}"


def dashboard_is_served(servers: Stack) -> None:
    assert last_error(servers) == "up: "
    wait_for(lambda: bool(servers.query("increase(heldout_calls_total[1h])")), 10, lambda: "no second scrape")
    for panel, expression in expressions().items():
        found = servers.query(expression)
        assert found, f"{panel} shows nothing: {expression}"
        assert all(sample["value"][1] not in ("NaN", "+Inf", "-Inf") for sample in found), panel
    verdicts_now = {
        sample["metric"]["target"]: float(sample["value"][1]) for sample in servers.query(expressions()["Verdicts A"])
    }
    assert verdicts_now == {"good": 0.0, "old": 1.0, "fallen": 3.0}


@pytest.mark.sqlite_only("it never comes to the database")
def test_a_wrong_token_is_a_heldout_that_does_not_answer(scraped: Scraped, tmp_path: Path) -> None:
    configuration = shipped(tmp_path, scraped)
    (tmp_path / "heldout.token").write_text("another")
    with inbox() as told, stack(tmp_path, configuration, told) as servers:
        wait_for(lambda: told.firing() == {("HeldoutDown", "")}, 20, lambda: (told.firing(), servers.get("rules")))
        wait_for(lambda: "401" in last_error(servers), 5, lambda: last_error(servers))
