"""Answers that need no judge to fail: empty, an echo, a form of words that says nothing; pure.

Such answers get up to 80-90% false positives from models that judge (Zhao et al. 2025, arXiv 2507.08794), so none
reaches one. An answer that equals an acceptable reference is never failed here, whatever it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from judges.material import Material
from judges.openers import announces
from judges.text import BLANK, bare, clean, normal

# What an echo may have around it and still be one.
_AROUND = frozenset(
    {"", "q", "a", "question", "answer", "the question is", "your question", "you asked", "you asked me", "you said"}
    | {"input", "prompt", "user", "output", "question answer", "q a"}
)
_OPERATORS = frozenset("*/%&!?@#\\-_+<>=|^~$")  # one or two of them may be an answer
_EMPTY_VALUES = frozenset({"{}", "[]", '""'})  # nothing found: right where no reference says otherwise
_SHORTEST_ECHO = 12  # characters; a greeting may be returned
_LONGEST_LANGUAGE = 20  # characters behind the marks that open a code block
_EMPTY_TAGS = re.compile(r"(?:<([a-z][\w-]*)(?:\s[^<>]*)?>\s*</\1>\s*)+")


def failed(material: Material) -> str | None:
    """Why the answer fails without a judge; None where it needs one.

    It is compared with `references` without case, spaces, Unicode variants (NFKC) and a code block around it.
    """
    answer, fenced = normal(material.answer), _fenced(material.answer)
    inside = answer if fenced is None else normal(fenced)
    references = [normal(one) for one in material.references]
    if {_tight(answer), _tight(inside)} & {_tight(one) for one in references}:
        return None
    said = bare(inside)
    if not said:
        return _unsaid(answer, inside, references)
    if _EMPTY_TAGS.fullmatch(inside):
        return "the answer is markup without content"
    if announces(said, references):
        return "the answer only announces an answer"
    if _echoes(said, bare(normal(material.input)), references):
        return "the answer only repeats the input"
    return None


def _unsaid(answer: str, inside: str, references: Sequence[str]) -> str | None:
    if not answer.strip(BLANK + " "):
        return "the answer is empty"
    if not inside:
        return "the answer is an empty code block"
    if len(inside) <= 2 and _OPERATORS.issuperset(inside):
        return None
    if not references and inside in _EMPTY_VALUES:
        return None
    return "the answer is only punctuation"


def _echoes(said: str, asked: str, references: Sequence[str]) -> bool:
    if len(asked) < _SHORTEST_ECHO or asked not in said or asked in {bare(one) for one in references}:
        return False
    return all(bare(part) in _AROUND for part in said.split(asked))


def _tight(text: str) -> str:
    return text.replace(" ", "")


def _fenced(text: str) -> str | None:
    """What is in the code block that `text` is; None where it is none."""
    text = clean(text).strip()
    for mark in ("```", "~~~"):
        if len(text) >= 2 * len(mark) and text.startswith(mark) and text.endswith(mark):
            inside = text.strip(mark[0])
            language, line_end, rest = inside.partition("\n")
            return rest if line_end and len(language) <= _LONGEST_LANGUAGE and " " not in language.strip() else inside
    return None
