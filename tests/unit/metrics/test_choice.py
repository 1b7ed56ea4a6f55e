"""The metric `choice`: which choice an answer in free prose settles on."""

from __future__ import annotations

import pytest

from monitor.domain.case import Case
from monitor.metrics import build_metric

RIVERS = ("Danube", "Elbe", "Rhine", "Oder")
RECITAL = "A. Danube\nB. Elbe\nC. Rhine\nD. Oder"

DANUBE = [
    "A", "a", "(a)", "A.", "A)", "[A]", "**A**", "`A`", "Danube", "danube.", "**Danube**", "A. Danube", "A) Danube",
    "(A) Danube", "A: Danube", "Danube (A)", "Answer: A", "answer: a", "Answer: A.", "**Answer:** A", "Answer:\n\nA",
    "My answer: Danube", "The answer is A", "The answer is **A**.", "The answer is (A).",
    'The right answer is "Danube".', "The correct option is A", "The answer is A because the others are in Germany.",
    "I think it's Danube", "**Option A**", "Option A is the right one", "option a", "I'd go with A.", "I choose A",
    "Final answer: (A) Danube", "Therefore, the correct answer is (A).", r"\boxed{A}", r"$\boxed{\text{A}}$",
    "#### A", "<answer>A</answer>", '{"answer": "A"}', "A is correct.", "答案是A。", "Hence A",
    "The river that runs through Vienna is the Danube (A).",
]  # fmt: skip
REASONED = [
    ("It is the Danube, not the Rhine.", "what is ruled out behind it does not count"),
    ("The answer is A, not B.", "a letter that is ruled out does not count"),
    ("The answer is not B but A.", "nor one that is ruled out before"),
    ("neither B nor C; A", "nor several"),
    ("B is wrong, C is wrong. So A.", "nor those that are said to be wrong"),
    ("It can't be B. The answer must be A", "nor one that cannot be"),
    ("I first thought B. Actually, it's A.", "a correction binds"),
    ("The answer is B. Wait, no. The answer is A.", "the last of two answers binds"),
    ("The Elbe is in Hamburg. The Rhine runs through Cologne. The Danube flows through Vienna.", "the last sentence"),
    (f"{RECITAL}\n\nAnswer: A", "a recital before the answer"),
    (f"{RECITAL}\n\nA", "a recital before a bare letter"),
    (f"{RECITAL}\n\nA. Danube", "a recital before a choice"),
    ("A\n\nThe Danube flows through Vienna; the Rhine does not.", "the letter first, reasons after"),
    ("A. Danube\n\nThe Elbe and the Rhine are in Germany.", "the choice first, reasons after"),
    ("The answer is the river Danube.", "words between the statement and the choice"),
    ("It flows past a hill. The answer is A", "an article elsewhere"),
    ("The answer is A, whereas people in Hamburg might wish for the Elbe", "words that lead on to another choice"),
    ("A. Danube\nC. Rhine\nA. Danube\nThe Rhine is near.", "a line that comes back to a choice"),
]
NOT_DANUBE = [
    ("", "nothing"),
    ("???", "nothing that speaks"),
    ("I do not know", "no choice"),
    ("B", "another letter"),
    ("Elbe", "another text"),
    ("A or B", "two letters"),
    ("Danube or Elbe", "two texts"),
    ("Answer: A or B", "two letters as the answer"),
    ("Answer: A, B", "two letters in a row"),
    ("A/B", "two letters with a slash"),
    ("A and B", "both"),
    ("either A or B", "one of two"),
    ("A. Elbe", "a letter with another's text"),
    ("The answer is A (Elbe)", "a letter with another's text in a sentence"),
    ("A river runs through it", "an article"),
    ("A large river is the Elbe", "an article before another choice"),
    ("the answer is a river", "an article where an answer might stand"),
    ("A river flows through Vienna. I have a map of it.", "articles and a pronoun"),
    ("not A", "ruled out"),
    ("It is not the Danube", "ruled out as a text"),
    ("A is wrong.", "said to be wrong"),
    ("A is incorrect", "said to be incorrect"),
    ("The answer is A. Actually, B.", "corrected to another"),
    ("The answer is B, not A.", "ruled out behind another"),
    ("Danubes", "another word"),
    (RECITAL, "a recital alone"),
    ("A\nB\nC\nD", "all letters"),
    ("AB", "two letters as a word"),
    ("E", "a letter that no choice has"),
]


@pytest.mark.parametrize("answer", DANUBE)
@pytest.mark.parametrize("expected", ["A", "a", "Danube"])
def test_forms_of_the_right_answer(answer: str, expected: str) -> None:
    assert build_metric("choice", {})(answer, Case("c", "?", expected, RIVERS)).value == 1.0


@pytest.mark.parametrize(("answer", "why"), REASONED, ids=[w for _, w in REASONED])
def test_the_end_of_a_reasoning_binds(answer: str, why: str) -> None:
    assert build_metric("choice", {})(answer, Case("c", "?", "A", RIVERS)).value == 1.0, why
    for wrong in "BCD":
        assert build_metric("choice", {})(answer, Case("c", "?", wrong, RIVERS)).value == 0.0, why


@pytest.mark.parametrize(("answer", "why"), NOT_DANUBE, ids=[w for _, w in NOT_DANUBE])
def test_these_are_not_the_right_answer(answer: str, why: str) -> None:
    assert build_metric("choice", {})(answer, Case("c", "?", "A", RIVERS)).value == 0.0, why


@pytest.mark.parametrize(
    ("answer", "choices", "right", "why"),
    [
        ("It is the Danube Delta", ("Danube", "Danube Delta"), "B", "the longer of two texts that overlap"),
        ("C++ is the answer", ("C++", "Java"), "A", "a text with signs, which is not the letter C"),
        ("10 + 2 = 12", ("10", "12"), "B", "the result of a sum"),
        ("The value is -5", ("-5", "5"), "A", "a sign belongs to its number"),
        ("the answer is 3.5", ("5", "3.5"), "B", "a decimal is not its last digits"),
        ("Yes, it is.", ("Yes", "No"), "A", "yes or no"),
        ("No", ("Yes", "No"), "B", "no"),
        ("I", tuple(f"item {i}" for i in range(9)), "I", "the ninth letter alone"),
        ("I think it is H", tuple(f"item {i}" for i in range(9)), "H", "a pronoun is not the ninth letter"),
        ("Lack of vitamin C, so the answer is B", ("rickets", "scurvy", "anaemia"), "B", "a vitamin is not a letter"),
        ("Scurvy comes from a lack of vitamin C", ("rickets", "scurvy", "anaemia"), "B", "nor in a plain sentence"),
        ("Cholera, as E. coli is harmless", ("flu", "cholera", "x3", "x4", "x5"), "B", "an abbreviation is no letter"),
        ("The bacterium E. coli is meant, as in B", ("x1", "x2", "x3", "x4", "x5"), "B", "nor is an abbreviation"),
        ("the ALL OF THE\n ABOVE option", ("none of the above", "all of the above"), "B", "any case and any space"),
        ("答案是多瑙河。", ("多瑙河", "易北河"), "A", "a text in a script without spaces"),
        ("Its symbol is K.", ("Pt", "P", "Po", "K"), "D", "a text that is a letter which counts no choice"),
        ("I think it is Br", ("I", "Br", "Cl", "F"), "B", "a pronoun is no such text"),
        ("A", ("A", "B", "C"), "A", "texts that are their own letters"),
    ],
)
def test_choices_of_other_kinds(answer: str, choices: tuple[str, ...], right: str, why: str) -> None:
    assert build_metric("choice", {})(answer, Case("c", "?", right, choices)).value == 1.0, why


@pytest.mark.parametrize("answer", [RECITAL, "A\nB\nC\nD", "A or D", "A. Oder", "all of A, B, C and D"])
@pytest.mark.parametrize("expected", list("ABCD"))
def test_an_answer_that_names_several_settles_on_none_of_them(answer: str, expected: str) -> None:
    assert build_metric("choice", {})(answer, Case("c", "?", expected, RIVERS)).value == 0.0


def test_two_right_choices_may_be_expected() -> None:
    case = Case("c", "?", ["A", "Elbe"], RIVERS)
    values = [build_metric("choice", {})(letter, case).value for letter in "ABCD"]
    assert values == [1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("expected", "choices", "says"),
    [
        ("A", (), "the case has no `choices`"),
        ("A", ("Danube",), "the case has 1 choices; it needs 2 to 26"),
        ("E", RIVERS, "none of the choices is 'E'"),
        ("Seine", RIVERS, "none of the choices is 'Seine'"),
        (["A", "Seine"], RIVERS, "none of the choices is 'Seine'"),
        ("Danube", ("Danube", "Danube"), "2 of the choices is 'Danube'"),
        ("A", ("B", "A"), 'choice A reads "B", the letter of another'),
    ],
)
def test_a_case_that_no_answer_could_settle_is_unscored(expected: object, choices: tuple[str, ...], says: str) -> None:
    metric = build_metric("choice", {})
    fault = metric.fault(Case("c", "?", expected, choices))
    assert fault is not None
    assert says in fault
    assert metric("A", Case("c", "?", expected, choices)).reason == fault


def test_the_beginning_and_the_end_of_a_very_long_answer_are_read() -> None:
    filler = "Nothing here settles it yet. " * 5000
    metric = build_metric("choice", {})
    assert metric(f"Answer: A\n{filler}", Case("c", "?", "A", RIVERS)).value == 1.0
    assert metric(f"{filler}\nAnswer: A", Case("c", "?", "A", RIVERS)).value == 1.0
