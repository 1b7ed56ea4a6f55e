"""What is known of the judges of a run, beside the scores that they gave."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JudgeSeen:
    """One judge by one rubric, against itself at deployment.

    `points`: how many points more (negative: fewer) it gives the same stored answers now, with its 95% interval; `up`
    and `down` of `judged` answers. `p`: exact sign test. `moved`: it says other things now. `passes`: the share of what
    it took off then that it lets pass now. `models`: what the provider called it then and now, where that differs.
    `untrusted`: why its canaries do not let it be trusted. `kappa`: its agreement with people, where known.
    """

    judge: str
    rubric: str
    judged: int = 0
    up: int = 0
    down: int = 0
    p: float | None = None
    moved: bool = False
    points: float | None = None
    low: float | None = None
    high: float | None = None
    passes: float | None = None
    models: tuple[str, str] | None = None
    untrusted: str | None = None
    kappa: float | None = None

    @property
    def changed(self) -> bool:
        """Whether people have to know: it says other things now, or another model says them."""
        return self.moved or self.models is not None

    def as_json(self) -> dict[str, object]:
        """For the verdict; never NaN or Infinity."""
        shift = {"points": _round(self.points), "low": _round(self.low), "high": _round(self.high)}
        return {
            "judge": self.judge,
            "rubric": self.rubric,
            "shift": {**shift, "confidence": 0.95, "judged": self.judged, "up": self.up, "down": self.down}
            if self.judged
            else None,
            "p": _round(self.p, 6),
            "changed": self.changed,
            "moved": self.moved,
            "models": list(self.models) if self.models else None,
            "untrusted": self.untrusted,
            "kappa": _round(self.kappa, 3),
        }


@dataclass(frozen=True, slots=True)
class Away:
    """A judge of a panel that could not be asked, so that the others decide without it; `why` in words."""

    judge: str
    why: str


@dataclass(frozen=True, slots=True)
class Corrected:
    """A rubric's mean score as people's labels correct it, with its 95% interval; in [0, 1]."""

    rubric: str
    score: float
    low: float
    high: float
    labels: int

    def as_json(self) -> dict[str, object]:
        """For the verdict."""
        return {
            "rubric": self.rubric,
            "score": _round(self.score, 4),
            "low": _round(self.low, 4),
            "high": _round(self.high, 4),
            "labels": self.labels,
        }


@dataclass(frozen=True, slots=True)
class Judged:
    """The judges of a run. `usable`: their scores may reach the headline.

    `anchors` baseline answers of `anchors_of` were judged again. `unscored`: the share of judged answers that have
    no score all the same. `baseline_then`: the baseline's score as the judges of deployment saw it, in [0, 1].
    `bridged`: rubrics whose baseline was judged anew in this run. `barred`: why no rollback may rest on them.
    `watched`: they were shown answers whose verdict is known, so that a judge that is not untrusted may be trusted.
    """

    judges: tuple[JudgeSeen, ...] = ()
    usable: bool = True
    anchors: int = 0
    anchors_of: int = 0
    unscored: float | None = None
    unscored_reasons: tuple[tuple[str, int], ...] = ()
    baseline_then: float | None = None
    bridged: tuple[str, ...] = ()
    away: tuple[Away, ...] = ()
    barred: str | None = None
    corrected: tuple[Corrected, ...] = ()
    calls: int = 0
    usd: float | None = None
    watched: bool = False

    @property
    def untrusted_rubrics(self) -> tuple[str, ...]:
        """Rubrics of which a judge cannot be trusted."""
        return tuple(dict.fromkeys(one.rubric for one in self.judges if one.untrusted is not None))

    def as_json(self) -> dict[str, object]:
        """For the verdict; never NaN or Infinity."""
        return {
            "judges": [one.as_json() for one in self.judges],
            "watched": self.watched,
            "anchors": {"judged": self.anchors, "of": self.anchors_of},
            "unscored": _round(self.unscored, 4),
            "baseline_score_then": _round(self.baseline_then, 4),
            "bridged": list(self.bridged),
            "away": [{"judge": one.judge, "why": one.why} for one in self.away],
            "barred": self.barred,
            "corrected": [one.as_json() for one in self.corrected],
            "calls": self.calls,
            "usd": _round(self.usd, 4),
        }


def _round(value: float | None, digits: int = 2) -> float | None:
    # + 0.0: a negative zero is no number to show.
    return None if value is None or not math.isfinite(value) else round(float(value), digits) + 0.0
