"""What is said of a run's judges, in words that someone can act on."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.domain.judging import Away, Judged, JudgeSeen
from monitor.domain.words import signed

# More answers without a score than this, and people are told: what a judge leaves out is not left out by chance.
UNSCORED_SHARE = 0.02


def notes(judged: Judged, failures: Sequence[tuple[str, int, str]], baseline_score: float | None = None) -> list[str]:
    """Everything worth knowing, weightiest first; `baseline_score` is that of the verdict, in [0, 1]."""
    said = [changed(one) for one in judged.judges if one.changed]
    then = judged.baseline_then
    if then is not None and baseline_score is not None and f"{100 * then:.1f}" != f"{100 * baseline_score:.1f}":
        # Whoever remembers the pinned score would take it for a mistake.
        said.append(
            f"Both scores are those of today's judges; at deployment they gave the same baseline answers "
            f"{100 * then:.1f}."
        )
    said += [bridged(rubric) for rubric in judged.bridged]
    said += [away(one) for one in judged.away] if judged.usable else []
    if judged.usable:
        # Else the verdict itself says it.
        said += [untrusted(one) for one in judged.judges if one.untrusted is not None]
    if judged.unscored is not None and judged.unscored > UNSCORED_SHARE:
        said.append(unscored(judged))
    if failures:
        kinds = ", ".join(f"{count} {kind.removeprefix('judge_').replace('_', ' ')}" for kind, count, _ in failures)
        total = sum(count for _, count, _ in failures)
        said.append(f"Judges gave no reply to {total} of their questions ({kinds}); for one: {failures[0][2]}")
    said += [
        f"Corrected by what people said of {one.labels} of these answers, {one.rubric} scores {100 * one.score:.1f} "
        f"(95% interval {100 * one.low:.1f} to {100 * one.high:.1f})."
        for one in judged.corrected
    ]
    return said


def changed(one: JudgeSeen) -> str:
    """That a judge says other things than at deployment, or is another model."""
    return " ".join(changes(one))


def changes(one: JudgeSeen) -> list[str]:
    """The same, weightiest first, each by itself."""
    parts = []
    if one.moved and one.points is not None:
        more = "more" if one.points >= 0 else "fewer"
        amount = f"{abs(one.points):.1f} points {more}"
        if one.low is not None and one.high is not None:
            amount += f" (95% interval {signed(one.low)} to {signed(one.high)})"
        parts.append(
            f"The judge {one.judge} has changed: by {one.rubric} it gives the answers of deployment {amount} than it "
            f"did then ({one.up} of {one.judged} higher, {one.down} lower)."
        )
        if one.points > 0 and one.passes:
            parts.append(
                f"It lets pass {100 * one.passes:.0f}% of what it took off then, so a real drop now shows as "
                f"{max(0.0, 100 * (1 - one.passes)):.0f}% of itself."
            )
    if one.models is not None:
        then, now = one.models
        parts.append(f"The provider of the judge {one.judge} now calls its model {now} (at deployment: {then}).")
        if one.judged and not one.moved:
            parts.append(f"By {one.rubric} it gives the answers of deployment the same scores, as far as can be told.")
    return parts


def untrusted(one: JudgeSeen) -> str:
    """That a rubric without a share in the headline has no score, because its judge failed its canaries."""
    return (
        f"The judge {one.judge} cannot be trusted with {one.rubric} now: {one.untrusted}. {one.rubric} has no score in "
        "this run."
    )


def bridged(rubric: str) -> str:
    """That a new epoch began."""
    return (
        f"The judges of {rubric}, or the rubric itself, are new; they have judged the answers of deployment too, and "
        "the drop is between scores of theirs."
    )


def away(one: Away) -> str:
    """That a judge of the panel could not be asked, and why."""
    return f"The judge {one.judge} could not be asked, and the panel decides without it: {one.why}"


def unscored(judged: Judged) -> str:
    """That judges left out more answers than is usual, and why."""
    share = 100 * (judged.unscored or 0.0)
    why = ""
    if judged.unscored_reasons:
        reason, count = judged.unscored_reasons[0]
        why = f"; {count} of them: {reason}"
    return f"{share:.1f}% of the answers have no score of the judges{why}."
