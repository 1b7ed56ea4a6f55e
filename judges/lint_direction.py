"""Lint of a question's direction: yes must be the better answer, and what is asked for must be there to be found."""

from __future__ import annotations

import re

from judges.finding import Level
from judges.lint_better import absent, given, quoted
from judges.lint_words import AUXILIARY, SUBJECT, Said, Wording
from judges.rubric import Criterion

_NOT = re.compile(
    rf"^{AUXILIARY}n't (?:{SUBJECT} ?)?|^{AUXILIARY} {SUBJECT}(?: \w+ly)? (?:not|never|neither)\b|^{AUXILIARY} not\b"
)
_FAILS = re.compile(rf"^{AUXILIARY} {SUBJECT}(?: \w+ly)? fail(?:s|ed)? to (.+)$")
_OMITS = re.compile(rf"^{AUXILIARY} {SUBJECT}(?: \w+ly)? (?:omit|lack|miss|leave out|ignore)(?:s|ed|ted)? (.+)$")
_NEGATIONS = (
    re.compile(rf"^{AUXILIARY} {SUBJECT}(?: \w+ly)? (?:avoids?|refrains? from|steers? clear of) (.+)$"),
    re.compile(r"^(?:is|are|was)\b.*? (?:(?:free|devoid) (?:of|from)|clear of)(?! charge\b) (.+)$"),
    re.compile(
        r"\b(?:contain|include|have|hold|make|use|give|show|mention|add|reveal)s? (?:no|none of|zero|neither) (.+)$"
    ),
    re.compile(r"^(?:is|are) there no (.+?)(?: in the answer)?\?$"),
    re.compile(
        r"\bwithout (?:any )?"
        r"(\w+ing\b.*|(?:jargon|errors?|mistakes?|repetition|bias|filler|insults?|slang|contradict)\b.*)$"
    ),
)
# Names of faults, and how a question asks for one: where yes means that it is there, faults earn points.
_FAULT = (
    r"(?:(?:factual |spelling |grammar |grammatical )?(?:errors?|mistakes?)"
    r"(?! (?:codes?|messages?|numbers?|logs?|handling)\b)"
    r"|typos?|hallucinations?|contradictions?|jargon|bias|insults?|slang|filler|repetitions?|speculation|misinformation"
    r"|(?:false|untrue|wrong|incorrect|inaccurate|invented|made[- ]up|fabricated|unsupported|irrelevant|unnecessary"
    r"|harmful|offensive|toxic|misleading|rude|redundant) \w+)"
)
_FAULTS = (
    (re.compile(rf"\b(?:contain|include|have|hold|make|use|give|show)s? (?:any |some |an? )?({_FAULT})"), Level.REFUSE),
    (re.compile(rf"^(?:is|are) there (?:any |some |an? )?({_FAULT})"), Level.REFUSE),
    (re.compile(rf"^(?:is|are|was|does) {SUBJECT}(?: sound| seem| read)? (too \w+)"), Level.REFUSE),
    (
        re.compile(
            rf"^(?:is|are|was|does) {SUBJECT}(?: sound| seem)? (wrong|rude|biased|incorrect|inaccurate|misleading|vague"
            r"|toxic|incomplete|repetitive|offensive|harmful|dismissive|irrelevant|off[- ]topic|confusing|impolite)"
            r"\b(?! or)"
        ),
        Level.REFUSE,
    ),
    (
        re.compile(
            rf"^(?:does|did) {SUBJECT} ((?:contradict|hallucinate|invent|fabricate|make up|insult|blame|mislead"
            r"|misstate|misquote|digress)\b.*)$"
        ),
        Level.WARN,
    ),
)
_INVERTED = "yes means that a fault is there, so that faults earn points: ask so that yes is the better answer"
_POSITIVE = "a verdict on what should be missing is easily given the wrong way round: ask for what should be there"


def negation(wording: Wording) -> Said:
    """Negations, and verbs that hold one; those inside of what the answer should say are none."""
    criterion, plain, text = wording.criterion, wording.plain, wording.text
    if match := _NOT.match(wording.main):
        better = _turned(text[match.end() :].strip(), criterion)
        return Level.REFUSE, f"it is negated, and {_POSITIVE}", quoted(better)
    if match := _FAILS.match(plain):
        return Level.REFUSE, _INVERTED, quoted(f"Does the answer {text[match.start(1) :]}")
    if match := _OMITS.match(plain):
        return Level.WARN, _POSITIVE, quoted(given(text[match.start(1) :], criterion))
    for pattern in _NEGATIONS:
        if pattern.search(wording.main) and (match := pattern.search(plain)):
            return Level.WARN, _POSITIVE, quoted(absent(text[slice(*match.span(1))], criterion))
    for pattern, level in _FAULTS:
        if match := pattern.search(wording.main):
            return level, _INVERTED, quoted(absent(match[1], criterion))
    return None


def _turned(predicate: str, criterion: Criterion) -> str:
    """A positive question in place of one whose negated predicate is `predicate`."""
    if match := re.match(r"(?:mention|discuss|name|speak of|talk about|refer to) (.+?)\?$", predicate):
        return f"Is every sentence of the answer about something other than {match[1]}?"
    if match := re.match(r"contradict (.+?)\?$", predicate):
        return f"Is every statement in the answer compatible with {match[1]}?"
    if match := re.match(r"(?:contain|include|use|have|hold|give|make|reveal|add|show) (.+)$", predicate):
        return absent(match[1], criterion)
    return absent(predicate, criterion, only_known=True)
