"""The verdict: a week's step with everything else that a person should know about the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.decide import judge_words
from monitor.decide.state import Step
from monitor.domain.judging import Judged
from monitor.domain.run import Baseline, Run, Spend
from monitor.domain.verdict import ModelSeen, Thresholds, Verdict


@dataclass(frozen=True, slots=True)
class Seen:
    """(model, fingerprint) pairs that the provider reported, with their number of answers, commonest first."""

    now: Sequence[tuple[str | None, str | None, int]]
    at_baseline: Sequence[tuple[str | None, str | None, int]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a run beside its answers' scores; scores in [0, 1]."""

    run: Run
    baseline: Baseline | None
    compared_with: str
    thresholds: Thresholds
    smallest_confirmable: dict[str, float | None]
    score: float | None
    baseline_score: float | None
    scores: Mapping[str, float | None]
    coverage: float | None
    cases: int
    changed_cases: int
    gone_cases: int
    spend: Spend
    failures: Sequence[tuple[str, int, str]]
    seen: Seen
    identical_pilot: bool
    finished_at: datetime
    judged: Judged | None = None
    judge_failures: Sequence[tuple[str, int, str]] = ()


def verdict(facts: Facts, step: Step) -> Verdict:
    """Put a step and its facts together; what changed since the baseline is always among the reasons."""
    run, baseline = facts.run, facts.baseline
    model = _model(run, facts.seen)
    changed = (
        baseline is not None
        and run.target == facts.compared_with
        and (baseline.target_fingerprint != run.target_fingerprint)
    )
    return Verdict(
        target=run.target,
        suite=run.suite,
        level=step.level,
        stage=step.stage,
        reasons=(*step.reasons, *_notes(facts, model, changed)),
        thresholds=facts.thresholds,
        causes=step.causes,
        score=facts.score,
        baseline_score=facts.baseline_score,
        scores=facts.scores,
        drop=step.drop,
        confirmation=step.confirmation,
        smallest_confirmable=facts.smallest_confirmable,
        cases=facts.cases,
        answers=facts.spend.answers,
        coverage=facts.coverage,
        calls=facts.spend.calls,
        usd=facts.spend.usd,
        model=model,
        configuration_changed=changed,
        run=run.id,
        slot=run.slot,
        finished_at=facts.finished_at,
        judged=facts.judged,
        barred=step.barred,
        fallback=step.fallback,
    )


def _model(run: Run, seen: Seen) -> ModelSeen:
    reported, fingerprint = (seen.now[0][0], seen.now[0][1]) if seen.now else (None, None)
    before = {(model, mark) for model, mark, _ in seen.at_baseline}
    now = {(model, mark) for model, mark, _ in seen.now}
    return ModelSeen(run.requested_model, reported, fingerprint, changed=bool(before and now and not now <= before))


def _notes(facts: Facts, model: ModelSeen, configuration_changed: bool) -> list[str]:
    notes = _failures(facts.failures)
    if facts.judged is not None:
        notes += judge_words.notes(facts.judged, facts.judge_failures, facts.baseline_score)
    if configuration_changed and facts.baseline is not None:
        notes.append(
            f"The target's configuration changed since its baseline of {facts.baseline.pinned_at:%Y-%m-%d}; it goes on "
            f"being compared with that one until someone runs `heldout baseline collect {facts.run.target} "
            f"{facts.run.suite}`."
        )
    if model.changed:
        before = ", ".join(sorted({_named(m, mark) for m, mark, _ in facts.seen.at_baseline}))
        what = (
            "fingerprint" if {m for m, _, _ in facts.seen.at_baseline} == {m for m, _, _ in facts.seen.now} else "model"
        )
        now = _named(model.reported, model.fingerprint)
        notes.append(f"Another {what} answers than at deployment: {now} (then: {before}).")
    if facts.changed_cases or facts.gone_cases:
        notes.append(
            f"The test set changed since the baseline: {facts.changed_cases} of its cases are new or different, and "
            f"{facts.gone_cases} of the cases then are gone; the {facts.cases} in common are compared."
        )
    if facts.identical_pilot:
        notes.append("All baseline answers to a case are identical, from a target that is not local: cached?")
    return notes


def _failures(failures: Sequence[tuple[str, int, str]]) -> list[str]:
    """Why questions got no answer, by kind, with the words of the commonest."""
    if not failures:
        return []
    kinds = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count, _ in failures)
    total = sum(count for _, count, _ in failures)
    asked = "question" if total == 1 else "questions"
    return [f"{total} {asked} got no answer after all tries ({kinds}); for one: {failures[0][2]}"]


def _named(model: str | None, fingerprint: str | None) -> str:
    return f"{model or 'unnamed'} ({fingerprint})" if fingerprint else (model or "unnamed")
