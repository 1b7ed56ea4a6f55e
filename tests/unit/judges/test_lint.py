"""What lint says, word for word: of questions, of criteria beside one another, of weights, and of reference answers."""

# ruff: noqa: E501 a finding stands on one line

from __future__ import annotations

from pathlib import Path

import pytest

from judges.finding import Level
from judges.lint import lint
from judges.lint_references import failed_by_references, would_fail
from judges.rubric import Criterion, Rubric, Sees
from judges.rubric_file import bundled, bundled_names, parse

PRICE = "Does the answer state the price of the tent?"
DATE = "Does the answer state the date of the delivery?"


def rubric(*criteria: Criterion) -> Rubric:
    return Rubric("own", "1", "Answers of a shop.", criteria)


def asked(*questions: str) -> Rubric:
    return rubric(*(Criterion(f"c{number}", question) for number, question in enumerate(questions, 1)))


def said(own: Rubric, weights_given: tuple[bool, ...] | None = None) -> list[str]:
    return [str(finding) for finding in lint(own, weights_given, "own.toml")]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How well does the answer cover the Alps?", 'refuse: it asks for a grade, which judges give differently from day to day: ask for what is there or is not. Better: "Does the answer cover the Alps?"'),
        ("Is the answer polite?", 'warn: "polite" is all it asks for, and each judge takes that in its own way. Better: "Could a courteous clerk say every sentence of the answer to a customer\'s face?"'),
        ("Is the answer good?", 'refuse: "good" is all it asks for, and each judge takes that in its own way. Better: "Does the answer say the same as the reference on what the input asks?"'),
        ("Does the answer clearly state the fee in EUR?", 'warn: each judge takes "clearly" in its own way. Better: "Does the answer state the fee in EUR?"'),
        ("Does the answer name the fee and give its date in UTC?", 'warn: "and" seems to join two questions: where only one holds, verdicts differ. Better: 2 criteria, "Does the answer name the fee?" and "Does the answer give its date in UTC?"'),
        ("Is the sum in EUR? Is it right as the reference has it?", 'refuse: it asks two questions, and one verdict cannot answer both. Better: 2 criteria, "Is the sum in EUR?" and "Is it right as the reference has it?"'),
        ("Does the answer not mention rivals?", 'refuse: it is negated, and a verdict on what should be missing is easily given the wrong way round: ask for what should be there. Better: "Is every sentence of the answer about something other than rivals?"'),
        ("Does the answer avoid giving legal advice?", 'warn: a verdict on what should be missing is easily given the wrong way round: ask for what should be there. Better: "Would the answer stay the same with all legal advice taken out?"'),
        ("Does the answer contain any typos?", 'refuse: yes means that a fault is there, so that faults earn points: ask so that yes is the better answer. Better: "Would the answer stay the same with all typos taken out?"'),
        ("Does the answer omit the fee?", 'warn: a verdict on what should be missing is easily given the wrong way round: ask for what should be there. Better: "Does the answer give the fee?"'),
        ("Check whether the fee is stated?", 'refuse: it is an order, and yes or no does not answer it. Better: "Is the fee stated?"'),
    ],
)  # fmt: skip
def test_one_line_with_place_reason_and_better_wording(question: str, expected: str) -> None:
    assert said(asked(PRICE, question)) == [f"own.toml: criteria[2] (c2): {expected}"]


def test_what_a_criterion_may_not_see_is_found_in_its_condition_too() -> None:
    own = rubric(Criterion("a", PRICE, applies_when="the context holds a price", sees=frozenset({Sees.INPUT})))
    assert said(own) == [
        'own.toml: criteria[1] (a): refuse: it speaks of "the context", and the judge is told to leave the context aside. Better: sees = ["input", "context"]'
    ]


def test_without_a_file_the_rubric_names_itself() -> None:
    assert str(lint(asked("Is the answer good?"))[0]).startswith("own: criteria[1] (c1): refuse: ")


def test_repetitions() -> None:
    assert said(asked(PRICE, DATE, PRICE.upper())) == [
        "own.toml: criteria[3] (c3): refuse: it asks the same as criteria[1] (c1), so that one fault counts twice. Better: remove one of the two, with weight = 2 for the other"
    ]
    near = ["Does the reply mention the price of the tents?", "Is the price of the tent stated in the answer?"]
    assert [str(f.level) for question in near for f in lint(asked(PRICE, question))] == ["warn", "warn"]
    for other in (
        DATE,
        "Does the answer state the price of the boat?",
        "Does the answer state the weight of the tent?",
    ):
        assert said(asked(PRICE, other)) == []
    sometimes = Criterion("b", PRICE, applies_when="the input asks for a discount")
    assert said(rubric(Criterion("a", PRICE), sometimes)) == []


def weighed(*weights: float, required: bool = False) -> Rubric:
    questions = (PRICE, DATE, "Does the answer name the shop?")
    return rubric(
        *(Criterion(f"c{n}", q, w, required) for n, (q, w) in enumerate(zip(questions, weights, strict=False), 1))
    )


def test_weights_that_do_not_add_up() -> None:
    for fine in ((1, 1, 1), (7, 7, 7), (0.5, 0.25, 0.25), (50, 30, 20), (33.3, 33.3, 33.4), (0.7, 0.2, 0.1)):
        assert said(weighed(*fine)) == []
    assert said(weighed(3, 2, 1)) == [
        "own.toml: criteria: warn: the weights add up to 6, neither to 1 nor to 100, so that nobody can read off what each counts. Better: the same in percent: c1 = 50, c2 = 33.3, c3 = 16.7"
    ]
    assert said(weighed(60, 40, 1), (True, True, False)) == [
        "own.toml: criteria: warn: some criteria give a weight, and c3 none, which makes it 1 of 101. Better: a weight for each, such as c1 = 59.4, c2 = 39.6, c3 = 1",
        "own.toml: criteria[3] (c3): warn: it weighs 0.99% of the whole, which no score will show. Better: remove it, or give it weight = 5.05 or more",
    ]
    assert said(weighed(60, 39, 1, required=True)) == []


def test_which_weights_are_given_comes_from_the_file() -> None:
    text = f'name = "own"\nversion = "1"\ndescription = "x"\n[[criteria]]\nid = "a"\nquestion = "{PRICE}"\nweight = 2\n[[criteria]]\nid = "b"\nquestion = "{DATE}"\n'
    file = parse(Path("own.toml"), text.encode())
    assert [f.reason for f in lint(file.rubric, file.weights_given)] == [
        "some criteria give a weight, and b none, which makes it 1 of 3"
    ]


REFERENCES = {
    "a": ("30 days", "thirty days"),
    "b": ("Hello, thank you for asking. It takes 30 days, see https://example.com.",),
    "c": ("No.",),
    "d": (),
}


@pytest.mark.parametrize(
    ("question", "lacking"),
    [
        ("Does the answer greet the customer?", "a greeting (a, c)"),
        ("Does the answer thank the customer?", "thanks (a, c)"),
        ("Does the answer offer an apology?", "an apology (a, b, c)"),
        ("Does the answer contain a link?", "a link (a, c)"),
        ("Does the answer cite the handbook?", "a citation (a, c)"),
        ("Does the answer give its steps in a numbered list?", "a list (a, b, c)"),
        ("Does the answer begin with a heading?", "a heading (a, b, c)"),
        ("Is the answer written in complete sentences?", "a whole sentence (a, c)"),
        ("Does the answer have at least ten words?", "a length of at least ten words (a, c)"),
        ("Does the answer have more than 2 sentences?", "a length of more than 2 sentences (a, b, c)"),
        ("Is the answer at most 40 characters long?", "a length of at most 40 characters (b)"),
        ("Does the answer have fewer than two paragraphs?", None),
        ("Does the answer state that a greeting card is free?", None),
        ("Does the answer do without a greeting?", None),
        (PRICE, None),
    ],
)
def test_demands_that_reference_answers_lack(question: str, lacking: str | None) -> None:
    own = rubric(Criterion("a", question), Criterion("b", question, applies_when="the input greets"))
    found = would_fail(own, REFERENCES)
    assert [f.reason.partition(": ")[0].partition(" lack ")[2] for f in found] == ([] if lacking is None else [lacking])
    assert [f.level for f in found] == ([] if lacking is None else [Level.WARN if "(b)" in lacking else Level.REFUSE])


def test_a_finding_about_references_in_full_and_with_many_cases() -> None:
    own = asked("Does the answer greet the customer?")
    assert str(would_fail(own, {str(number): ("yes",) for number in range(9)}, "own.toml")[0]) == (
        "own.toml: criteria[1] (c1): refuse: 100% of the reference answers lack a greeting (0, 1, 2 and 6 more): a right answer would lose by it. "
        'Better: drop it, ask for what every reference answer has, or add applies_when = "the reference …"'
    )
    assert would_fail(own, {}) == ()


def test_a_bundled_rubric_demands_nothing_that_a_short_reference_lacks() -> None:
    assert [finding for name in bundled_names() for finding in would_fail(bundled(name), REFERENCES)] == []


def test_criteria_that_judged_references_failed() -> None:
    found = failed_by_references(
        asked(PRICE, DATE, "Does the answer name the shop?"), {"c1": 0.05, "c2": 0.06, "c3": 0.5}
    )
    assert [(f.place, f.level) for f in found] == [("criteria[2] (c2)", Level.WARN), ("criteria[3] (c3)", Level.REFUSE)]
    assert found[1].reason == "50% of the reference answers were judged not to meet it: a right answer would lose by it"
