"""Metrics that compare words: exact match, containment and token F1, after SQuAD's normalisation.

Source: Rajpurkar et al. 2016, "SQuAD: 100,000+ Questions for Machine Comprehension of Text", and its official scoring:
lower case, no punctuation, no articles, single spaces. Three things are added. Punctuation beyond ASCII goes as well.
Composed and decomposed letters are the same. And an expected output that the normalisation would empty, such as "A",
"The" or "+", is compared with the articles, or else with the punctuation, left in: otherwise "+" would equal "-".
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from enum import IntEnum
from functools import lru_cache, partial

from monitor.domain.case import Case
from monitor.metrics.metric import Plan, UnscorableError, texts

ARTICLES = frozenset({"a", "an", "the"})
CACHED = 4096  # expected outputs kept in their prepared form: more than most suites have cases
_COMPOSED_UP_TO = 20_000  # characters; composing takes quadratic time on a hostile run of combining marks
_IN_A_NUMBER = re.compile(r"(?<=\d)[.,'’](?=\d)")
# Scripts that put no space between words, or join particles to them: there, any place may be a word's edge.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED = re.compile(f"[{UNSPACED}]")


class Level(IntEnum):
    """How much the normalisation takes away, from most to least."""

    FULL = 0
    ARTICLES_STAY = 1
    PUNCTUATION_STAYS = 2


@lru_cache(maxsize=1)
def _removed() -> dict[int, None]:
    """Translation that deletes ASCII punctuation and symbols and the punctuation of every script in present use."""
    beyond = (c for c in range(0x80, 0x10000) if unicodedata.category(chr(c)).startswith("P"))
    return dict.fromkeys([*map(ord, string.punctuation), *beyond])


@lru_cache(maxsize=1)
def _spaced() -> dict[int, str]:
    """Translation that puts a space where `_removed` deletes."""
    return dict.fromkeys(_removed(), " ")


def words(text: str, level: Level = Level.FULL, *, spaced: bool = False) -> list[str]:
    """The normalised words of `text`; `spaced` parts words at punctuation, save inside numbers, where it is deleted."""
    if not text.isascii() and len(text) <= _COMPOSED_UP_TO:
        text = unicodedata.normalize("NFC", text)
    text = text.lower()
    if level < Level.PUNCTUATION_STAYS:
        text = _IN_A_NUMBER.sub("", text).translate(_spaced()) if spaced else text.translate(_removed())
    found = text.split()
    return [w for w in found if w not in ARTICLES] if level == Level.FULL else found


@lru_cache(maxsize=CACHED)
def _expected(text: str) -> tuple[Level, list[str], str]:
    """The level at which an expected output still says something, its words there, and the same joined by spaces."""
    for level in Level:
        found = words(text, level)
        if found:
            break
    return level, found, " ".join(found)


def ends(text: str, first: int = 5_000, last: int = 45_000) -> str:
    """`text`, or where it is longer than both its beginning and its end: what an answer settles on stands there."""
    return text if len(text) <= first + last else f"{text[:first]}\n{text[-last:]}"


@lru_cache(maxsize=2)  # several metrics read the same answer one after the other
def _answer(text: str, level: Level) -> list[str]:
    return words(text, level)


def exact_match(answer: str, expected: str, *, strict: bool = False) -> float:
    """1 where both are the same once normalised, else 0; `strict` takes away nothing but the space around them.

    An empty expected output is matched by an empty answer, as in SQuAD 2.0.
    """
    if strict:
        return float(answer.strip() == expected.strip())
    level, gold, _ = _expected(expected)
    return float(_answer(answer, level) == gold)


def f1(answer: str, expected: str) -> float:
    """Harmonic mean of precision and recall over the bag of normalised words, as SQuAD's F1, in [0, 1]."""
    level, gold, _ = _expected(expected)
    said = _answer(answer, level)
    if not gold or not said:
        return float(not gold and not said)
    common = sum((Counter(said) & Counter(gold)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(said), common / len(gold)
    return 2 * precision * recall / (precision + recall)


def contains(answer: str, expected: str, *, strict: bool = False) -> float:
    """1 where `expected` stands in `answer` as whole words, once both are normalised, else 0.

    Punctuation counts as nothing ("U.S." is "US") or as a space ("Danube/Donau" holds "Danube"), but never parts a
    number: 3.5 does not hold 5. `strict` compares the characters as they are.
    """
    if strict:
        return float(_stands_in(answer, expected.strip()))
    level, _, joined = _expected(expected)
    if _stands_in(" ".join(_answer(answer, level)), joined):
        return 1.0
    spaced = " ".join(words(expected, level, spaced=True))
    return float(_stands_in(" ".join(words(answer, level, spaced=True)), spaced))


def joins(left: str, right: str) -> bool:
    """Whether two neighbouring characters are inside one word."""
    return left.isalnum() and right.isalnum() and not _UNSPACED.match(left) and not _UNSPACED.match(right)


def _stands_in(text: str, part: str) -> bool:
    """Whether `part` occurs in `text` without cutting a word; an empty part occurs nowhere."""
    at = text.find(part) if part else -1
    while at >= 0:
        end = at + len(part)
        cut = (at > 0 and joins(text[at - 1], part[0])) or (end < len(text) and joins(part[-1], text[end]))
        if not cut:
            return True
        at = text.find(part, at + 1)
    return False


def _said(case: Case, metric: str) -> tuple[str, ...]:
    acceptable = tuple(text for text in texts(case) if text.strip())
    if not acceptable:
        raise UnscorableError(f"the expected output is blank; {metric} needs one that says something")
    return acceptable


def exact_match_plan(strict: bool) -> Plan:
    """The plan of `exact_match`."""
    return Plan(texts, partial(exact_match, strict=strict))


def f1_plan() -> Plan:
    """The plan of `f1`."""
    return Plan(texts, f1)


def contains_plan(strict: bool) -> Plan:
    """The plan of `contains`."""
    return Plan(partial(_said, metric="contains"), partial(contains, strict=strict))
