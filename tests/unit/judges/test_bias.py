"""What bias was put into simulated judgements is found, with its sign; and none where none was."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from judges.bias import Effect, Judgement, bias

JUDGES = {"a": "openai", "b": "anthropic", "c": "qwen"}
TARGETS = ("openai", "anthropic", "llama")


def world(seed, length=0.0, place=0.0, own=0.0, cases=150, stops=False):
    """Each case has an answer of each target; judges differ in strictness, and cases in difficulty.

    `length`: a doubling adds it; `place`: the second adds it; `own`: the own family does. `stops`: the third judge is
    asked only where the others are far apart.
    """
    generator = np.random.default_rng(seed)
    strictness = dict(zip(JUDGES, (0.0, 0.05, -0.05), strict=True))
    found = []
    for case in range(cases):
        easy = generator.uniform(0.3, 0.6)
        for target in TARGETS:
            characters = int(2 ** generator.uniform(5, 9))
            good = easy + generator.normal(0, 0.05)
            order = list(generator.permutation(list(JUDGES)))
            given = []
            for position, judge in enumerate(order):
                score = good + strictness[judge] + generator.normal(0, 0.1) + length * (np.log2(characters) - 7)
                score += place * (position == 1) + own * (JUDGES[judge] == target)
                given.append(float(np.clip(score, 0, 1)))
            asked = 2 if stops and abs(given[0] - given[1]) < 0.12 else 3
            panel = float(np.mean(given[:asked]))
            found += [
                Judgement(f"c{case}", target, characters, judge, position, JUDGES[judge], target, score, panel)
                for position, (judge, score) in enumerate(zip(order[:asked], given, strict=False))
            ]
    return found


def covers(effect: Effect, truth: float) -> bool:
    assert effect.estimate.low is not None
    assert effect.estimate.high is not None
    return effect.estimate.low <= truth <= effect.estimate.high


@pytest.mark.parametrize("stops", [False, True])
def test_each_bias_is_found_by_itself_and_nothing_else_is(stops):
    report = bias(world(1, length=0.03, stops=stops), 7)
    assert covers(report.length["panel"], 0.03)
    assert report.length["panel"].visible
    assert all(covers(report.length[judge], 0.03) and report.length[judge].visible for judge in JUDGES)
    assert covers(report.position[1], 0)
    assert covers(report.own_family, 0)

    report = bias(world(2, place=0.08, stops=stops), 7)
    assert covers(report.position[1], 0.08)
    assert report.position[1].visible
    assert covers(report.length["panel"], 0)
    assert covers(report.own_family, 0)

    report = bias(world(3, own=0.1, stops=stops), 7)
    assert covers(report.own_family, 0.1)
    assert report.own_family.visible
    assert covers(report.length["panel"], 0)
    assert covers(report.position[1], 0)


def test_the_opposite_biases_have_the_opposite_sign():
    report = bias(world(4, length=-0.03, place=-0.08, own=-0.1), 7)
    for effect, truth in ((report.length["panel"], -0.03), (report.position[1], -0.08), (report.own_family, -0.1)):
        assert covers(effect, truth)
        assert effect.visible


def test_intervals_cover_as_often_as_they_say():
    covered = dict.fromkeys(("length", "position", "family"), 0)
    for seed in range(30):
        report = bias(world(100 + seed, length=0.02, place=0.05, own=0.05, cases=40), seed)
        covered["length"] += covers(report.length["panel"], 0.02)
        covered["position"] += covers(report.position[1], 0.05)
        covered["family"] += covers(report.own_family, 0.05)
    assert min(covered.values()) >= 25  # of 30 at 95%, 24 or fewer come up three times in 1,000


def test_a_third_judge_who_hears_of_disputes_only_is_not_compared():
    report = bias(world(5, stops=True), 7)
    assert report.position[2].sentence == (
        "What being asked as number 3 of the panel instead of first does to a judge's score cannot be told: "
        "it is not asked about every answer, only where others were split."
    )
    assert covers(bias(world(5), 7).position[2], 0)


def test_what_a_third_judge_says_of_disputes_does_not_enlarge_a_bias():
    # With the third judge's scores in it the estimate is 0.1095 and its interval begins at 0.1037.
    assert covers(bias(world(11, own=0.1, cases=1500, stops=True), 1).own_family, 0.1)


def test_the_sentences():
    report = bias(world(6, length=0.03), 7)
    effect = report.length["a"]
    low, high = effect.estimate.low, effect.estimate.high
    assert effect.sentence == (
        f"A doubling of an answer's length changes a's score by {100 * effect.estimate.value:+.1f} points "
        f"(95% interval {100 * low:+.1f} to {100 * high:+.1f}); a longer answer can also be a better one."
    )
    assert ", so none can be seen)" in report.own_family.sentence
    assert report.own_family.sentence.startswith(
        "Being the answer of a model of the judge's own family changes a judge's"
    )


def test_what_cannot_be_told_is_said():
    one_judge = [one for one in world(7) if one.judge == "c"]
    assert "cannot be told" in bias(one_judge, 7).own_family.sentence
    one_target = [one for one in world(7) if one.target_family == "llama"]
    report = bias(one_target, 7)
    assert report.own_family.estimate.value is None
    assert report.length["panel"].sentence == (
        "What a doubling of an answer's length does to the panel's score cannot be told: "
        "0 cases with answers of different lengths, and 20 are needed."
    )
    nameless = [replace(one, judge_family="unknown") for one in world(7)]
    assert bias(nameless, 7).own_family.estimate.value is None
    unscored = [replace(one, score=None, panel=None, length=0) for one in world(7, cases=25)]
    assert all(effect.estimate.value is None for effect in bias(unscored, 7).length.values())
    nothing = bias([], 7)
    assert list(nothing.length) == ["panel"]
    assert nothing.position == {}


def test_a_report_is_finite_json_and_the_same_each_time():
    judgements = world(8, own=0.1, cases=30)
    text = json.dumps(bias(judgements, 7).as_json(), allow_nan=False)
    assert text == json.dumps(bias(judgements, 7).as_json(), allow_nan=False)
    assert json.loads(text)["own_family"].keys() == {"value", "low", "high", "reason", "cases", "visible", "sentence"}
    assert json.loads(text)["position"].keys() == {"1", "2"}
