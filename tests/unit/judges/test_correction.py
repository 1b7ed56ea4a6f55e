"""The corrected score is right on average and its interval covers, with labels of all answers or by verdict."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from judges.correction import Stratum, by_verdict, prediction_powered, sample, stratified


def world(generator, answers, wrongly_failed, wrongly_passed, truth):
    """What people would say of each answer, and what a judge says."""
    people = generator.random(answers) < truth
    judge = np.where(people, generator.random(answers) >= wrongly_failed, generator.random(answers) < wrongly_passed)
    return people.astype(float), judge.astype(float)


def test_by_hand():
    judged, differences = [0.0, 1.0] * 50, [0.0] * 20 + [-0.1] * 20
    found = prediction_powered(judged, differences)
    assert found.score == pytest.approx(0.45)
    terms = (np.var(judged, ddof=1) / 100, np.var(differences, ddof=1) / 40)
    assert found.high - found.score == pytest.approx(1.9836 * math.sqrt(sum(terms)), rel=1e-3)  # t with 100.7 degrees
    assert (found.score - found.low) == pytest.approx(found.high - found.score)
    assert found.labels == 40
    assert found.as_json().keys() == {"score", "low", "high", "labels", "reason"}


@pytest.mark.parametrize(
    "errors", [(0.05, 0.2, 0.85), (0.1, 0.3, 0.9), (0.0, 0.3, 0.8)], ids=["noisy", "strict", "lenient"]
)
def test_it_covers_what_people_would_have_said(errors):
    generator = np.random.default_rng(3)
    truth, plain, strata, uncorrected = errors[2], [], [], []
    for _ in range(200):
        people, judge = world(generator, 600, *errors)
        uncorrected.append(judge.mean())
        drawn = generator.permutation(600)[:60]
        plain.append(prediction_powered(judge, people[drawn] - judge[drawn]))
        picks = [pick.index for pick in sample(list(judge), 60, int(generator.integers(2**32)))]
        strata.append(stratified(by_verdict(judge, np.column_stack([judge[picks], people[picks]]))))
    for found in (plain, strata):
        assert sum(one.low <= truth <= one.high for one in found) >= 178  # of 200
        assert abs(np.mean([one.score for one in found]) - truth) < 0.012
    assert abs(np.mean(uncorrected) - truth) > 0.012


def test_that_no_label_differs_does_not_make_it_certain():
    found = prediction_powered([1.0] * 500, [0.0] * 30)
    assert found.high == found.score == 1
    assert found.low == pytest.approx(1 - 2.045 / 30, abs=1e-3)
    assert prediction_powered([1.0] * 500, [0.0] * 300).low > 0.99


def test_strata_count_by_their_size():
    strata = [
        Stratum(np.ones(900), np.array([-0.2, 0.0] * 10)),
        Stratum(np.zeros(100), np.array([0.5, 0.0] * 10)),
    ]
    assert stratified(strata).score == pytest.approx(0.9 * 0.9 + 0.1 * 0.25)
    assert stratified([*strata, Stratum(np.zeros(0), np.zeros(0))]) == stratified(strata)


def test_too_little_is_said():
    assert prediction_powered([1.0] * 50, [0.0] * 29).reason == "29 labels, and 30 are needed"
    assert prediction_powered([1.0], [0.0] * 30).reason == "1 judged answers, and 2 are needed"
    labelled = [[1.0, 1.0]] * 40
    found = stratified(by_verdict([1.0] * 40 + [0.0] * 5, labelled))
    assert (found.score, found.low, found.high) == (None, None, None)
    assert found.reason == "a stratum has 0 labels, and 2 are needed in each: label answers that pass and that fail"
    assert stratified(by_verdict([1.0] * 40, labelled)).score == 1
    with pytest.raises(ValueError, match="leave them out"):
        prediction_powered([1.0, math.nan], [0.0] * 30)
    assert json.dumps(found.as_json(), allow_nan=False)


def test_half_of_the_sample_fails_as_far_as_there_are_any():
    scores = [None if n % 10 == 9 else 0.2 if n % 10 == 0 else 0.9 for n in range(200)]
    picks = sample(scores, 30, 1)
    assert [pick.index for pick in picks] == sorted({pick.index for pick in picks})
    failing = [pick for pick in picks if scores[pick.index] == 0.2]
    assert len(picks) == 30
    assert len(failing) == 15
    assert {pick.weight for pick in failing} == {20 / 15}
    assert sum(pick.weight for pick in picks) == pytest.approx(180)
    assert picks == sample(scores, 30, 1)
    assert picks != sample(scores, 30, 2)
    assert len([pick for pick in sample(scores, 100, 1) if scores[pick.index] == 0.2]) == 20
    assert len(sample(scores, 500, 1)) == 180
    assert sample([0.9] * 50, 10, 1)[0].weight == 5
    assert sample(scores, 0, 1) == sample([], 5, 1) == ()
