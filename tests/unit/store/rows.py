"""Runs, answers and verdicts to store in tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import Connection

from alerts.alert import Alert, Kind
from monitor.domain.judgement import Judgement, Juror, Purpose
from monitor.domain.run import Failure, Phase, Run, RunKind, RunState, StoredAnswer
from monitor.domain.verdict import Cause, CauseKind, Level, Stage, Thresholds, Verdict
from monitor.store import outbox, verdicts
from monitor.store.calibrations import PANEL, Calibration, StoredLabel

NOW = datetime(2026, 11, 16, 6, 0, tzinfo=UTC)


def run(number: int = 1, **changes: object) -> Run:
    base = Run(f"run-{number}", "ft", "support", RunKind.WEEK, RunState.RUNNING, "suite-a", "target-a", NOW)
    return replace(base, **changes)


def answer(case: str, repeat: int = 0, **changes: object) -> StoredAnswer:
    base = StoredAnswer("run-1", Phase.MAIN, case, f"print-{case}", repeat, f"{case}/{repeat}", NOW, 0.5, 1)
    return replace(base, **changes)


def failure(case: str, **changes: object) -> Failure:
    return replace(Failure("run-1", Phase.MAIN, case, 0, "timeout", "too slow", 3, NOW), **changes)


STRICT = Juror("strict", "model-a")


def judgement(material: str = "m-1", **changes: object) -> Judgement:
    """One call of a judge in run-1, whose moment it is."""
    base = Judgement(
        run_id="run-1",
        occasion="run-1",
        juror=STRICT,
        rubric="tone",
        rubric_fingerprint="tone-1",
        material=material,
        case_id="a",
        purpose=Purpose.ANSWER,
        votes={"polite": ("met", "please")},
        value=1.0,
        reason=None,
        position=0,
        length=40,
        judged_at=NOW,
    )
    return replace(base, **changes)


def label(case: str = "a", **changes: object) -> StoredLabel:
    return replace(StoredLabel("support", "tone", case, "hash", "polite", "met", None, "ada", NOW), **changes)


def calibration(kappa: float | None = 0.7, **changes: object) -> Calibration:
    base = Calibration("support", "tone@1", "tone", PANEL, 40, kappa, {"alpha": 0.6}, "ada", NOW)
    return replace(base, **changes)


def decided(run_id: str = "run-1", level: Level = Level.PASS, **changes: object) -> Verdict:
    base = Verdict("ft", "support", level, Stage.FINAL, ("because",), Thresholds(), run=run_id, slot=NOW)
    return replace(base, **changes)


def provider() -> Cause:
    return Cause(CauseKind.PROVIDER, "nobody answered")


def tell(connection: Connection, name: str, channels: list[str], *, target: str = "ft", minutes: int = 0) -> None:
    """An alert in the outbox; its verdict belongs to run-1."""
    now = NOW + timedelta(minutes=minutes)
    verdict_id = verdicts.add(connection, decided(), clear=False, now=now)
    alert = Alert(name, Kind.WORSE, target, "support", "investigate")
    outbox.enqueue(connection, alert.to_json(), verdict_id, channels, now)
