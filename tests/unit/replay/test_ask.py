"""Asking in simulated time with a scripted target at the port: what is tried again, how long, and what it counts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case
from monitor.replay.ask import Asked, RetryPolicy, ask
from monitor.replay.budget import Budget, Call, Caps, Month, Pricer
from monitor.replay.limiter import Limiter
from monitor.targets.port import Account
from tests.fakes.simulated_time import run_simulated

CASE = Case("c1", "Which river runs through Vienna?", expected="Danube")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
REPLY = Reply("Danube", input_tokens=12, output_tokens=1)
POLICY = RetryPolicy(retry_for=300.0)


class NoBudgetError(Exception):
    """The fake's own: whatever a permit raises passes through."""


class Permit:
    def __init__(self, calls: int = 10**9) -> None:
        self.calls = calls
        self.reserved = 0
        self.settled: list[Reply | ErrorKind | None] = []

    def reserve(self) -> None:
        if self.reserved == self.calls:
            raise NoBudgetError
        self.reserved += 1

    def settle(self, reply: Reply | None, error: TargetError | None) -> None:
        assert reply is None or error is None
        self.settled.append(error.kind if error else reply)


class Target:
    """Meets each call with the next outcome, the last one for ever; each takes `took` seconds."""

    account = Account("fake")

    def __init__(self, outcomes: Iterable[Reply | TargetError], took: float = 1.0) -> None:
        self.outcomes = list(outcomes)
        self.took = took
        self.moments: list[float] = []

    async def ask(self, case: Case) -> Reply:
        self.moments.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.took)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, TargetError):
            raise outcome
        return outcome

    async def aclose(self) -> None:
        pass


def error(kind: ErrorKind, *, permanent: bool = False, retry_after: float | None = None) -> TargetError:
    return TargetError(kind, "no answer", permanent=permanent, retry_after=retry_after)


def asked(target: Target, permit: Permit | None = None, policy: RetryPolicy = POLICY) -> tuple[Asked, float]:
    """How asking went and how long it took, in simulated seconds."""

    async def main() -> tuple[Asked, float]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        found = await ask(target, CASE, Limiter(random.Random(1)), policy, permit or Permit(), lambda: NOON)
        return found, loop.time() - begun

    return run_simulated(main())


def test_an_answer_comes_with_its_figures() -> None:
    permit = Permit()
    found, took = asked(Target([REPLY], took=2.5), permit)
    assert found == Asked(REPLY, None, 1, 2.5, NOON, NOON)
    assert took == 2.5
    assert (permit.reserved, permit.settled) == (1, [REPLY])


@pytest.mark.parametrize(
    "kind", [ErrorKind.RATE_LIMITED, ErrorKind.OVERLOADED, ErrorKind.TIMEOUT, ErrorKind.CONNECTION, ErrorKind.MALFORMED]
)
def test_what_may_help_is_tried_again_and_each_call_is_counted(kind: ErrorKind) -> None:
    permit = Permit()
    found, _ = asked(Target([error(kind), error(kind), REPLY]), permit)
    assert (found.reply, found.error, found.attempts, found.latency) == (REPLY, None, 3, 1.0)
    assert permit.settled == [kind, kind, REPLY]


@pytest.mark.parametrize("fatal", [True, False])
def test_what_cannot_help_is_not_tried_again(fatal: bool) -> None:
    target = Target([TargetError(ErrorKind.NOT_FOUND, "no such model", permanent=True, fatal=fatal)])
    found, took = asked(target)
    assert found.error is not None
    assert found.error.fatal is fatal
    assert (found.reply, found.attempts, took) == (None, 1, 1.0)


def test_the_waits_between_calls_grow() -> None:
    target = Target([error(ErrorKind.MALFORMED)])
    found, _ = asked(target)
    gaps = [later - sooner - target.took for sooner, later in zip(target.moments, target.moments[1:], strict=False)]
    assert found.attempts == len(target.moments)
    for gap, whole in zip(gaps, [0.5, 1, 2, 4, 8, 16, *[30] * len(gaps)], strict=False):
        assert whole / 2 - 1e-6 <= gap <= whole + 1e-6


def test_retries_end_with_the_time_given_for_them() -> None:
    found, took = asked(Target([error(ErrorKind.OVERLOADED)], took=0.1))
    assert found.error is not None
    assert found.error.kind is ErrorKind.OVERLOADED
    assert found.attempts > 5
    assert took <= POLICY.retry_for


def test_a_call_that_would_outlast_the_time_for_retries_is_cut_but_never_the_first() -> None:
    first, took = asked(Target([REPLY], took=50.0), policy=RetryPolicy(retry_for=10.0))
    assert (first.reply, took) == (REPLY, 50.0)

    class SlowAfter(Target):
        async def ask(self, case: Case) -> Reply:
            self.took = 1.0 if not self.moments else 50.0
            return await super().ask(case)

    cut, took = asked(SlowAfter([error(ErrorKind.OVERLOADED), REPLY]), policy=RetryPolicy(retry_for=10.0))
    assert cut.error is not None
    assert (cut.reply, cut.error.kind, cut.attempts) == (None, ErrorKind.TIMEOUT, 2)
    assert took == pytest.approx(10.0)


def test_no_time_for_retries_means_one_call() -> None:
    found, took = asked(Target([error(ErrorKind.OVERLOADED)]), policy=RetryPolicy(retry_for=0.0))
    assert (found.attempts, took) == (1, 1.0)


def test_a_wait_that_the_provider_asks_for_is_kept() -> None:
    target = Target([error(ErrorKind.RATE_LIMITED, retry_after=120.0), REPLY])
    found, took = asked(target)
    assert (found.reply, found.attempts) == (REPLY, 2)
    assert took == pytest.approx(1 + 120 + 1)


def test_a_wait_beyond_the_deadline_fails_at_once() -> None:
    found, took = asked(Target([error(ErrorKind.RATE_LIMITED, retry_after=301.0), REPLY]))
    assert found.error is not None
    assert (found.error.retry_after, found.attempts, took) == (301.0, 1, 1.0)


def test_a_provider_that_asks_for_no_wait_again_and_again_is_not_hammered() -> None:
    found, _ = asked(Target([error(ErrorKind.RATE_LIMITED, retry_after=0.0)], took=0.0))
    assert 5 < found.attempts < 30


def test_while_the_account_is_paused_for_too_long_nothing_is_called() -> None:
    async def main() -> tuple[Asked, Target]:
        limiter = Limiter(random.Random(1))
        limiter.pause(3_600.0)
        target = Target([REPLY])
        return await ask(target, CASE, limiter, POLICY, Permit(), lambda: NOON), target

    found, target = run_simulated(main())
    assert found.error is not None
    assert (found.error.kind, found.error.permanent) == (ErrorKind.RATE_LIMITED, False)
    assert (found.attempts, target.moments) == (0, [])


def test_waiting_for_a_turn_does_not_use_up_the_time_for_retries() -> None:
    async def main() -> tuple[list[Asked], float]:
        loop = asyncio.get_running_loop()
        limiter = Limiter(random.Random(1))
        limiter.tighten(1, None)
        target = Target([REPLY], took=0.0)
        begun = loop.time()
        calls = (ask(target, CASE, limiter, RetryPolicy(retry_for=5.0), Permit(), lambda: NOON) for _ in range(10))
        return await asyncio.gather(*calls), loop.time() - begun

    found, took = run_simulated(main())
    assert all(one.reply == REPLY for one in found)
    assert took == pytest.approx(540.0)


def test_without_budget_nothing_is_called_and_the_turn_is_given_back() -> None:
    async def main() -> tuple[Target, float]:
        loop = asyncio.get_running_loop()
        limiter = Limiter(random.Random(1))
        limiter.tighten(1, None)
        target = Target([REPLY])
        begun = loop.time()
        with pytest.raises(NoBudgetError):
            await ask(target, CASE, limiter, POLICY, Permit(calls=0), lambda: NOON)
        await limiter.acquire(0)
        return target, loop.time() - begun

    target, took = run_simulated(main())
    assert (target.moments, took) == ([], 0.0)


def test_the_budget_is_asked_before_each_retry() -> None:
    permit = Permit(calls=3)
    target = Target([error(ErrorKind.OVERLOADED)])
    with pytest.raises(NoBudgetError):
        asked(target, permit)
    assert len(target.moments) == 3
    assert permit.settled == [ErrorKind.OVERLOADED] * 3


def test_a_cancellation_ends_the_call_and_frees_its_place() -> None:
    async def main() -> tuple[Permit, float]:
        loop = asyncio.get_running_loop()
        limiter = Limiter(random.Random(1))
        for _ in range(5):
            with await limiter.acquire(0) as lease:
                lease.sent()
                lease.failed(error(ErrorKind.CONNECTION))
        permit = Permit()
        # After an outage only one request may be under way: were its place not freed, nobody would get another.
        hanging = asyncio.create_task(ask(Target([REPLY], took=1e9), CASE, limiter, POLICY, permit))
        await asyncio.sleep(10)
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        begun = loop.time()
        await limiter.acquire(0)
        return permit, loop.time() - begun

    permit, took = run_simulated(main())
    assert (permit.reserved, permit.settled, took) == (1, [None], 0.0)


def test_a_call_that_was_interrupted_stays_counted_against_the_rate() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        limiter = Limiter(random.Random(1))
        limiter.tighten(1, None)
        begun = loop.time()
        asking = asyncio.create_task(ask(Target([REPLY], took=1e9), CASE, limiter, POLICY, Permit()))
        await asyncio.sleep(10)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await limiter.acquire(0)
        return loop.time() - begun

    assert run_simulated(main()) == pytest.approx(60.0)


def test_a_cancellation_between_calls_ends_the_asking() -> None:
    async def main() -> int:
        target = Target([error(ErrorKind.OVERLOADED)], took=0.0)
        asking = asyncio.create_task(ask(target, CASE, Limiter(random.Random(1)), POLICY, Permit()))
        await asyncio.sleep(5.0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        made = len(target.moments)
        await asyncio.sleep(600.0)
        return len(target.moments) - made

    assert run_simulated(main()) == 0


def test_hundreds_of_cases_with_a_third_of_the_calls_refused_lose_none() -> None:
    async def main() -> list[Asked]:
        rng = random.Random(3)
        limiter = Limiter(rng)

        class Moody(Target):
            async def ask(self, case: Case) -> Reply:
                await asyncio.sleep(0.2)
                if rng.random() < 0.3:
                    raise error(ErrorKind.RATE_LIMITED, retry_after=1.0)
                return REPLY

        gate = asyncio.Semaphore(32)

        async def one() -> Asked:
            async with gate:
                return await ask(Moody([REPLY]), CASE, limiter, POLICY, Permit(), lambda: NOON)

        return await asyncio.gather(*(one() for _ in range(400)))

    found = run_simulated(main())
    assert [one.reply for one in found] == [REPLY] * 400
    assert 1.3 < sum(one.attempts for one in found) / 400 < 1.6


def test_a_target_that_took_two_requests_for_one_is_counted_with_both() -> None:
    refused = error(ErrorKind.REFUSED_REQUEST, permanent=True)
    refused.calls = 2
    assert asked(Target([replace(REPLY, calls=2)]))[0].attempts == 2
    assert asked(Target([refused]))[0].attempts == 2
    ledger = Budget(Caps(usd=1.0, calls=10), Month(10.0, 0.0))
    for made in (replace(REPLY, calls=2), REPLY):
        call = Call(ledger, Pricer(None, None), CASE)
        call.reserve()
        call.settle(made)
    assert (ledger.calls, ledger.reserved_calls) == (3, 0)
