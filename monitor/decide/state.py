"""What a week's decision is made from and comes to: its plan, how far it has come, its answers, and each step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

from monitor.domain.run import Phase
from monitor.domain.verdict import Cause, FallbackSeen, Interval, Level, Stage
from monitor.stats.contrast import combine
from monitor.stats.moments import Moments
from monitor.stats.paired import Correction
from monitor.stats.quantiles import FloatArray
from monitor.stats.sequential import Questions
from monitor.stats.spec import Spec


class Wait(StrEnum):
    """What has to pass before a run goes on."""

    STAGE = "stage"
    CONFIRM = "confirm"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class WeekPlan:
    """What is fixed before the first answer of a week.

    `within`: v̂0 (NaN with one baseline answer a case). `baseline_repeats`: K0. `cap`: K_cap. `opened`: the level of an
    alert that is open from earlier weeks, `clear_weeks`: how many of the last ones were clear under it. `barred`: why
    a rollback may not rest on the headline's judges ("the judge strict was never calibrated"); None: it may.
    """

    spec: Spec
    within: float
    baseline_repeats: int
    cap: int
    unit: str = "points"
    opened: Level | None = None
    clear_weeks: int = 0
    barred: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come: ask `repeats` answers a case in `phase`, then look.

    `thin`: stages so far that had too many cases without an answer. `again`: the one look of the day after.
    `retried`: a halted run was already put off by a day once.
    """

    phase: Phase
    repeats: int
    questions: Questions
    thin: int = 0
    again: bool = False
    retried: bool = False

    def as_json(self) -> dict[str, Any]:
        """For the run's row."""
        q = self.questions
        return {
            "phase": self.phase.value,
            "repeats": self.repeats,
            "thin": self.thin,
            "again": self.again,
            "retried": self.retried,
            "asked": q.asked.tolist(),
            "fired": q.fired.tolist(),
            "clear": q.clear.tolist(),
            "time": float(q.time),
            "finished": bool(q.finished),
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Progress:
        """From the run's row."""
        questions = Questions(
            asked=np.array(stored["asked"], dtype=np.bool_),
            fired=np.array(stored["fired"], dtype=np.bool_),
            clear=np.array(stored["clear"], dtype=np.bool_),
            time=np.array(stored["time"]),
            finished=np.array(stored["finished"]),
        )
        flags = {name: stored[name] for name in ("repeats", "thin", "again", "retried")}
        return cls(phase=Phase(stored["phase"]), questions=questions, **flags)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All answers so far, summed up by case in one order: at deployment, this week, and in the confirming replay.

    With a judge in the headline, `baseline` and `correction` are those of `contrast` (with `human_correction`, by
    `combine`, where there is one); where the confirming replay has a sitting of judges of its own, `baseline_confirm`
    and `correction_confirm` are that one's. `noise_main`, `noise_confirm`: what `shared_noise` gives for each.
    `fills_main`, `fills_confirm`: other baselines, with answers that today's judges refuse to score counted this way or
    that: the look has to come out the same.
    `unscored_main`, `unscored_confirm`: answers of a case that came and that judges left without a headline score.
    `metrics_only`: baseline and main moments of the headline with its judges left out and the weights as they are, so
    that its drop is the part of the headline's that metrics show; None where the headline has no metric.
    """

    baseline: Moments
    main: Moments
    confirm: Moments
    correction: Correction | None = None
    baseline_confirm: Moments | None = None
    correction_confirm: Correction | None = None
    noise_main: FloatArray | None = None
    noise_confirm: FloatArray | None = None
    fills_main: tuple[Moments, ...] = ()
    fills_confirm: tuple[Moments, ...] = ()
    unscored_main: FloatArray | None = None
    unscored_confirm: FloatArray | None = None
    metrics_only: tuple[Moments, Moments] | None = None

    def of(self, phase: Phase) -> Looked:
        """What a look in `phase` is taken at."""
        if phase is Phase.MAIN:
            by, correction, noise = self.baseline, self.correction, self.noise_main
            current, unscored, fills = self.main, self.unscored_main, self.fills_main
        else:
            own_sitting = self.baseline_confirm is not None
            by = self.baseline if self.baseline_confirm is None else self.baseline_confirm
            correction = self.correction_confirm if own_sitting else self.correction
            noise, current = self.noise_confirm, self.confirm
            unscored, fills = self.unscored_confirm, self.fills_confirm
        own = None if noise is None else Correction(np.zeros_like(noise), noise)
        return Looked(by, current, combine(correction, own), unscored, fills)


class Looked(NamedTuple):
    """The two periods that a look compares, what the judge changes about them, and the unscored answers by case.

    `fills`: other baselines that the look has to come out the same with.
    """

    baseline: Moments
    current: Moments
    correction: Correction | None
    unscored: FloatArray | None
    fills: tuple[Moments, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """What a look concluded: the verdict for now, and what comes next (nothing: the run is done).

    `barred`: it would be a rollback, which may not rest on these judges. `fallback`: how what could serve instead
    compares; it decides nothing here.
    """

    level: Level
    stage: Stage
    reasons: tuple[str, ...]
    causes: tuple[Cause, ...] = ()
    clear: bool = False
    drop: Interval | None = None
    confirmation: Interval | None = None
    next: Progress | None = None
    wait: Wait | None = None
    barred: bool = False
    fallback: FallbackSeen | None = None

    @property
    def wants_rollback(self) -> bool:
        """Whether it says so, or would: now, once it is confirmed, or if it rested on other judges."""
        return self.level is Level.ROLLBACK or self.stage is Stage.PENDING or self.barred
