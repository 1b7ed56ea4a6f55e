"""A site: one target with one suite, and everything that a run of the two needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cached_property

from monitor.domain.case import Case, Suite
from monitor.grading import Grader
from monitor.judging.setup import Judging
from monitor.replay.ask import Asked
from monitor.replay.budget import Budget, Pricer

# Asks a target one case, with retries, within its account's limits and the run's budget.
Ask = Callable[[Case], Awaitable[Asked]]


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """A target that was to be measured beside another, and why it cannot be."""

    target: str
    why: str


@dataclass(frozen=True)
class Site:
    """`fingerprint` identifies the target's configuration; `compared_with` names the target whose baseline counts.

    `connect(budget)` opens the target and gives a function that asks it, within its account's limits and the budget.
    `local`: its answers come from this machine, so nothing in between can have cached them.
    `free`: nobody is paid for them. `judging`: its rubrics and their judges; None where it has no rubric.
    `fallback`: what may serve instead, asked the same suite; None where none is configured.
    """

    target: str
    suite: Suite
    grader: Grader
    fingerprint: str
    requested_model: str | None
    compared_with: str
    concurrency: int
    pricer: Pricer
    role: str
    local: bool
    free: bool
    connect: Callable[[Budget], AbstractAsyncContextManager[Ask]]
    judging: Judging | None = None
    fallback: Site | Unbuilt | None = None

    @property
    def name(self) -> str:
        """How people see it."""
        return f"{self.target} · {self.suite.name}"

    @cached_property
    def scorable(self) -> tuple[Case, ...]:
        """The cases that the headline can score; asking the others would buy nothing."""
        headline = [self.grader.scorers[name] for name in self.grader.weights]
        return tuple(case for case in self.suite.cases if all(s.fault(case) is None for s in headline))
