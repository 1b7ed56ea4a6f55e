"""What a judge replied, read narrowly: verdicts by criterion, or an error that says why there are none; pure.

A server may not hold a reply to the schema, so the object may stand within other text, and a careless judge may quote
an answer that was written to be taken for its verdicts. What could be read in two ways is not read: where several
objects fit they have to say the same, for nobody can tell a judge's second thought from its quotation. No message
repeats what a reply says, which may be private.
"""

from __future__ import annotations

import re
from typing import Any

from judges.pieces import BrokenError, Piece, pieces
from judges.rubric import Rubric
from judges.text import shorten
from judges.vote import Verdict, Vote

LONGEST_REPLY = 200_000  # characters; a verdict takes a few thousand
LONGEST_EVIDENCE = 300
_THOUGHT = re.compile(r"\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_THINKS = re.compile(r"\s*<think(?:ing)?>", re.IGNORECASE)
_SPELLINGS = {
    **{one.value: one for one in Verdict},
    "yes": Verdict.MET,
    "no": Verdict.NOT_MET,
    "n/a": Verdict.NOT_APPLICABLE,
}


class UnreadableReplyError(Exception):
    """A judge's reply holds no verdicts, or none that could only be read in one way. The message says why."""


def parse(text: str, rubric: Rubric) -> dict[str, Vote]:
    """The votes by criterion id, one for each criterion of `rubric`. Raises UnreadableReplyError, and nothing else."""
    if len(text) > LONGEST_REPLY:
        raise UnreadableReplyError(f"the reply has {len(text)} characters; at most {LONGEST_REPLY} are read")
    if not text.strip():
        raise UnreadableReplyError("the reply is empty")
    thought = _THOUGHT.match(text)
    if thought is None and _THINKS.match(text):
        raise UnreadableReplyError("the reply has no end of its thoughts")
    try:
        found = pieces(text[thought.end() :] if thought else text)
    except BrokenError as error:
        raise UnreadableReplyError(str(error)) from None
    fitting = [votes for piece in found if (votes := _votes_of(piece, rubric)) is not None]
    if not fitting:
        ids = ", ".join(one.id for one in rubric.criteria)
        raise UnreadableReplyError(f"no JSON object in the reply has verdicts on {ids}")
    binding = fitting[-1]
    if any(_verdicts(votes) != _verdicts(binding) for votes in fitting):
        raise UnreadableReplyError("the reply has verdicts twice, and they differ: one may be a quotation")
    return binding


def _votes_of(piece: Piece, rubric: Rubric) -> dict[str, Vote] | None:
    """The votes that a piece holds; None where it is about something else."""
    try:
        return _votes(piece.value, rubric)
    except UnreadableReplyError:
        named = any(f'"{one}"' in piece.source for one in ("verdict", *(c.id for c in rubric.criteria)))
        if named:
            raise
        return None


def _verdicts(votes: dict[str, Vote]) -> dict[str, Verdict]:
    return {name: vote.verdict for name, vote in votes.items()}


def _votes(value: dict[str, Any] | list[dict[str, Any]], rubric: Rubric) -> dict[str, Vote]:
    by_id = value if isinstance(value, dict) else _listed(value)
    missing = [one.id for one in rubric.criteria if one.id not in by_id]
    if missing:
        raise UnreadableReplyError(f"the reply has no verdict on {', '.join(missing)}")
    return {one.id: _vote(by_id[one.id], one.id) for one in rubric.criteria}


def _listed(items: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:
        name = item.get("id")
        if not isinstance(name, str):
            raise UnreadableReplyError("an item of the list has no id")
        if name in found:
            raise UnreadableReplyError("the list has one id twice")
        found[name] = item
    return found


def _vote(value: Any, name: str) -> Vote:
    if not isinstance(value, dict):
        raise UnreadableReplyError(f"{name} is no object with evidence and verdict")
    verdict, evidence = value.get("verdict"), value.get("evidence")
    if not isinstance(verdict, str):
        raise UnreadableReplyError(f"{name} has no verdict that is a string")
    read = _SPELLINGS.get(re.sub(r"[\s_-]+", "_", verdict.strip().rstrip(".").casefold()))
    if read is None:
        raise UnreadableReplyError(f"the verdict on {name} is none of {', '.join(Verdict)}")
    if evidence is not None and not isinstance(evidence, str):
        raise UnreadableReplyError(f"the evidence on {name} is no string")
    return Vote(read, shorten(evidence or "", LONGEST_EVIDENCE))
