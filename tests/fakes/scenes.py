"""What a house may have stored: weeks, verdicts of every kind, runs of every state, messages that wait."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from monitor.domain.judging import Corrected, Judged, JudgeSeen
from monitor.domain.run import Run, RunKind, RunState
from monitor.domain.verdict import Cause, CauseKind, Interval, Level, ModelSeen, Stage, Thresholds, Verdict
from monitor.store import leases, outbox, runs, verdicts
from tests.fakes.house import MONDAY, House

HOSTILE = "<script>alert(1)</script> \u202eevil\u202c \x1b[31m </style> {{7*7}} & \"quoted\" 'single' \ud800 \x00"


def of_judges(text: str = "it passed 9 of 20 wrong answers") -> Judged:
    """All that a verdict can say of its judges: one that has changed, a quiet one, and one that failed (`text`)."""
    changed = JudgeSeen(
        "strict", "support_answer", judged=1600, up=71, down=12, p=1e-9, moved=True, points=2.6, low=1.9, high=3.3,
        passes=0.31, models=("judge-2026-08", "judge-2026-11"), kappa=0.62,
    )  # fmt: skip
    return Judged(
        judges=(changed, JudgeSeen("strict", "tone"), JudgeSeen("strict", "summary", untrusted=text)),
        anchors=1600,
        anchors_of=3200,
        unscored=0.041,
        unscored_reasons=((text, 60),),
        baseline_then=0.875,
        bridged=("groundedness",),
        barred=text,
        corrected=(Corrected("support_answer", 0.81, 0.77, 0.85, 120),),
        calls=2400,
        usd=0.81,
        watched=True,
    )


def run_row(run_id: str, target: str = "ft", **changes: object) -> Run:
    """A run on "support"; done unless said otherwise."""
    made = Run(
        id=run_id,
        target=target,
        suite="support",
        kind=RunKind.AD_HOC,
        state=RunState.DONE,
        suite_fingerprint="suite",
        target_fingerprint="target",
        created_at=MONDAY,
    )
    return replace(made, **changes)


def store_run(house: House, made: Run) -> Run:
    with house.database.write() as connection:
        assert runs.begin(connection, made)
    return made


def verdict_of(run: Run, level: Level = Level.PASS, /, **changes: object) -> Verdict:
    """A verdict with all its numbers."""
    made = Verdict(
        target=run.target,
        suite=run.suite,
        level=level,
        stage=Stage.FINAL,
        reasons=(
            "The drop is 0.4 points (95% interval −0.5 to 1.3); a drop of 3 points, or of 5 points, is ruled out.",
        ),
        thresholds=Thresholds(),
        score=0.885,
        baseline_score=0.889,
        drop=Interval(0.4, -0.5, 1.3, 0.95, 1.9),
        smallest_confirmable={"investigate": 2.4, "rollback": 4.8},
        cases=200,
        answers=3200,
        coverage=0.995,
        calls=3216,
        usd=1.94,
        model=ModelSeen("ft:gpt-5-mini:acme::support", "gpt-5-mini-2026-08-07", "fp_1234", False),
        run=run.id,
        slot=run.slot,
        finished_at=run.finished_at or run.created_at,
    )
    return replace(made, **changes)


def store_verdict(
    house: House, run: Run, level: Level = Level.PASS, at: datetime | None = None, **changes: object
) -> None:
    with house.database.write() as connection:
        verdicts.add(connection, verdict_of(run, level, **changes), clear=False, now=at or run.created_at)


def decided(house: House, target: str, run_id: str, level: Level = Level.PASS, **changes: object) -> Run:
    """A run on demand that came to `level`."""
    run = store_run(house, run_row(run_id, target, finished_at=MONDAY + timedelta(minutes=41)))
    store_verdict(house, run, level, **changes)
    return run


def at_work(house: House, site: str, now: datetime, **counts: int | str) -> None:
    """Somebody holds the runner's lease and says how far it has come."""
    note = {"site": site, "stage": "main ×2", "answered": 120, "failed": 3, "total": 200} | counts
    with house.database.write() as connection:
        held = leases.take(connection, leases.look(connection, leases.RUNNER), "host:1", now)
        assert held is not None
        leases.beat(connection, held, now, now, note)


def undelivered(house: House, alert_id: str = "alert-1") -> None:
    payload = {"id": alert_id, "target": "ft", "suite": "support", "kind": "worse"}
    with house.database.write() as connection:
        outbox.enqueue(connection, payload, None, ["slack"], MONDAY)


def provider_cause(evidence: str) -> tuple[Cause, ...]:
    return (Cause(CauseKind.PROVIDER, evidence),)
