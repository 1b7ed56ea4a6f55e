"""Asks a target one case: the one place that retries, bounded in time, under the account's limiter and the budget."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case
from monitor.replay.budget import BudgetExhaustedError
from monitor.replay.limiter import Lease, Limiter, PausedError
from monitor.targets.port import Target


class Permit(Protocol):
    """What a case's calls are counted with."""

    def reserve(self) -> None:
        """Set one call aside, just before it is made; BudgetExhaustedError ends the asking."""
        ...

    def settle(self, reply: Reply | None, error: TargetError | None) -> None:
        """The call that was set aside is over: with a reply, with an error, or with neither, being interrupted."""
        ...


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to keep asking, in seconds from the first call on, and how long a single case waits between calls."""

    retry_for: float
    first_wait: float = 0.5
    longest_wait: float = 30.0


@dataclass(frozen=True, slots=True)
class Asked:
    """How asking went: a reply, or the error of the last call; times are UTC, `latency` is the last call's in seconds.

    `attempts` is the number of calls made; 0 where the account was paused for longer than the policy waits.
    """

    reply: Reply | None
    error: TargetError | None
    attempts: int
    latency: float
    started_at: datetime
    finished_at: datetime


def utc_now() -> datetime:
    """The time of day, UTC."""
    return datetime.now(UTC)


async def ask(
    target: Target,
    case: Case,
    limiter: Limiter,
    policy: RetryPolicy,
    permit: Permit,
    now: Callable[[], datetime] = utc_now,
) -> Asked:
    """Ask until there is a reply, an error that asking again does not help, or `policy.retry_for` is over.

    The time counts from the first call, not from the wait for a turn. A pause or a wait that reaches beyond it fails
    at once; a later call is cut off when it ends, the first one has the target's whole time-out. So the whole takes
    the longer of the two, after its first turn. BudgetExhaustedError of the first call passes through, and
    so does a cancellation; neither leaves anything reserved. Of a later call it leaves the error of the one before.
    """
    asking = _Asking(target, case, limiter, policy, permit, now())
    error = await asking.until_over()
    return Asked(asking.reply, error, asking.attempts, asking.latency, asking.started_at, now())


class _Asking:
    """The state of one case that is being asked."""

    def __init__(
        self, target: Target, case: Case, limiter: Limiter, policy: RetryPolicy, permit: Permit, started_at: datetime
    ) -> None:
        self.target = target
        self.case = case
        self.limiter = limiter
        self.policy = policy
        self.permit = permit
        self.started_at = started_at
        self.clock = asyncio.get_running_loop().time
        self.characters = sum(len(turn.content) for turn in case.messages)
        self.deadline = math.inf  # on the loop's clock; set by the first call
        self.attempts = 0
        self.latency = 0.0
        self.reply: Reply | None = None

    async def until_over(self) -> TargetError | None:
        """Call until there is a reply (None), or the error that stays."""
        error: TargetError | None = None
        while True:
            try:
                lease = await self._turn()
            except PausedError as paused:
                return error or _paused(self.limiter, paused)
            except TimeoutError:
                return error
            with lease:
                try:
                    error = await self._call(lease)
                except BudgetExhaustedError:
                    if error is None:
                        raise
                    # No room for another try: the calls that were made tell more than that.
                    return error
            if error is None or error.permanent:
                return error
            if not await self._wait():
                return error

    async def _turn(self) -> Lease:
        """A turn on the account; TimeoutError where it would come after the deadline."""
        if not self.attempts:
            return await self.limiter.acquire(self.characters, self.policy.retry_for)
        async with asyncio.timeout_at(self.deadline):
            return await self.limiter.acquire(self.characters, self.deadline - self.clock())

    async def _call(self, lease: Lease) -> TargetError | None:
        self.permit.reserve()
        lease.sent()
        sent = self.clock()
        failed: TargetError | None = None
        try:
            self.reply = await self._send(sent)
            self.attempts += self.reply.calls - 1
        except TargetError as error:
            failed = error
            self.attempts += error.calls - 1
            lease.failed(error)
            return error
        finally:
            self.latency = self.clock() - sent
            self.permit.settle(self.reply, failed)
        lease.succeeded(_tokens(self.reply))
        return None

    async def _send(self, sent: float) -> Reply:
        self.attempts += 1
        if self.attempts == 1:
            self.deadline = sent + self.policy.retry_for
            return await self.target.ask(self.case)
        try:
            async with asyncio.timeout_at(self.deadline):
                return await self.target.ask(self.case)
        except TimeoutError:
            message = f"no answer before the {self.policy.retry_for:g} s for retries were over"
            raise TargetError(ErrorKind.TIMEOUT, message) from None

    async def _wait(self) -> bool:
        """Wait before the next call; False at once where that would be after the deadline."""
        grown = self.policy.first_wait * 2.0 ** min(self.attempts - 1, 16)
        wait = self.limiter.jitter(min(self.policy.longest_wait, grown))
        # A wait that the provider asked for has paused the account by now.
        if max(wait, self.limiter.paused_for) >= self.deadline - self.clock():
            return False
        await asyncio.sleep(wait)
        return True


def _paused(limiter: Limiter, paused: PausedError) -> TargetError:
    message = f"the provider asked to wait {paused.seconds:.0f} s, longer than `retry_for`"
    return TargetError(ErrorKind.RATE_LIMITED, message, retry_after=paused.seconds)


def _tokens(reply: Reply) -> int | None:
    if reply.input_tokens is None or reply.output_tokens is None:
        return None
    return reply.input_tokens + reply.output_tokens
