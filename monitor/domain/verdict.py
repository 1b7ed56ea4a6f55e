"""The verdict on a (target, suite) and the numbers that it stands on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from monitor.domain.judging import Judged


class Level(StrEnum):
    """The four verdicts, from best to worst."""

    PASS = "pass"
    INCONCLUSIVE = "inconclusive"
    INVESTIGATE = "investigate"
    ROLLBACK = "rollback"

    @property
    def rank(self) -> int:
        """Place in the order pass < inconclusive < investigate < rollback."""
        return list(Level).index(self)


def worst(levels: Iterable[Level]) -> Level:
    """The worst of `levels`; nothing measured at all is `inconclusive`."""
    return max(levels, key=lambda level: level.rank, default=Level.INCONCLUSIVE)


class Stage(StrEnum):
    """How far a verdict has come: more answers to come, a rollback awaiting its confirmation, confirmed, or final."""

    WAITING = "waiting"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    FINAL = "final"


class CauseKind(StrEnum):
    """Why a verdict is not a plain measurement of the model."""

    PROVIDER = "provider"
    BUDGET = "budget"
    TEST_SET = "test-set"
    NO_BASELINE = "no-baseline"
    JUDGE = "judge"


@dataclass(frozen=True, slots=True)
class Cause:
    """A likely cause with its evidence in words."""

    cause: CauseKind
    evidence: str


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate in points (positive is a drop) with its two-sided interval; `new_case_se` in points, where known."""

    points: float
    low: float
    high: float
    confidence: float = 0.95
    new_case_se: float | None = None

    def as_json(self) -> dict[str, float | None]:
        """Rounded to what matters; an unknown or infinite number is null."""
        out = {
            "points": number(self.points, 2),
            "low": number(self.low, 2),
            "high": number(self.high, 2),
            "confidence": self.confidence,
        }
        if self.new_case_se is not None:
            out["new_case_se"] = number(self.new_case_se, 2)
        return out


@dataclass(frozen=True, slots=True)
class FallbackSeen:
    """What could serve instead, as it was measured on the same slot. `better_by`: its score minus production's.

    `repeats`: answers a case. `why`: one sentence, where it is not ready.
    """

    target: str
    ready: bool
    better_by: Interval | None = None
    repeats: int = 0
    why: str | None = None

    def as_json(self) -> dict[str, object]:
        """The contract's object."""
        return {
            "target": self.target,
            "ready": self.ready,
            "better_by": None if self.better_by is None else self.better_by.as_json(),
            "repeats": self.repeats,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where the verdicts begin, in points or, with `unit` "percent", in percent of the baseline score."""

    investigate: float = 3.0
    rollback: float = 5.0
    unit: str = "points"


@dataclass(frozen=True, slots=True)
class ModelSeen:
    """The model that was asked for and the one that the provider says answered."""

    requested: str | None = None
    reported: str | None = None
    fingerprint: str | None = None
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said about one (target, suite) after one run; scores in [0, 1], drops in points, money in USD.

    `score` is the headline; `scores` holds each scorer's own mean by name, None where it scored nothing. With a judge
    in the headline, `baseline_score` is what today's judge gives the answers of deployment. `barred`: it would be a
    rollback, which may not rest on these judges.
    """

    target: str
    suite: str
    level: Level
    stage: Stage
    reasons: tuple[str, ...]
    thresholds: Thresholds
    causes: tuple[Cause, ...] = ()
    score: float | None = None
    baseline_score: float | None = None
    scores: Mapping[str, float | None] = field(default_factory=dict)
    drop: Interval | None = None
    confirmation: Interval | None = None
    smallest_confirmable: dict[str, float | None] = field(default_factory=dict)
    cases: int = 0
    answers: int = 0
    coverage: float | None = None
    calls: int = 0
    usd: float | None = None
    model: ModelSeen = ModelSeen()
    configuration_changed: bool = False
    run: str | None = None
    slot: datetime | None = None
    finished_at: datetime | None = None
    stale: bool = False
    judged: Judged | None = None
    barred: bool = False
    fallback: FallbackSeen | None = None

    def as_json(self) -> dict[str, object]:
        """The verdict as the contract's JSON object; never NaN or Infinity."""
        return {
            "schema": 1,
            "target": self.target,
            "suite": self.suite,
            "verdict": self.level.value,
            "stage": self.stage.value,
            "reasons": list(self.reasons),
            "cause": self.causes[0].cause.value if self.causes else None,
            "causes": [{"cause": c.cause.value, "evidence": c.evidence} for c in self.causes],
            "score": number(self.score, 4),
            "baseline_score": number(self.baseline_score, 4),
            "scores": {name: number(mean, 4) for name, mean in self.scores.items()},
            "drop": self.drop.as_json() if self.drop else None,
            "confirmation": self.confirmation.as_json() if self.confirmation else None,
            "thresholds": {
                "investigate": self.thresholds.investigate,
                "rollback": self.thresholds.rollback,
                "unit": self.thresholds.unit,
            },
            "smallest_confirmable": {
                name: number(self.smallest_confirmable.get(name), 1) for name in ("investigate", "rollback")
            },
            "cases": self.cases,
            "answers": self.answers,
            "coverage": number(self.coverage, 4),
            "calls": self.calls,
            "usd": number(self.usd, 4),
            "model": {
                "requested": self.model.requested,
                "reported": self.model.reported,
                "fingerprint": self.model.fingerprint,
                "changed": self.model.changed,
            },
            "configuration_changed": self.configuration_changed,
            "fallback": None if self.fallback is None else self.fallback.as_json(),
            "judge": None if self.judged is None else self.judged.as_json(),
            "run": self.run,
            "slot": instant(self.slot),
            "finished_at": instant(self.finished_at),
            "stale": self.stale,
        }


def number(value: float | None, digits: int) -> float | None:
    """`value` rounded to `digits`, or None where it is unknown, NaN or infinite."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), digits)


def instant(moment: datetime | None) -> str | None:
    """`moment` (UTC) as ISO 8601 to the second with a Z."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
