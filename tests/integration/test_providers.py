"""Asking llmock, an independent emulator of the providers' faults: nothing is lost, nothing is asked too often."""

from __future__ import annotations

import asyncio
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case
from monitor.replay.ask import Asked, RetryPolicy, ask
from monitor.replay.limiter import Limiters
from monitor.targets.anthropic import AnthropicMessages
from monitor.targets.chat import ChatSettings, ChatTarget
from monitor.targets.openai import OpenAIChat
from tests.fakes.ports import free_port


class Counted:
    def __init__(self) -> None:
        self.calls = 0

    def reserve(self) -> None:
        self.calls += 1

    def settle(self, reply: Reply | None, error: TargetError | None) -> None:
        pass


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def llmock(log: Path, *options: str) -> Iterator[str]:
    """An llmock in a process of its own; gives its root."""
    port = free_port()
    program = Path(sys.executable).with_name("llmock")
    command = [str(program), "serve", "--port", str(port), "--log-level", "warning", *options]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as server:
        try:
            until = time.monotonic() + 60.0
            while not listens(port):
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < until, "llmock does not listen"
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()


def target_of(kind: str, root: str, **limits: float) -> ChatTarget:
    if kind == "openai":
        return OpenAIChat(ChatSettings("gpt-4o", f"{root}/v1", "k-1", "$KEY", params={"max_tokens": 20}, **limits))
    return AnthropicMessages(ChatSettings("claude-sonnet-5", f"{root}/anthropic", "k-1", "$KEY", **limits))


async def all_asked(target: ChatTarget, count: int, concurrency: int) -> tuple[list[Asked], int]:
    """Ask `count` cases at once in `concurrency` tasks; how each went, and the number of calls."""
    limiter = Limiters(random.Random(1)).of(target.account)
    permit = Counted()
    left = iter([Case(f"c{i}", f"Question {i}?") for i in range(count)])
    found: list[Asked] = []

    async def work() -> None:
        for case in left:
            asked = await ask(target, case, limiter, RetryPolicy(retry_for=90.0), permit)
            found.append(asked)

    try:
        await asyncio.gather(*(work() for _ in range(concurrency)))
    finally:
        await target.aclose()
    return found, permit.calls


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_with_a_third_of_the_calls_refused_every_case_is_answered(tmp_path: Path, kind: str) -> None:
    with llmock(tmp_path / "log", "--error-rate", "429=0.3") as root:
        found, calls = await all_asked(target_of(kind, root), 40, 16)
    assert [one.error for one in found] == [None] * 40
    assert all(one.reply is not None and one.reply.text for one in found)
    assert calls == sum(one.attempts for one in found) > 40


async def test_an_overloaded_provider_loses_no_case_either(tmp_path: Path) -> None:
    with llmock(tmp_path / "log", "--error-rate", "503=0.2", "--error-rate", "529=0.1") as root:
        found, calls = await all_asked(target_of("openai", root), 40, 16)
    assert [one.error for one in found] == [None] * 40
    assert calls > 40


async def test_a_stated_rate_is_kept_so_that_the_provider_never_refuses(tmp_path: Path) -> None:
    with llmock(tmp_path / "log", "--rpm", "600") as root:
        found, calls = await all_asked(target_of("openai", root, requests_per_minute=600.0), 40, 16)
    assert [one.error for one in found] == [None] * 40
    assert calls == 40


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize(
    ("status", "error", "fatal"),
    [(400, ErrorKind.REFUSED_REQUEST, False), (401, ErrorKind.AUTHENTICATION, True), (404, ErrorKind.NOT_FOUND, True)],
)
async def test_what_cannot_help_is_asked_once(
    tmp_path: Path, kind: str, status: int, error: ErrorKind, fatal: bool
) -> None:
    with llmock(tmp_path / "log", "--error-rate", f"{status}=1.0") as root:
        found, calls = await all_asked(target_of(kind, root), 1, 1)
    assert calls == 1
    assert isinstance(found[0].error, TargetError)
    assert (found[0].error.kind, found[0].error.fatal) == (error, fatal)
