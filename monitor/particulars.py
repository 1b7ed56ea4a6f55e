"""What some people want to know beside an alert: what was measured and what was not, by which judges; pure."""

from __future__ import annotations

from alerts.alert import Fact
from monitor.domain.judging import Judged, JudgeSeen
from monitor.domain.verdict import Verdict
from monitor.domain.words import counted, fallback


def particulars(said: Verdict) -> tuple[Fact, ...]:
    """As labels with values, in the order in which they are asked for."""
    facts = [Fact("Measured", _measured(said)), Fact("Not measured", _not_measured(said))]
    if len(said.scores) > 1:
        scores = (f"{name} {_points(mean)}" for name, mean in said.scores.items())
        facts.append(Fact("Scores", ", ".join(scores)))
    if said.drop is not None and said.drop.new_case_se is not None:
        facts.append(Fact("For new cases", f"they would add ±{1.96 * said.drop.new_case_se:.1f} points (95%)"))
    if said.fallback is not None:
        facts.append(Fact("Fallback", f"{said.fallback.target}: {fallback(said.fallback.as_json())}"))
    if said.judged is not None:
        facts += [Fact(f"Judge {one.judge}, {one.rubric}", _judge(one, said.judged)) for one in said.judged.judges]
    return tuple(facts)


def _measured(said: Verdict) -> str:
    usd = "" if said.usd is None else f", {said.usd:.2f} USD"
    return f"{counted(said.cases, 'case')}, {counted(said.answers, 'answer')}, {counted(said.calls, 'call')}{usd}"


def _not_measured(said: Verdict) -> str:
    if said.coverage is None:
        return "how much is not known"
    missing = round((1.0 - said.coverage) * said.cases)
    parts = [f"{counted(missing, 'case')} of {said.cases} without an answer" if missing else "nothing was left out"]
    parts += [f"no score by {name}" for name, mean in said.scores.items() if mean is None]
    if said.judged is not None and said.judged.unscored:
        parts.append(f"{100 * said.judged.unscored:.1f}% of the judged answers have no score")
    return "; ".join(parts)


def _judge(one: JudgeSeen, judged: Judged) -> str:
    if one.untrusted is not None:
        return f"cannot be trusted in this run: {one.untrusted}"
    parts = ["passed its canaries"] if judged.watched else []
    if one.points is not None and one.low is not None and one.high is not None:
        moved = "has moved" if one.moved else "not shown to have moved"
        parts.append(f"{moved} ({one.points:+.1f} points, {one.low:+.1f} to {one.high:+.1f}, on {one.judged} answers)")
    if one.models is not None:
        parts.append(f"was {one.models[0]}, is {one.models[1]}")
    parts.append("never compared with people" if one.kappa is None else f"agrees with people by kappa {one.kappa:.2f}")
    return "; ".join(parts)


def _points(mean: float | None) -> str:
    return "none" if mean is None else f"{100 * mean:.1f}"
