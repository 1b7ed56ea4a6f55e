"""CPU and memory of a scrape with a year's history, and while every target is being measured.

    python tests/bench/bench_scrape.py [--targets 20] [--weeks 60] [--answers 1250] [--times 15]

Writing the history takes about a minute. Goal: under 100 ms of CPU a scrape. What a program without heldout takes for
the same bytes stands beside it: rendering alone, of numbers that are known already.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from alerts.alert import Alert, Kind
from monitor.config.load import load_config
from monitor.config.models import Config
from monitor.domain.run import Failure, Phase, Run, RunKind, RunState, StoredAnswer
from monitor.domain.verdict import Interval, Level, ModelSeen, Stage, Thresholds, Verdict
from monitor.store import answers, outbox, runs, verdicts
from monitor.store.database import Database, open_database
from monitor.telemetry.exposition import DatabaseCollector, Telemetry

NOW = datetime(2026, 11, 16, 6, 0, tzinfo=UTC)
WEEK = timedelta(days=7)
TEXT = "An answer of about a hundred characters, which is what a question about a handbook usually gets, more or less."


class Known(Collector):
    """The families of one scrape, kept."""

    def __init__(self, collector: DatabaseCollector) -> None:
        self._families = list(collector.collect())

    def collect(self):
        return self._families


def configured(folder: Path, targets: int) -> Config:
    (folder / "suite.jsonl").write_text("{}\n", encoding="utf-8")
    tables = [
        f'[targets.target-{i}]\nprovider = "command"\ncommand = ["none"]\nsuites = ["support"]' for i in range(targets)
    ]
    suite = '[suites.support]\ncases = "suite.jsonl"\nmetrics = ["exact_match", "f1", "rouge_l"]\n'
    suite += "headline = { exact_match = 1.0 }\n"
    (folder / "config.toml").write_text(suite + "\n".join(tables), encoding="utf-8")
    return load_config(folder / "config.toml", {})


def write_run(database: Database, target: str, week: int, options: argparse.Namespace, *, live: bool) -> None:
    slot = NOW - (options.weeks - 1 - week) * WEEK
    state = RunState.RUNNING if live else RunState.DONE
    run = Run(f"{target}-{week:03}", target, "support", RunKind.WEEK, state, "suite", "target", slot, slot=slot)
    cases = 200
    stored = [
        StoredAnswer(
            run.id, Phase.MAIN, f"case-{i % cases:03}", "print", i // cases, TEXT, slot, 0.5, 1, "model", "fp", "stop",
            900, 40, 0.0001234 + i * 1e-7,
        )
        for i in range(options.answers)
    ]  # fmt: skip
    lost = [Failure(run.id, Phase.MAIN, f"case-{i:03}", 9, "timeout", "too slow", 3, slot) for i in range(5)]
    said = Verdict(
        target, "support", Level.PASS, Stage.FINAL, ("A sentence that says why, in about eighty characters.",) * 4,
        Thresholds(), score=0.83, baseline_score=0.84, scores={"exact_match": 0.83, "f1": 0.9, "rouge_l": 0.91},
        drop=Interval(1.0, -1.0, 3.0), cases=cases, answers=options.answers, coverage=1.0, calls=options.answers,
        model=ModelSeen("model", "model", "fp"), run=run.id, slot=slot, finished_at=slot,
    )  # fmt: skip
    with database.write() as connection:
        runs.begin(connection, run)
        answers.add(connection, stored, [{}] * len(stored))
        answers.add_failures(connection, lost)
        for hours in range(3):
            key = verdicts.add(connection, said, clear=True, now=slot + timedelta(hours=hours))
        if week % 10 == 0:
            alert = Alert(f"alert-{target}-{week}", Kind.WORSE, target, "support", "investigate")
            outbox.enqueue(connection, alert.to_json(), key, ["slack"], slot)
        if not live:
            runs.finish(connection, run, slot + timedelta(hours=2))


def cpu(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Median and worst CPU of this process, in milliseconds."""
    taken = []
    for _ in range(times):
        before = time.process_time()
        work()
        taken.append(1000 * (time.process_time() - before))
    return statistics.median(taken), max(taken)


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--targets", type=int, default=20)
    parser.add_argument("--weeks", type=int, default=60)
    parser.add_argument("--answers", type=int, default=1250)
    parser.add_argument("--times", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = configured(folder, options.targets)
        database = open_database(f"sqlite:///{folder / 'heldout.db'}")
        for week in range(options.weeks - 1):
            for i in range(options.targets):
                write_run(database, f"target-{i}", week, options, live=False)
        telemetry = Telemetry(database, lambda: config, lambda: NOW)
        peak = megabytes()
        page = telemetry.render()
        idle, worst = cpu(telemetry.render, options.times)
        grown = megabytes() - peak
        for i in range(options.targets):
            write_run(database, f"target-{i}", options.weeks - 1, options, live=True)
        busy, worst_busy = cpu(telemetry.render, options.times)
        registry = CollectorRegistry()
        registry.register(Known(DatabaseCollector(database, lambda: config, lambda: NOW)))
        bare, _ = cpu(lambda: generate_latest(registry), options.times)
        rows = options.targets * options.weeks * options.answers
        database.close()
    print(f"{options.targets} targets, {options.weeks} runs each, {rows:,} answers; a page of {len(page):,} bytes")
    print(f"nothing under way:        {idle:.0f} ms of CPU a scrape (at most {worst:.0f})")
    print(f"every target under way:   {busy:.0f} ms of CPU a scrape (at most {worst_busy:.0f}), goal 100")
    print(f"rendering alone:          {bare:.0f} ms")
    print(f"memory beyond the peak before: {grown:.1f} MB")


if __name__ == "__main__":
    main()
