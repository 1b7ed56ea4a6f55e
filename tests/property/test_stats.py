"""The estimate and the stages against a slow scalar reading of the same rules, and one week against many at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitor.stats.baseline import variation
from monitor.stats.contrast import Rejudged, Texts, contrast, shared_noise
from monitor.stats.flips import sign_test
from monitor.stats.moments import Moments, pooled
from monitor.stats.paired import Estimate, estimate
from monitor.stats.sequential import look, start
from monitor.stats.spec import INVESTIGATE, ROLLBACK, Spec

Scores = list[list[float]]
SPEC = Spec.from_thresholds(3, 5)

BINARY = st.sampled_from([0.0, 1.0])
GRADED = st.integers(0, 20).map(lambda n: n / 20)


@dataclass
class Plain:
    """What one look measures, as plain numbers."""

    drop: float
    se: float
    se_cap: float
    df: float
    time: float
    at_cap: bool
    single: bool


def plain_estimate(baseline: Scores, current: Scores, repeats: int, cap: int, v0_hat: float) -> Plain:
    """Case by case, in loops, with the statistics module's idea of a variance and no array."""
    both = [(b, c) for b, c in zip(baseline, current, strict=True) if b and c]
    n = len(both)
    differences = [sum(b) / len(b) - sum(c) / len(c) for b, c in both]
    drop = math.fsum(differences) / n
    if max(len(b) for b, _ in both) == 1:
        variance = math.fsum((d - drop) ** 2 for d in differences) / max(n - 1, 1) / n
        few = sum(d != 0 for d in differences) < 10
        floor = 0.5 / n if few else 0.0
        se = max(math.sqrt(variance), floor)
        at_cap = repeats >= cap or (few and se <= floor * (1 + 1e-9) and repeats >= 2)
        return Plain(drop, se, se, n - 1, 1.0 if at_cap else repeats / cap, at_cap, single=True)
    old, new = [], []
    for (b, c), d in zip(both, differences, strict=True):
        v0 = (sample_variance(b) if len(b) > 1 else v0_hat) / len(b)
        old.append((v0, len(b)))
        new.append((sample_variance(c) / len(c) if len(c) > 1 else max(0.0, d * d - v0), len(c)))
    s0 = math.fsum(v for v, _ in old) / n**2
    sw = max(math.fsum(v for v, _ in new) / n**2, v0_hat / (n * repeats))
    few = sum(v > 0 for v, _ in new) < 10
    floor = 0.5 / n if few else 0.0
    se, se_cap = (max(math.sqrt(v), floor) for v in (s0 + sw, s0 + sw * repeats / cap))
    at_cap = repeats >= cap or (few and se <= floor * (1 + 1e-9) and repeats >= 2)
    below = math.fsum(v * v / max(k - 1, 1) for v, k in old + new)
    df = n - 1.0 if repeats == 1 or below == 0 else math.fsum(v for v, _ in old + new) ** 2 / below
    time = 1.0 if at_cap else min(1.0, se_cap**2 / se**2)
    return Plain(drop, se, se_cap, df, time, at_cap, single=False)


def sample_variance(scores: list[float]) -> float:
    middle = math.fsum(scores) / len(scores)
    variance = math.fsum((x - middle) ** 2 for x in scores) / (len(scores) - 1)
    return variance if variance > 1e-12 else 0.0


def plain_looks(seen: list[Plain]) -> tuple[list[bool], list[bool], bool]:
    """The two questions over the stages, with `scipy.stats` for every quantile: fired, clear, finished."""
    rules = [(3.0, 1.0, 0.005, 2.24), (5.0, 3.0, 0.001, 2.576)]
    fired, clear, time, finished = [False, False], [False, False], 0.0, False
    for value in seen:
        now = max(time, value.time)
        for place, (threshold, edge, alpha, z) in enumerate(rules):
            spend = spent(alpha, now) - spent(alpha, time)
            clear[place] = 100 * value.drop + z * 100 * value.se < threshold
            # From a tail that underflows scipy's isf makes minus infinity.
            if fired[place] or clear[place] or spend <= 1e-300 or (place == 1 and value.single):
                continue
            if 100 * value.drop - stats.t.isf(spend, value.df) * 100 * value.se > edge:
                fired[place] = True
        fired[0] = fired[0] or fired[1]
        time = now
        open_investigate = not (fired[0] or clear[0])
        open_rollback = not (fired[1] or clear[1]) and not (value.single and fired[0])
        finished = value.at_cap or not (open_investigate or open_rollback)
        if finished:
            break
    return fired, clear, finished


def spent(alpha: float, time: float) -> float:
    return 2 * stats.norm.sf(stats.norm.isf(alpha / 2) / math.sqrt(time)) if time > 0 else 0.0


@st.composite
def periods(draw: st.DrawFn) -> tuple[Scores, Scores]:
    """Two periods of the same cases: binary or graded, steady or not, with cases that some period does not answer."""
    score = draw(st.sampled_from([BINARY, GRADED]))
    most = draw(st.sampled_from([1, 4, 7]))
    cases = draw(st.integers(2, 30))
    baseline = draw(st.lists(st.lists(score, min_size=0, max_size=most), min_size=cases, max_size=cases))
    current = draw(st.lists(st.lists(score, min_size=0, max_size=8), min_size=cases, max_size=cases))
    return [[1.0], *baseline], [[draw(score)], *current]


def v0_of(baseline: Scores) -> float:
    return float(variation(Moments.of(baseline)).within)


@settings(max_examples=300, deadline=None)
@given(periods(), st.sampled_from([1, 2, 4, 8]), st.sampled_from([8, 16]))
def test_the_estimate_is_what_plain_arithmetic_gives(pair: tuple[Scores, Scores], repeats: int, cap: int) -> None:
    baseline, current = pair
    v0_hat = v0_of(baseline)
    found = estimate(Moments.of(baseline), Moments.of(current), repeats=repeats, cap=cap, v0_hat=v0_hat)
    wanted = plain_estimate(baseline, current, repeats, cap, 0.0 if math.isnan(v0_hat) else v0_hat)
    close = {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(found.drop, wanted.drop, **close)
    np.testing.assert_allclose(found.se, wanted.se, **close)
    np.testing.assert_allclose(found.se_cap, wanted.se_cap, **close)
    np.testing.assert_allclose(found.df, wanted.df, rtol=1e-6)
    np.testing.assert_allclose(found.information, wanted.time, **close)
    assert bool(found.at_cap) == wanted.at_cap
    assert bool(found.single_baseline) == wanted.single


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-0.05, 0.3), st.floats(0.001, 0.1), st.floats(0.001, 1.0), st.floats(1, 500)),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
)
def test_the_stages_decide_what_plain_rules_decide(
    stages: list[tuple[float, float, float, float]], single: bool
) -> None:
    last = len(stages) - 1
    seen = [
        Plain(drop, se, se, df, 1.0 if at == last else time, at == last, single)
        for at, (drop, se, time, df) in enumerate(stages)
    ]
    state = start()
    for value in seen:
        state = look(state, as_estimate(value), SPEC)
        if state.finished:
            break
    fired, clear, finished = plain_looks(seen)
    assert (state.fired.tolist(), state.clear.tolist(), bool(state.finished)) == (fired, clear, finished)


def as_estimate(value: Plain) -> Estimate:
    return Estimate(
        drop=np.asarray(value.drop),
        se=np.asarray(value.se),
        se_cap=np.asarray(value.se_cap),
        df=np.asarray(value.df),
        cases=np.asarray(50.0),
        information=np.asarray(value.time),
        at_cap=np.asarray(value.at_cap),
        floored=np.asarray(False),
        single_baseline=np.asarray(value.single),
        repeats=1,
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 4]), st.sampled_from([1, 5]))
def test_many_weeks_at_once_are_the_same_as_one_after_the_other(seed: int, repeats: int, k0: int) -> None:
    rng = np.random.default_rng(seed)
    weeks, cases = 6, 25
    p = rng.beta(0.6, 0.2, (weeks, cases))
    n0, n1 = rng.integers(0, k0 + 1, (weeks, cases)), rng.integers(0, repeats + 1, (weeks, cases))
    x0, x1 = rng.binomial(n0, p), rng.binomial(n1, 0.9 * p)
    old, new = Moments.from_sums(n0, x0, x0), Moments.from_sums(n1, x1, x1)
    v0_hat, caps = np.asarray(variation(old).within), rng.choice([8, 16, 32], weeks)
    value = estimate(old, new, repeats=repeats, cap=caps, v0_hat=v0_hat)
    together = look(start(weeks=(weeks,)), value, SPEC)
    for week in range(weeks):
        one = estimate(old.rows(week), new.rows(week), repeats=repeats, cap=int(caps[week]), v0_hat=float(v0_hat[week]))
        for name in ("drop", "se", "se_cap", "df", "cases", "information", "at_cap", "single_baseline"):
            np.testing.assert_allclose(getattr(one, name), getattr(value, name)[week], rtol=1e-12, err_msg=name)
        alone = look(start(), one, SPEC)
        assert alone.fired.tolist() == together.fired[week].tolist()
        assert alone.clear.tolist() == together.clear[week].tolist()
        assert bool(alone.finished) == bool(together.finished[week])


@settings(max_examples=200, deadline=None)
@given(st.floats(-1, 1), st.floats(0.0001, 0.2), st.floats(0, 1), st.floats(1, 1e6))
def test_no_single_look_leaves_a_question_both_clear_and_newly_fired(
    drop: float, se: float, time: float, df: float
) -> None:
    state = look(start(), as_estimate(Plain(drop, se, se, df, time, at_cap=False, single=False)), SPEC)
    assert not (state.fired[ROLLBACK] and state.clear[ROLLBACK])
    assert state.fired[INVESTIGATE] or not state.fired[ROLLBACK]
    if 100 * drop <= SPEC.investigate.null_edge:
        assert not state.fired.any()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.lists(GRADED, max_size=6), st.lists(GRADED, max_size=6)), min_size=1, max_size=10))
def test_pooling_is_the_same_as_having_all_answers(cases: list[tuple[list[float], list[float]]]) -> None:
    found = pooled(Moments.of([a for a, _ in cases]), Moments.of([b for _, b in cases]))
    wanted = Moments.of([a + b for a, b in cases])
    np.testing.assert_array_equal(found.n, wanted.n)
    np.testing.assert_allclose(found.mean, wanted.mean, atol=1e-12)
    np.testing.assert_allclose(found.var, wanted.var, atol=1e-12)


JUDGED = st.lists(st.lists(st.tuples(BINARY | GRADED, BINARY | GRADED), min_size=1, max_size=8), min_size=1, max_size=6)


@given(JUDGED)
def test_judging_everything_again_is_what_todays_judge_says(cases: list[list[tuple[float, float]]]) -> None:
    then, today = ([[pair[side] for pair in case] for case in cases] for side in (0, 1))
    found, correction = contrast(Moments.of(then), Rejudged.of(then, today))
    wanted = Moments.of(today)
    assert np.allclose(found.mean, wanted.mean)
    assert np.allclose(found.var, wanted.var)
    assert correction is not None
    assert not correction.variance.any()


@given(JUDGED, st.data())
def test_judging_less_again_keeps_the_errors_finite_and_positive(
    cases: list[list[tuple[float, float]]], data: st.DataObject
) -> None:
    then = [[pair[0] for pair in case] for case in cases]
    few = [case[: data.draw(st.integers(0, len(case)))] for case in cases]
    again = Rejudged.of(*([[pair[side] for pair in case] for case in few] for side in (0, 1)))
    found, correction = contrast(Moments.of(then), again)
    if not any(few):
        assert correction is None
        return
    assert correction is not None
    for numbers in (found.mean, found.var, correction.variance):
        assert np.isfinite(numbers).all()
    assert (correction.variance >= 0).all()
    assert (correction.variance[[not case for case in few]] > 0).all()


WORDINGS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=6)


@given(WORDINGS, WORDINGS, st.data())
def test_the_noise_of_shared_texts_lies_between_none_and_that_of_two_verdicts(
    stored: list[str], now: list[str], data: st.DataObject
) -> None:
    m = data.draw(st.integers(0, len(stored)))
    texts = Texts.of([stored], [stored[:m]], [now])
    extra = float(shared_noise(texts, np.array([float(len(now))]), 0.04)[0])
    # At most one verdict of then against another one of then and today's, and that against this week's.
    assert 0.0 <= extra <= 4 * 0.04
    if len(now) == 1 or (len(set(stored)) == len(stored) and len(set(now)) == len(now) and not set(stored) & set(now)):
        assert extra == 0.0


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_the_sign_test_is_that_of_scipy(up: int, down: int) -> None:
    wanted = stats.binomtest(up, up + down).pvalue if up + down else 1.0
    assert math.isclose(sign_test(up, down), wanted, rel_tol=1e-9, abs_tol=1e-250)
