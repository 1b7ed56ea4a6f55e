"""Properties of all metrics: range, identity, symmetry, and that no text whatever makes them raise."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.domain.case import Case
from monitor.metrics import METRICS, build_metric

CHOICES = ("Danube", "Elbe", "the Rhine", "5.5")
TEXT_METRICS = ["exact_match", "contains", "f1", "rouge_1", "rouge_2", "rouge_l", "bleu", "chrf"]
OPTIONS: dict[str, list[dict[str, object]]] = {
    "exact_match": [{}, {"strict": True}],
    "contains": [{}, {"strict": True}],
    "regex": [{}, {"pattern": r"\d+", "ignore_case": True}],
    "numeric": [{}, {"tolerance": 0.01, "absolute": 0.1, "decimal": ","}],
    "json_match": [{}, {"strict": True}],
}
BUILDS = [(name, options) for name in METRICS for options in OPTIONS.get(name, [{}])]
bounded = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Any code point, lone surrogates and NUL included, with the pieces that the metrics look for mixed in.
pieces = st.sampled_from(
    ["A", "(b)", "a ", "Danube", "Elbe", "answer is ", "not ", " or ", "**", "####", "\\boxed{", "[1]", "{", "}",
     '"', ":", "[", "]", ",", ".", "1", "-", "%", " million", "/", "e9", "×10^", "```json\n", "\n", "\x00", "\ud800",
     "\u0301", "\u200b", "İ", "ß", "the ", "多瑙河", "\\frac{1}{2}", "NaN", "null", "'", "’"]
)  # fmt: skip
hostile = st.lists(st.one_of(pieces, st.text(st.characters(exclude_categories=()), max_size=8)), max_size=25).map(
    "".join
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)
latin = st.lists(st.sampled_from(["the", "river", "Danube", "flows", "east", "12", "a1", "x"]), max_size=12).map(
    " ".join
)


@pytest.mark.parametrize(("name", "options"), BUILDS)
@bounded
@given(answer=hostile, expected=st.one_of(hostile, st.lists(hostile, min_size=1, max_size=3), json_values))
def test_any_answer_to_any_case_gets_a_score_in_range_or_a_reason(
    name: str, options: dict[str, object], answer: str, expected: object
) -> None:
    metric = build_metric(name, options)
    for choices in ((), CHOICES):
        case = Case("c", "?", expected, choices)
        score, fault = metric(answer, case), metric.fault(case)
        if fault is None and name != "regex":
            assert score.value is not None
        if fault is not None:
            assert (score.value, score.reason) == (None, fault)
        if score.value is not None:
            assert 0.0 <= score.value <= 1.0
        assert metric(answer, case) == score


@pytest.mark.parametrize("name", [*TEXT_METRICS, "numeric"])
@bounded
@given(expected=hostile)
def test_an_answer_equal_to_the_expected_output_scores_one_where_the_case_can_be_scored(
    name: str, expected: str
) -> None:
    metric = build_metric(name, {})
    case = Case("c", "?", expected)
    if metric.fault(case) is None:
        assert metric(expected, case).value == pytest.approx(1.0, abs=1e-12)


@bounded
@given(expected=json_values.filter(lambda v: v is not None and not isinstance(v, str)))
def test_a_json_value_matches_itself_in_prose_and_alone(expected: object) -> None:
    case = Case("c", "?", json.dumps(expected))
    answers = [json.dumps(expected, indent=2), f"Here:\n```json\n{json.dumps(expected)}\n```\n"]
    if isinstance(expected, dict | list):
        answers.append(f"I found {json.dumps(expected)} in it.")
    for strict in (False, True):
        for answer in answers:
            assert build_metric("json_match", {"strict": strict})(answer, case).value == 1.0


@bounded
@given(
    at=st.integers(0, 3),
    wrap=st.sampled_from(["{}", "({})", "**{}**", "Answer: {}", "The answer is {}.", "I choose {}"]),
)
def test_a_choice_by_its_letter_or_its_text_is_found_and_no_other(at: int, wrap: str) -> None:
    metric = build_metric("choice", {})
    for said in (string.ascii_uppercase[at], CHOICES[at]):
        values = [metric(wrap.format(said), Case("c", "?", right, CHOICES)).value for right in "ABCD"]
        assert values == [float(i == at) for i in range(4)]


@pytest.mark.parametrize("name", ["exact_match", "f1", "rouge_1", "rouge_2", "rouge_l"])
@bounded
@given(one=latin, other=latin)
def test_f_measures_and_equality_are_symmetric(name: str, one: str, other: str) -> None:
    metric = build_metric(name, {})
    there, back = metric(one, Case("c", "?", other)), metric(other, Case("c", "?", one))
    degenerate = {"", "the"} & {" ".join(dict.fromkeys(one.split())), " ".join(dict.fromkeys(other.split()))}
    if there.value is not None and back.value is not None and not degenerate:
        assert there.value == pytest.approx(back.value, abs=1e-12)


@pytest.mark.parametrize("name", [*TEXT_METRICS, "numeric", "json_match"])
@bounded
@given(answer=hostile, expected=st.lists(st.one_of(hostile, st.integers().map(str)), min_size=1, max_size=4))
def test_the_best_of_several_is_the_best_of_each_alone(name: str, answer: str, expected: list[str]) -> None:
    metric = build_metric(name, {})
    alone = [metric(answer, Case("c", "?", one)).value for one in expected]
    scored = [value for value in alone if value is not None]
    together = metric(answer, Case("c", "?", expected)).value
    if name == "json_match" and len(scored) < len(expected):
        assert together is None
    else:
        assert together == max(scored, default=None)


HUGE = {
    "one letter": "a" * 1_000_000,
    "words": "B or A " * 140_000,
    "NULs": "\x00" * 1_000_000,
    "surrogates": "\udfff" * 1_000_000,
    "combining marks": "\u0316\u0301" * 500_000,
    "digits": "7" * 1_000_000,
    "brackets": "[" * 1_000_000,
    "blanks": " " * 1_000_000,
    "bold": "**1** " * 160_000,
    "boxes": "\\boxed{" * 140_000,
}


@pytest.mark.parametrize("kind", HUGE)
@pytest.mark.parametrize(("name", "options"), BUILDS)
def test_a_megabyte_of_anything_is_scored_or_refused(name: str, options: dict[str, object], kind: str) -> None:
    expected = {"numeric": "42", "json_match": '{"a": 1}', "choice": "A"}.get(name, "the river Danube")
    score = build_metric(name, options)(HUGE[kind], Case("c", "?", expected, CHOICES))
    if name == "regex":
        assert score.value is None  # longer than a pattern is searched in
    else:
        assert score.value is not None
        assert score.value < 0.5
