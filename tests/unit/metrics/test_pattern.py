"""The metric `regex`: means what `re` means, and does not hang."""

from __future__ import annotations

import random
import re

import pytest

from monitor.domain.case import Case
from monitor.metrics import build_metric
from monitor.metrics.pattern import LONGEST


def test_a_pattern_of_the_metric_needs_no_expected_output() -> None:
    metric = build_metric("regex", {"pattern": r"\bdan\w+", "ignore_case": True})
    assert metric.fault(Case("c", "?")) is None
    assert metric("The Danube.", Case("c", "?")).value == 1.0
    assert metric("The Elbe.", Case("c", "?")).value == 0.0


def test_case_matters_unless_it_is_ignored() -> None:
    assert build_metric("regex", {})("DANUBE", Case("c", "?", "danube")).value == 0.0
    assert build_metric("regex", {"ignore_case": True})("DANUBE", Case("c", "?", "danube")).value == 1.0


def test_an_expected_output_that_is_no_pattern_is_the_cases_fault() -> None:
    metric = build_metric("regex", {})
    fault = metric.fault(Case("c", "?", ["fine", "(broken"]))
    assert fault is not None
    assert "`expected` is not a valid pattern" in fault
    assert "(broken" in fault
    assert metric("fine", Case("c", "?", ["fine", "(broken"])).value is None


PATTERNS = [
    r"\\frac{d}{e}", r"\\boxed{i}", r"a{e}", r"a{s<=1}", r"x{}", r"x{,}y", r"x{,2}y", r"x{2}", r"x{1,2}?y", r"[{]e}",
    r"\{e\}", r"\N{EM DASH}", r"(?P<n>a)(?P=n){d}", r"{e}", r"a\\{e}", r"(?i)ß", r"^a$", r"(?m)^a$", r"\Aa\Z",
    r"[^\W\d]+", r"(a|b)*?c", r"é",
]  # fmt: skip
TEXTS = [
    r"\frac{d}{e}", r"\frac{}{e}", r"\frac", r"\boxed{i}", r"\boxed", "a{e}", "a", "b", "a{s<=1}", "x{}", "x", "xxy",
    "{e}", "{,}y", "y", "xx", "[{e}", "—", "aa{d}", "aa", r"a\{e}", "SS", "b\na\nc", "a\n", "123", "abac", "e\u0301",
    "é", "",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_finds_what_re_finds_even_where_the_engine_underneath_has_fuzzy_matching(pattern: str) -> None:
    metric = build_metric("regex", {"pattern": pattern})
    for text in TEXTS:
        assert metric(text, Case("c", "?")).value == float(re.search(pattern, text) is not None), (pattern, text)


def test_generated_patterns_find_what_re_finds() -> None:
    rng = random.Random(3)
    parts = [
        "a",
        "b",
        "{",
        "}",
        "{e}",
        "{1}",
        "{1,2}",
        "{,1}",
        ",",
        "1",
        r"\{",
        r"\\",
        "(a)",
        "[ab{]",
        ".",
        "(?:b{d})",
        "|",
    ]
    compared = 0
    while compared < 300:
        pattern = "".join(rng.choices(parts, k=rng.randint(1, 6)))
        text = "".join(rng.choices(["a", "b", "{", "}", "e", "d", "1", ",", "\\"], k=rng.randint(0, 10)))
        try:
            found = re.search(pattern, text)
        except re.error:
            continue
        compared += 1
        ours = build_metric("regex", {"pattern": pattern})(text, Case("c", "?")).value
        assert ours == float(found is not None), (pattern, text)


def test_an_answer_that_makes_a_pattern_explode_is_unscored_and_does_not_hang() -> None:
    score = build_metric("regex", {"pattern": "(a|aa)+$"})("a" * 100 + "!", Case("c", "?"))
    assert score.value is None
    assert score.reason is not None
    assert "(a|aa)+$" in score.reason
    assert "repeats inside repeats" in score.reason


def test_an_answer_too_long_to_search_is_unscored() -> None:
    score = build_metric("regex", {"pattern": "a"})("a" * (LONGEST + 1), Case("c", "?"))
    assert score.value is None
    assert score.reason is not None
    assert str(LONGEST) in score.reason
    assert build_metric("regex", {"pattern": "a$"})("a" * LONGEST, Case("c", "?")).value == 1.0
