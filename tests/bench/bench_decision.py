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

from monitor.simulate import WEEKS_A_YEAR, JudgeWorld, Outcome, WeekPlan, delay, simulate
from monitor.stats.baseline import MOST_BASELINE_REPEATS
from monitor.stats.proportion import Share
from monitor.stats.spec import Spec
from monitor.stats.synthetic import Answers, World, dropped
from tests.fakes.wording import Reworded
from tests.fakes.wording import weeks as reworded

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
        *rewording(weeks, seed),
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
    """A judge that moves 3 points, with 8 anchors a case and all of them where a real run would judge all."""
    out = []
    for name, shift in (("stricter", 3.0), ("more lenient", -3.0)):
        print(f"\nJudge 3 points {name}: investigate or worse")
        for churn in (0.0, 0.02):
            calm = simulate(plan, 0.0, 5 * weeks, seed, JudgeWorld(shift, churn))
            print(f"  no change of the model, churn {churn:.0%}: {percent(calm.share(calm.investigate))}")
            text = f"judge 3 points {name}, churn {churn:.0%}, no change: {percent(calm.share(calm.investigate))}"
            out.append(Goal(f"{text}, goal 0.1%", calm.investigate <= 0.001 * calm.weeks))
        for anchors, how in ((8, "8 anchors first"), (MOST_BASELINE_REPEATS, "all anchors from the start")):
            fell = simulate(plan, 3.0, weeks, seed, JudgeWorld(shift, anchors=anchors))
            share = percent(fell.share(fell.investigate))
            print(f"  3 points down as today's judge sees it, {how}: {share}")
            if shift < 0:
                out.append(
                    Goal(f"drop of 3 under a judge {name}, {how}: {share}, goal 85%", fell.investigate >= 0.85 * weeks)
                )
        for drop in (0.0, 3.0):
            blind = simulate(plan, drop, weeks, seed, JudgeWorld(shift, contrast=False))
            print(f"  without the contrast, {drop:g} points down: {percent(blind.share(blind.investigate))}")
    return out


def rewording(weeks: int, seed: int) -> list[Goal]:
    """A model that answers each case in one way, and since last week in other words, under a judge that errs."""
    out = []
    print("\nAll answers in new words, of a model that answers the same each time: investigated / passed")
    for churn in (0.01, 0.03, 0.05):
        for cases in (200, 500):
            blind = reworded(Reworded(churn, cases=cases), weeks, seed, with_noise=False)
            print(f"  churn {churn:.0%}, N = {cases}, no change, noise not counted: {100 * blind[0]:.2f}%")
            shares = []
            for drop in (0.0, 5.0, 8.0):
                found = reworded(Reworded(churn, drop, cases), weeks, seed, with_noise=True)
                shares.append(f"{drop:g} points: {100 * found[0]:.2f} / {100 * found[1]:.2f}%")
            print(f"    noise counted: {'; '.join(shares)}")
        rounds = 25
        many = [reworded(Reworded(churn), weeks, seed + 1 + turn, with_noise=True)[0] for turn in range(rounds)]
        share = Share(round(sum(many) * weeks), rounds * weeks)
        out.append(Goal(f"new words, churn {churn:.0%}, no change: {percent(share)}, goal 0.1%", share.value <= 0.001))
    return out


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
