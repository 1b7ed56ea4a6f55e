"""One answer judged by one judge: one call for all criteria."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from judges.material import Material
from judges.parse import UnreadableReplyError, parse
from judges.prompt import question
from judges.rubric import Rubric
from judges.vote import Vote


@dataclass(frozen=True, slots=True)
class Said:
    """What a model said: its text, whether it refused, and whether it was cut off at its limit of tokens."""

    text: str
    refused: bool = False
    cut: bool = False


class Ask(Protocol):
    """A chat model, told `prompt.prefix(rubric)` as its system prompt and held to `prompt.schema(rubric)`."""

    async def ask(self, question: str) -> Said:
        """What it says to one user's turn. Its errors are its caller's: a provider's failure is never a verdict."""
        ...


@dataclass(frozen=True, slots=True)
class Opinion:
    """A judge's votes by criterion id; none of them, and the reason, where it is unscored."""

    votes: Mapping[str, Vote] = field(default_factory=dict)
    reason: str | None = None


async def judge(model: Ask, rubric: Rubric, material: Material, nonce: str) -> Opinion:
    """Ask `model` once. What it refused, could not finish or said unreadably has a reason, and no votes.

    `nonce` as `prompt.question` wants it. What `model.ask` raises passes through.
    """
    said = await model.ask(question(rubric, material, nonce))
    if said.refused:
        return Opinion(reason="the judge refused")
    if said.cut:
        return Opinion(reason="the judge's reply was cut off at its limit of tokens")
    try:
        return Opinion(parse(said.text, rubric))
    except UnreadableReplyError as error:
        return Opinion(reason=f"the judge's reply cannot be read: {error}")
