"""Asking a slow endpoint many times: a bare loop over the vendor's SDK against our target under limiter and retries.

`python tests/bench/bench_ask.py` runs both in turn, in one process each time with a fresh client, against a local
server in a process of its own, and prints wall time and CPU time per answer, and their ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from monitor.domain.answer import Reply, TargetError
from monitor.domain.case import Case
from monitor.replay.ask import RetryPolicy, ask
from monitor.replay.limiter import Limiters
from monitor.targets.chat import ChatSettings
from monitor.targets.openai import OpenAIChat

SERVER = Path(__file__).parents[1] / "fakes" / "provider_server.py"
MODEL = "fake-1"
SYSTEM = "You answer customers of a shop in one or two sentences."
PARAMS = {"temperature": 0.2, "max_tokens": 400}
PADDING = " Please say what the handbook has to say on this, and on nothing else." * 6


class Counted:
    """A permit without a cap that counts."""

    def __init__(self) -> None:
        self.calls = 0

    def reserve(self) -> None:
        self.calls += 1

    def settle(self, reply: Reply | None, error: TargetError | None) -> None:
        pass


def cases(count: int) -> list[Case]:
    return [Case(f"case-{i}", f"Question {i}?{PADDING}", expected="yes") for i in range(count)]


async def at_once(questions: list[Case], concurrency: int, one: Callable[[Case], Awaitable[str]]) -> None:
    left = iter(questions)

    async def work() -> None:
        for case in left:
            answer = await one(case)
            assert answer.startswith("echo: Question"), answer

    await asyncio.gather(*(work() for _ in range(concurrency)))


async def bare(url: str, questions: list[Case], concurrency: int) -> None:
    import httpx2
    from openai import AsyncOpenAI, DefaultAioHttpClient

    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    client = AsyncOpenAI(
        api_key="k", base_url=url, max_retries=0, timeout=60.0, http_client=DefaultAioHttpClient(limits=limits)
    )

    async def one(case: Case) -> str:
        completion = await client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "system", "content": SYSTEM}, {"role": "user", "content": case.question}],
            **PARAMS,
        )
        return completion.choices[0].message.content or ""

    await at_once(questions, concurrency, one)
    await client.close()


async def ours(url: str, questions: list[Case], concurrency: int) -> None:
    target = OpenAIChat(
        ChatSettings(MODEL, url, "k", "$KEY", SYSTEM, PARAMS, requests_per_minute=1e7, tokens_per_minute=1e10)
    )
    limiter = Limiters(random.Random(1)).of(target.account)
    policy = RetryPolicy(retry_for=300.0)
    permit = Counted()

    async def one(case: Case) -> str:
        asked = await ask(target, case, limiter, policy, permit)
        assert asked.reply is not None, asked.error
        return asked.reply.text

    await at_once(questions, concurrency, one)
    await target.aclose()
    assert permit.calls == len(questions)


def measured(
    what: Callable[[str, list[Case], int], Awaitable[None]], url: str, count: int, concurrency: int
) -> tuple[float, float]:
    """Wall time in seconds and CPU time of this process in milliseconds an answer."""
    questions = cases(count)

    async def main() -> tuple[float, float]:
        await what(url, questions[:1], 1)  # imports and first connections are not what is measured
        before, since = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        await what(url, questions, concurrency)
        after, wall = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - since
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return wall, cpu / count * 1000

    return asyncio.run(main())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--delay", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    command = [sys.executable, str(SERVER), "--delay", str(options.delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline().split()[1])}/v1"
            found: dict[str, list[tuple[float, float]]] = {"bare": [], "ours": []}
            for _ in range(options.rounds):
                for name, what in (("bare", bare), ("ours", ours)):
                    found[name].append(measured(what, url, options.cases, options.concurrency))
        finally:
            server.terminate()
    least = options.cases / options.concurrency * options.delay
    print(f"{options.cases} answers, {options.concurrency} at once, {options.delay} s each: at least {least:.2f} s")
    middle = {name: [statistics.median(column) for column in zip(*runs, strict=True)] for name, runs in found.items()}
    for name, (wall, cpu) in middle.items():
        print(f"{name}: wall {wall:.2f} s, CPU {cpu:.2f} ms an answer (medians of {options.rounds})")
    wall_ratio, cpu_ratio = (ours / bare for ours, bare in zip(middle["ours"], middle["bare"], strict=True))
    print(f"ours / bare: wall {wall_ratio:.2f}, CPU {cpu_ratio:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
