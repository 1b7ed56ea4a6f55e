"""A house whose answers are judged: cases that canaries can be made of, answers that differ, and a judge that knows."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from monitor.cycle import Done
from monitor.domain.answer import Reply
from monitor.domain.case import Case
from monitor.rounds import run_now
from tests.fakes.house import MONDAY, FakeModel, House

Rule = Callable[[str, str], bool]


def fact(number: int) -> str:
    return f"It is number {number}."


def right(answer: str, case: str) -> bool:
    """What a good judge says: the case's own fact, or a yes."""
    return answer.startswith("yes") or answer == fact(int(case.removeprefix("case-")))


def chance(*parts: str) -> float:
    """In [0, 1), the same for the same parts."""
    return int.from_bytes(hashlib.sha256("/".join(parts).encode()).digest()[:8], "big") / 2**64


def stricter(share: float) -> Rule:
    """A good judge that now fails this share of what it passed."""
    return lambda answer, case: right(answer, case) and chance("strict", answer, case) >= share


def lenient(share: float) -> Rule:
    """A judge that now passes this share of the model's wrong answers, and sees through canaries as before."""
    return lambda answer, case: (
        right(answer, case) or (answer.startswith("no") and chance("lenient", answer, case) < share)
    )


@dataclass
class Wordy(FakeModel):
    """Every answer has words of its own: `word`, and how often its case was asked before."""

    word: str = "then"
    turns: dict[str, int] = field(default_factory=dict)

    def reply(self, case: Case) -> Reply:
        turn = self.turns[case.id] = self.turns.get(case.id, 0) + 1
        said = super().reply(case)
        return replace(said, text=f"{said.text.split()[0]} {self.word} {turn}")


def judged_house(folder: Path, cases: int = 40, judges: tuple[str, ...] = ("strict",), **how: str) -> House:
    """A house judged by a panel of good judges; `how` as `House.judged_by` takes it."""
    house = House(folder, cases)
    house.cases = [
        Case(f"case-{i:03}", f"Is {i} a number?", expected=[fact(i), "yes"], tags=("edge",)) for i in range(cases)
    ]
    house.judged_by(*judges, **how)
    for name in judges:
        house.judges[name].passes = right
    house.model = Wordy()
    # With this many at once a stage is committed in few parts, which is what takes time.
    house.concurrency = 20
    return house


async def pinned(house: House) -> None:
    """A baseline, and the Monday after it; the records of model and judges begin anew."""
    await house.collect()
    house.clock.now = MONDAY
    house.model = Wordy(word="now")
    forget(house)


async def whole_week(house: House) -> list[Done]:
    """What is due, each time in a new process and when the run wants to go on, until nothing is left to do."""
    found = []
    for _ in range(12):
        (done,) = (await house.due()).done
        found.append(done)
        if done.run.due_at is None:
            return found
        house.clock.now = done.run.due_at
    raise AssertionError("the week did not end")


async def at_once(house: House) -> Done:
    """A replay on demand: every stage and confirmation at once."""
    app = house.app()
    (done,) = (await run_now(app, list(app.sites.values()))).done
    return done


def forget(house: House) -> None:
    """The judges' records begin anew."""
    for judge in house.judges.values():
        judge.asked.clear()
        judge.answered.clear()


def judged_twice(house: House) -> list[tuple[str, str]]:
    """What some judge has judged more than once since its record began."""
    return [one for judge in house.judges.values() for one, times in Counter(judge.answered).items() if times > 1]


async def go_on(house: House, done: Done) -> list[Done]:
    """The rest of a week that waits, from when it goes on."""
    assert done.run.due_at is not None
    house.clock.now = done.run.due_at
    return await whole_week(house)
