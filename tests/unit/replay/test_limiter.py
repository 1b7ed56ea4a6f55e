"""The limiter in simulated time: limits hold over every minute, pauses hold for all, an outage is probed."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left

import pytest

from monitor.domain.answer import ErrorKind, TargetError
from monitor.replay.limiter import LONGEST_BACK_OFF, OUTAGE, Limiter, Limiters, PausedError
from monitor.targets.port import Account
from tests.fakes.simulated_time import run_simulated


def now() -> float:
    return asyncio.get_running_loop().time()


def most_in_a_minute(moments: list[float]) -> int:
    return max(bisect_left(moments, at + 60.0 - 1e-6) - i for i, at in enumerate(moments))


def limiter(**limits: float) -> Limiter:
    made = Limiter(random.Random(1))
    made.tighten(limits.get("requests"), limits.get("tokens"))
    return made


def error(kind: ErrorKind = ErrorKind.OVERLOADED, retry_after: float | None = None) -> TargetError:
    return TargetError(kind, "no answer", retry_after=retry_after)


async def send(one: Limiter, outcome: TargetError | int | None = None, characters: int = 0, took: float = 0.0) -> float:
    """Send one request; returns when it went out."""
    with await one.acquire(characters) as lease:
        at = now()
        lease.sent()
        await asyncio.sleep(took)
        if isinstance(outcome, TargetError):
            lease.failed(outcome)
        else:
            lease.succeeded(outcome)
    return at


@pytest.mark.parametrize("per_minute", [1, 7, 60, 600, 5_000])
def test_no_minute_sees_more_requests_than_the_limit_and_hardly_fewer(per_minute: int) -> None:
    async def main() -> list[float]:
        one = limiter(requests=per_minute)
        return await asyncio.gather(*(send(one) for _ in range(2 * per_minute + 1)))

    moments = run_simulated(main())
    assert moments == sorted(moments)
    assert 0.95 * per_minute <= most_in_a_minute(moments) <= per_minute


def test_without_a_limit_nothing_waits() -> None:
    async def main() -> set[float]:
        one = limiter()
        begun = now()
        return {at - begun for at in await asyncio.gather(*(send(one) for _ in range(500)))}

    assert run_simulated(main()) == {0.0}


def test_tokens_are_estimated_from_the_text_and_corrected_by_what_was_used() -> None:
    async def main(used: int) -> float:
        one = limiter(tokens=6_000)
        begun = now()
        for _ in range(60):
            last = await send(one, used, characters=400)
        return last - begun

    # 60 requests at 100 tokens a second, the first second's worth free: 1,000 tokens each against 200 each.
    assert run_simulated(main(1_000)) == pytest.approx(600, rel=0.05)
    assert run_simulated(main(200)) == pytest.approx(120, rel=0.10)


def test_the_estimate_learns_from_the_answers() -> None:
    async def main() -> tuple[float, float]:
        one = limiter(tokens=60_000)
        first = await one.acquire(400)
        with first:
            first.sent()
            first.succeeded(100 + 2_000)
        for _ in range(60):
            await send(one, 100 + 2_000, characters=400)
        last = await one.acquire(400)
        with last:
            return first.reserved, last.reserved

    first, last = run_simulated(main())
    assert first < 500
    assert last == pytest.approx(2_100, rel=0.01)


def test_a_request_larger_than_the_bucket_goes_out_and_those_after_it_wait_off_the_debt() -> None:
    async def main() -> float:
        one = limiter(tokens=600)
        begun = now()
        await send(one, 6_000, characters=23_000)
        return await send(one, 10) - begun

    assert run_simulated(main()) == pytest.approx(600, rel=0.1)


def test_what_is_not_sent_is_given_back() -> None:
    async def main() -> float:
        one = limiter(requests=1, tokens=600)
        begun = now()
        with await one.acquire(400):
            pass
        return await send(one) - begun

    assert run_simulated(main()) == 0.0


def test_what_was_sent_and_interrupted_stays_spent() -> None:
    async def main() -> float:
        one = limiter(requests=1)
        begun = now()
        with await one.acquire(400) as lease:
            lease.sent()
        return await send(one) - begun

    assert run_simulated(main()) == 60.0


def test_who_is_cancelled_while_waiting_has_taken_nothing() -> None:
    async def main() -> float:
        one = limiter(requests=1)
        begun = now()
        await send(one)
        waiting = [asyncio.create_task(send(one)) for _ in range(5)]
        await asyncio.sleep(10)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return await send(one) - begun

    assert run_simulated(main()) == pytest.approx(60.0)


def test_a_wait_that_the_provider_asks_for_holds_for_all_and_the_longest_wins() -> None:
    async def main() -> list[float]:
        one = limiter()
        begun = now()
        await send(one, error(ErrorKind.RATE_LIMITED, retry_after=30.0))
        one.pause(5.0)
        return [at - begun for at in await asyncio.gather(*(send(one) for _ in range(3)))]

    assert run_simulated(main()) == [30.0, 30.0, 30.0]


def test_a_pause_reaches_those_who_wait_already() -> None:
    async def main() -> float:
        one = limiter(requests=6)
        begun = now()
        await send(one)
        waiting = asyncio.create_task(send(one))
        await asyncio.sleep(5)
        one.pause(100.0)
        return await waiting - begun

    assert run_simulated(main()) == pytest.approx(105.0)


def test_a_pause_beyond_someones_patience_is_said_at_once_to_all_in_line() -> None:
    async def main() -> list[tuple[float, float]]:
        one = limiter(requests=1)
        begun = now()
        await send(one)

        async def patient() -> tuple[float, float]:
            with pytest.raises(PausedError) as caught:
                await one.acquire(0, patience=300.0)
            return caught.value.seconds, now() - begun

        waiting = [asyncio.create_task(patient()) for _ in range(4)]
        await asyncio.sleep(5)
        one.pause(3_600.0)
        return await asyncio.gather(*waiting)

    assert run_simulated(main()) == [(3_600.0, 5.0)] * 4


def test_rate_limits_without_a_wait_back_off_exponentially_and_a_success_recovers() -> None:
    async def main() -> tuple[list[float], float]:
        one = limiter()
        pauses = []
        for _ in range(9):
            await send(one, error(ErrorKind.RATE_LIMITED))
            pauses.append(one.paused_for)
        await send(one)
        await send(one, error(ErrorKind.RATE_LIMITED))
        return pauses, one.paused_for

    pauses, after = run_simulated(main())
    for pause, whole in zip(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60], strict=True):
        assert whole / 2 <= pause <= whole <= LONGEST_BACK_OFF
    assert 0.5 <= after <= 1.0


def test_failures_that_come_back_together_count_as_one() -> None:
    async def main() -> float:
        one = limiter()
        await asyncio.gather(*(send(one, error(ErrorKind.RATE_LIMITED), took=1.0) for _ in range(100)))
        return one.paused_for

    assert 0.5 <= run_simulated(main()) <= 1.0


def test_a_few_unlucky_requests_pause_nobody() -> None:
    async def main() -> float:
        one = limiter()
        for _ in range(100):
            for _ in range(OUTAGE - 1):
                await send(one, error())
            await send(one)
        return one.paused_for

    assert run_simulated(main()) == 0.0


def test_an_outage_is_probed_by_one_request_at_a_time() -> None:
    async def main() -> list[float]:
        one = limiter()
        moments: list[float] = []

        async def stubborn() -> None:
            while now() < end:
                moments.append(await send(one, error(ErrorKind.CONNECTION), took=0.2))

        end = now() + 600
        await asyncio.gather(*(stubborn() for _ in range(64)))
        return moments

    moments = run_simulated(main())
    # 64 go out before anything is known; then the back-off has grown to a minute long before the ten are over.
    assert 64 + 10 <= len(moments) <= 64 + 64 + 30


def test_after_an_outage_the_window_doubles_with_each_success() -> None:
    async def main() -> list[int]:
        one = limiter()
        for _ in range(OUTAGE):
            await send(one, error())
        under_way, most = 0, []

        async def ask() -> None:
            nonlocal under_way
            with await one.acquire(0) as lease:
                under_way += 1
                most.append(under_way)
                lease.sent()
                await asyncio.sleep(1.0)
                under_way -= 1
                lease.succeeded()

        await asyncio.gather(*(ask() for _ in range(300)))
        return most

    most = run_simulated(main())
    assert most[:3] == [1, 1, 2]
    assert max(most) > 100


def test_permanent_errors_say_nothing_about_the_account() -> None:
    async def main() -> float:
        one = limiter()
        for _ in range(10 * OUTAGE):
            await send(one, TargetError(ErrorKind.RATE_LIMITED, "no credit", fatal=True))
            await send(one, TargetError(ErrorKind.REFUSED_REQUEST, "too long", permanent=True))
            await send(one, TargetError(ErrorKind.MALFORMED, "not JSON"))
        return one.paused_for

    assert run_simulated(main()) == 0.0


def test_the_lowest_limit_stated_for_an_account_holds_and_other_accounts_are_apart() -> None:
    async def main() -> tuple[bool, bool, float]:
        limiters = Limiters(random.Random(1))
        first = limiters.of(Account("openai a", requests_per_minute=600))
        second = limiters.of(Account("openai a", requests_per_minute=60))
        third = limiters.of(Account("openai a"))
        other = limiters.of(Account("openai b"))
        begun = now()
        moments = await asyncio.gather(*(send(third) for _ in range(61)))
        return first is second is third, other is first, max(moments) - begun

    assert run_simulated(main()) == (True, False, pytest.approx(60.0))
