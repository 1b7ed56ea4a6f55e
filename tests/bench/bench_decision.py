"""What the decision reaches on synthetic models: python tests/bench/bench_decision.py [--weeks 4000] [--seed 1].

Prints alarms, power and answers a case at several true drops, what plain averages would do, and the goals a model-year,
all with Monte-Carlo intervals. Exits with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from monitor.simulate import WEEKS_A_YEAR, Outcome, WeekPlan, delay, deploy, replay, simulate
from monitor.stats.moments import Moments
from monitor.stats.paired import Correction, estimate
from monitor.stats.proportion import Share
from monitor.stats.quantiles import FloatArray
from monitor.stats.sequential import look, start
from monitor.stats.spec import INVESTIGATE, Spec
from monitor.stats.synthetic import Answers, World, dropped

DROPS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
SURE = 0.99
SHARES = (0.5, 0.9)
GRADED = 0.25


@dataclass(frozen=True)
class Goal:
    """A figure that must be reached, its interval, and whether it was."""

    text: str
    reached: bool


def percent(share: Share) -> str:
    low, high = share.wilson(SURE)
    return f"{100 * share.value:6.2f}% [{100 * low:5.2f}, {100 * high:6.2f}]"


def table(title: str, found: Iterable[Outcome]) -> None:
    print(f"\n{title}")
    print(
        "drop   investigate or worse       rollback pending           rollback confirmed         inconclusive  answers"
    )
    for one in found:
        shares = "  ".join(percent(one.share(count)) for count in (one.investigate, one.pending, one.confirmed))
        left = 100 * one.inconclusive / one.weeks
        print(
            f"{one.drop:4.0f}  {shares}  {left:10.2f}%  {one.answers:7.2f} (+{one.extra_answers:.2f}); "
            f"K0 {one.baseline_repeats:.0f}, cap {one.cap:.0f}"
        )


def naive(cases: int, repeats: int, weeks: int, seed: int) -> None:
    """Two averages, each of `repeats` answers a case, compared with the thresholds themselves."""
    rng = np.random.default_rng(seed)
    world = World()
    print(f"\nPlain averages, {repeats} answers a case, {cases} cases: investigate / rollback")
    for drop in DROPS:
        means = world.case_means(weeks, cases, rng)
        each = np.full((weeks, 1), repeats)
        before = Answers.none(means.shape).more(means, each, 1.0, rng).moments.mean.mean(axis=-1)
        after = Answers.none(means.shape).more(dropped(means, drop / 100), each, 1.0, rng).moments.mean.mean(axis=-1)
        seen = np.round(100 * (before - after), 9)
        alarms = [Share(int((seen >= threshold).sum()), weeks) for threshold in (3, 5)]
        print(f"{drop:4.0f}  {percent(alarms[0])}  {percent(alarms[1])}")


def yearly(text: str, share: Share, most: float) -> Goal:
    """A goal of at most `most` weeks in a model-year; a count of none is reached whatever the interval."""
    bounds = share.wilson(SURE)
    figure = (
        f"{WEEKS_A_YEAR * share.value:.3f} a year [{WEEKS_A_YEAR * bounds.low:.3f}, {WEEKS_A_YEAR * bounds.high:.3f}]"
    )
    return Goal(f"{text}: {figure}, goal {most:g}", WEEKS_A_YEAR * share.value <= most)


def goals(weeks: int, seed: int) -> list[Goal]:
    """At 200 cases. Rare events get more weeks than the table."""
    plan = WeekPlan(200)
    calm, small, edge = (simulate(plan, drop, 10 * weeks, seed + place) for place, drop in enumerate((0.0, 1.0, 3.0)))
    return [
        yearly("confirmed false rollbacks at a true 3", edge.share(edge.confirmed), 0.05),
        yearly("confirmed false rollbacks at 0", calm.share(calm.confirmed), 0.0),
        yearly("false investigations at 0", calm.share(calm.investigate), 0.05),
        yearly("false investigations at 1", small.share(small.investigate), 0.1),
        Goal(f"answers a case at 0: {calm.answers:.2f}, goal 1.7", calm.answers <= 1.7),
        *ramp(plan, weeks, seed),
        *judge_shift(plan, weeks, seed),
    ]


def ramp(plan: WeekPlan, weeks: int, seed: int) -> list[Goal]:
    """A fall of 5 points over six weeks, which then stays: the run that alerts, and the first after the crossing."""
    found = delay(plan, [min(5.0, 5.0 * week / 6) for week in range(1, 13)], weeks, seed)
    out = []
    for name, threshold, first in (("investigate", 3, found.investigate), ("rollback", 5, found.rollback)):
        crossing = math.ceil(threshold / 5 * 6)
        ninth = float(np.quantile(first, 0.9, method="higher"))
        text = f"ramp, {name}: 90th percentile in week {ninth:g}, the truth has crossed by week {crossing}"
        out.append(Goal(text, ninth <= crossing))
    return out


def judge_shift(plan: WeekPlan, weeks: int, seed: int) -> list[Goal]:
    """A judge that moves 3 points while the model stays: with all baseline answers judged again, and without."""
    out = []
    for name, stricter in (("stricter", True), ("more lenient", False)):
        with_contrast, without = (shifted(plan, weeks, seed, stricter=stricter, contrast=c) for c in (True, False))
        print(
            f"\nJudge 3 points {name}, no change of the model: investigate {percent(with_contrast)} with the contrast"
        )
        print(f"  and {percent(without)} without it")
        out.append(Goal(f"judge 3 points {name}: {percent(with_contrast)}, goal 0.1%", with_contrast.value <= 0.001))
    return out


def shifted(plan: WeekPlan, weeks: int, seed: int, *, stricter: bool, contrast: bool) -> Share:
    """Weeks whose judge fails a share of right answers, or passes a share of wrong ones: the share that fires."""
    rng = np.random.default_rng(seed)
    means = plan.world.case_means(weeks, plan.cases, rng)
    setting = deploy(plan, means, rng)
    if not contrast:
        moved = means * (1 - 0.03 / plan.world.mean) if stricter else means + (1 - means) * 0.03 / 0.11
        state, _ = replay(setting, moved, start(weeks=(weeks,)), rng)
        return Share(int(state.fired[:, INVESTIGATE].sum()), weeks)
    k0 = setting.baseline.n
    right = np.round(setting.baseline.mean * k0)
    flip = 0.03 / plan.world.mean if stricter else 0.03 / (1 - plan.world.mean)
    flipped = rng.binomial((right if stricter else k0 - right).astype(np.int64), flip)
    again = right - flipped if stricter else right + flipped
    today = Moments.from_sums(k0, again, again)
    baseline = Moments(k0, setting.baseline.mean, today.var)
    # All of the baseline is judged again (m = K0), so the flips add no variance of their own.
    correction = Correction(shift=today.mean - setting.baseline.mean, variance=np.zeros_like(k0), repeats=k0)
    now = means * (1 - flip) if stricter else means + (1 - means) * flip
    return staged(plan, baseline, correction, now, setting.cap, rng)


def staged(
    plan: WeekPlan,
    baseline: Moments,
    correction: Correction,
    now: FloatArray,
    caps: np.ndarray,
    rng: np.random.Generator,
) -> Share:
    """All stages of every week, with the correction; weeks that have finished keep what they found."""
    state, answers, repeats = start(weeks=(now.shape[0],)), Answers.none(now.shape), 0
    while not state.finished.all():
        more = max(1, repeats)
        repeats += more
        answers = answers.more(now, np.full((now.shape[0], 1), more), 1.0, rng)
        value = estimate(
            baseline,
            answers.moments,
            repeats=repeats,
            cap=caps,
            v0_hat=baseline.var.mean(axis=-1),
            correction=correction,
        )
        running = ~state.finished
        state = state.with_rows(running, look(state, value, plan.spec).rows(running))
    return Share(int(state.fired[:, INVESTIGATE].sum()), now.shape[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weeks", type=int, default=4000, help="simulated weeks a figure")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    weeks, seed = chosen.weeks, chosen.seed
    print(f"{weeks} weeks a figure, each with its own model, pilot and baseline; intervals of {SURE:.0%} by Wilson")
    fixed = WeekPlan(200, baseline_repeats=33, max_repeats=32)
    table("N = 200, K0 = 33, cap = 32", (simulate(fixed, drop, weeks, seed) for drop in DROPS))
    table("N = 200, K0 and cap from the pilot", (simulate(WeekPlan(200), drop, weeks, seed) for drop in DROPS))
    few = (0.0, 1.0, 3.0, 5.0, 6.0)
    for cases in (100, 500):
        table(f"N = {cases}", (simulate(WeekPlan(cases), drop, weeks, seed) for drop in few))
    for share in SHARES:
        world = World(share=share)
        table(f"N = 200, share {share:g}", (simulate(WeekPlan(200, world), drop, weeks, seed) for drop in few))
    for cases in (100, 200):
        plan = WeekPlan(cases, World(ratio=GRADED))
        title = f"N = {cases}, graded scores with a variance {GRADED:g} times that of binary ones"
        table(title, (simulate(plan, drop, max(200, weeks // 4), seed) for drop in few))
    percents = Spec.from_thresholds(3, 5, scale=100 / 0.89)
    table(
        "N = 200, percent of the baseline", (simulate(WeekPlan(200, spec=percents), drop, weeks, seed) for drop in few)
    )
    for repeats in (1, 5):
        naive(200, repeats, weeks, seed)
    found = goals(weeks, seed)
    print("\nGoals at N = 200")
    for goal in found:
        print(f"{'reached' if goal.reached else 'MISSED ':7}  {goal.text}")
    return 0 if all(goal.reached for goal in found) else 1


if __name__ == "__main__":
    sys.exit(main())
