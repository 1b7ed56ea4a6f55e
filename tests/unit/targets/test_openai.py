"""The openai target, by the real SDK, against a scripted provider on loopback."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case, Message
from monitor.targets.chat import ChatSettings
from monitor.targets.openai import OpenAIChat, caching_params
from tests.fakes.provider_server import ProviderServer, Step

KEY = "sk-secret-0123456789"
CASE = Case("geo", "Which river runs through Vienna?", expected="THE-EXPECTED", context="FOR-THE-JUDGE")


@pytest.fixture
async def server() -> AsyncIterator[ProviderServer]:
    async with ProviderServer() as running:
        yield running


def chat(server: ProviderServer | str, **settings: Any) -> OpenAIChat:
    url = server if isinstance(server, str) else f"{server.url}/v1"
    return OpenAIChat(
        ChatSettings("gpt-x", url, **{"key": KEY, "key_name": "$OPENAI_API_KEY", "timeout": 5.0, **settings})
    )


async def reply(server: ProviderServer, *steps: Step, case: Case = CASE, **settings: Any) -> Reply:
    server.script(*steps)
    target = chat(server, **settings)
    try:
        return await target.ask(case)
    finally:
        await target.aclose()


async def failure(server: ProviderServer, *steps: Step, case: Case = CASE, **settings: Any) -> TargetError:
    with pytest.raises(TargetError) as caught:
        await reply(server, *steps, case=case, **settings)
    message = caught.value.message
    assert KEY not in message
    assert message.isprintable()
    assert len(message) < 600
    return caught.value


async def test_an_answer_with_what_the_provider_reports(server: ProviderServer) -> None:
    found = await reply(server, Step(text="The Danube."))
    assert found == Reply("The Danube.", "fake-1", "fp_1", "stop", 7, 3)


async def test_what_is_sent_and_nothing_of_what_is_expected(server: ProviderServer) -> None:
    case = Case(
        "c",
        (Message("user", "a"), Message("assistant", "b"), Message("user", "Which?")),
        choices=("x", "y"),
        expected="A",
    )
    await reply(server, case=case, system="Be brief.", params={"temperature": 0.2, "max_tokens": 9})
    sent = server.requests[0]
    assert sent.path == "/v1/chat/completions"
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert sent.body == {
        "model": "gpt-x",
        "temperature": 0.2,
        "max_tokens": 9,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "Which?\n\nA. x\nB. y"},
        ],
    }
    await reply(server)
    assert "THE-EXPECTED" not in json.dumps(server.requests[1].body)
    assert "FOR-THE-JUDGE" not in json.dumps(server.requests[1].body)


async def test_the_environment_names_neither_key_nor_address(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    await reply(server, key=None, key_name=None)
    assert server.requests[0].headers["Authorization"] == "Bearer none"


def choice(message: Any, reason: str = "stop", **more: Any) -> Step:
    return Step(patch={"choices": [{"index": 0, "message": message, "finish_reason": reason}], **more})


@pytest.mark.parametrize(
    ("step", "text", "reason"),
    [
        (choice({"role": "assistant", "content": None, "refusal": "I can't."}), "", "refusal"),
        (choice({"role": "assistant", "content": ""}, "content_filter"), "", "content_filter"),
        (choice({"role": "assistant", "content": None}, "tool_calls"), "", "tool_calls"),
        (choice({"role": "assistant", "content": "half"}, "length"), "half", "length"),
        (
            choice({"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]}),
            "ab",
            "stop",
        ),
        (choice({"content": "nul \x00 and half a pair \ud83d"}), "nul \ufffd and half a pair \ufffd", "stop"),
    ],
)
async def test_whatever_was_said_is_an_answer(server: ProviderServer, step: Step, text: str, reason: str) -> None:
    found = await reply(server, step)
    assert (found.text, found.finish_reason) == (text, reason)


async def test_figures_that_are_none_are_unknown(server: ProviderServer) -> None:
    found = await reply(server, Step(patch={"usage": {"prompt_tokens": True, "completion_tokens": -1}, "model": 7}))
    assert (found.input_tokens, found.output_tokens, found.model) == (None, None, None)
    assert (await reply(server, Step(patch={"usage": None}))).output_tokens is None


async def test_tokens_of_the_cache_are_told(server: ProviderServer) -> None:
    details = {"cached_tokens": 1024, "cache_write_tokens": 128}
    found = await reply(server, Step(patch={"usage": {"prompt_tokens": 1200, "prompt_tokens_details": details}}))
    assert (found.input_tokens, found.cached_input_tokens, found.cache_write_tokens) == (1200, 1024, 128)
    odd = await reply(server, Step(patch={"usage": {"prompt_tokens": 1200, "prompt_tokens_details": [1]}}))
    assert (odd.input_tokens, odd.cached_input_tokens, odd.cache_write_tokens) == (1200, None, None)


@pytest.mark.parametrize(
    ("base_url", "own"),
    [
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://api.openai.com.example.com/v1", False),
        ("https://notapi.openai.com.example/v1", False),
        ("http://127.0.0.1:8000/v1", False),
    ],
)
def test_only_openai_itself_is_told_which_calls_begin_alike(base_url: str, own: bool) -> None:
    def params(system: str, *, cached: bool = True) -> dict[str, Any]:
        return caching_params(ChatSettings("m", base_url, system=system, cache_system=cached))

    assert bool(params("A rubric.")) is own
    assert params("A rubric.") == params("A rubric.")
    assert (params("A rubric.") != params("Another.")) is own
    assert params("A rubric.", cached=False) == params("") == {}


async def test_a_key_for_the_cache_that_the_user_gives_is_kept(server: ProviderServer) -> None:
    await reply(server, system="A rubric.", cache_system=True, params={"prompt_cache_key": "mine"})
    assert server.requests[0].body["prompt_cache_key"] == "mine"
    await reply(server, system="A rubric.", cache_system=True)
    assert "prompt_cache_key" not in server.requests[1].body


def said(message: str, **fields: Any) -> str:
    return json.dumps({"error": {"message": message, **fields}})


@pytest.mark.parametrize(
    ("status", "body", "kind", "permanent", "fatal"),
    [
        (400, said("too long", code="context_length_exceeded"), ErrorKind.REFUSED_REQUEST, True, False),
        (413, "too large", ErrorKind.REFUSED_REQUEST, True, False),
        (422, said("odd"), ErrorKind.REFUSED_REQUEST, True, False),
        (400, said("Please pass a valid key", code="invalid_api_key"), ErrorKind.AUTHENTICATION, True, True),
        (401, said("wrong"), ErrorKind.AUTHENTICATION, True, True),
        (403, said("not yours"), ErrorKind.AUTHENTICATION, True, True),
        (402, said("pay"), ErrorKind.RATE_LIMITED, True, True),
        (404, said("gone", code="model_not_found"), ErrorKind.NOT_FOUND, True, True),
        (410, "", ErrorKind.NOT_FOUND, True, True),
        (408, "", ErrorKind.TIMEOUT, False, False),
        (409, "", ErrorKind.OVERLOADED, False, False),
        (429, said("slow down"), ErrorKind.RATE_LIMITED, False, False),
        (429, said("You exceeded your quota", code="insufficient_quota"), ErrorKind.RATE_LIMITED, True, True),
        (500, "<html>", ErrorKind.OVERLOADED, False, False),
        (503, said("busy"), ErrorKind.OVERLOADED, False, False),
        (529, said("busy"), ErrorKind.OVERLOADED, False, False),
        (200, said("busy", type="overloaded_error"), ErrorKind.OVERLOADED, False, False),
        (200, said("slow down", code=429), ErrorKind.RATE_LIMITED, False, False),
        (200, said("slow down", code="429"), ErrorKind.RATE_LIMITED, False, False),
        (200, said("pay", code="insufficient_quota"), ErrorKind.RATE_LIMITED, True, True),
        (200, said("who?", type="authentication_error"), ErrorKind.AUTHENTICATION, True, True),
        (200, said("what?"), ErrorKind.OVERLOADED, False, False),
        (200, '{"error": "something broke"}', ErrorKind.OVERLOADED, False, False),
        (200, '{"choices": [{"error": {"code": 502, "message": "upstream"}}]}', ErrorKind.OVERLOADED, False, False),
        (200, "<html>busy</html>", ErrorKind.MALFORMED, False, False),
        (200, "", ErrorKind.MALFORMED, False, False),
        (200, '{"choices": [', ErrorKind.MALFORMED, False, False),
        (200, "[" * 200_000, ErrorKind.MALFORMED, False, False),
        (200, "[]", ErrorKind.MALFORMED, False, False),
        (200, "{}", ErrorKind.MALFORMED, False, False),
        (200, '{"choices": []}', ErrorKind.MALFORMED, False, False),
        (200, '{"choices": [{"message": null}]}', ErrorKind.MALFORMED, False, False),
        (200, '{"choices": [{"message": {"content": 7}}]}', ErrorKind.MALFORMED, False, False),
    ],
)
async def test_each_fault_has_its_kind(
    server: ProviderServer, status: int, body: str, kind: ErrorKind, permanent: bool, fatal: bool
) -> None:
    error = await failure(server, Step(status=status, body=body))
    assert (error.kind, error.permanent, error.fatal) == (kind, permanent, fatal)
    assert server.count == 1  # the SDK tries nothing again by itself


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "9", "retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "Mon, 23 Nov 2026 06:00:30 GMT", "Date": "Mon, 23 Nov 2026 06:00:00 GMT"}, 30.0),
        ({"Retry-After": "Mon, 23 Nov 2026 05:59:00 GMT", "Date": "Mon, 23 Nov 2026 06:00:00 GMT"}, 0.0),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_the_wait_that_the_provider_asks_for(
    server: ProviderServer, headers: dict[str, str], seconds: float | None, status: int
) -> None:
    error = await failure(server, Step(status=status, headers=headers))
    assert error.retry_after == seconds


async def test_a_refused_key_and_a_missing_model_say_what_to_do(server: ProviderServer) -> None:
    echo = said(f"Incorrect API key provided: {KEY}. Or sk-pro***************6789?\n\x1b[31mRed\u202e")
    refused = await failure(server, Step(status=401, body=echo))
    assert refused.message.startswith(f"the key in $OPENAI_API_KEY was refused by {server.url}/v1 (401): Incorrect")
    assert "6789" not in refused.message
    none = await failure(server, Step(status=401), key=None, key_name=None)
    assert "none is configured" in none.message
    gone = await failure(server, Step(status=404))
    assert "the model gpt-x does not exist at" in gone.message
    assert "was it retired" in gone.message


async def test_a_providers_long_words_are_cut(server: ProviderServer) -> None:
    error = await failure(server, Step(status=400, body=said("word " * 10_000)))
    assert error.message.endswith("…")


@pytest.mark.parametrize("action", ["close", "truncate"])
async def test_a_broken_connection(server: ProviderServer, action: Any) -> None:
    error = await failure(server, Step(action=action))
    assert (error.kind, error.permanent) == (ErrorKind.CONNECTION, False)


async def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    target = chat(f"http://127.0.0.1:{port}/v1")
    with pytest.raises(TargetError) as caught:
        await target.ask(CASE)
    await target.aclose()
    assert caught.value.kind is ErrorKind.CONNECTION


async def test_a_provider_that_hangs_is_left_at_the_time_out(server: ProviderServer) -> None:
    error = await failure(server, Step(action="hang"), timeout=0.2)
    assert (error.kind, error.permanent) == (ErrorKind.TIMEOUT, False)
    assert "within 0.2 s" in error.message


async def test_cancelled_requests_give_their_connections_back(server: ProviderServer) -> None:
    server.script(*[Step(action="hang")] * 1_100)
    target = chat(server, timeout=60.0)
    for _ in range(11):  # more in all than there may be connections
        asking = [asyncio.create_task(target.ask(CASE)) for _ in range(100)]
        await server.received(server.count + 100)
        for task in asking:
            task.cancel()
        assert all(
            isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*asking, return_exceptions=True)
        )
    assert (await target.ask(CASE)).text.startswith("echo")
    await target.aclose()


async def test_more_than_the_usual_hundred_connections_at_once(server: ProviderServer) -> None:
    server.delay = 1.0
    target = chat(server)
    await asyncio.gather(*(target.ask(CASE) for _ in range(250)))
    await target.aclose()
    assert server.most_in_flight > 200


async def test_characters_that_cannot_be_sent_are_the_cases_fault(server: ProviderServer) -> None:
    error = await failure(server, case=Case("c", "half a pair \ud83d"))
    assert (error.kind, error.permanent) == (ErrorKind.REFUSED_REQUEST, True)
    error = await failure(server, key="schlüssel-ключ")
    assert (error.kind, error.permanent) == (ErrorKind.REFUSED_REQUEST, True)


async def test_closing_twice_and_asking_again(server: ProviderServer) -> None:
    target = chat(server)
    await target.aclose()
    await target.ask(CASE)
    await target.aclose()
    await target.aclose()
    await target.ask(CASE)
    await target.aclose()
    assert server.count == 2


async def test_the_account_tells_keys_apart_without_naming_them() -> None:
    first, second, other = chat("http://a/v1"), chat("http://a/v1/"), chat("http://a/v1", key="sk-another")
    assert first.account == second.account
    assert first.account.key != other.account.key
    assert KEY not in first.account.key
    assert first.account.key.startswith("openai http://a/v1 ")


def test_settings_do_not_show_the_key() -> None:
    assert KEY not in repr(ChatSettings("m", "http://a", key=KEY))


async def test_a_key_that_the_provider_repeats_in_its_answer_is_not_kept(server: ProviderServer) -> None:
    server.script(Step(text=f"Your key is {KEY}.", patch={"model": f"m-{KEY}", "system_fingerprint": KEY}))
    said = await reply(server)
    assert said.text == "Your key is [secret]."
    assert (said.model, said.fingerprint) == ("m-[secret]", "[secret]")
