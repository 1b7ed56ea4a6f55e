"""Criteria that a reference answer itself would fail: decided from texts where they can, else from a judge's marks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from judges.finding import Finding, Level, place
from judges.rubric import Criterion, Rubric

TOLERATED = 0.05  # share of the reference answers that may fail a criterion: judges err
_SHOWN = 3

Meets = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class _Demand:
    """Something that a question may ask for, and that a text shows: the name of it, and whether a text has it."""

    name: str
    meets: Meets


def would_fail(
    rubric: Rubric, references: Mapping[str, tuple[str, ...]], file: str | None = None
) -> tuple[Finding, ...]:
    """Criteria that demand what the reference answers lack, as far as texts alone decide it.

    `references`: by case, its acceptable answers; a case lacks something when all of them lack it. A criterion with
    `applies_when` is left out, because it may not apply to them. Found are greetings, thanks, apologies, lengths,
    citations, links, lists, headings and whole sentences, when an English question asks for them.
    """
    cases = {case: texts for case, texts in references.items() if texts}
    found: list[Finding] = []
    for index, criterion in enumerate(rubric.criteria if cases else ()):
        for demand in _demands(criterion):
            lacking = [case for case, texts in cases.items() if not any(demand.meets(text) for text in texts)]
            if len(lacking) > TOLERATED * len(cases):
                where, share = place(rubric, index), len(lacking) / len(cases)
                found.append(_finding(file or rubric.name, where, f"lack {demand.name}", share, _some(lacking)))
    return tuple(found)


def failed_by_references(rubric: Rubric, marks: Mapping[str, float], file: str | None = None) -> tuple[Finding, ...]:
    """Criteria that the reference answers failed when they were judged.

    `marks`: by criterion id, the share (0 to 1) of the judged reference answers that did not meet it.
    """
    return tuple(
        _finding(file or rubric.name, place(rubric, index), "were judged not to meet it", share, "")
        for index, criterion in enumerate(rubric.criteria)
        if (share := marks.get(criterion.id, 0.0)) > TOLERATED
    )


def _finding(file: str, where: str, what: str, share: float, cases: str) -> Finding:
    level = Level.REFUSE if share >= 0.5 else Level.WARN
    reason = f"{share:.0%} of the reference answers {what}{cases}: a right answer would lose by it"
    better = 'drop it, ask for what every reference answer has, or add applies_when = "the reference …"'
    return Finding(file, where, "reference", level, reason, better)


def _some(cases: list[str]) -> str:
    more = len(cases) - _SHOWN
    return f" ({', '.join(cases[:_SHOWN])}{f' and {more} more' if more > 0 else ''})"


_PATTERNS: tuple[tuple[str, str, str], ...] = (
    # what is asked for; its name; what shows it
    (
        r"\b(?:greets?|greeting|salutation)\b|\bsays? hello\b|\bopens? with a (?:greeting|salutation)",
        "a greeting",
        r"^\W*(?:hello|hi|hey|dear|good (?:morning|afternoon|evening|day)|greetings|welcome)\b",
    ),
    (r"\bthanks? the\b|\bthank(?:s|ing)?\b.*\b(?:customer|user|person)\b", "thanks", r"\bthank"),
    (r"\bapologi[sz]e|\ban apology\b|\bsays? sorry\b", "an apology", r"\bsorry\b|\bapolog"),
    (r"\b(?:cites?|citations?)\b", "a citation", r"\[\w+\]|\(\w[^()]{0,80}\d{4}\)|https?://|\baccording to\b|\bsee\b"),
    (r"\b(?:a|any|the) (?:link|url)s?\b", "a link", r"https?://|www\.|\]\("),
    (r"\bbullet|\bnumbered list\b|\bas a list\b", "a list", r"(?m)^[ \t]*(?:[-*•]|\d+[.)])\s"),
    (r"\bheadings?\b|\bsection titles?\b", "a heading", r"(?m)^[ \t]*(?:#{1,6} |\*\*.+\*\*[ \t]*$|<h\d)"),
    (r"\b(?:complete|full|whole) sentences?\b", "a whole sentence", r"(?s)^\W*\w+\W+\w+\W+\w+.*[.!?…][\"')\]]*\s*$"),
)
_LENGTH = re.compile(
    r"\b(?P<how>at least|no fewer than|more than|over|at most|no more than|fewer than|less than|under|up to|within)"
    r" (?P<number>\d{1,5}|one|two|three|four|five|six|ten) (?P<unit>words?|sentences?|paragraphs?|characters?)\b"
)
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10}
_NEGATED = re.compile(r"\bnot\b|n't\b|\bno\b|\bwithout\b|\bavoid|\bfree (?:of|from)\b|\bnever\b|\brefrain")
_TOLD = re.compile(
    r"\b(?:says?|states?|tells?|explains?|mentions?) (?:that|how|whether|what)\b|\brather than\b|\bstand within\b"
)


def _demands(criterion: Criterion) -> Iterator[_Demand]:
    question = criterion.question.lower()
    if criterion.applies_when is not None or _NEGATED.search(question) or _TOLD.search(question):
        return
    for asked, name, shows in _PATTERNS:
        if re.search(asked, question):
            yield _Demand(name, _shower(shows))
    if match := _LENGTH.search(question):
        yield _Demand(f"a length of {match[0]}", _length(match))


def _shower(pattern: str) -> Meets:
    compiled = re.compile(pattern, re.I)
    return lambda text: compiled.search(text) is not None


def _length(match: re.Match[str]) -> Meets:
    number = _NUMBERS.get(match["number"]) or int(match["number"])
    count = _COUNTS[match["unit"].removesuffix("s")]
    how = match["how"]
    if how in ("at least", "no fewer than"):
        return lambda text: count(text) >= number
    if how in ("more than", "over"):
        return lambda text: count(text) > number
    if how in ("fewer than", "less than", "under"):
        return lambda text: count(text) < number
    return lambda text: count(text) <= number


_COUNTS: dict[str, Callable[[str], int]] = {
    "word": lambda text: len(text.split()),
    "sentence": lambda text: len(re.split(r"(?<=[.!?…])\s+", text.strip())),
    "paragraph": lambda text: sum(1 for part in re.split(r"\n[ \t]*\n", text) if part.strip()),
    "character": len,
}
