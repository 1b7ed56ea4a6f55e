"""What an alert says, in words and in order of importance, for any channel: pure.

The texts here are as they came, neither escaped nor cut: the channel's own rendering does both.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.alert import Action, Alert, Drop, Fact, Kind, Thresholds

MOST_EXAMPLES = 10
_NAME = 60  # characters of a target's or a suite's name that a headline has room for
_STAGES = {
    "waiting": "more answers are still to come",
    "pending": "a second replay has yet to confirm the rollback",
    "confirmed": "confirmed by a second replay",
}
# The mark before a step: it is over, or what was to help did not.
_STEPS = {
    **dict.fromkeys(("resolved", "verified", "replaced"), "✅"),
    **dict.fromkeys(("escalated", "expired", "failed", "refused"), "🔴"),
}


@dataclass(frozen=True, slots=True)
class Story:
    """The parts of a message; `footer` identifies it, and `examples` are the ids of the cases that lost most."""

    headline: str
    lead: str
    meaning: str
    actions: tuple[Action, ...]
    facts: tuple[Fact, ...]
    reasons: tuple[str, ...]
    examples: tuple[str, ...]
    footer: tuple[Fact, ...]


def tell(alert: Alert) -> Story:
    """The story of one alert."""
    causes = tuple(f"Likely cause ({c.cause}): {c.evidence}" for c in alert.causes)
    evidence = {c.evidence for c in alert.causes}
    # A reason that is a cause's evidence would only say the same twice.
    reasons = tuple(reason for reason in alert.reasons if reason not in evidence)
    return Story(
        headline=_headline(alert),
        lead=_lead(alert),
        meaning=alert.meaning,
        actions=alert.actions,
        facts=tuple(_facts(alert)),
        # The reasons of a step are its own, and the first of them leads; the causes are the verdict's that it was
        # taken on.
        reasons=(*alert.reasons[1:], *causes) if alert.kind is Kind.STEP else (*causes, *reasons),
        examples=tuple(e.case for e in alert.examples[:MOST_EXAMPLES]),
        footer=tuple(_footer(alert)),
    )


def points(value: float | None) -> str:
    """A score in [0, 1] on the scale of 0 to 100 that drops are given on; anything else is no score."""
    return f"{100 * value:.1f}" if value is not None and 0.0 <= value <= 1.0 else "unknown"


def instant(moment: datetime) -> str:
    """A UTC instant as a person reads it, the same in every locale."""
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.weekday()]
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{day} {moment.day} {months[moment.month - 1]} {moment.year}, {moment:%H:%M} UTC"


def _headline(alert: Alert) -> str:
    where = f"{_short(alert.target)} on {_short(alert.suite)}"
    return f"{_mark(alert)} {_event(alert)}: {where}"


def _mark(alert: Alert) -> str:
    if alert.kind in (Kind.WORSE, Kind.AGAIN):
        return {"rollback": "🔴", "investigate": "🟠"}.get(alert.verdict, "⚪")
    return {
        Kind.RECOVERED: "✅",
        Kind.RECOVERING: "🟢",
        Kind.UNMEASURED: "⚫",
        Kind.MISSED: "⚫",
        Kind.JUDGE: "🟣",
        Kind.STEP: _STEPS.get(alert.step, "🔵"),
    }.get(alert.kind, "⚪")


def _event(alert: Alert) -> str:
    if alert.kind is Kind.RECOVERED:
        return "RECOVERED"
    if alert.kind is Kind.RECOVERING:
        return "CLEAR ONCE, alert still open"
    if alert.kind is Kind.UNMEASURED:
        return "NOT MEASURED"
    if alert.kind is Kind.MISSED:
        return "MISSED"
    if alert.kind is Kind.JUDGE:
        return _short(alert.event) or "LOOK AT THE JUDGES"
    if alert.kind is Kind.STEP:
        return _short(alert.event or alert.step.upper())
    verdict = _short(alert.verdict).upper()
    if alert.stage == "pending":
        verdict += ", rollback pending"
    return f"STILL {verdict}" if alert.kind is Kind.AGAIN else verdict


def _lead(alert: Alert) -> str:
    if alert.kind is Kind.MISSED:
        return "It was not measured when the schedule wanted it, and that is not made up for."
    if alert.kind is Kind.JUDGE:
        return (
            f"This is about what measures {_short(alert.target)}, not about {_short(alert.target)} itself: "
            f"the verdict is {_short(alert.verdict)}."
        )
    if alert.kind is Kind.STEP and alert.reasons:
        return alert.reasons[0]
    return _measured(alert)


def _measured(alert: Alert) -> str:
    if alert.score is None:
        then = "" if alert.baseline_score is None else f" At deployment the score was {points(alert.baseline_score)}."
        return f"There is no score from this run.{then}{_since(alert)}"
    if alert.baseline_score is None:
        return f"Score {points(alert.score)} of 100. There is no baseline to compare it with."
    score = f"Score {points(alert.score)} of 100, at deployment {points(alert.baseline_score)}"
    drop = alert.drop
    if drop is None or drop.points is None:
        return f"{score}. How large the drop is, is not known.{_since(alert)}"
    return f"{score}: {_change(drop)}.{_since(alert)}"


def _change(drop: Drop) -> str:
    """The drop in words with its interval, e.g. `down 5.6 points (95% interval 4.5 to 6.7)`."""
    if drop.points is None:
        return "unknown"
    low, high = (drop.low, drop.high) if drop.points >= 0 else (_minus(drop.high), _minus(drop.low))
    if low is None and high is None:
        interval = "interval unknown"
    else:
        interval = f"{100 * drop.confidence:g}% interval {_bound(low)} to {_bound(high)}"
    size = f"{abs(drop.points):.1f}"
    if size == "0.0":
        return f"unchanged ({interval})"
    return f"{'down' if drop.points >= 0 else 'up'} {size} points ({interval})"


def _facts(alert: Alert) -> list[Fact]:
    if alert.kind is Kind.MISSED:
        return []
    stage = "" if alert.stage == "final" else f" ({_STAGES.get(alert.stage, alert.stage)})"
    facts = [Fact("Verdict", f"{_short(alert.verdict)}{stage}")]
    if alert.kind is Kind.STEP:
        facts.insert(0, Fact("What it is about", _measured(alert)))
    if alert.previous_verdict is not None:
        facts.append(Fact("Verdict before", alert.previous_verdict))
    if alert.confirmation is not None:
        facts.append(Fact("Second replay", _change(alert.confirmation)))
    if alert.thresholds is not None:
        facts.append(Fact("Thresholds", _limits(alert.thresholds)))
    if alert.cases or alert.answers:
        facts.append(Fact("Measured on", f"{_counted(alert.cases, 'case')}, {_counted(alert.answers, 'answer')}"))
    if alert.model_requested:
        facts.append(Fact("Model asked for", alert.model_requested, exact=True))
    if alert.model_reported and alert.model_reported != alert.model_requested:
        facts.append(Fact("Model that answered", alert.model_reported, exact=True))
    return facts


def _limits(thresholds: Thresholds) -> str:
    investigate, rollback = (_limit(value, thresholds.unit) for value in (thresholds.investigate, thresholds.rollback))
    return f"investigate at {investigate}, roll back at {rollback}"


def _limit(value: float, unit: str) -> str:
    return f"{value:g}% of the baseline" if unit == "percent" else _counted(value, "point")


def _counted(number: float, noun: str) -> str:
    text = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{text} {noun}{'' if number == 1 else 's'}"


def _since(alert: Alert) -> str:
    if alert.since is None:
        return ""
    was = "It was bad" if alert.kind is Kind.RECOVERED else "Bad"
    return f" {was} since {instant(alert.since)}{_age(alert.since, alert.finished_at)}."


def _age(since: datetime, until: datetime | None) -> str:
    if until is None or until - since < timedelta(hours=1):
        return ""
    age = until - since
    count, unit = (age.days, "day") if age >= timedelta(days=1) else (int(age.total_seconds() // 3600), "hour")
    return f" ({count} {unit}{'s' if count != 1 else ''})"


def _footer(alert: Alert) -> list[Fact]:
    footer = [Fact("Run", alert.run, exact=True)] if alert.run else []
    if alert.slot is not None:
        footer.append(Fact("Slot", instant(alert.slot)))
    if alert.finished_at is not None:
        # Where nothing was answered, nothing was measured; and a step is taken when it is.
        measured = "Measured" if alert.answers or alert.score is not None else "Noticed"
        footer.append(Fact("At" if alert.kind is Kind.STEP else measured, instant(alert.finished_at)))
    if alert.incident is not None:
        footer.append(Fact("Incident", alert.incident.id, exact=True))
    return [*footer, Fact("Alert", alert.id, exact=True)]


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[:_NAME]}…"


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _bound(value: float | None) -> str:
    return "unknown" if value is None else f"{value:z.1f}".replace("-", "−")
