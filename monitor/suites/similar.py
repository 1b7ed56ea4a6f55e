"""Finds cases that ask the same, or nearly the same, as another."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from monitor.domain.case import Case

NEAR = 0.7
# Beyond these only equal inputs are found, so that the comparison of every pair stays a matter of seconds.
MOST_COMPARED = 5_000  # cases, from the beginning of the suite
LONGEST_COMPARED = 1_000  # characters of an input
_BUCKETS = 4_096
_BLOCK = 500  # rows multiplied at a time
_MARKS = re.compile(r"[.,;:!?…\"'“”‘’«»()\[\]]+")


def duplicates(cases: Sequence[Case]) -> list[tuple[str, ...]]:
    """Groups of ids, in the order of the suite, whose inputs differ in case, spaces and sentence marks at most."""
    groups: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        groups[_normalised(case)].append(case.id)
    return [tuple(ids) for ids in groups.values() if len(ids) > 1]


def near_duplicates(cases: Sequence[Case], near: float = NEAR) -> list[tuple[str, str]]:
    """Pairs (earlier id, id) for each case whose input is much like an earlier one without being the same.

    Alike is a weighted Jaccard similarity of at least `near` over the character trigrams of the inputs, hashed into
    buckets. A trigram weighs log(1 + cases / cases that have it), an inverse document frequency (Spärck Jones, 1972):
    wording that all cases share, such as an instruction, says little about whether two of them are alike.
    """
    import numpy as np

    firsts: dict[str, str] = {}
    for case in cases[:MOST_COMPARED]:
        firsts.setdefault(_normalised(case), case.id)
    texts = [text for text in firsts if len(text) <= LONGEST_COMPARED]
    vectors = np.zeros((len(texts), _BUCKETS), dtype=np.float32)
    # Odd constants without a pattern; arithmetic wraps at 64 bits, and the upper bits of the product are well mixed.
    factors = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
    for row, text in enumerate(texts):
        points = np.frombuffer(f"  {text} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
        mixed = (points[:-2] * factors[0]) ^ (points[1:-1] * factors[1]) ^ (points[2:] * factors[2])
        vectors[row, (mixed * factors[0]) >> np.uint64(52)] = 1.0
    spread = vectors.sum(axis=0)
    vectors *= np.sqrt(np.log1p(len(texts) / np.maximum(spread, 1.0)))
    totals = np.square(vectors).sum(axis=1)
    earlier: dict[int, int] = {}
    for start in range(0, len(texts), _BLOCK):
        block = vectors[start : start + _BLOCK]
        shared = block @ vectors[start:].T
        union = totals[start : start + _BLOCK, None] + totals[None, start:] - shared
        rows, columns = np.nonzero(np.triu(shared >= near * union, k=1))
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            earlier.setdefault(start + column, start + row)
    ids = [firsts[text] for text in texts]
    return [(ids[earlier[index]], ids[index]) for index in sorted(earlier)]


def _normalised(case: Case) -> str:
    text = "\n".join(turn.content for turn in case.messages).casefold()
    # Signs such as + and < stay: they make a different question.
    return " ".join(_MARKS.sub(" ", text).split()) or text.strip()
