r"""The metric `choice`: finds which lettered choice an answer in free prose settles on, by its letter or by its text.

Read in this order; the first that speaks decides:
1. the whole answer is a letter or a choice's text, with or without brackets, bold and the like;
2. the last statement of a result: "the answer is …", "Option …", "I choose …", "… is correct", `\boxed{…}`, or a line
   that holds nothing but a choice (a list that recites the choices is no statement);
3. the last sentence that names a choice.
So the end of a chain of reasoning binds. Choices named as alternatives ("A or B"), a letter with another choice's text,
or several choices in the sentence that should decide are ambiguous, which is no answer: 0. A choice that is named to be
ruled out ("not A", "A is wrong") is not taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from string import ascii_uppercase

from monitor.domain.case import Case
from monitor.metrics.metric import Plan, UnscorableError, texts
from monitor.metrics.naming import Named, clean, named_choices, whole
from monitor.metrics.text import ends

_NEAR = 120  # characters before a choice in which a word of result must stand

_RESULT = re.compile(
    r"\b(?:answer|option|choice|(?:choose|pick|select)(?:ed|s)?|chose|go(?:ing)? with|conclude|therefore|thus|hence|so"
    r"|actually|correct (?:one|letter))\b|\\boxed\b|####|=",
    re.IGNORECASE,
)
_FILLER_WORDS = """
    a also an answer be best both boxed choice chosen clearly correct definitely either final finally for have
    i i'd i'll indeed is it it's letter likely me most must my now of one only option probably question right should
    simply so text that that's textbf the then therefore this thus to was we will with would would've"""
_FILLERS = frozenset(_FILLER_WORDS.split())  # between a word of result and the choice that it announces
_TIE_WORDS = "and or either maybe perhaps possibly option options choice choices the"
_TIES = frozenset(_TIE_WORDS.split())  # between choices that stand as alternatives
_APPROVED = re.compile(
    r"""[\s"'”’)\].,:]{0,4}(?:is|are|was|seems|looks|appears|(?:must|would|has\ to)\ be)
    \ (?:to\ be\ )?(?:(?:the|my|clearly|indeed|probably|therefore|most|likely|only)\ ){0,3}
    (?:correct|right|best|true|final|answer)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_REJECTED = re.compile(
    r"""[\s"'”’)\].,:]{0,4}(?:(?:is|are|was|were|does|do|did|can|could|would|will|must|should)(?:\ not\b|n['’]t\b|not\b)
    |can['’]t\b|(?:is|are|was|seems|looks)\ (?:\w{1,12}\ )?(?:wrong|incorrect|false|out|impossible|too)\b)""",
    re.IGNORECASE | re.VERBOSE,
)
_REJECTING = re.compile(
    r"(?:\b(?:not|never|neither|nor|than|instead of|unlike|except|eliminate|exclude|cannot be)|n['’]t(?: be)?)"
    r"(?: (?:be|the|an?|option|choice|answer|it|is|to)){0,3} [\"'“(]?$",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<!\b[A-Za-z])[.!?;](?=\s)|\n")


@dataclass(frozen=True, slots=True)
class Choices:
    """The choices of a case and the positions of the right ones."""

    options: tuple[str, ...]
    right: frozenset[int]


def choice_match(answer: str, choices: Choices) -> float:
    """1 where the answer settles on a right choice; 0 on a wrong one, on several, or on none."""
    return float(settled(answer, choices.options) in choices.right)


def settled(answer: str, options: tuple[str, ...]) -> int | None:
    """The position of the choice that `answer` settles on, or None where it settles on none or on several."""
    text = clean(ends(answer))
    alone = whole(text, options)
    if alone is not None:
        return alone
    sentences = _sentences(text, named_choices(text, options))
    bare = _bare_line(text, sentences)
    for sentence in reversed(sentences):
        if sentence is bare:
            return _only(sentence)
        for at in reversed(range(len(sentence))):
            if _is_stated(text, sentence, at):
                return _only(_tied(text, sentence, at))
    prose = [sentence for sentence in sentences if not _is_bare(text, sentence)]
    return _only(prose[-1]) if prose else None


def _sentences(text: str, named: list[Named]) -> list[list[Named]]:
    """The choices named, sentence by sentence, without those that are ruled out and sentences that name none."""
    sentences: list[list[Named]] = []
    end = -1
    for one in named:
        if _REJECTED.match(text, one.end) or _REJECTING.search(text[max(0, one.start - _NEAR) : one.start]):
            continue
        if one.start >= end:
            sentences.append([])
            stop = _SENTENCE_END.search(text, one.end)
            end = stop.start() if stop else len(text)
        sentences[-1].append(one)
    return sentences


def _is_stated(text: str, sentence: list[Named], at: int) -> bool:
    """Whether the sentence gives the choice at `at` as its result, by words before it or after it."""
    one = sentence[at]
    if _APPROVED.match(text, one.end):
        return True
    start = max(0, one.start - _NEAR)
    results = list(_RESULT.finditer(text, start, one.start))
    if not results:
        return False
    gap = text[results[-1].end() : one.start]
    return not re.search(r"[.!?;]\s*\w", gap) and _words(gap) <= _FILLERS


def _tied(text: str, sentence: list[Named], at: int) -> list[Named]:
    """The choice at `at` with those that stand beside it as its text or as alternatives to it."""
    first = last = at
    while first > 0 and _ties(text, sentence[first - 1], sentence[first]):
        first -= 1
    while last + 1 < len(sentence) and _ties(text, sentence[last], sentence[last + 1]):
        last += 1
    return sentence[first : last + 1]


def _ties(text: str, left: Named, right: Named) -> bool:
    return _words(text[left.end : right.start]) <= _TIES


def _only(named: list[Named]) -> int | None:
    """The one choice that is named, or None where several are."""
    choices = {one.choice for one in named}
    return choices.pop() if len(choices) == 1 else None


def _bare_line(text: str, sentences: list[list[Named]]) -> list[Named] | None:
    """The last line that holds a choice and nothing else, unless such lines only recite the choices."""
    bare = [sentence for sentence in sentences if _is_bare(text, sentence)]
    earlier = {_only(sentence) for sentence in bare[:-1]}
    return bare[-1] if bare and (not earlier or _only(bare[-1]) in earlier) else None


def _is_bare(text: str, sentence: list[Named]) -> bool:
    """Whether the line around the sentence holds nothing but one choice: its letter, its text, or both."""
    start = text.rfind("\n", 0, sentence[0].start) + 1
    stop = text.find("\n", sentence[-1].end)
    outside = text[start : sentence[0].start] + text[sentence[-1].end : stop if stop >= 0 else len(text)]
    return _only(sentence) is not None and not _words(outside)


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[\w'’]+", text.lower().replace("’", "'")))


@lru_cache(maxsize=4096)
def _position(expected: str, options: tuple[str, ...]) -> int | str:
    """The position of an expected choice, or what is wrong with it."""
    wanted = expected.strip()
    by_text = [i for i, option in enumerate(options) if option.strip() == wanted]
    letter = ascii_uppercase.find(wanted.upper()) if len(wanted) == 1 else -1
    found = by_text or ([letter] if 0 <= letter < len(options) else [])
    if len(found) == 1:
        return found[0]
    return f"{len(found) or 'none'} of the choices is {expected[:60]!r}; write the right one's letter or its exact text"


def _misleading(options: tuple[str, ...]) -> str | None:
    """Why answers by letter and by text cannot be told apart, or None where they can."""
    if not 2 <= len(options) <= len(ascii_uppercase):
        return f"the case has {len(options)} choices; it needs 2 to {len(ascii_uppercase)}"
    for i, option in enumerate(options):
        at = ascii_uppercase.find(option.strip().upper()) if len(option.strip()) == 1 else -1
        if at != i and 0 <= at < len(options):
            return f'choice {ascii_uppercase[i]} reads "{option.strip()}", the letter of another; put a word before it'
    return None


def _read(case: Case) -> tuple[Choices, ...]:
    if not case.choices:
        raise UnscorableError("the case has no `choices`")
    misleading = _misleading(case.choices)
    if misleading:
        raise UnscorableError(misleading)
    right = [_position(text, case.choices) for text in texts(case)]
    wrong = [fault for fault in right if isinstance(fault, str)]
    if wrong:
        raise UnscorableError(wrong[0])
    return (Choices(case.choices, frozenset(i for i in right if isinstance(i, int))),)


def choice_plan() -> Plan:
    """The plan of `choice`."""
    return Plan(_read, choice_match)
