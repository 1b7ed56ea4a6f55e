"""Asking many questions at once: bounded, and stopped early by what makes going on pointless."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from monitor.domain.answer import TargetError
from monitor.domain.run import Halt, HaltKind
from monitor.replay.budget import BudgetExhaustedError

# Questions in a row without an answer, after all retries: the provider is down, and asking on only costs time.
OUTAGE_AFTER = 8
# Questions that were all refused for good, before any was answered: it is not about single cases.
REFUSED_AT_FIRST = 20
# Seconds that answers under way may still take when someone stops the run: they may be paid for already.
GRACE = 5.0


class Outcome(Protocol):
    """What asking one question came to."""

    @property
    def error(self) -> TargetError | None:
        """The error that is left after all retries, or None."""
        ...


Q = TypeVar("Q")
Got = TypeVar("Got", bound=Outcome)


class RunInterruptedError(Exception):
    """Someone stopped the run; what was answered is stored."""


@dataclass
class Tally:
    """How a replay is getting on; `usd` is what this process has spent on it."""

    total: int
    answered: int = 0
    failed: int = 0
    usd: float = 0.0


@dataclass
class Replay(Generic[Q, Got]):
    """Questions of one kind to one target, or to one judge.

    `ask` gives an answer or the error that is left after all retries; `store` returns when it is committed.
    `stop` is set by a person's Ctrl-C. `fresh`: nothing was answered in this run before.
    """

    questions: Sequence[Q]
    ask: Callable[[Q], Awaitable[Got]]
    store: Callable[[Q, Got], Awaitable[None]]
    concurrency: int
    stop: asyncio.Event
    fresh: bool = False
    tally: Tally = field(init=False)
    _left: deque[Q] = field(init=False)
    _halt: Halt | None = field(default=None, init=False)
    _no_budget: Halt | None = field(default=None, init=False)
    _lost_in_a_row: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.tally = Tally(len(self.questions))
        self._left = deque(self.questions)

    async def run(self) -> Halt | None:
        """Ask everything; None when all were asked, else why not. Raises RunInterruptedError where `stop` was set."""
        workers = [asyncio.create_task(self._work()) for _ in range(min(self.concurrency, len(self.questions)))]
        stopped = asyncio.create_task(self.stop.wait())
        everything: asyncio.Future[list[None]] = asyncio.gather(*workers)
        try:
            either: list[asyncio.Future[Any]] = [everything, stopped]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not everything.done():
                await asyncio.wait([everything], timeout=GRACE)
            if everything.done():
                await everything
        finally:
            stopped.cancel()
            for worker in workers:
                worker.cancel()
            # `everything` too: a future whose exception nobody looks at ends in a traceback on standard error.
            await asyncio.gather(*workers, everything, return_exceptions=True)
        incomplete = self.tally.answered + self.tally.failed < self.tally.total
        if self.stop.is_set() and incomplete and self._halt is None:
            raise RunInterruptedError
        return self._halt or (self._no_budget if self._left else None)

    async def _work(self) -> None:
        while self._left and self._halt is None and not self.stop.is_set():
            question = self._left.popleft()
            try:
                asked = await self.ask(question)
            except BudgetExhaustedError as error:
                # Calls under way hold more than they will cost: fewer workers go on with what comes back.
                self._left.appendleft(question)
                self._no_budget = Halt(HaltKind.BUDGET, f"The run stopped, because {error}")
                return
            await self.store(question, asked)
            self._count(asked.error)

    def _count(self, error: TargetError | None) -> None:
        if error is None:
            self.tally.answered += 1
            self._lost_in_a_row = 0
            return
        self.tally.failed += 1
        if error.fatal:
            self._halt = self._halt or Halt(HaltKind.FATAL, error.message)
        elif error.permanent and self.fresh and not self.tally.answered and self.tally.failed >= REFUSED_AT_FIRST:
            why = f"The first {self.tally.failed} questions were all refused; the last one: {error.message}"
            self._halt = self._halt or Halt(HaltKind.FATAL, why)
        elif not error.permanent:
            self._lost_in_a_row += 1
            if self._lost_in_a_row >= max(OUTAGE_AFTER, self.concurrency):
                why = f"{self._lost_in_a_row} questions in a row got no answer; the last one: {error.message}"
                self._halt = self._halt or Halt(HaltKind.OUTAGE, why)
