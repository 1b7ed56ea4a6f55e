"""The alert: everything a person needs to know about one change of state, as one frozen value."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import cast

from alerts.codec import FormatError, dump, load
from alerts.incident import Incident

SCHEMA = 1


class Kind(StrEnum):
    """What has happened. `recovering` and `note` are of low priority: they inform and wake nobody."""

    WORSE = "worse"  # a verdict worse than the one before
    AGAIN = "again"  # still bad on a new run
    RECOVERED = "recovered"  # clear twice: the alert is closed
    RECOVERING = "recovering"  # clear for the first time while the alert is open
    UNMEASURED = "unmeasured"  # not measurable twice in a row, or the provider is unavailable
    JUDGE = "judge"  # the judges changed, or leave answers without a score; the verdict comes by itself
    MISSED = "missed"  # slots of the schedule that nobody was there for, and that are not made up for
    NOTE = "note"  # inconclusive once; under an open alert: less bad than it was
    STEP = "step"  # somebody, or something, acted on an incident; the rest of it is its newest verdict's

    @property
    def low_priority(self) -> bool:
        """Whether it may wait for working hours."""
        return self in (Kind.RECOVERING, Kind.NOTE)


@dataclass(frozen=True, slots=True)
class Drop:
    """Points below the baseline (negative: above it) with a two-sided interval; None where a number is unknown.

    A NaN or an infinity is an unknown number. `confidence` lies in (0, 1).
    """

    points: float | None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95

    def __post_init__(self) -> None:
        for name in ("points", "low", "high"):
            object.__setattr__(self, name, _finite(getattr(self, name)))
        if not 0.0 < self.confidence < 1.0:
            raise ValueError(f"confidence must lie between 0 and 1, got {self.confidence!r}")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where the verdicts begin: in `points`, or in `percent` of the baseline's score."""

    investigate: float
    rollback: float
    unit: str = "points"


@dataclass(frozen=True, slots=True)
class Cause:
    """A likely cause with its evidence in words."""

    cause: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do; `command` is what to type for it, already quoted for a shell."""

    do: str
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """Where to read more: an http or https address with its label."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and its value; `exact` where every character counts, as in an identifier: show it as code."""

    label: str
    value: str
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """One case that got worse; scores in [0, 1]. Its texts are shown only where the channel may show cases."""

    case: str
    input: str | None = None
    expected: str | None = None
    answer_before: str | None = None
    answer_now: str | None = None
    score_before: float | None = None
    score_now: float | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """One message about one (target, suite).

    `id` stays the same over every retry, so that a duplicate can be recognised. Scores lie in [0, 1]; `drop` and
    `confirmation` are in points. `since` is when it first went bad. Every datetime is aware and kept in UTC; a naive
    one raises ValueError. What a model or a provider said may stand in any text: each channel escapes it. `event` says
    in a few words what has happened, where the kind alone does not.

    `incident` is as it was just after what the alert tells; `step` is what was done then (`alerts.incident.What`).
    `details` are for those who want to know more. `mention`: somebody is called; `broadcast`: the whole channel is
    shown it. Both are the route's.
    """

    id: str
    kind: Kind
    target: str
    suite: str
    verdict: str
    stage: str = "final"
    previous_verdict: str | None = None
    score: float | None = None
    baseline_score: float | None = None
    drop: Drop | None = None
    confirmation: Drop | None = None
    thresholds: Thresholds | None = None
    since: datetime | None = None
    slot: datetime | None = None
    finished_at: datetime | None = None
    reasons: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()
    meaning: str = ""
    actions: tuple[Action, ...] = ()
    model_requested: str | None = None
    model_reported: str | None = None
    cases: int = 0
    answers: int = 0
    examples: tuple[Example, ...] = ()
    run: str | None = None
    links: tuple[Link, ...] = ()
    event: str = ""
    incident: Incident | None = None
    step: str = ""
    details: tuple[Fact, ...] = ()
    mention: bool = False
    broadcast: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, datetime):
                if value.tzinfo is None:
                    raise ValueError(f"{field.name} must say its time zone")
                object.__setattr__(self, field.name, value.astimezone(UTC))
        object.__setattr__(self, "score", _finite(self.score))
        object.__setattr__(self, "baseline_score", _finite(self.baseline_score))

    @property
    def urgent(self) -> bool:
        """Whether somebody should be called at once: a rollback, new or standing, or what was to help did not."""
        if self.kind is Kind.STEP:
            return self.step in ("escalated", "expired", "failed") or (
                self.step == "silence ended" and self.verdict == "rollback"
            )
        return self.kind in (Kind.WORSE, Kind.AGAIN) and self.verdict == "rollback"

    def to_json(self) -> dict[str, object]:
        """The alert as a JSON object, for an outbox row; `from_json` gives an equal alert back."""
        return {"schema": SCHEMA, **cast("dict[str, object]", dump(self))}

    @classmethod
    def from_json(cls, payload: object) -> Alert:
        """The alert from `to_json`'s object. Raises FormatError, which names the field."""
        schema = payload.get("schema") if isinstance(payload, dict) else SCHEMA
        if not isinstance(schema, int) or schema > SCHEMA:
            raise FormatError(f"schema: a later version wrote this alert and this one reads {SCHEMA}: upgrade heldout")
        return load(cls, payload)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
