"""Hostile text as a judge may read it, and as texts are compared; pure."""

from __future__ import annotations

import re
import unicodedata

BLANK = "\u2800\ufffd"  # shown as nothing, or in the place of nothing
# Composing takes quadratic time on a run of combining marks; beyond this only case and spaces are evened out.
_COMPOSED_UP_TO = 20_000  # characters
_LINES = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# Shown as U+FFFD: controls, overrides and isolates of direction, lone surrogates and noncharacters.
_SHOWN = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
# Dropped: no reader sees them, so they could only hide something from whoever reads the answer.
_DROPPED = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2060-\u2065\u206a-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# A joiner between letters is spelling in Persian and in Indic scripts, and part of emoji; several at once are not.
_JOINERS = re.compile("[\u200c\u200d]{2,}|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])")


def clean(text: str) -> str:
    """`text` as a reader sees it: without controls and what has no width; line ends are plain.

    What acts on other characters (controls, overrides of direction) becomes U+FFFD: a judge sees that it was there.
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text  # most texts, at a tenth of the time
    text = _LINES.sub("\n", text)
    if not text.isascii():
        text = _JOINERS.sub("", _DROPPED.sub("", text))
    return _SHOWN.sub("\ufffd", text)


def normal(text: str) -> str:
    """`text` for comparison: as `clean`, composed (NFKC), without joiners and case, single spaces, none at the ends."""
    text = clean(text)
    if not text.isascii() and len(text) <= _COMPOSED_UP_TO:
        text = unicodedata.normalize("NFKC", text.replace("\u200c", "").replace("\u200d", ""))
    return " ".join(text.casefold().split())


def shorten(text: str, limit: int) -> str:
    """One line of at most `limit` characters, cleaned; an ellipsis stands for what does not fit."""
    flat = " ".join(clean(text[: 4 * limit]).split())
    return flat if len(flat) <= limit and len(text) <= 4 * limit else f"{flat[: limit - 1].rstrip()}…"


def bare(text: str) -> str:
    """`text` without what is silent at both ends."""
    first, last = 0, len(text)
    while first < last and _silent(text[first]):
        first += 1
    while first < last and _silent(text[last - 1]):
        last -= 1
    return text[first:last].replace("\u2019", "'")


def _silent(char: str) -> bool:
    """Whether `char` says nothing: punctuation, spaces, marks and controls of every script, and all ASCII symbols."""
    return (not char.isalnum() if char.isascii() else unicodedata.category(char)[0] in "PZCM") or char in BLANK
