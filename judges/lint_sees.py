"""Lint of what a criterion speaks of and may not see."""

from __future__ import annotations

import re

from judges.finding import Level
from judges.lint_words import Said, Wording
from judges.rubric import Sees

# What names a thing that a judge is shown, and how sure it is that the thing itself is meant.
_NAMED: tuple[tuple[Sees, Level, re.Pattern[str]], ...] = (
    (
        Sees.REFERENCE,
        Level.REFUSE,
        re.compile(
            r"\b(?:the|a|any|each|every|one|single) references?\b"
            r"(?! (?:numbers?|codes?|ids?|no\b|letters?|manual|price|list))"
            r"|\b(?:expected|gold) (?:answer|output|response)\b|\bground truth\b"
        ),
    ),
    (
        Sees.CONTEXT,
        Level.REFUSE,
        re.compile(
            r"\b(?:the|each|every|any|given|provided|retrieved) (?:contexts?|passages?)\b"
            r"|\b(?:given|provided|retrieved|supplied) (?:sources?|documents?|texts?|information)\b"
        ),
    ),
    (Sees.CONTEXT, Level.WARN, re.compile(r"\bthe (?:sources|documents)\b")),
    (Sees.INPUT, Level.REFUSE, re.compile(r"\bthe input\b|\bthe (?:user|customer)'s (?:question|request|message)\b")),
    (
        Sees.INPUT,
        Level.WARN,
        re.compile(r"\bthe (?:question|request)\b|\bwhat (?:the (?:user|customer|person) |was )asked\b"),
    ),
)


def unseen(wording: Wording) -> Said:
    """The first thing that a question or its condition names and that the criterion may not see."""
    criterion = wording.criterion
    text = f"{wording.plain} {(criterion.applies_when or '').lower()}"
    missing: list[tuple[Sees, Level, str]] = [
        (thing, level, match[0])
        for thing, level, pattern in _NAMED
        if thing not in criterion.sees and (match := pattern.search(text))
    ]
    if not missing:
        return None
    needed = {thing for thing, _, _ in missing} | criterion.sees
    thing, level, named = missing[0]
    listed = ", ".join(f'"{seen}"' for seen in Sees if seen in needed)
    return level, f'it speaks of "{named}", and the judge is told to leave the {thing} aside', f"sees = [{listed}]"
