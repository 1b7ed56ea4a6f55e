"""Where a text names a lettered choice: by its text, or by a letter that is neither an article nor a pronoun."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_uppercase

from monitor.metrics.text import UNSPACED, Level, joins, words

_MARKUP = re.compile(
    r"[*`~]{1,9}|(?<!\w)_{1,3}|_{1,3}(?!\w)|\\(?:text(?:bf)?|mathrm|mathbf)\b|^[ ]{0,3}(?:#{1,3}|>|-)[ ]", re.MULTILINE
)
_BLANKS = re.compile(r"[^\S\n]+")
_EDGES = " \t\r\n.,:;!?()[]{}<>\"'“”‘’«»$\\"
_WORDLY = rf"[^\W{UNSPACED}]"  # a character that would make a word with the letter beside it
_LETTER = re.compile(rf"(?<!{_WORDLY})(?<!['’])(?<!\w[-–])[A-Za-z](?!{_WORDLY}|['’+#]|-\w|\.\w)")
# What follows a letter that stands for a choice, where an article or a pronoun would be followed by something else.
_PREDICATE = re.compile(
    r" (?:is|was|seems|looks|appears|because|since|or|and|but|as|over|with|not|isn't|cannot|can't|fits)\b"
)
_NAMING = re.compile(r"\b(?:options?|choices?|letter|answer)[ :]{1,2}[\"'“(]?$", re.IGNORECASE)
_SAYING = re.compile(
    r"(?:\b(?:options?|choices?|letter|answer|is|or|and|choose|pick|select|with)|:)[ ]?[\"'“]?$", re.IGNORECASE
)
_KINDS = re.compile(
    r"\b(?:vitamin|hepatitis|influenza|type|group|class|grade|plan|phase|factor|protein|figure|table) $", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Named:
    """A choice, by its position, that a text names from `start` up to `end`."""

    start: int
    end: int
    choice: int


def clean(text: str) -> str:
    """`text` without Markdown's and LaTeX's dress and with single blanks; the lines stay."""
    return _BLANKS.sub(" ", _MARKUP.sub("", text)).strip()


def whole(text: str, options: tuple[str, ...]) -> int | None:
    """The choice that the whole of `text` is, letter or text, or None."""
    core = text.strip(_EDGES)
    if len(core) == 1:
        letter = ascii_uppercase.find(core.upper())
        if 0 <= letter < len(options):
            return letter
    same = [i for i, option in enumerate(_normalised(options)) if option and option == words(text, Level.ARTICLES_STAY)]
    return same[0] if len(same) == 1 else None


def named_choices(text: str, options: tuple[str, ...]) -> list[Named]:
    """Every place in `text` that names one of `options`, from left to right, without overlaps; texts before letters."""
    found = _texts(text, options)
    taken = {at for one in found for at in range(one.start, one.end)}
    letters = _letters(options)
    for match in _LETTER.finditer(text):
        at = letters.get(match[0].upper())
        if at is not None and match.start() not in taken and _is_a_letter(text, match.start()):
            found.append(Named(match.start(), match.end(), at))
    return sorted(found, key=lambda one: one.start)


def _texts(text: str, options: tuple[str, ...]) -> list[Named]:
    found = []
    for match in _pattern(options).finditer(text):
        start, end = match.span()
        cut = start > 0 and joins(text[start - 1], text[start])
        cut |= end < len(text) and joins(text[end - 1], text[end])
        if not cut and not _inside_a_number(text, start, end):
            found.append(Named(start, end, int(str(match.lastgroup)[1:])))
    return found


def _inside_a_number(text: str, start: int, end: int) -> bool:
    """Whether a choice that begins or ends in a digit is a part of a longer number, as the 5 of 3.5, -5 and 5.2."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    longer_before = text[start].isdigit() and re.search(r"\d[.,]$|(?:^|\W)[-−]$", before) is not None
    longer_after = text[end - 1].isdigit() and re.match(r"[.,]\d", after) is not None
    return longer_before or longer_after


def _is_a_letter(text: str, at: int) -> bool:
    """Whether the single letter at `at` stands for a choice."""
    letter, before, after = text[at], text[max(0, at - 20) : at], text[at + 1 : at + 12]
    line_start = not before or before.rstrip(" (").endswith("\n") or not before.strip(" (")
    if after[:1] in (")", "]", "}") and (before[-1:] in ("(", "[", "{") or line_start):
        return True
    word_follows = re.match(r"[ ]\w", after) is not None
    if letter.islower():
        return not word_follows and _SAYING.search(before) is not None
    if _KINDS.search(before):
        return False
    if letter in "AI" and word_follows:
        return _NAMING.search(before) is not None or (letter == "A" and _PREDICATE.match(after) is not None)
    abbreviation = re.match(r"\. ?[a-z]", after) is not None  # "E. coli"
    return line_start or not abbreviation


@lru_cache(maxsize=1024)
def _letters(options: tuple[str, ...]) -> dict[str, int]:
    """Which choice a letter stands for: the one it counts, else the one whose text it is, as K for potassium."""
    texts = {option.strip().upper(): i for i, option in enumerate(options) if len(option.strip()) == 1}
    return texts | {letter: i for i, letter in enumerate(ascii_uppercase[: len(options)])}


@lru_cache(maxsize=4096)
def _normalised(options: tuple[str, ...]) -> tuple[list[str], ...]:
    return tuple(words(option, Level.ARTICLES_STAY) for option in options)


@lru_cache(maxsize=1024)
def _pattern(options: tuple[str, ...]) -> re.Pattern[str]:
    """Finds the options' texts, the longest first: "Danube Delta" is not "Danube". A single letter is no text."""
    parts = []
    for i, option in sorted(enumerate(options), key=lambda pair: -len(pair[1])):
        core = option.strip(" \t\r\n.,:;!?\"'“”‘’«»")
        core = core or option.strip()
        if core and not (len(core) == 1 and core.upper() in ascii_uppercase):
            spaced = r"\s+".join(map(re.escape, clean(core).split()))
            parts.append(f"(?P<c{i}>{spaced})")
    return re.compile("|".join(parts) or r"(?!)", re.IGNORECASE)
