"""Lint of what a question asks for: what is a matter of taste, and what only the judge believes."""

from __future__ import annotations

import re

from judges.finding import Level
from judges.lint_better import SAME, concrete, quoted
from judges.lint_words import AUXILIARY, SUBJECT, TASTE, TASTE_ADVERB, TASTE_NOUN, THIN, Said, Wording
from judges.rubric import Sees

_SEEMS = r"(?: (?:sound|seem|read|look|feel|be|stay|remain)(?: considered)?)?"
_BARE = re.compile(
    rf"^{AUXILIARY} (?:{SUBJECT}|the \w+){_SEEMS}(?: (?:\w+ly|very|also|really|of|in|an?))*"
    rf" ({TASTE}|{THIN}|quality|standard)"
    r"(?: overall| throughout| enough)?\?$"
)
_VAGUE = (
    re.compile(
        rf"^{AUXILIARY} {SUBJECT}{_SEEMS}(?: (?:\w+ly|very|also|really|both))* (?:[\w-]+(?:,| and| or) )*({TASTE})\b"
    ),
    re.compile(rf"\b({TASTE}) (?:\w+ )?{TASTE_NOUN}\b|\b(quality) of (?:the |its )?{TASTE_NOUN}\b"),
    re.compile(
        r"\b(high[- ]quality|(?:good|overall|high|sufficient) (?:quality|standard)|above average"
        r"|makes? sense|best practices?|easy to (?:read|understand|follow)|like a human|human-like"
        r"|meets? expectations|(?:simple|specific|long|short|detailed|clear) enough"
        r"|(?:key|important|main) (?:points|information|details))\b"
    ),
    re.compile(r"^would (?:an?|the) \w+ (be (?:satisfied|happy|pleased)|(?:consider|find|like) the answer)\b"),
    re.compile(rf"^{AUXILIARY} it (clear|obvious|easy)\b"),
    re.compile(r"\b(better|worse) $"),
)
_ADVERB = re.compile(rf"^{AUXILIARY} {SUBJECT}.*? (?<!as )({TASTE_ADVERB})(?![\w-]| as\b)")


def vague(wording: Wording) -> Said:
    """Matters of taste."""
    better = quoted(concrete(wording.main, wording.criterion))
    if match := _BARE.match(wording.plain):
        level = Level.WARN if re.fullmatch(THIN, match[1]) else Level.REFUSE
        return level, f'"{match[1]}" is all it asks for, and each judge takes that in its own way', better
    if match := next(filter(None, (pattern.search(wording.main) for pattern in _VAGUE)), None):
        word = next(filter(None, match.groups()))
        return Level.WARN, f'each judge takes "{word}" in its own way', better
    if match := _ADVERB.search(wording.main):
        without = wording.text[: match.start(1) - 1] + wording.text[match.end(1) :]
        without = re.sub(rf"^({AUXILIARY} {SUBJECT}) and \w+ly\b", r"\1", without, flags=re.I)
        return Level.WARN, f'each judge takes "{match[1]}" in its own way', quoted(without)
    return None


_KNOWLEDGE = re.compile(
    r"\bfactual(?:ly)?\b|\bhallucinat|\bup[- ]to[- ]date\b|\bmade[- ]up\b|\btruth(?:ful(?:ly)?)?\b"
    r"|\b(?:false|untrue|wrong) (?:statements?|facts?|information|claims?)"
    rf"|^(?:is|are) (?:{SUBJECT}|everything|all|every|each|the facts)\b.*\b(?:true|correct|accurate|right|real)\b"
)
_YARDSTICK = re.compile(r"\b(?:reference|expected|context|passages?|sources?|documents?|input|question|text)\b")


def knowledge(wording: Wording) -> Said:
    """What only somebody who knows better can say, where nothing is shown to compare with."""
    sees = wording.criterion.sees
    if Sees.REFERENCE in sees or Sees.CONTEXT in sees:
        return None
    if not _KNOWLEDGE.search(wording.main) or _YARDSTICK.search(wording.main):
        return None
    reason = "it asks what the judge believes to be true, which is not what your reference or context says"
    return Level.REFUSE, reason, f'sees = ["input", "reference"] with {quoted(SAME)}'
