"""A judge that follows a rule, behind the port where a judge's model would be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from judges.rubric import Rubric
from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case
from monitor.replay.ask import Asked
from monitor.replay.budget import Call
from tests.fakes.house import CrashError
from tests.fakes.judging import blocks


@dataclass
class FakeJudge:
    """Passes what `passes(answer, case id)` says, on every criterion; `asked` holds (case id, answer) of each call.

    `answered` holds those that got a reply, and so would be billed.

    `says` replaces a whole reply, or None leaves it; `down` cases get `error`; call number `dies_at` raises CrashError.
    """

    passes: Callable[[str, str], bool] = lambda answer, case: "yes" in answer
    says: Callable[[str, str], Reply | None] = lambda answer, case: None
    down: Callable[[str], bool] = lambda case: False
    error: TargetError = field(default_factory=lambda: TargetError(ErrorKind.OVERLOADED, "overloaded"))
    model: str = "judge-1"
    dies_at: int | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    answered: list[tuple[str, str]] = field(default_factory=list)

    async def ask(self, rubric: Rubric, case: Case, call: Call, now: datetime) -> Asked:
        call.reserve()
        (answer,) = blocks(case.question, "ANSWER")
        self.asked.append((case.id, answer))
        if len(self.asked) == self.dies_at:
            raise CrashError(f"at judgement {self.dies_at}")
        await asyncio.sleep(0)
        if self.down(case.id):
            call.settle(None, self.error)
            return Asked(None, self.error, 1, 0.25, now, now)
        reply = self.says(answer, case.id) or self._verdicts(rubric, self.passes(answer, case.id))
        call.settle(reply, None)
        self.answered.append((case.id, answer))
        return Asked(reply, None, 1, 0.25, now, now)

    def _verdicts(self, rubric: Rubric, passes: bool) -> Reply:
        one = {"evidence": "as it stands", "verdict": "met" if passes else "not_met"}
        text = json.dumps({criterion.id: one for criterion in rubric.criteria})
        return Reply(text, self.model, input_tokens=1000, output_tokens=50, cached_input_tokens=800)
