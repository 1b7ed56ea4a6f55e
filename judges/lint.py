"""Lint of a rubric: what makes verdicts noisy or meaningless, with the reason and a better wording. English only.

The rules read wordings, so they see what can be seen without a model; of a rubric in another language only weights and
repetitions are looked at. Whether reference answers meet the criteria is in `judges.lint_references`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

from rapidfuzz import fuzz

from judges.finding import Finding, Level, place
from judges.lint_direction import negation
from judges.lint_form import not_yes_no, scale, two
from judges.lint_sees import unseen
from judges.lint_sense import knowledge, vague
from judges.lint_words import Said, Wording
from judges.rubric import Rubric

SMALLEST_SHARE = 0.02  # of all weight: what weighs less moves a score by less than any threshold
_ALIKE = 80  # percent, above which two words that begin alike are taken for forms of one

# Rules of one question in the order in which they are told, each with those that make it needless.
_RULES: dict[str, tuple[frozenset[str], Callable[[Wording], Said]]] = {
    "scale": (frozenset(), scale),
    "open": (frozenset({"scale"}), not_yes_no),
    "two": (frozenset({"scale", "open"}), two),
    "knowledge": (frozenset({"scale", "open"}), knowledge),
    "negation": (frozenset({"scale", "open", "knowledge"}), negation),
    "vague": (frozenset({"scale", "open", "negation", "knowledge"}), vague),
    "unseen": (frozenset({"knowledge"}), unseen),
}


def lint(rubric: Rubric, weights_given: Sequence[bool] | None = None, file: str | None = None) -> tuple[Finding, ...]:
    """What is weak about `rubric`, criterion by criterion, then about all of them together; nothing where it is sound.

    `weights_given` says of each criterion whether its weight was written (`RubricFile.weights_given`); None: all were.
    `file` names the rubric in the findings; without it, its own name does.
    """
    file = rubric.name if file is None else file
    return (*_wordings(rubric, file), *_duplicates(rubric, file), *_weights(rubric, weights_given, file))


def _wordings(rubric: Rubric, file: str) -> Iterator[Finding]:
    for index, criterion in enumerate(rubric.criteria):
        wording = Wording(criterion)
        found: set[str] = set()
        for rule, (needless_after, check) in _RULES.items():
            if found.isdisjoint(needless_after) and (said := check(wording)) is not None:
                found.add(rule)
                yield Finding(file, place(rubric, index), rule, *said)


_STOP = frozenset(
    (
        *(
            "a",
            "an",
            "the",
            "is",
            "are",
            "was",
            "were",
            "does",
            "do",
            "did",
            "has",
            "have",
            "can",
            "could",
            "will",
            "would",
        ),
        *("should", "of", "to", "in", "on", "for", "by", "at", "with", "it", "its", "this", "that", "and", "or", "be"),
        *("all", "any", "each", "every", "there", "as", "from"),
    )
)
_SYNONYMS = {
    **dict.fromkeys(("response", "reply", "output"), "answer"),
    **dict.fromkeys(("give", "name", "mention", "tell", "say", "include", "contain", "provide", "specify"), "state"),
    **dict.fromkeys(("customer", "person", "client"), "user"),
}


def _content(question: str) -> list[str]:
    """The words that carry a question, those of like meaning as one, in alphabetical order."""
    words = re.findall(r"[^\W_]+(?:'\w+)?", question.lower().replace("’", "'"))
    stems = (word.removesuffix("s") if len(word) > 3 else word for word in words if word not in _STOP)
    return sorted(_SYNONYMS.get(stem, stem) for stem in stems)


def _same(one: list[str], other: list[str]) -> bool:
    """Whether two lists of words are equal, but for another form of one word."""
    rest, left = list(other), []
    for word in one:
        if word in rest:
            rest.remove(word)
        else:
            left.append(word)
    if not left or not rest:
        return not left and not rest
    forms = left[0][:4] == rest[0][:4] and len(left[0]) > 4 and fuzz.ratio(left[0], rest[0]) >= _ALIKE
    return len(left) == len(rest) == 1 and forms


def _duplicates(rubric: Rubric, file: str) -> Iterator[Finding]:
    words = [_content(criterion.question) for criterion in rubric.criteria]
    for (i, first), (j, second) in combinations(enumerate(rubric.criteria), 2):
        if first.applies_when != second.applies_when or not words[i] or not _same(words[i], words[j]):
            continue
        equal = _letters(first.question) == _letters(second.question)
        degree, level = ("the same", Level.REFUSE) if equal else ("nearly the same", Level.WARN)
        reason = f"it asks {degree} as {place(rubric, i)}, so that one fault counts twice"
        better = f"remove one of the two, with weight = {first.weight + second.weight:g} for the other"
        yield Finding(file, place(rubric, j), "duplicate", level, reason, better)


def _letters(question: str) -> str:
    return re.sub(r"\W", "", question.casefold())


def _weights(rubric: Rubric, weights_given: Sequence[bool] | None, file: str) -> Iterator[Finding]:
    criteria = rubric.criteria
    total = sum(criterion.weight for criterion in criteria)
    silent = [c.id for c, given in zip(criteria, weights_given or (), strict=bool(weights_given)) if not given]
    if len({criterion.weight for criterion in criteria}) == 1:
        return
    shares = ", ".join(f"{c.id} = {share:g}" for c, share in zip(criteria, _hundred(rubric), strict=True))
    if silent:
        reason = f"some criteria give a weight, and {', '.join(silent)} none, which makes it 1 of {total:g}"
        yield Finding(file, "criteria", "weights", Level.WARN, reason, f"a weight for each, such as {shares}")
    elif not any(abs(total - whole) <= 0.005 * whole for whole in (1, 100)):
        reason = (
            f"the weights add up to {total:g}, neither to 1 nor to 100, so that nobody can read off what each counts"
        )
        yield Finding(file, "criteria", "weights", Level.WARN, reason, f"the same in percent: {shares}")
    for index, criterion in enumerate(criteria):
        if criterion.weight < SMALLEST_SHARE * total and not criterion.required:
            reason = f"it weighs {criterion.weight / total:.2%} of the whole, which no score will show"
            better = f"remove it, or give it weight = {total * 0.05:g} or more"
            yield Finding(file, place(rubric, index), "weights", Level.WARN, reason, better)


def _hundred(rubric: Rubric) -> list[float]:
    """The weights in percent, to one digit; the heaviest takes what rounding leaves."""
    total = sum(criterion.weight for criterion in rubric.criteria)
    shares = [round(100 * criterion.weight / total, 1) for criterion in rubric.criteria]
    heaviest = shares.index(max(shares))
    shares[heaviest] = round(shares[heaviest] + 100 - sum(shares), 1)
    return shares
