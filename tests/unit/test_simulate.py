"""Simulated weeks keep the promised error rates and power, within bounds that the true figures satisfy."""

import math

import numpy as np
import pytest

from monitor.simulate import Outcome, WeekPlan, delay, simulate, stages
from monitor.simulate_setting import deploy
from monitor.stats.baseline import Variation
from monitor.stats.proportion import Share
from monitor.stats.sequential import start
from monitor.stats.spec import Spec
from monitor.stats.synthetic import Answers, World, dropped

SURE = 0.9999
"""So wide are the intervals here that only one seed in some thousands fails; the seeds are fixed."""

PLAN = WeekPlan(200)
WEEKS = 2000


@pytest.fixture(scope="module")
def outcomes() -> dict[float, Outcome]:
    return {drop: simulate(PLAN, drop, WEEKS, seed=20) for drop in (0, 1, 3, 5, 6)}


def holds(share: Share, figure: float) -> bool:
    low, high = share.wilson(SURE)
    return low <= figure <= high


def test_no_change_raises_nothing_and_costs_little(outcomes: dict[float, Outcome]) -> None:
    found = outcomes[0]
    assert found.investigate == found.confirmed == found.inconclusive == 0
    assert found.passed == WEEKS
    assert 1.3 < found.answers <= 1.7


def test_a_change_of_one_point_is_no_investigation(outcomes: dict[float, Outcome]) -> None:
    assert outcomes[1].share(outcomes[1].investigate).wilson(SURE).high < 0.01


def test_a_drop_of_three_points_is_investigated_and_never_rolled_back(outcomes: dict[float, Outcome]) -> None:
    found = outcomes[3]
    assert holds(found.share(found.investigate), 0.93)
    assert found.confirmed == 0
    assert found.pending <= 10


def test_drops_of_five_and_six_points_are_rolled_back(outcomes: dict[float, Outcome]) -> None:
    assert holds(outcomes[5].share(outcomes[5].pending), 0.98)
    assert holds(outcomes[5].share(outcomes[5].confirmed), 0.95)
    assert holds(outcomes[6].share(outcomes[6].confirmed), 0.994)
    assert 20 < outcomes[5].answers < 30


def test_the_sizes_are_those_of_the_design(outcomes: dict[float, Outcome]) -> None:
    assert outcomes[0].baseline_repeats == pytest.approx(33, abs=1.5)
    assert 30 < outcomes[0].cap < 40


def test_a_rollback_is_rarely_fired_at_the_lower_threshold_with_a_small_baseline() -> None:
    found = simulate(WeekPlan(100, baseline_repeats=8), 3.0, 1000, seed=21)
    assert found.share(found.confirmed).wilson(SURE).low < 0.001
    assert found.confirmed <= 2


def test_one_baseline_answer_never_rolls_back() -> None:
    found = simulate(WeekPlan(200, baseline_repeats=1), 20.0, 200, seed=22)
    assert found.pending == found.confirmed == 0
    assert found.investigate > 150
    assert found.cap == 8


def test_graded_scores_are_decided_as_well_with_fewer_answers() -> None:
    plan = WeekPlan(200, World(ratio=0.25))
    at_0, at_5 = (simulate(plan, drop, 400, seed=23) for drop in (0, 5))
    assert at_0.investigate == 0
    assert at_5.share(at_5.confirmed).wilson(SURE).high > 0.95
    assert at_5.confirmed > 360
    assert at_5.baseline_repeats < 12


def test_a_model_that_answers_the_same_each_time() -> None:
    plan = WeekPlan(200, World(share=1.0))
    assert simulate(plan, 0, 200, seed=24).passed == 200
    assert simulate(plan, 0, 200, seed=24).baseline_repeats == 4


def test_inconclusive_weeks_are_run_once_more() -> None:
    found = simulate(WeekPlan(40, baseline_repeats=8, max_repeats=8), 2.0, 300, seed=25)
    assert found.repeated > 100
    assert found.inconclusive <= found.repeated
    assert found.extra_answers >= found.repeated * 8 / 300
    assert found.investigate + found.passed + found.inconclusive == 300


def test_a_cap_that_is_no_power_of_two_is_not_passed() -> None:
    rng = np.random.default_rng(31)
    plan = WeekPlan(60, baseline_repeats=20, max_repeats=11)
    means = World().case_means(80, 60, rng)
    state, answers, _ = stages(deploy(plan, means, rng), dropped(means, 0.03), start(weeks=(80,)), rng)
    assert state.finished.all()
    assert set(np.unique(answers.n)) <= {1, 2, 4, 8, 11}
    assert answers.n.max() == 11


def test_percent_of_the_baseline() -> None:
    world = World(mean=0.5, share=0.9)
    spec = Spec.from_thresholds(3, 5, scale=100 / world.mean)
    found = simulate(WeekPlan(400, world, spec), 6.0, 200, seed=26)
    assert found.investigate > 190
    # The same drop in points is half of that, and beyond no threshold.
    assert simulate(WeekPlan(400, world), 3.0, 200, seed=26).confirmed == 0


def test_a_slow_fall_is_alerted_when_the_truth_crosses_the_thresholds() -> None:
    found = delay(PLAN, [5 * week / 6 for week in range(1, 9)], 400, seed=27)
    assert np.quantile(found.investigate, 0.9) <= math.ceil(3 / 5 * 6)
    assert np.quantile(found.rollback, 0.9) <= 6
    assert (found.investigate <= found.rollback).all()


def test_the_same_seed_gives_the_same_outcome_and_another_seed_another() -> None:
    first, again, other = (simulate(PLAN, 4.0, 60, seed=s) for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_more_scores_than_are_held_at_once_are_run_in_parts() -> None:
    large = simulate(WeekPlan(5000, baseline_repeats=4, max_repeats=8), 5.0, 170, seed=28)
    assert large.weeks == 170
    assert large.investigate == 170


@pytest.mark.parametrize(("drop", "weeks"), [(-1.0, 10), (95.0, 10), (1.0, 0)])
def test_what_cannot_be_simulated_is_refused(drop: float, weeks: int) -> None:
    with pytest.raises(ValueError, match=r"cannot drop by|at least one week"):
        simulate(PLAN, drop, weeks, seed=1)


def test_impossible_worlds_are_refused() -> None:
    for wrong in ({"mean": 1.0}, {"share": 0.0}, {"ratio": 1.5}):
        with pytest.raises(ValueError, match="lie"):
            World(**wrong)
    with pytest.raises(ValueError, match="2 cases"):
        WeekPlan(1)
    with pytest.raises(ValueError, match="unknown"):
        World.like(Variation(math.nan, 0.9, 1.0))


@pytest.mark.parametrize("ratio", [1.0, 0.3])
def test_answers_have_the_worlds_mean_and_variance(ratio: float) -> None:
    world, rng = World(mean=0.8, share=0.6, ratio=ratio), np.random.default_rng(29)
    means = world.case_means(50, 400, rng)
    moments = Answers.none(means.shape).more(means, np.full((50, 1), 6), ratio, rng).moments
    assert means.mean() == pytest.approx(0.8, abs=0.01)
    assert moments.mean.mean() == pytest.approx(means.mean(), abs=0.005)
    assert moments.var.mean() == pytest.approx(world.within, rel=0.05)
    assert moments.var.mean() == pytest.approx(ratio * (means * (1 - means)).mean(), rel=0.03)


def test_a_world_like_a_baseline_has_its_variation() -> None:
    alike = World.like(Variation(within=0.0244750, mean=0.89, ratio=1.0))
    assert (alike.mean, alike.share) == pytest.approx((0.89, 0.75))
    graded = World.like(Variation(within=0.01, mean=0.7, ratio=0.25))
    assert graded.within == pytest.approx(0.01)
    assert World.like(Variation(within=0.0, mean=1.0, ratio=1.0)).share == 1.0


def test_a_drop_takes_the_same_share_from_every_case() -> None:
    means = np.array([[1.0, 0.5, 0.0], [0.9, 0.9, 0.9]])
    after = dropped(means, 0.05)
    assert (means - after).mean(axis=-1) == pytest.approx(0.05)
    assert after[0, 1] / means[0, 1] == pytest.approx(after[0, 0] / means[0, 0])
    assert dropped(np.zeros((1, 3)), 0.05).tolist() == [[0.0, 0.0, 0.0]]


def test_a_baseline_of_a_given_size_has_that_size() -> None:
    rng = np.random.default_rng(30)
    setting = deploy(WeekPlan(50, baseline_repeats=7), World().case_means(3, 50, rng), rng)
    assert setting.baseline.n.tolist() == np.full((3, 50), 7.0).tolist()
