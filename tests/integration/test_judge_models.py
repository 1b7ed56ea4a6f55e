"""Judges asked by both SDKs: the form of the answer, servers that know none, refusals, and prompts that are cached."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from monitor.config.judges import JudgeConfig
from monitor.config.models import Config
from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case
from monitor.replay.budget import Pricer
from monitor.targets.build import build_judge
from monitor.targets.port import Target
from tests.fakes.judging import judging
from tests.fakes.prefix_cache import PrefixCache
from tests.fakes.provider_server import ProviderServer, Step
from tests.integration.test_providers import llmock

KINDS = pytest.mark.parametrize("provider", ["openai", "anthropic"])
ONE = {
    "type": "object",
    "properties": {"evidence": {"type": "string"}, "verdict": {"type": "string", "enum": ["met", "not_met"]}},
    "required": ["evidence", "verdict"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {"correct": ONE, "polite": ONE},
    "required": ["correct", "polite"],
    "additionalProperties": False,
}
PREFIX = "You judge one answer. " + "Each criterion is a question about it. " * 120  # over 1,024 tokens of four bytes
QUESTION = Case("judge-1", "The answer: Vienna lies on the Danube.")
REFUSAL = {
    "openai": {"choices": [{"message": {"content": None, "refusal": "I can't."}, "finish_reason": "stop"}]},
    "anthropic": {"content": [{"type": "text", "text": '{"corr'}], "stop_reason": "refusal"},
}
CUT = {
    "openai": {"choices": [{"message": {"content": '{"corr'}, "finish_reason": "length"}]},
    "anthropic": {"content": [{"type": "text", "text": '{"corr'}], "stop_reason": "max_tokens"},
}


def decide(question: str, path: tuple[str, ...]) -> str:
    return "met" if path[0] == "polite" or "Danube" in question else "not_met"


@pytest.fixture
async def server() -> AsyncIterator[ProviderServer]:
    async with ProviderServer(judge=judging(decide), cache=PrefixCache()) as running:
        yield running


def judge(provider: str, root: str, **table: Any) -> Target:
    base = f"{root}/v1" if provider == "openai" else root
    known = {"provider": provider, "model": "m", "base_url": base, "api_key": {"env": "KEY"}, "timeout": "5s", **table}
    judges = {"strict": TypeAdapter(JudgeConfig).validate_python(known)}
    config = Config.model_construct(path=Path("/srv/config.toml"), suites={}, targets={}, judges=judges)
    return build_judge("strict", config, PREFIX, SCHEMA, {"KEY": "k-0123"})


async def asked(target: Target, *cases: Case) -> list[Reply]:
    try:
        return [await target.ask(case) for case in cases]
    finally:
        await target.aclose()


def form(body: dict[str, Any]) -> Any:
    return body.get("response_format") or body.get("output_config")


@KINDS
async def test_the_verdicts_come_in_the_form_that_was_asked_for(server: ProviderServer, provider: str) -> None:
    (reply,) = await asked(judge(provider, server.url), QUESTION)
    verdicts = {key: vote["verdict"] for key, vote in json.loads(reply.text).items()}
    assert verdicts == {"correct": "met", "polite": "met"}
    wrong = await asked(judge(provider, server.url), Case("judge-2", "The answer: on the Rhine."))
    assert json.loads(wrong[0].text)["correct"]["verdict"] == "not_met"


async def test_what_openai_is_sent(server: ProviderServer) -> None:
    await asked(judge("openai", server.url, params={"temperature": 0.0}), QUESTION)
    assert server.requests[0].body == {
        "model": "m",
        "temperature": 0.0,
        "messages": [{"role": "system", "content": PREFIX}, {"role": "user", "content": QUESTION.messages[0].content}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "verdicts", "strict": True, "schema": SCHEMA},
        },
    }


async def test_what_anthropic_is_sent(server: ProviderServer) -> None:
    await asked(judge("anthropic", server.url, params={"output_config": {"effort": "low"}}), QUESTION)
    assert server.requests[0].body == {
        "model": "m",
        "max_tokens": 2000,
        "system": [{"type": "text", "text": PREFIX, "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": QUESTION.messages[0].content}],
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
    }
    await asked(judge("anthropic", server.url, params={"max_tokens": 300}), QUESTION)
    assert server.requests[1].body["max_tokens"] == 300


@KINDS
@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_that_knows_no_forms_is_asked_without_from_then_on(
    server: ProviderServer, provider: str, status: int
) -> None:
    server.script(Step(status=status), Step(text="1. met"), Step(text="2. met"))
    first, second = await asked(judge(provider, server.url), QUESTION, QUESTION)
    assert (first.text, second.text) == ("1. met", "2. met")
    assert (first.calls, second.calls) == (2, 1)
    assert [form(request.body) is not None for request in server.requests] == [True, False, False]


@KINDS
async def test_what_is_refused_with_and_without_a_form_says_nothing_about_forms(
    server: ProviderServer, provider: str
) -> None:
    server.script(Step(status=400), Step(status=400))
    target = judge(provider, server.url)
    with pytest.raises(TargetError) as caught:
        await target.ask(QUESTION)
    assert (caught.value.kind, caught.value.permanent, caught.value.calls) == (ErrorKind.REFUSED_REQUEST, True, 2)
    await asked(target, QUESTION)
    assert [form(request.body) is not None for request in server.requests] == [True, False, True]


@KINDS
async def test_a_server_that_took_a_form_once_goes_on_being_asked_with_one(
    server: ProviderServer, provider: str
) -> None:
    server.script(Step(), Step(status=400), Step(text="met"), Step())
    replies = await asked(judge(provider, server.url), QUESTION, QUESTION, QUESTION)
    assert replies[1].text == "met"
    assert [form(request.body) is not None for request in server.requests] == [True, True, False, True]


@KINDS
@pytest.mark.parametrize(
    ("status", "kind"), [(401, ErrorKind.AUTHENTICATION), (404, ErrorKind.NOT_FOUND), (429, ErrorKind.RATE_LIMITED)]
)
async def test_other_faults_are_not_blamed_on_the_form(
    server: ProviderServer, provider: str, status: int, kind: ErrorKind
) -> None:
    server.script(Step(status=status))
    with pytest.raises(TargetError) as caught:
        await asked(judge(provider, server.url), QUESTION)
    assert caught.value.kind is kind
    assert server.count == 1


@KINDS
async def test_a_refusal_and_an_answer_that_was_cut_can_be_told(server: ProviderServer, provider: str) -> None:
    server.script(Step(patch=REFUSAL[provider]), Step(patch=CUT[provider]))
    refused, cut = await asked(judge(provider, server.url), QUESTION, QUESTION)
    assert (refused.text, refused.finish_reason) == ("", "refusal")
    assert (cut.text, cut.finish_reason) == ('{"corr', {"openai": "length", "anthropic": "max_tokens"}[provider])


@KINDS
async def test_the_prefix_is_read_from_the_cache_once_a_first_answer_has_begun(
    server: ProviderServer, provider: str
) -> None:
    cache = server.cache
    assert cache is not None
    cases = [Case(f"judge-{n}", f"The answer: {n} " + "words " * 50) for n in range(20)]
    first, *later = await asked(judge(provider, server.url), *cases)
    assert first.cached_input_tokens == 0
    assert all(reply.cached_input_tokens and reply.cached_input_tokens >= 1024 for reply in later)
    if provider == "anthropic":
        assert first.cache_write_tokens == later[0].cached_input_tokens == -(-len(PREFIX) // 4)
        assert {reply.cache_write_tokens for reply in later} == {0}
    counted = sum(reply.input_tokens or 0 for reply in (first, *later))
    read = sum(reply.cached_input_tokens or 0 for reply in (first, *later))
    assert (counted, read) == (cache.input, cache.cached)
    assert read / counted > 0.6
    full, cheap = (
        [price.cost(r.input_tokens, r.output_tokens, r.cached_input_tokens) or 0.0 for r in (first, *later)]
        for price in (Pricer(1.0, 5.0), Pricer(1.0, 5.0, cached_price=0.1))
    )
    assert sum(full) - sum(cheap) == pytest.approx(0.9 * read / 1e6)


@KINDS
async def test_questions_that_are_asked_at_once_all_miss_the_cache(server: ProviderServer, provider: str) -> None:
    server.delay = 0.2
    target = judge(provider, server.url)
    try:
        replies = await asyncio.gather(*(target.ask(QUESTION) for _ in range(4)))
    finally:
        await target.aclose()
    assert {reply.cached_input_tokens for reply in replies} == {0}


async def test_an_independent_emulator_fills_in_the_form(tmp_path: Path) -> None:
    with llmock(tmp_path / "log") as root:
        (reply,) = await asked(judge("openai", root, model="gpt-4o"), QUESTION)
    votes = json.loads(reply.text)
    assert list(votes) == ["correct", "polite"]
    assert {vote["verdict"] for vote in votes.values()} <= {"met", "not_met"}
