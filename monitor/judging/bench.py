"""One judge asked about many answers: within its limits, each reply stored as it comes."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from judges.judge import Opinion, Said, judge
from monitor.domain.answer import TargetError
from monitor.domain.case import Case
from monitor.domain.judgement import Judgement, Juror
from monitor.domain.run import Failure, Halt, HaltKind, Phase
from monitor.domain.text import storable
from monitor.judging.scorer import RubricScorer
from monitor.judging.seat import Item, Jury, Seat, Sitting
from monitor.replay.ask import Asked
from monitor.replay.keeping import persist
from monitor.replay.recorder import Recorder
from monitor.replay.runner import OUTAGE_AFTER, Replay
from monitor.replay.stage import Workplace
from monitor.store import answers, judgements

logger = logging.getLogger(__name__)

# What one judge said, by item, and why it was not asked on.
Answered = tuple[dict[str, Judgement], Halt | None]

# Ends of a reply by which a provider says that its model would not go on, or could not.
_REFUSED = frozenset({"refusal", "content_filter"})
_CUT = frozenset({"length", "max_tokens", "model_context_window_exceeded"})
# From this many questions on the first goes alone: until it is answered, no provider has the prompt in its cache.
_WARM_FROM = 4


@dataclass(frozen=True, slots=True)
class Question:
    """One answer that one judge is to judge, and how many of the panel were asked before it."""

    item: Item
    position: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of one question, as it was `sent`: the `opinion`, or None where there was no reply."""

    asked: Asked
    opinion: Opinion | None
    sent: Case

    @property
    def error(self) -> TargetError | None:
        """The error that is left after all retries."""
        return self.asked.error


class _NoReplyError(Exception):
    pass


class _Model:
    """A seat as `judges` wants it; remembers what was sent, and what the call came to."""

    def __init__(self, seat: Seat, case_id: str) -> None:
        self._seat = seat
        self._case_id = case_id
        self.call: tuple[Case, Asked] | None = None

    async def ask(self, question: str) -> Said:
        sent = Case(self._case_id, question)
        asked = await self._seat.ask(sent)
        self.call = (sent, asked)
        reply = asked.reply
        if reply is None:
            raise _NoReplyError
        return Said(reply.text, refused=reply.finish_reason in _REFUSED, cut=reply.finish_reason in _CUT)


async def put(seat: Seat, scorer: RubricScorer, item: Item) -> Heard:
    """Ask one judge about one item; nothing is stored."""
    model = _Model(seat, item.case_id)
    opinion: Opinion | None = None
    with suppress(_NoReplyError):
        opinion = await judge(model, scorer.rubric, item.material, secrets.token_hex(8))
    if model.call is None:
        raise ValueError("a judge gave an opinion without being asked")
    sent, asked = model.call
    return Heard(asked, opinion, sent)


class Bench:
    """One judge, with the questions of one wave."""

    def __init__(self, place: Workplace, sitting: Sitting, jury: Jury, scorer: RubricScorer, juror: Juror) -> None:
        self.place = place
        self.sitting = sitting
        self.seat = jury[juror.name, scorer.name]
        self.scorer = scorer
        self.juror = juror
        self.said: dict[str, Judgement] = {}
        self.last_error = ""
        self.refused: list[tuple[Question, TargetError]] = []

    async def ask_all(self, questions: Sequence[Question]) -> Answered:
        """What the judge said, by item; and why it was not asked on, where it was not."""
        began = time.monotonic()
        first = 1 if len(questions) >= _WARM_FROM and self.seat.concurrency > 1 else 0
        halt: Halt | None = None
        for part in (questions[:first], questions[first:]):
            halt = halt or (await self._ask(part) if part else None)
        if halt is None and not self.said and len(questions) >= OUTAGE_AFTER:
            # Fewer than would end it in a row, where more are asked at once: down all the same.
            why = f"none of its {len(questions)} questions got an answer; the last one: {self.last_error}"
            halt = Halt(HaltKind.OUTAGE, why)
        if halt is None:
            self._give_up()
        figures = {"asked": len(questions), "said": len(self.said), "seconds": round(time.monotonic() - began, 2)}
        logger.info("judging over", extra={"judge": self.juror.name, "rubric": self.scorer.name, **figures})
        return self.said, None if halt is None else Halt(halt.kind, f"[judges.{self.juror.name}]: {halt.message}")

    async def _ask(self, questions: Sequence[Question]) -> Halt | None:
        async with Recorder[tuple[Question, Heard]](self._write) as recorder:

            async def store(question: Question, heard: Heard) -> None:
                await recorder.put((question, heard))
                self.place.watch(label, replay.tally)

            label = f"{self.sitting.label} · {self.juror.name} judges {self.scorer.name}"
            replay = Replay(questions, self._hear, store, self.seat.concurrency, self.place.stop, fresh=True)
            self.place.watch(label, replay.tally)
            halt = await replay.run()
            self.place.watch(label, replay.tally)
        return halt

    async def _hear(self, question: Question) -> Heard:
        return await put(self.seat, self.scorer, question.item)

    def _give_up(self) -> None:
        """What the provider refuses for good, though the judge answers otherwise, has no score: it is asked no more."""
        now = self.place.now()
        given_up = [
            self._unscored(question, f"the judge's provider refuses the question: {error.message}", now)
            for question, error in self.refused
        ]
        if given_up:
            persist(
                self.place.database, lambda connection, _: judgements.add(connection, given_up), self.place.patience
            )
            self.said |= {one.material: one for one in given_up}

    def _write(self, batch: Sequence[tuple[Question, Heard]]) -> None:
        now = self.place.now()
        said = [self._judgement(q, h, h.opinion, now) for q, h in batch if h.opinion is not None]
        lost = [self._failure(q, h, h.error, now) for q, h in batch if h.error is not None]

        def store(connection: Connection, in_doubt: bool) -> None:
            judgements.add(connection, said)
            left = [one for one in lost if not (in_doubt and answers.failure_is_stored(connection, one))]
            answers.add_failures(connection, left)

        persist(self.place.database, store, self.place.patience, self.place.stop.is_set)
        self.said |= {one.material: one for one in said}
        self.last_error = lost[-1].message if lost else self.last_error
        self.refused += [(q, h.error) for q, h in batch if h.error is not None and h.error.permanent]

    def _judgement(self, question: Question, heard: Heard, opinion: Opinion, now: datetime) -> Judgement:
        item, asked, reply = question.item, heard.asked, heard.asked.reply
        if reply is None:
            raise ValueError("an opinion comes of a reply")
        mark = self.scorer.rubric.mark({criterion: vote.verdict for criterion, vote in opinion.votes.items()})
        votes = {criterion: (vote.verdict.value, storable(vote.evidence)) for criterion, vote in opinion.votes.items()}
        reason = opinion.reason or mark.reason
        return Judgement(
            run_id=self.sitting.run_id,
            occasion=self.sitting.occasion,
            sitting=self.sitting.part,
            juror=self.juror,
            rubric=self.scorer.name,
            rubric_fingerprint=self.scorer.fingerprint,
            material=item.key,
            case_id=item.case_id,
            purpose=item.purpose,
            votes=votes or None,
            value=mark.score if opinion.votes else None,
            reason=None if reason is None else storable(reason),
            position=question.position,
            length=len(item.material.answer),
            judged_at=now,
            latency=asked.latency,
            attempts=asked.attempts,
            model=reply.model,
            fingerprint=reply.fingerprint,
            input_tokens=reply.input_tokens,
            cached_input_tokens=reply.cached_input_tokens,
            output_tokens=reply.output_tokens,
            usd=self.seat.pricer.charge(heard.sent, reply),
        )

    def _unscored(self, question: Question, reason: str, now: datetime) -> Judgement:
        """No opinion; the calls stand among the failures."""
        return Judgement(
            run_id=self.sitting.run_id,
            occasion=self.sitting.occasion,
            sitting=self.sitting.part,
            juror=self.juror,
            rubric=self.scorer.name,
            rubric_fingerprint=self.scorer.fingerprint,
            material=question.item.key,
            case_id=question.item.case_id,
            purpose=question.item.purpose,
            votes=None,
            value=None,
            reason=storable(reason),
            position=question.position,
            length=len(question.item.material.answer),
            judged_at=now,
            attempts=0,
        )

    def _failure(self, question: Question, heard: Heard, error: TargetError | None, now: datetime) -> Failure:
        if error is None:
            raise ValueError("an answer is no failure")
        return Failure(
            run_id=self.sitting.run_id,
            phase=Phase.MAIN,
            case_id=question.item.case_id,
            repeat=question.position,
            kind=f"{answers.OF_JUDGES}{error.kind.value}",
            message=storable(f"[judges.{self.juror.name}] {error.message}"),
            attempts=heard.asked.attempts,
            failed_at=now,
            usd=self.seat.pricer.lost(heard.sent, error),
        )
