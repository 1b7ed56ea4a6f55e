"""The baseline as today's judge sees it: exact with all anchors, unbiased and wide enough with few."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from monitor.stats.contrast import (
    LEAST_LABELS,
    Labelled,
    Rejudged,
    Texts,
    combine,
    contrast,
    human_correction,
    judge_noise,
    shared_noise,
)
from monitor.stats.moments import Moments
from monitor.stats.paired import Correction, estimate
from monitor.stats.proportion import Share
from monitor.stats.synthetic import World
from monitor.stats.synthetic_judge import judge_again
from tests.fakes.wording import Reworded, weeks


def plain_sample(differences):
    return Labelled((differences,), (1.0,))


THEN = [[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.5, 1.0, 0.5, 1.0]]
TODAY = [[1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0], [0.5, 0.5, 0.5, 1.0]]


def test_all_answers_judged_again_are_exactly_what_todays_judge_says():
    seen, correction = contrast(Moments.of(THEN), Rejudged.of(THEN, TODAY))
    direct = Moments.of(TODAY)
    assert seen.mean == pytest.approx(direct.mean)
    assert seen.var == pytest.approx(direct.var)
    assert seen.n.tolist() == [4, 4, 4]
    assert correction.variance.tolist() == correction.shift.tolist() == [0, 0, 0]
    assert correction.repeats.tolist() == [4, 4, 4]


def test_a_part_shifts_the_mean_and_adds_the_variance_of_the_rest():
    again = Rejudged.of([[1.0, 0.0], [1.0, 1.0], [0.5, 1.0]], [[0.0, 0.0], [1.0, 1.0], [0.5, 0.5]])
    seen, correction = contrast(Moments.of(THEN), again)
    assert seen.mean == pytest.approx([0.75 - 0.5, 0.5, 0.75 - 0.25])
    assert seen.var == pytest.approx([0.0, 0.0, 0.0])
    assert correction.variance == pytest.approx([(1 - 2 / 4) * 0.5 / 2, 0.0, (1 - 2 / 4) * 0.125 / 2])
    assert correction.repeats.tolist() == [2, 2, 2]


def test_without_anchors_nothing_is_changed():
    baseline = Moments.of(THEN)
    nothing = np.zeros(3)
    seen, correction = contrast(baseline, Rejudged(nothing, nothing, nothing, nothing))
    assert seen is baseline
    assert correction is None


def test_a_case_that_could_not_be_judged_again_gets_the_flips_of_the_others_and_a_wider_error():
    baseline = Moments.of([[1.0, 1.0]] * 3)
    again = Rejudged.of([[1.0, 1.0], [1.0, 1.0], []], [[0.0, 1.0], [1.0, 1.0], []])
    seen, correction = contrast(baseline, again)
    spread = (0.5 + 2 * 0.25**2 + 2 * 0.25**2 + 1.0) / (4 + 1)
    assert seen.mean == pytest.approx([0.5, 1.0, 1.0 - 0.25])
    assert correction.variance == pytest.approx([0.0, 0.0, spread])
    assert seen.var == pytest.approx([0.5, 0.0, spread])
    assert correction.repeats.tolist() == [2, 2, 1]


def test_the_error_of_the_others_counts_for_a_case_without_flips_as_well():
    baseline = Moments.of([[1.0] * 4] * 3)
    again = Rejudged.of([[1.0, 1.0], [1.0, 1.0], []], [[0.0, 1.0], [1.0, 1.0], []])
    _, correction = contrast(baseline, again)
    others = (1 - 2 / 4) * 0.5 / 2
    spread = (0.5 + 4 * 0.25**2 + 1.0) / 5
    # The mean flip of two stands for three: their error weighs 1/2 instead of 1/3.
    assert correction.variance.sum() / 9 == pytest.approx(others / 4 + spread / 9)


def test_a_single_anchor_has_the_variance_of_all_flips():
    baseline = Moments.of([[1.0, 1.0, 1.0, 0.0]] * 10)
    again = Rejudged.of([[1.0]] * 10, [[0.0]] * 2 + [[1.0]] * 8)
    seen, correction = contrast(baseline, again)
    spread = (10 * 0.2 * 0.8 + 1) / 11
    assert correction.variance == pytest.approx(np.full(10, (1 - 1 / 4) * spread))
    assert seen.var == pytest.approx(np.full(10, 0.25 + spread))


def test_one_baseline_answer_a_case_is_judged_again_exactly():
    baseline = Moments.of([[1.0]] * 12)
    seen, correction = contrast(baseline, Rejudged.of([[1.0]] * 12, [[0.0]] * 2 + [[1.0]] * 10))
    assert seen.mean.tolist() == [0.0] * 2 + [1.0] * 10
    assert seen.var.tolist() == correction.variance.tolist() == [0.0] * 12
    current = Moments.of([[1.0]] * 10 + [[0.0]] * 2)
    found = estimate(seen, current, repeats=1, cap=8, v0_hat=math.nan, correction=correction)
    assert bool(found.single_baseline)
    assert found.drop == 0.0
    assert found.se == pytest.approx(np.std([-1.0] * 2 + [0.0] * 8 + [1.0] * 2, ddof=1) / math.sqrt(12))


def test_an_error_that_all_cases_share_counts_with_one_baseline_answer_too():
    baseline, current = Moments.of([[1.0]] * 12), Moments.of([[1.0]] * 9 + [[0.0]] * 3)
    plain = estimate(baseline, current, repeats=1, cap=8, v0_hat=math.nan)
    shared = Correction(np.zeros(12), np.full(12, 0.12))
    wider = estimate(baseline, current, repeats=1, cap=8, v0_hat=math.nan, correction=shared)
    assert wider.se**2 == pytest.approx(plain.se**2 + 0.12 / 12)


def test_each_week_is_seen_by_itself_and_a_week_without_anchors_stays_as_it_is():
    both = [Moments.of(THEN), Moments.of(THEN)]
    stacked = Moments(*(np.stack([getattr(one, name) for one in both]) for name in ("n", "mean", "var")))
    again, none = Rejudged.of(THEN, TODAY), np.zeros(3)
    parts = (np.stack([getattr(again, name), none]) for name in ("m", "flip_mean", "flip_var", "today_var"))
    seen, correction = contrast(stacked, Rejudged(*parts))
    assert seen.mean[0] == pytest.approx(Moments.of(TODAY).mean)
    assert seen.mean[1] == pytest.approx(Moments.of(THEN).mean)
    assert seen.var[1] == pytest.approx(Moments.of(THEN).var)
    assert correction.variance.tolist() == np.zeros((2, 3)).tolist()


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="differ in shape"):
        Rejudged(np.ones(3), np.ones(3), np.ones(3), np.ones(2))


@pytest.mark.parametrize(("anchors", "unjudged"), [(4, 0), (4, 20), (1, 0)])
def test_the_stated_variance_is_that_of_the_mean_or_more(anchors, unjudged):
    """2,000 weeks of 60 cases; the truth is what today's judge says of the model, beyond the answers at hand."""
    rng, rates = np.random.default_rng(40), (0.06, 0.1)
    case_means = np.broadcast_to(World().case_means(1, 60, rng), (2000, 60))
    k0 = np.full(case_means.shape, 12)
    right = rng.binomial(k0, case_means)
    baseline = Moments.from_sums(k0, right, right)
    again, _ = judge_again(baseline, anchors, rates, rng)
    m = again.m.copy()
    m[:, :unjudged] = 0.0
    seen, correction = contrast(baseline, Rejudged(m, again.flip_mean, again.flip_var, again.today_var))
    truth = case_means * (1 - rates[0]) + (1 - case_means) * rates[1]
    error = (seen.mean - truth).mean(axis=-1)
    stated = ((seen.var / seen.n + correction.variance).sum(axis=-1) / 60**2).mean()
    # The one case-specific flip mean that is not known is imputed, with a bias that the wider error has to cover.
    actual = (error**2).mean()
    assert stated > 0.93 * actual
    if anchors == 4 and not unjudged:
        assert error.mean() == pytest.approx(0.0, abs=4 * error.std() / math.sqrt(2000))
        assert stated == pytest.approx(actual, rel=0.1)


# The judge's own noise.


@pytest.mark.parametrize(
    ("squares", "count", "found"),
    [(0.0, 0, 0.25), (0.0, 199, (1 + 1.2816) / 400), (8.0, 199, (9 + 1.2816 * 3) / 400), (200.0, 200, 0.25)],
)
def test_the_noise_of_a_judge_from_its_flips(squares, count, found):
    assert judge_noise(squares, count) == pytest.approx(found, rel=1e-4)


def test_texts_are_counted():
    texts = Texts.of(
        [["a", "a", "b", "c"], ["a"] * 4, ["a", "b"], ["a", "b"]],
        [["a", "a", "b", "c"], ["a"] * 4, ["a"], []],
        [["a", "d"], ["b", "b", "b"], ["b"], ["c", "c"]],
    )
    assert texts.gap == pytest.approx([2 * 0.25**2 + 0.5**2, 2.0, 2 * 0.5**2 + 2.0, 2 * 0.5**2 + 1.0])
    assert texts.repeats0 == pytest.approx([4.0, 4.0, 1 / (2 - 1 / 2), 2.0])
    assert texts.same0 == pytest.approx([1 / 6, 1.0, 0.0, 0.0])
    assert texts.same_t == pytest.approx([0.0, 1.0, 0.0, 1.0])


def test_distinct_texts_hide_no_noise_and_new_wordings_hide_all_of_it():
    four, two = np.full(3, 4.0), np.full(3, 2.0)
    texts = Texts.of(
        [list("abcd"), list("aaaa"), list("aaaa")],
        [list("abcd"), list("aaaa"), list("aaaa")],
        [list("efgh"), list("bbbb"), list("aaaa")],
    )
    assert shared_noise(texts, four, 0.02) == pytest.approx([0.0, 2 * 0.02, 0.0])
    assert shared_noise(texts, two / 2, 0.02).tolist() == [0.0, 0.0, 0.0]
    assert shared_noise(texts, four, 0.02, single_baseline=True).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("m", [3, 8])
def test_with_it_the_variance_of_a_difference_is_all_there(m):
    """A case with a handful of texts, each of which a judge scores once; 4,000 draws of answers and verdicts."""
    rng, n0, repeats, noise = np.random.default_rng(41), 8, 4, 0.04
    before, after = np.array([0.7, 0.2, 0.1, 0.0]), np.array([0.05, 0.1, 0.1, 0.75])
    quality = np.array([0.9, 0.3, 0.5, 0.9])
    differences, terms = [], []
    for _ in range(4000):
        stored, now = rng.choice(4, n0, p=before), rng.choice(4, repeats, p=after)
        then, today = (quality + rng.normal(0.0, math.sqrt(noise), 4) for _ in range(2))
        seen, correction = contrast(
            Moments.of([then[stored]]), Rejudged.of([list(then[stored[:m]])], [list(today[stored[:m]])])
        )
        current = Moments.of([today[now]])
        texts = Texts.of([[str(t) for t in stored]], [[str(t) for t in stored[:m]]], [[str(t) for t in now]])
        extra = shared_noise(texts, current.n, noise)
        differences.append(float(seen.mean[0] - current.mean[0]))
        terms.append(float(seen.var[0] / n0 + correction.variance[0] + current.var[0] / repeats + extra[0]))
    actual = np.var(differences)
    assert np.mean(terms) == pytest.approx(actual, rel=0.08)
    assert np.mean(terms) > 0.97 * actual


@pytest.mark.parametrize("churn", [0.03, 0.05])
def test_new_words_for_the_same_answers_are_no_drop_and_a_real_one_never_passes(churn):
    """200 cases, each answered the same way every time; its words have all changed, and the judge errs now and then."""
    blind, _ = weeks(Reworded(churn), 1000, 1, with_noise=False)
    false, _ = weeks(Reworded(churn), 6000, 2, with_noise=True)
    found, passed = weeks(Reworded(churn, drop=5.0), 500, 3, with_noise=True)
    large, _ = weeks(Reworded(churn, drop=5.0, cases=500), 300, 4, with_noise=True)
    assert blind > 0.02
    # The true rates are .04 and .07%, by 100,000 weeks (see the benchmark); these weeks do not contradict .1%.
    assert Share(round(6000 * false), 6000).wilson(0.9999).low < 0.001
    assert false < blind / 10
    assert found > 0.2
    assert passed < 0.01
    assert large > 0.6


# People.


def test_labels_on_both_sides_shift_the_baseline_by_the_change_of_the_judges_error():
    rng = np.random.default_rng(42)
    before, now = (rng.normal(mean, 0.2, 40) for mean in (0.05, -0.02))
    found = human_correction(plain_sample(before), plain_sample(now), cases=200)
    wanted = stats.ttest_ind(before, now, equal_var=False)
    assert found.shift == pytest.approx(np.full(200, before.mean() - now.mean()))
    plain = before.var(ddof=1) / 40 + now.var(ddof=1) / 40
    assert plain < found.variance.sum() / 200**2 < 1.2 * plain
    # At the strictest error the interval is Welch's.
    reach = stats.norm.isf(0.001) * math.sqrt(found.variance.sum()) / 200
    assert reach == pytest.approx(stats.t.isf(0.001, wanted.df) * math.sqrt(plain))


@pytest.mark.parametrize(("before", "now"), [(0, 200), (200, 0), (LEAST_LABELS - 1, LEAST_LABELS)])
def test_labels_on_one_side_alone_correct_nothing(before, now):
    assert human_correction(plain_sample(np.ones(before)), plain_sample(np.zeros(now)), cases=100) is None


def test_strata_count_by_their_share_of_the_answers_and_not_by_their_labels():
    # Half of the labels are of the tenth that fails, where the judge is too strict by half a point.
    then = Labelled((np.zeros(30), np.full(30, 0.5)), (0.9, 0.1))
    found = human_correction(then, plain_sample(np.zeros(60)), cases=50)
    assert found.shift == pytest.approx(np.full(50, 0.05))
    # Nobody labelled an answer that fails, so what the judge does there is not known.
    assert human_correction(Labelled((np.zeros(60), np.zeros(1)), (0.9, 0.1)), then, cases=50) is None
    assert human_correction(Labelled((np.zeros(60), np.zeros(0)), (1.0, 0.0)), then, cases=50) is not None


def test_labels_that_all_agree_with_the_judge_change_nothing():
    found = human_correction(plain_sample(np.zeros(30)), plain_sample(np.zeros(30)), cases=10)
    assert found.shift.tolist() == found.variance.tolist() == [0.0] * 10


def test_corrections_add_up():
    one = Correction(np.full(3, 0.1), np.full(3, 0.01), np.array([4.0, 8.0, 2.0]))
    other = Correction(np.full(3, -0.2), np.full(3, 0.02))
    third = Correction(np.zeros(3), np.zeros(3), 3.0)
    found = combine(one, None, other, third)
    assert found.shift == pytest.approx([-0.1] * 3)
    assert found.variance == pytest.approx([0.03] * 3)
    assert found.repeats.tolist() == [3.0, 3.0, 2.0]
    assert combine(None, other).repeats is None
    assert combine(None, None) is None
