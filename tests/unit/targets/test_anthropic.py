"""The anthropic target, by the real SDK, against a scripted provider on loopback."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case, Message
from monitor.targets.anthropic import AnthropicMessages
from monitor.targets.chat import ChatSettings
from tests.fakes.provider_server import ProviderServer, Step

KEY = "sk-ant-secret-0123456789"
CASE = Case("geo", "Which river runs through Vienna?", expected="THE-EXPECTED", context="FOR-THE-JUDGE")


@pytest.fixture
async def server() -> AsyncIterator[ProviderServer]:
    async with ProviderServer() as running:
        yield running


async def reply(server: ProviderServer, *steps: Step, case: Case = CASE, **settings: Any) -> Reply:
    server.script(*steps)
    chosen = {"key": KEY, "key_name": "$ANTHROPIC_API_KEY", "timeout": 5.0, **settings}
    target = AnthropicMessages(ChatSettings(chosen.pop("model", "claude-x"), server.url, **chosen))
    try:
        return await target.ask(case)
    finally:
        await target.aclose()


async def failure(server: ProviderServer, *steps: Step, **settings: Any) -> TargetError:
    with pytest.raises(TargetError) as caught:
        await reply(server, *steps, **settings)
    assert KEY not in caught.value.message
    return caught.value


async def test_an_answer_with_what_the_provider_reports(server: ProviderServer) -> None:
    found = await reply(server, Step(text="The Danube."))
    assert found == Reply("The Danube.", "fake-1", None, "end_turn", 7, 3)


async def test_what_is_sent_and_nothing_of_what_is_expected(server: ProviderServer) -> None:
    await reply(server)
    sent = server.requests[0]
    assert sent.path == "/v1/messages"
    assert KEY in (sent.headers.get("Authorization", "") + sent.headers.get("X-Api-Key", ""))
    assert sent.body == {
        "model": "claude-x",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": "Which river runs through Vienna?"}],
    }


async def test_system_turns_and_parameters_find_their_place(server: ProviderServer) -> None:
    turns = (
        Message("system", "You sell shoes."),
        Message("user", "a"),
        Message("assistant", "b"),
        Message("user", "c"),
    )
    await reply(server, case=Case("c", turns), system="Be brief.", params={"temperature": 0.0, "max_tokens": 9})
    assert server.requests[0].body == {
        "model": "claude-x",
        "max_tokens": 9,
        "temperature": 0.0,
        "system": "Be brief.\n\nYou sell shoes.",
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
        ],
    }


async def test_of_a_system_prompt_that_is_cached_a_cases_own_turns_are_no_part(server: ProviderServer) -> None:
    turns = (Message("system", "You sell shoes."), Message("user", "a"))
    await reply(server, case=Case("c", turns), system="Be brief.", cache_system=True)
    assert server.requests[0].body["system"] == [
        {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "You sell shoes."},
    ]
    await reply(server, cache_system=True)
    assert "system" not in server.requests[1].body


async def test_the_environment_names_neither_key_nor_address(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-the-environment")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "of-the-environment")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    await reply(server, key=None, key_name=None)
    assert "of-the-environment" not in json.dumps(server.requests[0].headers)


async def test_a_model_whose_end_is_announced_is_asked_without_a_warning(server: ProviderServer) -> None:
    from anthropic.resources.messages.messages import DEPRECATED_MODELS

    announced = next(iter(DEPRECATED_MODELS))  # the SDK's `create` warns of it, and warnings are errors here
    assert (await reply(server, model=announced)).text


async def test_text_blocks_alone_make_the_answer(server: ProviderServer) -> None:
    content = [
        {"type": "thinking", "thinking": "hm", "text": "no"},
        {"type": "text", "text": "The "},
        {"type": "text", "text": "Danube."},
    ]
    usage = {"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": None, "output_tokens": 4}
    found = await reply(server, Step(patch={"content": content, "usage": usage}))
    assert (found.text, found.input_tokens, found.output_tokens) == ("The Danube.", 105, 4)
    assert (found.cached_input_tokens, found.cache_write_tokens) == (100, None)


@pytest.mark.parametrize("content", [[], [{"type": "text", "text": "I started to"}]])
async def test_a_refusal_is_an_empty_answer(server: ProviderServer, content: list[Any]) -> None:
    found = await reply(server, Step(patch={"content": content, "stop_reason": "refusal"}))
    assert (found.text, found.finish_reason) == ("", "refusal")


def said(kind: str, message: str = "words") -> str:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}})


@pytest.mark.parametrize(
    ("status", "body", "kind", "permanent", "fatal"),
    [
        (400, said("invalid_request_error"), ErrorKind.REFUSED_REQUEST, True, False),
        (400, said("invalid_request_error", "Your credit balance is too low"), ErrorKind.RATE_LIMITED, True, True),
        (401, said("authentication_error"), ErrorKind.AUTHENTICATION, True, True),
        (403, said("permission_error"), ErrorKind.AUTHENTICATION, True, True),
        (404, said("not_found_error", "model: claude-x"), ErrorKind.NOT_FOUND, True, True),
        (413, said("request_too_large"), ErrorKind.REFUSED_REQUEST, True, False),
        (429, said("rate_limit_error"), ErrorKind.RATE_LIMITED, False, False),
        (500, said("api_error"), ErrorKind.OVERLOADED, False, False),
        (529, said("overloaded_error"), ErrorKind.OVERLOADED, False, False),
        (200, said("overloaded_error"), ErrorKind.OVERLOADED, False, False),
        (200, said("authentication_error"), ErrorKind.AUTHENTICATION, True, True),
        (200, said("something_new"), ErrorKind.OVERLOADED, False, False),
        (200, "not JSON", ErrorKind.MALFORMED, False, False),
        (200, '{"content": "text"}', ErrorKind.MALFORMED, False, False),
    ],
)
async def test_each_fault_has_its_kind(
    server: ProviderServer, status: int, body: str, kind: ErrorKind, permanent: bool, fatal: bool
) -> None:
    error = await failure(server, Step(status=status, body=body))
    assert (error.kind, error.permanent, error.fatal) == (kind, permanent, fatal)
    assert server.count == 1


async def test_the_wait_that_the_provider_asks_for_is_told_and_not_slept(server: ProviderServer) -> None:
    error = await failure(server, Step(status=429, headers={"Retry-After": "3600"}))
    assert error.retry_after == 3600.0


@pytest.mark.parametrize("action", ["close", "truncate"])
async def test_a_broken_connection(server: ProviderServer, action: Any) -> None:
    error = await failure(server, Step(action=action))
    assert (error.kind, error.permanent) == (ErrorKind.CONNECTION, False)


async def test_a_provider_that_hangs_is_left_at_the_time_out(server: ProviderServer) -> None:
    assert (await failure(server, Step(action="hang"), timeout=0.2)).kind is ErrorKind.TIMEOUT


async def test_closing_twice_is_safe(server: ProviderServer) -> None:
    target = AnthropicMessages(ChatSettings("claude-x", server.url, KEY))
    await target.ask(CASE)
    await target.aclose()
    await target.aclose()
    assert target.account.key.startswith(f"anthropic {server.url} ")
