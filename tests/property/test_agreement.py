"""Whatever people and judges say, agreement is bounded, symmetric, blind to order, and finite JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judges.agreement import Agreement
from judges.bias import Judgement, bias
from judges.calibration import agreement
from judges.correction import by_verdict, prediction_powered, sample, stratified
from judges.estimate import Estimate
from judges.pairs import Pair
from judges.vote import Verdict

MANY = settings(max_examples=60, deadline=None)
SCORE = st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0])
LABEL = st.sampled_from([Verdict.MET, Verdict.NOT_MET, Verdict.NOT_APPLICABLE])


def pairs_of(people: st.SearchStrategy, judge: st.SearchStrategy) -> st.SearchStrategy[list[Pair]]:
    labels = st.lists(people, min_size=1, max_size=3).map(tuple)
    return st.lists(st.builds(Pair, st.sampled_from("abcdefghijklmno"), st.just("x"), labels, judge), max_size=40)


VERDICTS = pairs_of(LABEL, st.none() | st.sampled_from(Verdict))
SCORES = pairs_of(SCORE, st.none() | SCORE)
ALONE = st.lists(st.tuples(LABEL, LABEL), min_size=1, max_size=40)


def bounded(estimate: Estimate | None) -> None:
    if estimate is None:
        return
    ends = [end for end in (estimate.value, estimate.low, estimate.high) if end is not None]
    assert all(-1 - 1e-9 <= end <= 1 + 1e-9 for end in ends)
    assert (estimate.low is None) == (estimate.high is None)
    assert estimate.low is None or estimate.low <= estimate.high
    assert (estimate.reason is None) == (estimate.low is not None)


def consistent(found: Agreement, pairs: list[Pair]) -> None:
    json.dumps(found.as_json(), allow_nan=False)
    for estimate in (found.share, found.kappa, found.alpha, found.alpha_scores, found.alpha_people):
        bounded(estimate)
    assert found.labels + found.unjudged + found.divided == len(pairs)
    assert found.labels == sum(map(sum, found.confusion.counts))
    same = sum(row[index] for index, row in enumerate(found.confusion.counts))
    assert found.labels - same == len(found.disagreements)


@MANY
@given(VERDICTS | SCORES)
def test_any_pairs(pairs):
    found = agreement(pairs, 1)
    consistent(found, pairs)
    backwards = agreement(pairs[::-1], 1)
    assert backwards.confusion == found.confusion
    assert backwards.kappa.value == found.kappa.value


@MANY
@given(ALONE)
def test_either_side_can_be_the_judge(labels):
    one, other = (
        agreement([Pair(f"{n}", "x", (sides[0],), sides[1]) for n, sides in enumerate(both)], 1)
        for both in (labels, [sides[::-1] for sides in labels])
    )
    for ours, theirs in ((one.kappa, other.kappa), (one.alpha, other.alpha)):
        assert (ours.value is None) == (theirs.value is None)
        if ours.value is not None:
            assert ours.value == pytest.approx(theirs.value)
    perfect = agreement([Pair(f"{n}", "x", (label,), label) for n, (label, _) in enumerate(labels)], 1)
    assert perfect.kappa.value in (None, 1)
    assert perfect.share.value == 1


@MANY
@given(st.lists(SCORE, max_size=50), st.lists(st.tuples(SCORE, SCORE), max_size=50))
def test_any_correction(judged, labelled):
    differences = [people - judge for judge, people in labelled]
    for found in (prediction_powered(judged, differences), stratified(by_verdict(judged, labelled))):
        json.dumps(found.as_json(), allow_nan=False)
        assert found.labels == len(labelled)
        if found.score is None:
            assert found.reason
        else:
            assert 0 <= found.low <= found.score <= found.high <= 1


@MANY
@given(st.lists(st.none() | SCORE, max_size=40), st.integers(-2, 50), st.integers(0, 9))
def test_any_sample(scores, wanted, seed):
    picks = sample(scores, wanted, seed)
    scored = sum(score is not None for score in scores)
    assert len({pick.index for pick in picks}) == len(picks) == min(max(0, wanted), scored)
    assert all(scores[pick.index] is not None for pick in picks)


@MANY
@given(
    st.lists(
        st.builds(
            Judgement,
            st.integers(0, 25).map(str),
            st.sampled_from("xyz"),
            st.integers(0, 300),
            st.sampled_from("pqr"),
            st.integers(0, 2),
            st.sampled_from(["openai", "llama", "unknown"]),
            st.sampled_from(["openai", "llama", "unknown"]),
            st.none() | SCORE,
            st.none() | SCORE,
        ),
        max_size=120,
    )
)
def test_any_bias_report(judgements):
    report = bias(judgements, 1)
    json.dumps(report.as_json(), allow_nan=False)
    for effect in (*report.length.values(), *report.position.values(), report.own_family):
        assert (effect.estimate.value is None) == ("cannot be told" in effect.sentence)
