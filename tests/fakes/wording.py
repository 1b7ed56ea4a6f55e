"""A model that answers each case in one way, and since last week in other words, under a judge that errs at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.stats.contrast import Rejudged, Texts, combine, contrast, judge_noise, shared_noise
from monitor.stats.moments import Moments
from monitor.stats.paired import Correction, estimate
from monitor.stats.sequential import look, start
from monitor.stats.spec import INVESTIGATE, Spec

SPEC = Spec.from_thresholds(3.0, 5.0)
K0, CAP, RIGHT = 4, 8, 0.89


@dataclass(frozen=True)
class Reworded:
    """`churn`: the share of verdicts that differ when the judge is asked twice. `drop`: points, of quality."""

    churn: float
    drop: float = 0.0
    cases: int = 200


def weeks(world: Reworded, number: int, seed: int, *, with_noise: bool) -> tuple[float, float]:
    """The shares of weeks that were investigated, and that passed; with the judge's own noise counted, or not."""
    rng = np.random.default_rng(seed)
    shape = (number, world.cases)
    error = (1.0 - np.sqrt(1.0 - 2.0 * world.churn)) / 2.0
    right = rng.random(shape) < RIGHT
    kept = right & (rng.random(shape) < 1.0 - world.drop / 100.0 / RIGHT)
    then, today, current = ((truth ^ (rng.random(shape) < error)).astype(float) for truth in (right, right, kept))
    nothing, flips = np.zeros(shape), then - today
    all_again = np.full(shape, float(K0))
    baseline, correction = contrast(Moments(all_again, then, nothing), Rejudged(all_again, flips, nothing, nothing))
    sigma2 = np.array([judge_noise(float(squares), world.cases) for squares in (flips**2).sum(axis=-1)])
    texts = Texts.of([["then"] * K0], [["then"] * K0], [["now"] * 2])
    state, repeats = start(weeks=(number,)), 1
    while not state.finished.all():
        answers = np.full(shape, float(repeats))
        noise = shared_noise(texts, answers, sigma2[:, np.newaxis])
        used = combine(correction, Correction(nothing, noise)) if with_noise else correction
        value = estimate(
            baseline, Moments(answers, current, nothing), repeats=repeats, cap=CAP, v0_hat=0.0, correction=used
        )
        running = ~state.finished
        state = state.with_rows(running, look(state, value, SPEC).rows(running))
        repeats *= 2
    investigated = state.fired[:, INVESTIGATE]
    return float(investigated.mean()), float((state.clear.all(axis=-1) & ~investigated).mean())
