"""What the page says, in words: states, scores, drops, times."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.domain import words
from monitor.domain.words import counted, signed, stamp

__all__ = [
    "LEVELS",
    "STAGES",
    "ago",
    "counted",
    "drop",
    "fallback",
    "judge",
    "judges_part",
    "level",
    "moment",
    "points",
    "signed",
    "spell",
    "stage",
    "stamp",
    "threshold",
]

LEVELS = {"pass": "Pass", "inconclusive": "Inconclusive", "investigate": "Investigate", "rollback": "Roll back"}
STAGES = {
    "waiting": "more answers to come",
    "pending": "a rollback awaits its confirmation",
    "confirmed": "confirmed by a second replay",
}


KINDS = {
    "baseline": "Baseline",
    "week": "Weekly run",
    "adhoc": "Run on demand",
    "judge": "Look at the judges",
    "reference": "Comparison with what it may replace",
    "verify": "Verification of what serves now",
}
RUN_STATES = {"running": "under way", "waiting": "waits", "done": "done", "missed": "missed"}
STATES = {
    "open": "Open",
    "acting": "Rollback under way",
    "verifying": "Being verified",
    "resolved": "Resolved",
    "escalated": "Needs somebody",
}
STATE_COLOURS = {"open": "investigate", "escalated": "rollback", "acting": "inconclusive", "resolved": "pass"}
HOOKS = {
    "refused": "not asked for",
    "offered": "waits for approval",
    "rejected": "rejected",
    "asked": "on its way",
    "accepted": "accepted, its result is awaited",
    "done": "done",
    "failed": "failed",
    "expired": "expired",
    "withdrawn": "withdrawn",
}
ROLES = {"leader": "Running", "standby": "Standing by, another daemon leads;"}
PHASES = {
    "main": "the week's answers",
    "confirm": "the second replay",
    "baseline": "a baseline",
    "reference": "a comparison with what it may replace",
}


def role(name: str) -> str:
    """What this daemon does, as the beginning of a sentence that goes on with since when."""
    return ROLES.get(name, name)


def phase(note: str) -> str:
    """A replay's stage for people: `main ×2` is the second stage's goal, two answers to each question."""
    name, _, repeats = note.partition(" ×")
    if name not in PHASES or not repeats.isdecimal():
        return note
    return f"{PHASES[name]}, up to {counted(int(repeats), 'answer')} to each question"


def sentence(text: str) -> str:
    """`text` with a capital letter."""
    return text[:1].upper() + text[1:]


def parts(text: str) -> list[tuple[str, bool]]:
    """`text` in pieces, each with whether it is a command, which stands in backticks."""
    pieces = re.split(r"`([^`\n]+)`", text)
    return [(piece, number % 2 == 1) for number, piece in enumerate(pieces) if piece]


def to_do(payload: Mapping[str, Any]) -> str:
    """What a bad verdict asks of people; nothing where its reasons say it, or where nobody has to act."""
    target, suite = (shlex.quote(str(payload[name])) for name in ("target", "suite"))
    if payload["verdict"] == "rollback":
        return (
            f"Roll {payload['target']} back to what was served before, or retrain it; after that, pin what is served: "
            f"`heldout baseline collect {target} {suite}`, and measure it: "
            f"`heldout run --target {target} --suite {suite}`."
        )
    if payload["verdict"] != "investigate":
        return ""
    look = "See what changed: the model, its prompt, its documents, its provider"
    if payload["stage"] == "pending":
        return f"{look}. The second replay comes by itself."
    return f"{look}; then measure once more: `heldout run --target {target} --suite {suite}`."


def level(name: str) -> str:
    """A verdict for people; one that this version does not know is shown as it is."""
    return LEVELS.get(name, name)


def stage(payload: Mapping[str, Any]) -> str:
    """What is still to come of a verdict, or nothing."""
    if payload["run"] is None:
        return "never measured"
    if payload["stale"]:
        return "stale"
    return STAGES.get(str(payload["stage"]), "")


def points(value: float | None) -> str:
    """A score in [0, 1] as points of 100."""
    return "–" if value is None else f"{100 * value:.1f}"


def drop(payload: Mapping[str, Any]) -> str:
    """The drop with its interval, or why there is none."""
    measured = payload["drop"]
    if not measured or measured["points"] is None:
        return "not measured"
    text = f"{signed(measured['points'])} points"
    if measured["low"] is not None and measured["high"] is not None:
        share = f"{100 * measured['confidence']:.0f}%"
        text += f" ({share} interval {signed(measured['low'])} to {signed(measured['high'])})"
    return text


def threshold(table: Mapping[str, Any], name: str) -> str:
    """Where a verdict begins: `3 points`, `5%`."""
    value = table[name]
    return f"{value:g}%" if table["unit"] == "percent" else f"{value:g} point{'' if value == 1 else 's'}"


def judge(one: Mapping[str, Any]) -> str:
    """What is known of one judge by one rubric, as the verdict has it."""
    name = f"Judge {one['judge']} by {one['rubric']}"
    agrees = "agreement with people unknown" if one["kappa"] is None else f"kappa with people {one['kappa']:.2f}"
    if one["untrusted"] is not None:
        return f"{name} cannot be trusted now: {one['untrusted']}; {agrees}."
    return f"{name}: {_shifted(one['shift'])}; {agrees}."


def _shifted(shift: Mapping[str, Any] | None) -> str:
    if shift is None or shift["points"] is None:
        return "not compared with itself at deployment"
    amount = f"{abs(shift['points']):.1f}"
    way = "more" if shift["points"] > 0 else "fewer"
    moved = "the same scores now as then" if amount == "0.0" else f"{amount} points {way} now"
    return f"it gives the answers of deployment {moved} ({counted(shift['judged'], 'answer')} judged again)"


def fallback(seen: Mapping[str, Any]) -> str:
    """How what could serve instead compares, as the verdict has it."""
    return f"Fallback {seen['target']}: {words.fallback(seen).removesuffix('.')}."


def judges_part(payload: Mapping[str, Any]) -> str:
    """How many of a verdict's calls were to judges, and what they cost; nothing without judges."""
    of_judges = payload.get("judge")
    if not of_judges:
        return ""
    cost = "" if of_judges["usd"] is None else f" ({of_judges['usd']:.2f} USD)"
    return f", of them {of_judges['calls']:,} to judges{cost}"


def ago(moment: datetime, now: datetime) -> str:
    """How far `moment` is from `now`: `3 days ago`, `in 5 hours`, `just now`."""
    span = now - moment
    if abs(span) < timedelta(seconds=45):
        return "just now"
    text = spell(abs(span))
    return f"{text} ago" if span > timedelta(0) else f"in {text}"


def spell(span: timedelta) -> str:
    """A span in its largest sensible unit."""
    minutes = max(1, round(span / timedelta(minutes=1)))
    if minutes < 90:
        return counted(minutes, "minute")
    hours = round(span / timedelta(hours=1))
    return counted(hours, "hour") if hours < 48 else counted(round(span / timedelta(days=1)), "day")


def moment(text: str | None) -> datetime | None:
    """The time that a stored verdict names; None where it names none."""
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or UTC) if found else None
