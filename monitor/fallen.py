"""Which cases fell: examples for people, and for a retraining names and numbers alone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.engine import Connection

from alerts.alert import Drop, Example
from alerts.hooks.event import CaseScore, Shortfall, by_cluster, by_tag
from monitor import notify
from monitor.app import App
from monitor.decide.state import Evidence
from monitor.domain.case import Case
from monitor.domain.run import Baseline, Run
from monitor.domain.verdict import Level, Verdict
from monitor.setting import Setting
from monitor.stats.moments import Moments
from monitor.store import answers

# Cases that an alert shows.
SHOWN_CASES = 5
# A case that has lost so much of its score, in [0, 1], is one to be trained for.
FAILING = 0.25


def examples(app: App, connection: Connection, run: Run, setting: Setting, evidence: Evidence) -> tuple[Example, ...]:
    """The cases that fell most; where messages may show texts, with an answer from then and from now."""
    if setting.moments is None or setting.baseline is None:
        return ()
    then: Moments = evidence.baseline
    paired = (then.n > 0) & (evidence.main.n > 0)
    fall = [float(d) if p else 0.0 for d, p in zip(then.mean - evidence.main.mean, paired, strict=True)]
    worst: Sequence[int] = sorted(range(len(fall)), key=lambda i: -fall[i])[:SHOWN_CASES]
    found = []
    for i in (i for i in worst if fall[i] > 0):
        case = setting.cases[i]
        found.append(
            Example(
                case=case.id,
                **_texts(app, connection, run, setting.baseline, case),
                score_before=float(min(1.0, max(0.0, then.mean[i]))),
                score_now=float(evidence.main.mean[i]),
            )
        )
    return tuple(found)


def shortfall(app: App, setting: Setting, evidence: Evidence, said: Verdict) -> Shortfall | None:
    """What a retraining is told: which kinds of cases fail, in names and numbers, and nothing that stands in a case."""
    wanted = any(table.on == "retrain" and table.mode != "off" for table in app.config.hooks.values())
    if not wanted or said.level is not Level.ROLLBACK or setting.moments is None:
        return None
    then, now = evidence.baseline, evidence.main
    scored = [
        CaseScore(
            tags=tuple(sorted(case.tags)),
            cluster=case.cluster,
            failing=bool(a and b and before - after >= FAILING),
            before=before if a else None,
            now=after if b else None,
        )
        for case, a, b, before, after in zip(
            setting.cases, then.n > 0, now.n > 0, then.mean.tolist(), now.mean.tolist(), strict=True
        )
    ]
    return Shortfall(
        suite=said.suite,
        verdict=said.level.value,
        run=said.run,
        score=said.score,
        baseline_score=said.baseline_score,
        drop=notify.drop_of(said.drop) or Drop(None),
        cases=len(scored),
        failing=sum(one.failing for one in scored),
        tags=by_tag(scored),
        clusters=by_cluster(scored),
        causes=tuple(cause.cause.value for cause in said.causes),
    )


def _texts(app: App, connection: Connection, run: Run, baseline: Baseline, case: Case) -> dict[str, str | None]:
    """What was asked and answered, where messages may show it."""
    if not app.show_cases:
        return {}
    return {
        "input": case.question,
        "expected": " | ".join(case.acceptable) or None,
        "answer_before": answers.one_text(connection, baseline.run_id, case.id),
        "answer_now": answers.one_text(connection, run.id, case.id),
    }
