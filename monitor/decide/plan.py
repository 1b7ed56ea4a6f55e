"""What is fixed before a week begins: the questions, the number of answers, and what can be confirmed with them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from monitor.decide.state import WeekPlan
from monitor.domain.verdict import Level, Thresholds
from monitor.stats.baseline import (
    Cap,
    Variation,
    baseline_repeats,
    shown_smallest_drop,
    smallest_drop,
    variation,
    week_cap,
    within_variance,
)
from monitor.stats.moments import Moments
from monitor.stats.spec import Spec, unit_scale
from monitor.stats.synthetic import World

# Until there is a baseline: a model that scores 89% and answers most cases the same way each time.
TYPICAL = World()


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a baseline makes possible. `smallest`: the smallest drop that is found 95 times in 100, by question."""

    plan: WeekPlan
    cap: Cap
    varied: Variation
    cases: int
    baseline_score: float
    smallest: dict[str, float | None]


def prospect(
    baseline: Moments,
    thresholds: Thresholds,
    max_repeats: int | None = None,
    opened: Level | None = None,
    clear_weeks: int = 0,
) -> Prospect:
    """Read a baseline (one entry a case; at least one answered); `max_repeats` is K_cap where the user set it."""
    answered = baseline.n > 0
    repeats = max(1, int(np.median(baseline.n[answered])))
    cases = int(answered.sum())
    found = prospect_of(variation(baseline), cases, repeats, thresholds, max_repeats)
    if repeats == 1:
        # One answer a case says nothing of how answers vary.
        assumed = typical(cases, 1, thresholds, max_repeats).smallest
        found = replace(found, smallest=assumed)
    return replace(found, plan=replace(found.plan, opened=opened, clear_weeks=clear_weeks))


def prospect_of(
    varied: Variation,
    cases: int,
    repeats: int,
    thresholds: Thresholds,
    max_repeats: int | None = None,
) -> Prospect:
    """What `repeats` baseline answers to each of `cases` make possible, where the answers vary as `varied` says."""
    spec = specification(thresholds, float(varied.mean))
    found = week_cap(varied, cases, repeats, spec)
    cap = max_repeats or found.repeats
    plan = WeekPlan(spec, float(varied.within), repeats, cap, thresholds.unit)
    scale = float(np.asarray(spec.scale))
    raw = {
        name: smallest_drop(question, varied, cases=cases, baseline=repeats, repeats=cap, scale=scale)
        for name, question in (("investigate", spec.investigate), ("rollback", spec.rollback))
    }
    smallest = {
        "investigate": shown_smallest_drop(spec.investigate, raw["investigate"]),
        # With one baseline answer a case no rollback is ever decided.
        "rollback": None if repeats == 1 else raw["rollback"],
    }
    return Prospect(plan, found, varied, cases, float(varied.mean), smallest)


def typical(cases: int, repeats: int, thresholds: Thresholds, max_repeats: int | None = None) -> Prospect:
    """What a baseline can be expected to make possible before there is one: that of a `TYPICAL` model."""
    varied = Variation(within=TYPICAL.within, mean=TYPICAL.mean, ratio=TYPICAL.ratio)
    return prospect_of(varied, cases, repeats, thresholds, max_repeats)


def specification(thresholds: Thresholds, baseline_mean: float) -> Spec:
    """The two questions for the configured thresholds; raises ThresholdError."""
    scale = unit_scale(thresholds.unit, baseline_mean)
    return Spec.from_thresholds(thresholds.investigate, thresholds.rollback, scale)


def repeats_for(pilot: Moments, thresholds: Thresholds) -> int:
    """K0 from the pilot; raises GapTooSmallError, with the smallest gap that works, and UnknownVariationError."""
    answered = pilot.n > 0
    within = float(within_variance(pilot))
    mean = float(variation(pilot).mean)
    return baseline_repeats(within, int(answered.sum()), specification(thresholds, mean))
