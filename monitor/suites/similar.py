"""Finds cases that ask the same, or nearly the same, as another."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from monitor.domain.case import Case

NEAR = 0.8
# What is looked at of a long text, from its beginning and from its end, in characters.
_HALF = 1_000
_MARKS = re.compile(r"[.,;:!?…\"'“”‘’«»()\[\]]+")


def duplicates(cases: Sequence[Case]) -> list[tuple[str, ...]]:
    """Ids of cases whose inputs differ in case, spaces and sentence marks at most: groups, in the order of the suite."""
    groups: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        groups[_normalised(case)].append(case.id)
    return [tuple(ids) for ids in groups.values() if len(ids) > 1]


def near_duplicates(cases: Sequence[Case], near: float = NEAR) -> list[tuple[str, str]]:
    """Pairs of ids whose inputs are alike without being the same, in the order of the suite.

    Alike is a weighted Jaccard similarity of at least `near` over the character trigrams of the inputs, where a trigram
    weighs the more the fewer cases have it: wording that all cases share says little. Only pairs that have one of their
    rarest trigrams in common are compared, which leaves out no pair that reaches `near` (prefix filtering: Chaudhuri,
    Ganti and Kaushik, "A primitive operator for similarity joins in data cleaning", ICDE 2006).
    """
    firsts: dict[str, str] = {}
    for case in cases:
        firsts.setdefault(_normalised(case), case.id)
    grams = [_trigrams(text) for text in firsts]
    ids = list(firsts.values())
    spread = Counter(gram for found in grams for gram in found)
    weight = {gram: math.log1p(len(grams) / count) for gram, count in spread.items()}
    totals = [math.fsum(weight[gram] for gram in found) for found in grams]
    seen: dict[str, list[int]] = defaultdict(list)
    pairs: list[tuple[int, int]] = []
    for index, found in enumerate(grams):
        rarest = _prefix(found, weight, totals[index] * near)
        candidates = {other for gram in rarest for other in seen[gram]}
        for other in candidates:
            low, high = sorted((totals[index], totals[other]))
            if low >= near * high and _alike(found, grams[other], weight, low + high) >= near:
                pairs.append((other, index))
        for gram in rarest:
            seen[gram].append(index)
    return [(ids[one], ids[other]) for one, other in sorted(pairs)]


def _normalised(case: Case) -> str:
    text = "\n".join(turn.content for turn in case.messages).casefold()
    # Signs such as + and < stay: they make a different question.
    return " ".join(_MARKS.sub(" ", text).split()) or text.strip()


def _trigrams(text: str) -> frozenset[str]:
    if len(text) > 2 * _HALF:
        text = f"{text[:_HALF]} {text[-_HALF:]}"
    padded = f"  {text} "
    return frozenset(padded[start : start + 3] for start in range(len(padded) - 2))


def _prefix(found: Iterable[str], weight: dict[str, float], needed: float) -> list[str]:
    """The rarest of `found`, so many that the rest weighs less than `needed`: alike sets do not share the rest alone."""
    by_rarity = sorted(found, key=lambda gram: (-weight[gram], gram))
    rest = math.fsum(weight[gram] for gram in by_rarity)
    for count, gram in enumerate(by_rarity):
        if rest < needed * (1 - 1e-9):
            return by_rarity[:count]
        rest -= weight[gram]
    return by_rarity


def _alike(one: frozenset[str], other: frozenset[str], weight: dict[str, float], both: float) -> float:
    shared = math.fsum(weight[gram] for gram in one & other)
    return shared / (both - shared) if both > shared else 1.0
