"""Exact match, containment and token F1: what the normalisation does, and where it stops."""

from __future__ import annotations

import random
import re
import string
from collections import Counter

import pytest

from monitor.domain.case import Case
from monitor.metrics import build_metric
from monitor.metrics.text import contains, exact_match, f1

SAME = [
    ("The Danube.", "danube", "case, articles and punctuation do not matter"),
    ("  gift\n\tcards ", "gift cards", "space is single and not at the ends"),
    ("U.S.", "US", "punctuation is deleted, not replaced"),
    ("“Danube”", "Danube", "typographic quotes are punctuation"),
    ("«Danube»…", "Danube", "punctuation of other scripts is punctuation"),
    ("It’s", "It's", "both apostrophes are the same"),
    ("cafe\u0301", "caf\u00e9", "composed and decomposed letters are the same"),
    ("a", "A", "a letter that is an article stays when it is all there is"),
    ("A.", "A", "a lone letter may carry a full stop"),
    ("+", "+", "a sign that is all there is stays"),
    ("", "", "an empty answer meets an empty expected output"),
    ("多瑙河。", "多瑙河", "an ideographic full stop is punctuation"),
]
DIFFERENT = [
    ("Elbe", "Danube", "another word"),
    ("Danubes", "Danube", "another form of the word"),
    ("the", "A", "one article is not another when nothing else is there"),
    ("", "A", "nothing is not an article"),
    ("-", "+", "one sign is not another"),
    ("", "Danube", "an empty answer"),
    ("Danube", "", "an answer where none is expected"),
    ("The answer is Danube", "Danube", "more than what is expected"),
    ("cafe", "café", "an accent is a part of its letter"),
]


@pytest.mark.parametrize(("answer", "expected", "why"), SAME, ids=[w for _, _, w in SAME])
def test_exact_match_takes_these_for_the_same(answer: str, expected: str, why: str) -> None:
    assert exact_match(answer, expected) == 1.0, why


@pytest.mark.parametrize(("answer", "expected", "why"), DIFFERENT, ids=[w for _, _, w in DIFFERENT])
def test_exact_match_takes_these_for_different(answer: str, expected: str, why: str) -> None:
    assert exact_match(answer, expected) == 0.0, why


@pytest.mark.parametrize(
    ("answer", "value"), [(" Danube\n", 1.0), ("danube", 0.0), ("The Danube", 0.0), ("Danube.", 0.0)]
)
def test_strict_exact_match_takes_away_nothing_but_space_at_the_ends(answer: str, value: float) -> None:
    assert build_metric("exact_match", {"strict": True})(answer, Case("c", "?", "Danube")).value == value


HELD = [
    ("It is the Danube, of course.", "Danube", True, "a word inside a sentence"),
    ("concatenate", "cat", False, "a part of a word"),
    ("Danubes", "Danube", False, "a longer word"),
    ("Danube/Donau", "Donau", True, "a word behind a slash"),
    ("Danube—the river", "Danube", True, "a word before a dash"),
    ("a well-known river", "well known", True, "a hyphen counts as a space"),
    ("made in the U.S. today", "US", True, "full stops inside a word count as nothing"),
    ("it weighs 3.5 kg", "5", False, "a decimal is not a number of its own"),
    ("it costs 1,000 euros", "1000", True, "a thousands separator counts as nothing"),
    ("it costs 1,000 euros", "000", False, "thousands are not a number of their own"),
    ("gift cards are the final sale", "gift cards are final sale", True, "articles do not count"),
    ("答案是多瑙河。", "多瑙河", True, "Chinese puts no space between words"),
    ("정답은 다뉴브강이다", "다뉴브강", True, "Korean joins particles to words"),
    ("C++ or C", "C++", True, "an expected output with signs in it"),
    ("1 - 2", "+", False, "a sign that is not there"),
    ("1 + 2", "+", True, "a sign that is there"),
    ("", "Danube", False, "an empty answer"),
]


@pytest.mark.parametrize(("answer", "expected", "held", "why"), HELD, ids=[h[-1] for h in HELD])
def test_contains_finds_whole_words(answer: str, expected: str, held: bool, why: str) -> None:
    assert contains(answer, expected) == float(held), why


@pytest.mark.parametrize(("answer", "value"), [("x Danube y", 1.0), ("x danube y", 0.0), ("Danubes", 0.0), ("", 0.0)])
def test_strict_contains_compares_the_characters_as_they_are(answer: str, value: float) -> None:
    assert build_metric("contains", {"strict": True})(answer, Case("c", "?", " Danube ")).value == value


def test_contains_cannot_score_a_blank_expected_output_which_everything_would_hold() -> None:
    score = build_metric("contains", {})("anything", Case("c", "?", ["", "  "]))
    assert score.value is None
    assert score.reason is not None
    assert "blank" in score.reason


def squad_f1(answer: str, expected: str) -> float:
    """An independent reading of SQuAD's rules, for ASCII: the oracle."""

    def tokens(text: str) -> list[str]:
        kept = "".join(c for c in text.lower() if c not in string.punctuation)
        return re.sub(r"\b(a|an|the)\b", " ", kept).split()

    said, gold = Counter(tokens(answer)), Counter(tokens(expected))
    common = sum(min(n, gold[w]) for w, n in said.items())
    if not said or not gold:
        return float(said == gold)
    return 2 * common / (said.total() + gold.total())


def test_f1_equals_squads_on_generated_pairs() -> None:
    rng = random.Random(7)
    vocabulary = [
        "the",
        "a",
        "An",
        "Danube",
        "river,",
        "RIVER",
        "flows",
        "through",
        "Vienna.",
        "U.S.",
        "it's",
        "42",
        "(so)",
    ]
    for _ in range(500):
        answer, expected = (" ".join(rng.choices(vocabulary, k=rng.randint(0, 12))) for _ in range(2))
        if squad_f1(expected, expected) == 1.0 and any(
            c.isalnum() for c in re.sub(r"\b(a|an|the)\b", "", expected.lower())
        ):
            assert f1(answer, expected) == pytest.approx(squad_f1(answer, expected), abs=1e-12), (answer, expected)


@pytest.mark.parametrize(
    ("answer", "expected", "value"),
    [
        ("the river Danube", "Danube", 2 / 3),
        ("Danube Danube", "Danube", 2 / 3),
        ("Elbe", "Danube", 0.0),
        ("", "Danube", 0.0),
        ("", "", 1.0),
        ("The Danube!", "danube", 1.0),
    ],
)
def test_f1_by_hand(answer: str, expected: str, value: float) -> None:
    assert f1(answer, expected) == pytest.approx(value, abs=1e-12)


def test_an_expected_output_that_is_no_string_is_compared_as_compact_json() -> None:
    assert build_metric("exact_match", {})("42", Case("c", "?", 42)).value == 1.0
    assert (
        build_metric("exact_match", {"strict": True})('{"a":[1,true]}', Case("c", "?", {"a": [1, True]})).value == 1.0
    )
