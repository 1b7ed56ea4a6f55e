"""Labels beside judgements: what is compared, what is left out, what is known of it and what is not."""

from __future__ import annotations

import json
from time import perf_counter

import numpy as np
import pytest
from scipy import stats

from judges.agreement import Disagreement
from judges.calibration import agreement, calibrate
from judges.estimate import wilson
from judges.labels import Label
from judges.pairs import Judged, Pair
from judges.rubric import Criterion, Rubric
from judges.vote import Verdict

MET, NOT_MET, NOT_APPLICABLE, CANNOT_TELL = Verdict
RUBRIC = Rubric(
    "support", "1", "", (Criterion("correct", "Is it correct?", 3, required=True), Criterion("polite", "Is it polite?"))
)


def of_table(table, a_case=1):
    """Pairs of verdicts with the counts of `table`, `a_case` of them to a case."""
    cells = [
        (people, judge)
        for people, row in zip(Verdict, table, strict=False)
        for judge, count in zip(Verdict, row, strict=False)
        for _ in range(count)
    ]
    return [Pair(f"c{number // a_case}", f"{number}", (people,), judge) for number, (people, judge) in enumerate(cells)]


def test_agreement_of_verdicts():
    found = agreement(of_table([[75, 1, 4], [5, 4, 1], [0, 0, 10]]), 1)
    assert (found.labels, found.cases, found.unjudged, found.divided) == (100, 100, 0, 0)
    assert found.confusion.categories == ("met", "not_met", "not_applicable")
    assert found.confusion.counts == ((75, 1, 4), (5, 4, 1), (0, 0, 10))
    assert found.share.value == 0.89
    assert found.kappa.value == pytest.approx(0.676, abs=5e-4)
    # Fleiss, Levin and Paik give a standard error of .088 for this table.
    assert found.kappa.low == pytest.approx(0.676 - 1.96 * 0.088, abs=0.04)
    assert found.kappa.high == pytest.approx(0.676 + 1.96 * 0.088, abs=0.04)
    assert found.alpha.low < found.alpha.value < found.alpha.high
    assert found.alpha_scores is None
    assert found.calibrated
    assert found.notes == ()
    assert len(found.disagreements) == 11
    assert found.disagreements[0] == Disagreement("c75", "75", "met", "not_met")
    assert found == agreement(of_table([[75, 1, 4], [5, 4, 1], [0, 0, 10]]), 1)


def test_answers_to_the_same_case_count_as_one_for_the_interval():
    pairs = of_table([[40, 10], [10, 40]])
    alone = agreement(pairs, 1)
    together = agreement([Pair(f"c{int(pair.answer) // 5}", pair.answer, pair.people, pair.judge) for pair in pairs], 1)
    assert together.kappa.value == alone.kappa.value
    assert together.cases == 20
    width = (alone.kappa.high - alone.kappa.low, together.kappa.high - together.kappa.low)
    assert width[1] > 1.5 * width[0]


def test_scores_pass_from_a_half_on_and_several_people_are_their_mean():
    pairs = [
        Pair("a", "1", (1.0, 0.0, 0.6), 0.5),
        Pair("b", "2", (0.2,), 0.9),
        Pair("c", "3", (0.2, 0.9), 0.49),
        Pair("d", "4", (0.0,), 0.0),
        Pair("e", "5", (1.0, 0.0), 1.0),
        Pair("f", "6", (0.5,), 1.0),
        Pair("g", "7", (1.0,), None),
    ]
    found = agreement(pairs, 1)
    assert (found.labels, found.unjudged, found.divided) == (5, 1, 1)
    assert found.confusion.categories == ("pass", "fail")
    assert found.confusion.counts == ((2, 1), (1, 1))
    assert found.disagreements == (Disagreement("b", "2", 0.2, 0.9), Disagreement("c", "3", pytest.approx(0.55), 0.49))
    assert found.alpha_scores.value is not None
    assert found.alpha_people.value is not None
    assert found.kappa.low is None
    assert found.kappa.reason == "no interval: 5 cases, and 10 are needed"
    assert found.notes == (
        "labelled answers: 5, so the interval is wide",
        "a judge is calibrated from 30 labelled answers of 10 cases on; these are 5 of 5",
        "left out, because the judge gave no verdict: 1",
        "left out, because as many people are for as against: 1",
    )


def test_people_are_one_by_their_majority():
    pairs = [
        Pair("a", "1", (MET, MET, NOT_MET), MET),
        Pair("b", "2", (MET, NOT_MET), MET),
        Pair("c", "3", (NOT_MET,), CANNOT_TELL),
        Pair("d", "4", (NOT_MET, NOT_APPLICABLE, NOT_MET), MET),
    ]
    found = agreement(pairs, 1)
    assert (found.labels, found.unjudged, found.divided) == (2, 1, 1)
    assert found.confusion.counts == ((1, 0), (1, 0))
    assert found.kappa.value == 0
    assert found.alpha_people.value == pytest.approx(1 - 7 * 6 / (64 - 9 - 16 - 1))


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ([[40, 0], [0, 0]], "both sides say met every time, so agreement beyond chance is not defined"),
        ([[0, 0], [0, 0]], "no label could be compared"),
    ],
)
def test_what_is_not_defined_has_a_reason_and_is_not_calibrated(table, reason):
    found = agreement(of_table(table), 1)
    assert found.kappa.value is None
    assert found.kappa.reason == found.alpha.reason == reason
    assert not found.calibrated


def test_one_category_on_one_side_is_chance():
    found = agreement(of_table([[30, 0], [10, 0]]), 1)
    assert (found.kappa.value, found.kappa.low, found.kappa.high) == (0, 0, 0)


def test_where_nothing_differs_the_share_says_how_sure_that_is():
    found = agreement(of_table([[20, 0], [0, 20]]), 1)
    assert (found.kappa.value, found.kappa.low) == (1, 1)
    assert found.share.low == pytest.approx(0.912, abs=1e-3)
    assert found.notes == (
        "no label differs, so resampling shows no doubt: the interval of the share that agrees does",
    )


def test_a_kappa_of_few_labels_or_cases_is_not_calibrated():
    assert not agreement(of_table([[14, 0], [0, 15]]), 1).calibrated
    assert agreement(of_table([[15, 0], [0, 15]]), 1).calibrated
    assert not agreement(of_table([[15, 0], [0, 15]], a_case=4), 1).calibrated


def test_a_resample_that_has_one_kind_only_too_often_gives_no_interval():
    found = agreement(of_table([[37, 0], [1, 2]]), 1)
    assert found.kappa.low is not None
    found = agreement(of_table([[39, 0], [0, 1]]), 1)
    assert found.kappa.value == 1
    assert found.kappa.reason == "no interval: too many resamples hold nothing that differs"


def test_intervals_cover_as_often_as_they_say():
    generator = np.random.default_rng(5)
    shares = np.array([[0.55, 0.1], [0.05, 0.3]])
    truth = (0.85 - (0.65 * 0.6 + 0.35 * 0.4)) / (1 - (0.65 * 0.6 + 0.35 * 0.4))
    covered = 0
    for seed in range(60):
        found = agreement(of_table(generator.multinomial(60, shares.ravel()).reshape(2, 2)), seed).kappa
        covered += found.low <= truth <= found.high
    assert covered >= 51  # of 60 at 95%, 50 or fewer come up once in 1,300 times


def test_a_calibration_of_a_rubric():
    labels, judged = [], {}
    for number in range(40):
        case, answer = f"c{number}", f"answer {number}\n"
        wrong = number % 4 == 0
        judged[case, answer] = Judged(
            {"correct": NOT_MET if wrong else MET, "polite": CANNOT_TELL if number == 1 else MET},
            None if number == 1 else 0.0 if wrong else 1.0,
        )
        criteria = {"correct": NOT_MET if wrong and number else MET, "polite": MET}
        labels += [Label("support", case, answer.strip(), name, value) for name, value in criteria.items()]
    labels += [
        Label("support", "c2", "answer 2", None, 0.25),  # said of the whole: the criteria do not count for it
        Label("support", "c3", "answer 3", "correct", NOT_MET, "ada"),  # required: 0, whatever else there is
        Label("support", "c4", "answer 4", "polite", MET, "ada"),  # not enough for a score
        Label("support", "c5", "something else", None, 1.0, line=9),
        Label("tone", "c5", "answer 5", None, 1.0),
    ]
    found = calibrate(labels, judged, RUBRIC, 1)
    assert [label.line for label in found.unmatched] == [9]
    overall = found.overall
    assert (overall.labels, overall.unjudged, overall.divided) == (38, 1, 1)
    assert [(one.case, one.people, one.judge) for one in overall.disagreements] == [("c0", 1, 0), ("c2", 0.25, 1)]
    assert found.kappa == overall.kappa.value
    assert found.criteria["correct"].labels == 39
    assert found.criteria["correct"].divided == 1
    assert found.criteria["polite"].unjudged == 1
    assert found.criteria["polite"].kappa.value is None
    written = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert written["kappa"] == found.kappa
    assert written["overall"]["kappa"] == found.overall.kappa.as_json()
    assert written["criteria"]["polite"]["confusion"] == {"categories": ["met"], "counts": [[39]]}
    assert written["unmatched"] == [{"line": 9, "case": "c5"}]
    assert calibrate([], judged, RUBRIC, 1).kappa is None


def test_a_long_answer_is_cut_where_it_is_shown():
    assert Disagreement("a", "x" * 400, 1.0, 0.0).as_json()["answer"] == "x" * 300 + "…"


@pytest.mark.parametrize(("count", "trials"), [(0, 40), (1, 40), (20, 40), (40, 40), (3, 4000)])
def test_the_share_is_wilsons(count, trials):
    wanted = stats.binomtest(count, trials).proportion_ci(method="wilson")
    found = wilson(count, trials)
    assert (found.value, found.low, found.high) == pytest.approx((count / trials, wanted.low, wanted.high), abs=1e-12)


def test_five_hundred_labels_take_less_than_a_second():
    labels = [Label("support", f"c{n}", f"{n}", None, n % 5 / 4, by) for n in range(250) for by in ("ada", "bob")]
    judged = {(f"c{n}", f"{n}"): Judged({}, n % 4 / 3) for n in range(250)}
    begun = perf_counter()
    assert calibrate(labels, judged, RUBRIC, 1).overall.labels == 250
    assert perf_counter() - begun < 1
