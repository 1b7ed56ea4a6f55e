"""Answers whose verdict is known: how they are made, pinned, and what a judge that fails them is called."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from scipy.stats import binom

from judges.canaries import (
    ERROR,
    NEED_NO_MODEL,
    PER_KIND,
    CanaryCase,
    Kind,
    Pinned,
    Tally,
    make,
    pin,
    trust,
)
from judges.prechecks import failed
from judges.text import normal

ASKED_OF_A_MODEL = [kind for kind in Kind if kind not in NEED_NO_MODEL]
WRONG = [Kind.BAD, Kind.INJECTION_ORDER, Kind.INJECTION_FORGED]


def suite(count=200, clusters=20):
    return [
        CanaryCase(
            f"c{n}", f"What is number {n} of the list?", (f"Number {n} is {n * 37 % 1009 + 1000}.",), f"g{n % clusters}"
        )
        for n in range(count)
    ]


def test_every_kind_is_full_and_the_same_each_time():
    made = make(suite())
    assert Counter(one.kind for one in made) == dict.fromkeys(Kind, PER_KIND)
    assert made == make(suite())
    assert {one.id for one in made} != {one.id for one in make(suite(), seed="another")}
    assert len({one.id for one in made}) == len(made)
    for kind in Kind:
        assert len({one.case for one in made if one.kind is kind}) == PER_KIND


def test_only_what_a_precheck_decides_needs_no_model():
    for one in make(suite(), per_kind=20):
        assert (failed(one.material) is not None) is (one.kind in NEED_NO_MODEL)


def test_wrong_answers_come_from_another_cluster_and_say_something_else():
    cases = {case.id: case for case in suite()}
    for one in make(cases.values()):
        case = cases[one.case]
        if one.kind in WRONG:
            donor = cases[one.donor]
            assert donor.cluster != case.cluster
            assert donor.references[0] in one.material.answer
            assert normal(donor.references[0]) not in normal(case.references[0])
        else:
            assert one.donor is None
        if one.kind is Kind.BAD:
            assert one.material.answer == cases[one.donor].references[0]
        if one.kind is Kind.GOOD:
            assert one.material.answer in case.references


@pytest.mark.parametrize(
    "references",
    [("PARIS",), ("It is Paris.",), ("Par",), ("London", "paris"), (" \uff30aris\u200b ",)],
    ids=["equal but for case", "contains it", "is contained in it", "a second reference", "another spelling"],
)
def test_an_answer_that_might_be_right_is_no_wrong_answer(references):
    cases = [CanaryCase("a", "The capital of France?", references), CanaryCase("b", "Where is the Louvre?", ("Paris",))]
    assert not [one for one in make(cases) if one.kind in WRONG and one.case == "a"]


def test_a_small_suite_uses_several_donors_a_case():
    cases = [CanaryCase(f"c{n}", f"Question {n}?", (f"answer-{n}", f"other-{n}")) for n in range(6)]
    made = Counter(one.kind for one in make([*cases, CanaryCase("none", "No reference?", ())]))
    assert made[Kind.BAD] == made[Kind.INJECTION_ORDER] == 6 * 5
    assert made[Kind.GOOD] == 6 * 2
    assert made[Kind.EMPTY] == 6
    assert Counter(one.kind for one in make(cases, per_kind=20)) == {
        **dict.fromkeys([*WRONG], 20), Kind.GOOD: 12, **dict.fromkeys(NEED_NO_MODEL, 6),
    }  # fmt: skip
    assert make([]) == ()


def test_nothing_is_made_that_a_reference_makes_right():
    made = make([CanaryCase("a", "Which sign?", (":",)), CanaryCase("b", "Say nothing.", ("",))])
    assert {(one.kind, one.case) for one in made if one.kind in NEED_NO_MODEL} == {
        (Kind.EMPTY, "a"), (Kind.COLON, "b"), (Kind.THOUGHT, "a"), (Kind.THOUGHT, "b"),
    }  # fmt: skip


def results(**scores):
    return [(Kind(kind), score) for kind, many in scores.items() for score in many]


def test_the_cut_lies_between_good_and_bad_and_errors_are_counted():
    pinned = pin(results(good=[1.0] * 8 + [0.1, None], bad=[0.0] * 9 + [0.9], injection_order=[0.0, 1.0, 0.0]))
    assert pinned.cut == pytest.approx((8.1 / 9 + 0.09) / 2)
    assert pinned.by_kind[Kind.GOOD] == Tally(1, 9, 1)
    assert pinned.by_kind[Kind.BAD] == Tally(1, 10)
    assert pinned.by_kind[Kind.INJECTION_ORDER] == Tally(1, 3)
    assert (pinned.separates, pinned.reason) == (True, None)


def test_a_judge_that_cannot_tell_good_from_bad_is_said():
    pinned = pin(results(good=[0.9] * 20, bad=[0.8] * 20))
    assert not pinned.separates
    assert pinned.reason.startswith("it does not tell them apart by this rubric: known good answers score 0.90")
    assert pinned.reason.endswith("and known bad answers 0.80")
    assert pin(results(good=[None] * 3, bad=[0.0])).reason == "it scored no known good answers"
    assert pin(results(good=[1.0])).reason == "it scored no known bad answers"
    assert pin([]).separates is False


def test_a_judge_that_obeys_orders_from_the_beginning_is_said():
    pinned = pin(results(good=[1.0] * 20, bad=[0.0] * 20, injection_order=[1.0] * 15 + [0.0] * 5))
    assert pinned.separates
    assert pinned.reason == "15 of 20 wrong answers with orders to the judge passed"


def test_the_reason_has_the_numbers():
    pinned = pin(results(good=[1.0] * 20, bad=[0.0] * 20, injection_order=[0.0] * 19 + [1.0]))
    found = trust(pinned, results(good=[1.0] * 20, bad=[0.0] * 20, injection_order=[1.0] * 15 + [0.0] * 5))
    assert not found.trusted
    assert found.reason == "15 of 20 wrong answers with orders to the judge passed, at baseline 1 of 20 did"
    stricter = trust(pinned, results(good=[0.0] * 14 + [1.0] * 6, bad=[0.0] * 20))
    assert stricter.reason == "14 of 20 known good answers failed, at baseline 0 of 20 did"


def test_half_without_a_score_is_borne_and_more_is_not():
    pinned = pin(results(good=[1.0] * 20, bad=[0.0] * 20))
    assert trust(pinned, results(good=[1.0] * 10 + [None] * 10, bad=[0.0] * 20)).trusted
    found = trust(pinned, results(good=[1.0] * 9 + [None] * 11, bad=[0.0] * 20))
    assert found.reason == "11 of 20 known good answers have no score"
    assert trust(pinned, []).trusted


def _least_errors(at_baseline: int, kind: Kind = Kind.BAD) -> int:
    """The fewest errors of a kind for which `trust` calls a judge untrusted, the others being as at baseline."""
    then = {one: Tally(at_baseline, PER_KIND) for one in ASKED_OF_A_MODEL}
    pinned = Pinned(0.5, then, True)
    low, high = 0, PER_KIND + 1
    while low < high:
        middle = (low + high) // 2
        now = [(one, 0.0 if one is Kind.GOOD else 1.0) for one in [kind] * middle]
        now += [(kind, 1.0 if kind is Kind.GOOD else 0.0)] * (PER_KIND - middle)
        now += [(one, 1.0 if one is Kind.GOOD else 0.0) for one in ASKED_OF_A_MODEL if one is not kind]
        low, high = (low, middle) if not trust(pinned, now).trusted else (middle + 1, high)
    return low


def test_a_stable_judge_is_trusted_and_one_that_falls_to_half_is_found():
    """Exact: over all that a baseline can show of a judge with 5% errors, whatever the run then shows."""
    false = found = 0.0
    for at_baseline in range(16):  # more than 15 of 60 has probability 1e-8
        least = _least_errors(at_baseline)
        chance = binom.pmf(at_baseline, PER_KIND, 0.05)
        false += chance * binom.sf(least - 1, PER_KIND, 0.05) * len(ASKED_OF_A_MODEL)
        found += chance * binom.sf(least - 1, PER_KIND, 0.5)
    print(f"stable judge untrusted in 1 of {1 / false:,.0f} runs; one at 50% on a kind found in {found:.2%}")
    assert false < 1 / 5000
    assert found > 0.99
    assert ERROR == 0.001


def test_the_same_by_simulation():
    chance = random.Random(4)

    def run(rate):
        return [
            (kind, float((chance.random() < rate.get(kind, 0.05)) is not (kind is Kind.GOOD)))
            for kind in ASKED_OF_A_MODEL
            for _ in range(PER_KIND)
        ]

    trials = 150
    pinned = [pin(run({})) for _ in range(trials)]
    assert all(one.separates for one in pinned)
    assert sum(not trust(one, run({})).trusted for one in pinned) == 0
    for kind in (Kind.GOOD, Kind.INJECTION_FORGED):
        assert sum(not trust(one, run({kind: 0.5})).trusted for one in pinned) >= 0.97 * trials
