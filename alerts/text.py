"""Hostile text made safe for Slack: cleaned, escaped and cut; pure.

Nothing that goes through here can mention anyone, make a link, hide its direction, or leave its code span or block.
"""

from __future__ import annotations

import re

# A model may write megabytes; no limit below comes near this, so what lies beyond it is never looked at.
LONGEST = 20_000
_JOINER = "\u2060"  # word joiner: no width, no line break
_LINES = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
# Shown as U+FFFD: controls, overrides and isolates of direction, lone surrogates and noncharacters.
_SHOWN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
# Dropped: they have no width, so they could only hide something. The joiners of emoji and of several scripts stay.
_DROPPED = re.compile("[\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
_CALLS = re.compile(r"@(?=(?:here|channel|everyone|group)\b)", re.IGNORECASE)


def clean(text: str) -> str:
    """`text` without controls, direction overrides and invisible characters; line ends are plain, tabs are spaces.

    `@here`, `@channel`, `@everyone` and `@group` get a joiner of no width, so that no client links them.
    """
    text = _LINES.sub("\n", text).replace("\t", "    ")
    return _CALLS.sub("@" + _JOINER, _DROPPED.sub("", _SHOWN.sub("\ufffd", text)))


def escape(text: str) -> str:
    """The three characters that Slack gives a meaning to, as entities, and only those."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def size(text: str) -> int:
    """Length in UTF-16 code units: the larger of the ways in which a limit might be counted."""
    return len(text) + sum(char > "\uffff" for char in text)


def cut(text: str, limit: int, whole: int | None = None) -> str:
    """`text` escaped, in at most `limit` units; where it does not fit, with a note of its `whole` length."""
    whole = len(text) if whole is None else whole
    escaped = escape(text)
    if size(escaped) <= limit and whole <= LONGEST:
        return escaped
    note = f" … [cut: {whole:,} characters]"
    room = limit - size(note)
    kept: list[str] = []
    for char in text:
        safe = escape(char)
        room -= size(safe)
        if room < 0:
            break
        kept.append(safe)
    return "".join(kept).rstrip() + note


def line(text: str, limit: int) -> str:
    """One line, escaped, in at most `limit` units; a dash where there is nothing to show."""
    flat = " ".join(clean(text[:LONGEST]).split())
    return cut(flat, limit, max(len(flat), len(text) if len(text) > LONGEST else 0)) or "–"


def prose(text: str, limit: int) -> str:
    """One line outside of code: as `line`, with apostrophes for backticks, which could open a code span."""
    return line(text.replace("`", "'"), limit)


def code(text: str, limit: int) -> str:
    """A code span in at most `limit` units; a backtick inside becomes the letter ˋ that looks like it."""
    return f"`{line(text.replace('`', 'ˋ'), limit - 2)}`"


def fence(text: str, limit: int) -> str:
    """A code block in at most `limit` units with its line ends kept; three backticks inside become three ˋ."""
    shown = clean(text[:LONGEST]).strip("\n").replace("```", "ˋˋˋ")
    return f"```\n{cut(shown, limit - 8, max(len(shown), len(text) if len(text) > LONGEST else 0)) or '–'}\n```"
