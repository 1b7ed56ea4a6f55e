"""The metric `numeric`: which number of a text counts, how it reads, and how near is near enough."""

from __future__ import annotations

import pytest

from monitor.domain.case import Case
from monitor.metrics import build_metric

RIGHT = [
    ("42", "42", "a number alone"),
    ("42.", "42", "a full stop is no decimal point"),
    ("It took 3 days and 42 hours", "42", "the last number counts"),
    ("The answer is 42, computed from 6 and 7.", "42", "the number after 'the answer is' counts"),
    ("The answer is 41. No, the answer is 42, because 6 * 7 = 42 and 43 is prime.", "42", "the last 'answer is'"),
    ("The answer to question 7 is 42", "42", "what stands between 'answer' and 'is' does not count"),
    ("Answer:\n\n42\n\nThere were 3 steps", "42", "an answer on its own line"),
    ("6 * 7 = 42\n#### 42\n", "42", "the mark of worked answers"),
    (r"So \boxed{42}. Check: 84 / 2", "42", "a boxed result"),
    ("The total is **42** of the 50 seats", "42", "a number in bold"),
    ("**Step 1**: 6\n**Step 2**: 7\nso it is 42", "42", "a heading in bold is no result"),
    ("**1. First** take 6\n42", "42", "a list number in bold is no result"),
    ("It is 2,850 km long [3].", "2850", "a citation does not count"),
    ("[42]", "42", "a bracketed number counts when there is nothing else"),
    ("H2O boils at 100", "100", "digits inside a word"),
    ("100 says GPT-4", "100", "digits joined to a word by a hyphen"),
    ("100, measured with 3.12.1", "100", "a version"),
    ("100 on 2024-12-25 at 10:30, or 25/12/2024", "100", "dates and times"),
    ("1,234", "1234", "a comma before three digits parts thousands"),
    ("1,234,567.5", "1234567.5", "commas part thousands"),
    ("1.234.567,5", "1234567.5", "points part thousands, a comma decimals"),
    ("1 234 567", "1234567", "spaces part thousands"),
    ("1\u202f234,5", "1234.5", "so do thin spaces"),
    ("1'234'567", "1234567", "so do apostrophes"),
    ("1{,}234", "1234", "so does LaTeX"),
    ("3,14", "3.14", "a comma before two digits is a decimal one"),
    ("0,125", "0.125", "a comma after a zero is a decimal one"),
    (".5", "0.5", "a leading point"),
    ("...42", "42", "an ellipsis is no decimal point"),
    ("-5", "−5", "both minus signs"),
    ("x=-5", "-5", "a sign behind an equals sign"),
    ("10-5", "5", "a hyphen between numbers is no sign"),
    ("+5", "5", "a plus sign"),
    ("-$5", "-5", "a sign before a currency"),
    ("$1,200.50", "1200.5", "a currency"),
    (r"\$42", "42", "a currency in LaTeX"),
    ("1.5e-3", "0.0015", "scientific notation"),
    ("1.5E3", "1500", "scientific notation in capitals"),
    ("1.5 × 10^-3", "0.0015", "a power of ten"),
    (r"1.5 \times 10^{-3}", "0.0015", "a power of ten in LaTeX"),
    ("1.5 × 10⁻³", "0.0015", "a power of ten in superscripts"),
    ("3/4", "0.75", "a fraction"),
    (r"\frac{3}{4}", "0.75", "a fraction in LaTeX"),
    ("1 1/2", "1.5", "a mixed number"),
    ("25%", "25", "a percentage is its number"),
    ("25%", "0.25", "a percentage is its share"),
    ("0.25", "25 percent", "a share is its percentage"),
    ("25", "25%", "a number is its percentage"),
    ("25 per cent", "25%", "two percentages"),
    ("3.5 million", "3500000", "a scale"),
    ("3.5M", "3500000", "a scale as a letter"),
    ("3.5 million", "3.5", "a scale that the expected output leaves out"),
    ("3,500,000", "3.5 million", "a scale in the expected output"),
    ("٤٢", "42", "digits of other scripts"),
    ("12345678901234567891", "12345678901234567891", "more digits than a float holds"),
    ("about 42km", "42", "a unit without a space"),
    ("42", "6 times 7 and so on\n#### 42", "a worked expected output"),
]
WRONG = [
    ("", "42", "an empty answer"),
    ("forty-two", "42", "no digits"),
    ("41", "42", "another number"),
    ("1/4", "3/4", "another fraction with the same denominator"),
    ("1.234", "1234", "a point before three digits is a decimal one"),
    ("-42", "42", "another sign"),
    ("3.5 billion", "3.5 million", "another scale"),
    ("3.5", "3.5 million", "a scale left out"),
    ("25%", "0.25%", "another percentage"),
    ("12345678901234567890", "12345678901234567891", "one digit of twenty"),
    ("4", "42", "a part of the number"),
    ("5/0", "5", "no number at all"),
    ("1e999999", "1", "an exponent out of reach"),
    ("1" * 5000, "1", "a run of digits that is no number"),
    ("nan inf", "1", "words for what is no number"),
]


@pytest.mark.parametrize(("answer", "expected", "why"), RIGHT, ids=[w for _, _, w in RIGHT])
def test_these_answers_are_right(answer: str, expected: str, why: str) -> None:
    assert build_metric("numeric", {})(answer, Case("c", "?", expected)).value == 1.0, why


@pytest.mark.parametrize(("answer", "expected", "why"), WRONG, ids=[w for _, _, w in WRONG])
def test_these_answers_are_wrong(answer: str, expected: str, why: str) -> None:
    assert build_metric("numeric", {})(answer, Case("c", "?", expected)).value == 0.0, why


@pytest.mark.parametrize(
    ("options", "answer", "expected", "value", "why"),
    [
        ({"tolerance": 0.01}, "101", "100", 1.0, "the bound is included, without the noise of floats"),
        ({"tolerance": 0.01}, "101.0001", "100", 0.0, "just beyond the bound"),
        ({"tolerance": 0.01}, "-99", "-100", 1.0, "the bound is relative to the size"),
        ({"tolerance": 0.01}, "0.001", "0", 0.0, "near zero a relative bound allows nothing"),
        ({"tolerance": 0.01, "absolute": 0.001}, "0.001", "0", 1.0, "so there is a floor"),
        ({"tolerance": 0.01, "absolute": 5}, "104", "100", 1.0, "the wider of the two holds"),
        ({"absolute": 0.1}, "0.3", "0.2", 1.0, "an absolute bound is included too"),
        ({"tolerance": 0.1}, "0.27", "25%", 1.0, "a tolerance on a share"),
        ({}, "0.1", "0.1000000000000000055", 0.0, "without a tolerance numbers are exact"),
    ],
)
def test_tolerances(options: dict[str, float], answer: str, expected: str, value: float, why: str) -> None:
    assert build_metric("numeric", options)(answer, Case("c", "?", expected)).value == value, why


@pytest.mark.parametrize(
    ("answer", "expected"), [("1.234", "1234"), ("1,234", "1,234"), ("1,234", "1.2340 e"), ("1.5", "1,5")]
)
def test_the_option_decimal_says_what_one_separator_before_three_digits_means(answer: str, expected: str) -> None:
    assert build_metric("numeric", {"decimal": ","})(answer, Case("c", "?", expected)).value == 1.0


def test_a_number_as_a_json_value_is_expected_as_it_stands() -> None:
    assert build_metric("numeric", {})("it is 0.5", Case("c", "?", 0.5)).value == 1.0
    assert build_metric("numeric", {})("1e-7", Case("c", "?", 1e-7)).value == 1.0


@pytest.mark.parametrize(
    ("expected", "says"),
    [("Danube", "no number in the expected output 'Danube'"), ("between 3 and 5", "2 numbers in the expected output")],
)
def test_an_expected_output_without_one_clear_number_is_the_cases_fault(expected: str, says: str) -> None:
    metric = build_metric("numeric", {})
    fault = metric.fault(Case("c", "?", expected))
    assert fault is not None
    assert says in fault
    assert metric("3", Case("c", "?", expected)).value is None


def test_what_has_no_number_among_several_acceptable_outputs_is_left_out() -> None:
    assert build_metric("numeric", {})("42", Case("c", "?", ["forty-two", "42"])).value == 1.0
