"""One call to a judge: votes, or the reason why there are none."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from judges.judge import Opinion, Said, judge
from judges.material import Material
from judges.rubric import Criterion, Rubric
from judges.vote import Verdict, Vote

RUBRIC = Rubric("r", "1", "d", (Criterion("polite", "Is it?"),))
MATERIAL = Material("Thank you.", "Say thanks.")
NONCE = "0123456789abcdef"
REPLY = json.dumps({"polite": {"evidence": "Thank you", "verdict": "met"}})


@dataclass
class Model:
    """Says what it was given to say."""

    said: Said | Exception
    asked: list[str] = field(default_factory=list)

    async def ask(self, question: str) -> Said:
        self.asked.append(question)
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


async def test_one_call_gives_all_votes():
    model = Model(Said(REPLY))
    assert await judge(model, RUBRIC, MATERIAL, NONCE) == Opinion({"polite": Vote(Verdict.MET, "Thank you")})
    assert len(model.asked) == 1
    assert f"<<<ANSWER {NONCE}>>>\n| Thank you.\n" in model.asked[0]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (Said(REPLY, refused=True), "refused"),
        (Said(REPLY, cut=True), "cut off"),
        (Said("I'd say it is met."), "cannot be read: no JSON object in the reply"),
        (Said(""), "cannot be read: the reply is empty"),
    ],
)
async def test_what_gives_no_verdict_is_unscored_with_its_reason(said, reason):
    opinion = await judge(Model(said), RUBRIC, MATERIAL, NONCE)
    assert not opinion.votes
    assert reason in opinion.reason


async def test_a_providers_failure_passes_through():
    error = TimeoutError("slow")
    with pytest.raises(TimeoutError) as caught:
        await judge(Model(error), RUBRIC, MATERIAL, NONCE)
    assert caught.value is error
