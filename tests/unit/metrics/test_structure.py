"""The metric `json_match`: what it takes for the answer's JSON, and how leaves are counted."""

from __future__ import annotations

import json

import pytest

from monitor.domain.case import Case
from monitor.metrics import build_metric
from monitor.metrics.structure import extract, parse

EXPECTED = {"name": "Ada", "age": 36, "address": {"city": "London", "lines": ["a", "b"]}}  # five leaves


@pytest.mark.parametrize(
    ("answer", "share", "why"),
    [
        (json.dumps(EXPECTED), 1.0, "the same value"),
        (json.dumps(EXPECTED, indent=3, sort_keys=True), 1.0, "the order of keys and the spaces do not matter"),
        ('{"name": "Ada", "age": 36}', 0.4, "two of five leaves"),
        ('{"name": " Ada ", "age": 36.0, "address": null}', 0.4, "space around a string and 36.0 do not matter"),
        ('{"name": "ada", "age": "36"}', 0.0, "case matters, and a string is not a number"),
        ('{"address": {"lines": ["b", "a"], "city": "London"}}', 0.2, "the order of an array matters"),
        ('{"address": {"lines": ["a", "b", "c"], "city": "London"}}', 0.6, "what is beyond is ignored"),
        ("{}", 0.0, "an empty object"),
        ("", 0.0, "an empty answer"),
        ("I do not know.", 0.0, "no JSON"),
        ('{"name": "Ada", "age": 36', 0.0, "cut off"),
        (f"Here it is:\n```json\n{json.dumps(EXPECTED)}\n```\nAnything else?", 1.0, "a code fence"),
        (f"```\n{{}}\n```\nor better\n```\n{json.dumps(EXPECTED)}\n```", 1.0, "the last code fence binds"),
        (f"For {{x}} and [1], the result is {json.dumps(EXPECTED)}. See [2].", 1.0, "prose with other brackets"),
        (f'{{"name": "Bob"}} was wrong; {json.dumps(EXPECTED)}', 1.0, "the last object binds"),
        (f"\ufeff{json.dumps(EXPECTED)}", 1.0, "a byte order mark"),
        (json.dumps([EXPECTED]), 0.0, "an array around it puts every leaf at another path"),
        ('{"name": "Bob", "name": "Ada"}', 0.2, "the last of two equal keys counts, as in most readers"),
        ('{"name": "Ada", "age": NaN}', 0.2, "NaN equals nothing and does not spoil the rest"),
    ],
)
def test_the_share_of_expected_leaves(answer: str, share: float, why: str) -> None:
    assert build_metric("json_match", {})(answer, Case("c", "?", EXPECTED)).value == pytest.approx(share), why


@pytest.mark.parametrize(
    ("answer", "expected", "value"),
    [
        ("1", True, 0.0),
        ("true", True, 1.0),
        ("true", 1, 0.0),
        ("null", "null", 1.0),
        ("1e2", 100, 1.0),
        ("[]", [], 1.0),
        ("[]", {}, 0.0),
        ("{}", {}, 1.0),
        ("[1, [], {}]", [1, [], {}], 1.0),
        ("[1, [0], {}]", [1, [], {}], 2 / 3),
        ("```\n42\n```", 42, 1.0),
        ("the answer is 42", 42, 0.0),
        ('{"a": 1}', '{"a": 1}', 1.0),
        ('["b"]', ['["a"]', '["b"]'], 1.0),
        ("Infinity", 1, 0.0),
    ],
)
def test_values_of_every_kind(answer: str, expected: object, value: float) -> None:
    assert build_metric("json_match", {})(answer, Case("c", "?", expected)).value == pytest.approx(value)


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ('{"a": 1, "b": [2, 3]}', 1.0),
        ('{"a": 1, "b": [2, 3], "c": 4}', 3 / 4),
        ('{"a": 1, "b": [2, 3, 4, 5]}', 3 / 5),
        ('{"a": 1, "b": {"x": 2}}', 1 / 4),
        ('{"a": {"x": 1}}', 0.0),
        ("{}", 0.0),
    ],
)
def test_strict_counts_leaves_beyond_the_expected_as_missed(answer: str, value: float) -> None:
    score = build_metric("json_match", {"strict": True})(answer, Case("c", "?", {"a": 1, "b": [2, 3]}))
    assert score.value == pytest.approx(value)


@pytest.mark.parametrize("expected", ["hello", "{", "NaN", ["red", "green"], '[{"a": Infinity}]', "", "[" * 100_000])
def test_an_expected_output_that_is_not_json_is_the_cases_fault(expected: object) -> None:
    metric = build_metric("json_match", {})
    fault = metric.fault(Case("c", "?", expected))
    assert fault is not None
    assert "is not JSON" in fault
    assert metric("{}", Case("c", "?", expected)).reason == fault


@pytest.mark.parametrize(
    "answer",
    [
        "[" * 1_000_000,
        '{"a":' * 200_000,
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        '{"' * 300_000,
        "[1, " * 100_000,
        "```\n" * 100_000,
        "[" * 900 + "1," * 100_000 + "NaN",
    ],
    ids=["brackets", "objects", "deep", "quotes", "arrays", "fences", "late NaN"],
)
def test_hostile_nesting_is_a_wrong_answer_and_no_crash(answer: str) -> None:
    assert build_metric("json_match", {"strict": True})(answer, Case("c", "?", {"a": 1})).value == 0.0


def test_integers_too_long_to_convert_are_read_and_compared() -> None:
    long = "1" * 20_000
    metric = build_metric("json_match", {})
    assert metric(f'{{"a": {long}, "b": 2}}', Case("c", "?", {"a": 1, "b": 2})).value == 0.5
    assert metric(f'{{"a": {long}}}', Case("c", "?", f'{{"a": {long}}}')).value == 1.0


def test_a_deep_but_readable_value_is_walked_without_recursion() -> None:
    deep: object = 1
    for _ in range(300):
        deep = {"a": [deep]}
    assert build_metric("json_match", {"strict": True})(json.dumps(deep), Case("c", "?", deep)).value == 1.0


def test_extract_says_that_there_is_nothing_and_parse_that_it_is_too_deep() -> None:
    with pytest.raises(LookupError):
        extract("[1, 2]x", {})
    with pytest.raises(ValueError, match="too deep"):
        parse("[" * 100_000)
