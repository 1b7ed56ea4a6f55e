"""What a panel says of answers: whom to ask next, until it is certain."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from judges import panel
from judges.judge import Opinion
from judges.vote import Verdict, Vote
from monitor.domain.judgement import Judgement
from monitor.domain.run import Halt
from monitor.judging.bench import Bench, Question
from monitor.judging.scorer import RubricScorer
from monitor.judging.seat import Item, Jury, Sitting
from monitor.replay.stage import Workplace
from monitor.store import judgements

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hearing:
    """What judges said of each item, by its key. `away`: those who could not be asked on, and why.

    `undecided`: whether there is an item on which somebody who was wanted has said nothing.
    """

    said: Mapping[str, list[Judgement]]
    away: Mapping[str, Halt]
    undecided: bool

    @property
    def halt(self) -> Halt | None:
        """Why a judge could not be asked, where something stayed undecided without one."""
        return next(iter(self.away.values()), None) if self.undecided else None


async def hear(
    place: Workplace,
    sitting: Sitting,
    jury: Jury,
    scorer: RubricScorer,
    items: Sequence[Item],
    *,
    everyone: bool = False,
) -> Hearing:
    """What the panel says of each item: first what is stored, then, where it is not certain, who is asked.

    `everyone`: all judges are asked about each. A judge that cannot be asked, or has no seat in `jury`, leaves it to
    the others. Raises RunInterruptedError and DatabaseError.
    """
    keys = [item.key for item in items]
    with place.database.read() as connection:
        known = judgements.opinions(connection, sitting.occasion, scorer.fingerprint, keys, sitting.part)
    jurors = {juror.name: juror for juror in scorer.panel}
    for key in known:
        known[key] = [one for one in known[key] if jurors.get(one.juror.name) == one.juror]
    silent: set[tuple[str, str]] = set()
    away: dict[str, Halt] = {}
    while True:
        there = {name for name in jurors if name not in away and (name, scorer.name) in jury}
        wanted = _wanted(scorer, items, known, there, silent, everyone)
        if not wanted:
            break
        bench = [Bench(place, sitting, jury, scorer, jurors[name]) for name in wanted]
        results = await _together([one.ask_all(wanted[one.juror.name]) for one in bench], place.stop)
        for one, (said, halt) in zip(bench, results, strict=True):
            for question in wanted[one.juror.name]:
                key = question.item.key
                if key in said:
                    known.setdefault(key, []).append(said[key])
                else:
                    silent.add((key, one.juror.name))
            if halt is not None:
                away[one.juror.name] = halt
    undecided = any(not _decided(scorer, known.get(key, []), everyone=everyone) for key in keys)
    return Hearing(known, away, undecided)


async def _together(waves: Sequence[Coroutine[Any, Any, T]], stop: asyncio.Event) -> list[T]:
    """All at once. Where one fails the others are ended before its error is raised, or nobody would know they go on.

    Where a person stops it each ends by itself, once what is under way is stored.
    """
    tasks = [asyncio.create_task(wave) for wave in waves]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        if stop.is_set():
            await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    results: list[T] = []
    for outcome in sorted(outcomes, key=lambda one: isinstance(one, asyncio.CancelledError)):
        if isinstance(outcome, BaseException):
            raise outcome
        results.append(outcome)
    return results


def opinions_of(said: Iterable[Judgement]) -> list[Opinion]:
    """Stored judgements as the panel reads them."""
    return [
        Opinion(
            {
                criterion: Vote(Verdict(verdict), evidence)
                for criterion, (verdict, evidence) in (one.votes or {}).items()
            },
            one.reason,
        )
        for one in said
    ]


def _decided(scorer: RubricScorer, said: Sequence[Judgement], *, everyone: bool) -> bool:
    if len(said) >= len(scorer.panel):
        return True
    return not everyone and panel.certain(scorer.rubric, opinions_of(said), len(scorer.panel))


def _wanted(
    scorer: RubricScorer,
    items: Sequence[Item],
    known: Mapping[str, Sequence[Judgement]],
    there: set[str],
    silent: set[tuple[str, str]],
    everyone: bool,
) -> dict[str, list[Question]]:
    """Whom to ask next about what: as many at once as a majority still takes, in an order that differs by item."""
    size = len(scorer.panel)
    wanted: dict[str, list[Question]] = {}
    for item in items:
        said = known.get(item.key, [])
        if _decided(scorer, said, everyone=everyone):
            continue
        spoken = {one.juror.name for one in said}
        order = panel.order([juror.name for juror in scorer.panel], item.key)
        left = [name for name in order if name in there - spoken and (item.key, name) not in silent]
        most = size if everyone else max(1, (size + 1) // 2 - len(said))
        for place, name in enumerate(left[:most]):
            wanted.setdefault(name, []).append(Question(item, len(said) + place))
    return wanted
