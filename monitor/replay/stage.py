"""One stage of a run: what is missing is planned, asked, scored and stored as it comes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.domain.case import Case
from monitor.domain.run import Failure, Halt, Phase, StoredAnswer
from monitor.domain.text import storable
from monitor.grading import Grader
from monitor.replay.ask import Asked
from monitor.replay.budget import Pricer
from monitor.replay.keeping import PATIENCE, Batch, keep
from monitor.replay.plan import Question, outstanding
from monitor.replay.recorder import Recorder
from monitor.replay.runner import Replay, Tally
from monitor.store import answers
from monitor.store.database import Database

logger = logging.getLogger(__name__)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workplace:
    """What every stage needs of the process it runs in. `patience`: seconds that the database may be away."""

    database: Database
    now: Callable[[], datetime]
    stop: asyncio.Event
    watch: Callable[[str, Tally], None]
    patience: float = PATIENCE


@dataclass(frozen=True)
class Stage:
    """Up to `repeats` answers to each of `cases`, in one phase of one run. `label` names it to whoever watches."""

    run_id: str
    phase: Phase
    cases: Sequence[Case]
    repeats: int
    label: str


async def replay_stage(
    place: Workplace,
    stage: Stage,
    grader: Grader,
    ask: Callable[[Case], Awaitable[Asked]],
    pricer: Pricer,
    concurrency: int,
) -> Halt | None:
    """Ask what is missing; returns why it ended early, if it did. Raises RunInterruptedError and DatabaseError."""
    with place.database.read() as connection:
        stored = answers.stored(connection, stage.run_id, stage.phase)
    questions = outstanding(stage.cases, stored, stage.repeats)
    if not questions:
        return None

    def write(batch: Sequence[tuple[Question, Asked]]) -> None:
        now = place.now()
        kept = [_answer(stage, question, asked, pricer, now) for question, asked in batch if asked.reply is not None]
        lost = [_failure(stage, question, asked, pricer, now) for question, asked in batch if asked.error is not None]
        cases = {question.case.id: question.case for question, _ in batch}
        # Before the lock is taken: a metric may be slow, and other runs of this database wait for the lock.
        scores = [grader.grade(one.text, cases[one.case_id]) for one in kept]
        whole = Batch(list(zip(kept, scores, strict=True)), lost)
        keep(place.database, whole, place.patience, place.stop.is_set)

    async with Recorder[tuple[Question, Asked]](write) as recorder:

        async def store(question: Question, asked: Asked) -> None:
            await recorder.put((question, asked))
            if asked.reply is not None:
                replay.tally.usd += pricer.charge(question.case, asked.reply) or 0.0
            place.watch(stage.label, replay.tally)

        def asking(question: Question) -> Awaitable[Asked]:
            return ask(question.case)

        replay = Replay(questions, asking, store, concurrency, place.stop, fresh=not stored)
        place.watch(stage.label, replay.tally)
        began = time.monotonic()
        halt = await replay.run()
        _log(stage, replay.tally, time.monotonic() - began)
        # The last answer is counted after it is stored.
        place.watch(stage.label, replay.tally)
        return halt


def _log(stage: Stage, tally: Tally, seconds: float) -> None:
    counts = {"answered": tally.answered, "failed": tally.failed, "total": tally.total}
    figures = {"seconds": round(seconds, 2), "usd": round(tally.usd, 4)}
    logger.info("stage over", extra={"phase": stage.phase.value, "repeats": stage.repeats, **counts, **figures})


def _answer(stage: Stage, question: Question, asked: Asked, pricer: Pricer, now: datetime) -> StoredAnswer:
    reply = asked.reply
    if reply is None:
        raise ValueError("only an answer can be stored as one")
    return StoredAnswer(
        run_id=stage.run_id,
        phase=stage.phase,
        case_id=question.case.id,
        case_fingerprint=question.case.fingerprint,
        repeat=question.repeat,
        text=storable(reply.text),
        answered_at=now,
        latency=asked.latency,
        attempts=asked.attempts,
        model=reply.model,
        fingerprint=reply.fingerprint,
        finish_reason=reply.finish_reason,
        input_tokens=reply.input_tokens,
        output_tokens=reply.output_tokens,
        usd=pricer.charge(question.case, reply),
        contexts=tuple(storable(context) for context in reply.contexts),
    )


def _failure(stage: Stage, question: Question, asked: Asked, pricer: Pricer, now: datetime) -> Failure:
    error = asked.error
    if error is None:
        raise ValueError("an answer is no failure")
    return Failure(
        run_id=stage.run_id,
        phase=stage.phase,
        case_id=question.case.id,
        repeat=question.repeat,
        kind=error.kind.value,
        message=storable(error.message),
        attempts=asked.attempts,
        failed_at=now,
        usd=pricer.lost(question.case, error),
    )
