"""A judge that moves makes no drop and hides none: synthetic weeks decided by the real code, with its anchors."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.decide.state import Evidence, Progress
from monitor.decide.week import WeekPlan as RealPlan
from monitor.decide.week import first, step, wants_all_anchors
from monitor.domain.verdict import Level
from monitor.simulate import simulate, stages
from monitor.simulate_setting import JudgeWorld, Setting, WeekPlan, deploy, judge_today
from monitor.stats.contrast import contrast
from monitor.stats.moments import Moments
from monitor.stats.sequential import start
from monitor.stats.synthetic import World, dropped
from monitor.stats.synthetic_judge import judge_again, seen

PLAN = WeekPlan(200)
STRICTER, LENIENT = 3.0, -3.0


@pytest.mark.parametrize("shift", [STRICTER, LENIENT])
@pytest.mark.parametrize("churn", [0.0, 0.02])
def test_a_judge_that_moved_three_points_raises_nothing(shift, churn):
    found = simulate(PLAN, 0.0, 2000, seed=50, judge=JudgeWorld(shift, churn))
    assert found.investigate <= 2  # at most .1%
    assert found.pending == 0


def test_without_the_contrast_a_stricter_judge_is_a_false_investigation():
    found = simulate(PLAN, 0.0, 500, seed=51, judge=JudgeWorld(STRICTER, contrast=False))
    assert 0.85 < found.investigate / 500 < 0.96


def test_a_more_lenient_judge_does_not_hide_what_it_still_sees_drop():
    found = simulate(PLAN, 3.0, 1000, seed=52, judge=JudgeWorld(LENIENT))
    everything = simulate(PLAN, 3.0, 500, seed=53, judge=JudgeWorld(LENIENT, anchors=128))
    assert found.investigate > 850
    assert everything.investigate > 425


def test_without_the_contrast_it_hides_it_completely():
    found = simulate(PLAN, 3.0, 500, seed=54, judge=JudgeWorld(LENIENT, contrast=False))
    assert found.investigate == 0
    assert found.passed == 500


def test_a_real_rollback_is_confirmed_under_a_judge_that_only_churns():
    found = simulate(PLAN, 6.0, 300, seed=55, judge=JudgeWorld(churn=0.02))
    assert found.confirmed > 285


def test_todays_verdicts_are_those_of_the_judges_rates():
    rng, rates = np.random.default_rng(56), JudgeWorld(STRICTER, 0.02).rates(0.8)
    assert rates == pytest.approx((0.04 / 0.8, 0.01 / 0.2))
    means = World(mean=0.8).case_means(20, 100, rng)
    right = rng.binomial(30, means)
    baseline = Moments.from_sums(np.full(means.shape, 30), right, right)
    part, whole = judge_again(baseline, 8, rates, rng)
    assert set(np.unique(part.m)) == {8.0}
    assert set(np.unique(whole.m)) == {30.0}
    for again in (part, whole):
        assert again.flip_mean.mean() == pytest.approx(0.03, abs=0.004)
        assert (again.flip_mean**2 * again.m + again.flip_var * (again.m - 1)).sum() == pytest.approx(
            0.05 * again.m.sum(), rel=0.1
        )
    assert seen(means, rates).mean() == pytest.approx(means.mean() - 0.03, abs=0.004)
    assert (baseline.mean - whole.flip_mean).mean() == pytest.approx(seen(means, rates).mean(), abs=0.005)
    today = whole.today_var * 29 / 30
    again_mean = baseline.mean - whole.flip_mean
    assert today == pytest.approx(again_mean * (1 - again_mean))


def by_steps(setting: Setting, means: np.ndarray, week: int, rng: np.random.Generator) -> tuple[Level, bool]:
    """One week decided by `step`, as a run does it: the level it comes to, and whether it wanted all anchors."""
    plan = RealPlan(setting.spec, float(setting.within[week]), 33, int(setting.cap[week]))
    baseline, right = setting.baseline.rows(week), np.zeros(means.shape[1])
    seen_by = {
        name: contrast(baseline, type(again)(*(getattr(again, f)[week] for f in type(again).__dataclass_fields__)))
        for name, again in (("part", setting.anchors.part), ("all", setting.anchors.all))
    }
    used, asked, progress = "part", 0, first(plan)
    while True:
        right += rng.binomial(progress.repeats - asked, means[week])
        asked = progress.repeats
        taken = look_with(plan, progress, seen_by[used], right, asked)
        if used == "part" and wants_all_anchors(taken):
            used = "all"
            taken = look_with(plan, progress, seen_by[used], right, asked)
        if taken.next is None or taken.next.again or taken.next.phase is not progress.phase:
            return taken.level, used == "all"
        progress = taken.next


def look_with(plan: RealPlan, progress: Progress, sight: tuple, right: np.ndarray, asked: int):
    main = Moments.from_sums(np.full(right.shape, asked), right, right)
    evidence = Evidence(sight[0], main, Moments.of([[]] * right.size), correction=sight[1])
    return step(plan, progress, evidence, None, patient=True)


def test_weeks_side_by_side_end_as_weeks_that_are_stepped_through():
    """The same 120 models, half of them 3 points down, under a stricter judge; the answers are drawn anew."""
    rng, judge = np.random.default_rng(57), JudgeWorld(STRICTER, 0.01)
    rates = judge.rates(0.89)
    means = World().case_means(120, 200, rng)
    setting = judge_today(deploy(PLAN, means, rng), judge, rates, rng)
    amount = np.where(np.arange(120) < 60, 0.0, 0.03 / (1 - sum(rates)))
    now = seen(np.concatenate([dropped(means[:60], 0.0), dropped(means[60:], amount[-1])]), rates)
    state, _, after = stages(setting, now, start(weeks=(120,)), rng)
    alone = [by_steps(setting, now, week, rng) for week in range(120)]
    fired, wanted = state.fired[:, 0], after.anchors.whole
    levels = np.array([level is Level.INVESTIGATE for level, _ in alone])
    asked_all = np.array([asked for _, asked in alone])
    assert not fired[:60].any()
    assert not levels[:60].any()
    assert fired[60:].sum() > 48
    assert abs(int(levels[60:].sum()) - int(fired[60:].sum())) <= 10
    # All anchors are judged where something fired, and hardly anywhere else.
    assert wanted[fired].all()
    assert asked_all[levels].all()
    assert max(int(wanted[:60].sum()), int(asked_all[:60].sum())) < 10


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"anchors": 0}, "at least 1 anchor"), ({"churn": 1.0}, r"lies in \[0, 1\)")],
)
def test_impossible_judges_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        JudgeWorld(**wrong)


def test_what_cannot_be_simulated_is_refused():
    with pytest.raises(ValueError, match="tells nothing apart"):
        simulate(PLAN, 0.0, 10, seed=1, judge=JudgeWorld(churn=0.9))
    with pytest.raises(ValueError, match="no graded scores"):
        simulate(WeekPlan(100, World(ratio=0.5)), 0.0, 10, seed=1, judge=JudgeWorld())
    with pytest.raises(ValueError, match="cannot drop by"):
        simulate(PLAN, 88.0, 10, seed=1, judge=JudgeWorld(LENIENT))
