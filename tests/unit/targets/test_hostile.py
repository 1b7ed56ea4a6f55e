"""Whatever a provider sends, a target answers with a reply fit for storing or a TargetError, and with little memory."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case
from monitor.targets.anthropic import AnthropicMessages
from monitor.targets.chat import ChatSettings
from monitor.targets.http import HttpEndpoint, HttpSettings
from monitor.targets.openai import OpenAIChat
from monitor.targets.port import Account, Target
from monitor.targets.wire import LARGEST, MOST_TOKENS, Endpoint, count_or_none, error_inside, retry_after, status_error
from tests.fakes.provider_server import ProviderServer, Step

CASE = Case("c", "Which river?", expected="Danube")
ENDPOINT = Endpoint("http://127.0.0.1/v1", "m", "$KEY")
HTTP = HttpSettings("http://127.0.0.1/answer", '{"q": {{ input | tojson }}}', "result.text", Account("h"), "result.s")
MAKERS: dict[str, Callable[[str], Target]] = {
    "openai": lambda url: OpenAIChat(ChatSettings("m", f"{url}/v1", "k", "$KEY", timeout=20.0)),
    "anthropic": lambda url: AnthropicMessages(ChatSettings("m", url, "k", "$KEY", timeout=20.0)),
    "http": lambda url: HttpEndpoint(HttpSettings(f"{url}/answer", HTTP.body, HTTP.answer, HTTP.account)),
}
EVERY_KIND = pytest.mark.parametrize("kind", list(MAKERS))


@pytest.fixture
async def server() -> AsyncIterator[ProviderServer]:
    async with ProviderServer() as running:
        yield running


async def failure(server: ProviderServer, kind: str, *steps: Step) -> TargetError:
    server.script(*steps)
    target = MAKERS[kind](server.url)
    try:
        with pytest.raises(TargetError) as caught:
            await target.ask(CASE)
    finally:
        await target.aclose()
    assert caught.value.message.isprintable()
    return caught.value


def outcome(target: Target) -> Reply | TargetError:
    """Whichever of the two comes of asking; any other exception is a test's failure."""
    try:
        return asyncio.run(target.ask(CASE))
    except TargetError as error:
        return error


class CannedOpenAI(OpenAIChat):
    """Receives a body without a connection."""

    def __init__(self, body: bytes) -> None:
        super().__init__(ChatSettings("m", "http://127.0.0.1/v1"))
        self.body = body

    async def _send(self, body: dict[str, Any]) -> httpx2.Response:
        return httpx2.Response(200, content=self.body)


class CannedAnthropic(AnthropicMessages):
    """Receives a body without a connection."""

    def __init__(self, body: bytes) -> None:
        super().__init__(ChatSettings("m", "http://127.0.0.1"))
        self.body = body

    async def _send(self, body: dict[str, Any]) -> httpx2.Response:
        return httpx2.Response(200, content=self.body)


class CannedHttp(HttpEndpoint):
    """Receives a body without a connection."""

    def __init__(self, body: bytes) -> None:
        super().__init__(HTTP)
        self.body = body

    async def _post(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, self.body


NAMES = re.findall(
    r"\w+",
    "error type code status message detail choices finish_reason content text refusal usage model system_fingerprint "
    "prompt_tokens completion_tokens input_tokens output_tokens cache_read_input_tokens stop_reason result s",
)
WORDS = ["error", "text", "refusal", "insufficient_quota", "model_not_found", "404", "404" + "0" * 5000, "٤٠٤", "²²²"]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(390, 610),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(WORDS),
)


def inner(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(values, max_size=3) | st.dictionaries(st.sampled_from(NAMES), values, max_size=5)


VALUES = st.recursive(LEAVES, inner, max_leaves=12)
BODIES = st.one_of(
    VALUES,
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5),
    VALUES.map(lambda value: {"choices": [{"message": value, "error": None}], "content": value, "usage": value}),
    st.builds(
        lambda value, usage: {
            "choices": [{"message": {"content": value, "refusal": usage}, "finish_reason": usage}],
            "content": [{"type": "text", "text": value}],
            "result": {"text": value, "s": usage},
            "usage": usage,
            "model": usage,
        },
        VALUES,
        VALUES,
    ),
)


@pytest.mark.parametrize("kind", [CannedOpenAI, CannedAnthropic, CannedHttp])
@settings(max_examples=300, deadline=None)
@given(body=BODIES)
def test_any_json_is_a_reply_or_a_target_error(kind: Callable[[bytes], Target], body: object) -> None:
    reply = outcome(kind(json.dumps(body).encode()))
    if isinstance(reply, TargetError):
        assert reply.message.isprintable()
        return
    for text in (reply.text, *reply.contexts, reply.model or "", reply.fingerprint or "", reply.finish_reason or ""):
        text.encode("utf-8")
        assert "\x00" not in text
    for count in (reply.input_tokens, reply.output_tokens):
        assert count is None or 0 <= count <= MOST_TOKENS


@settings(max_examples=300, deadline=None)
@given(status=st.integers(300, 599), body=BODIES, location=st.text(max_size=20), wait=st.text(max_size=20))
def test_any_error_body_and_any_header_are_a_target_error(status: int, body: object, location: str, wait: str) -> None:
    headers = {"Location": location, "Retry-After": wait, "Date": wait}
    assert status_error(ENDPOINT, status, headers, body).message.isprintable()
    if isinstance(body, dict):
        found = error_inside(ENDPOINT, headers, body)
        assert found is None or found.message.isprintable()


DATES = st.from_regex(r"(Mon, )?[0-9]{0,3} Jan [0-9]{1,5} [0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2})? ([+-][0-9]{4,9}|GMT|Q)")


@settings(max_examples=300, deadline=None)
@given(wait=DATES | st.text(max_size=12), date=DATES)
def test_any_wait_is_a_number_of_seconds_or_none(wait: str, date: str) -> None:
    seconds = retry_after({"Retry-After": wait, "Date": date}, 0.0)
    assert seconds is None or seconds >= 0.0


@pytest.mark.parametrize(
    "name", [["insufficient_quota"], {"a": 1}, [[]], "404" + "0" * 5000, "4" * 5000, 2**62, True, 4.5, "٤٠٤"]
)
@pytest.mark.parametrize("status", [200, 400, 503])
@EVERY_KIND
async def test_an_error_by_no_usable_name_is_an_error(
    server: ProviderServer, kind: str, status: int, name: object
) -> None:
    body = {"type": name, "error": {"type": name, "code": name, "status": name, "message": name}}
    found = await failure(server, kind, Step(status=status, body=json.dumps(body)))
    expected = ErrorKind.REFUSED_REQUEST if status == 400 else ErrorKind.OVERLOADED
    assert found.kind in (expected, ErrorKind.NOT_FOUND if name == "٤٠٤" else expected)


@pytest.mark.parametrize("depth", [200, *range(900, 1000, 7)])
@pytest.mark.parametrize("kind", [CannedOpenAI, CannedAnthropic, CannedHttp])
def test_json_that_can_just_be_read_can_also_be_handled(kind: Callable[[bytes], Target], depth: int) -> None:
    nest = "[" * depth + "]" * depth
    for body in (f'{{"error": {nest}}}', f'{{"error": {{"message": {nest}}}}}', f'{{"result": {{"text": {nest}}}}}'):
        found = outcome(kind(body.encode()))
        assert isinstance(found, Reply) or found.message.isprintable()


@pytest.mark.parametrize("value", [-1, True, 1.0, "7", None, [], MOST_TOKENS + 1, 2**62, 2**63, 10**4000])
def test_what_is_no_number_of_tokens_is_unknown(value: object) -> None:
    assert count_or_none(value) is None


@pytest.mark.parametrize("value", [0, 7, MOST_TOKENS])
def test_what_is_a_number_of_tokens_is_kept(value: int) -> None:
    assert count_or_none(value) == value


@pytest.mark.parametrize(
    ("usage", "count"),
    [
        ({"input_tokens": 5, "cache_read_input_tokens": 7, "cache_creation_input_tokens": None}, 12),
        ({"input_tokens": 5, "cache_read_input_tokens": -1}, None),
        ({"input_tokens": 5, "cache_read_input_tokens": 2**62}, None),
        ({"input_tokens": MOST_TOKENS, "cache_read_input_tokens": MOST_TOKENS}, None),
        ({}, None),
    ],
)
async def test_a_sum_of_tokens_with_an_unknown_part_is_unknown(usage: dict[str, Any], count: int | None) -> None:
    body = {"content": [], "usage": usage}
    assert (await CannedAnthropic(json.dumps(body).encode()).ask(CASE)).input_tokens == count


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@EVERY_KIND
async def test_a_redirect_is_not_followed_and_names_the_host_alone(
    server: ProviderServer, kind: str, status: int
) -> None:
    async with ProviderServer() as other:
        host = other.url.removeprefix("http://")
        location = f"http://user:pass@{host}/v1/chat/completions?session=private"
        error = await failure(server, kind, Step(status=status, headers={"Location": location}))
        assert other.count == 0
    assert server.count == 1
    assert (error.kind, error.permanent, error.fatal) == (ErrorKind.REFUSED_REQUEST, True, True)
    assert f"redirects to {host}" in error.message
    assert "configuration" in error.message
    assert not {"private", "pass@", "user"} & set(error.message.replace("=", " ").replace(":", " ").split())


@pytest.mark.parametrize("location", ["", "/elsewhere", "http://[", "//", "mailto:x", "http://h:99999999/"])
@EVERY_KIND
async def test_a_redirect_to_nowhere_is_one_too(server: ProviderServer, kind: str, location: str) -> None:
    error = await failure(server, kind, Step(status=302, headers={"Location": location}))
    assert (error.kind, error.fatal) == (ErrorKind.REFUSED_REQUEST, True)


@pytest.mark.parametrize("status", [200, 400, 503])
@EVERY_KIND
async def test_a_reply_that_is_too_large_is_left(server: ProviderServer, kind: str, status: int) -> None:
    error = await failure(server, kind, Step(status=status, body="x" * (LARGEST + 1)))
    assert (error.kind, error.permanent) == (ErrorKind.MALFORMED, True)
    assert "more than 10 MB" in error.message


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_a_compressed_reply_is_measured_as_it_unfolds(kind: str) -> None:
    packed = gzip.compress(b" " * (LARGEST + 1))
    assert len(packed) < 20_000

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
        writer.write(head.encode() + packed)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as listening:
        target = MAKERS[kind](f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        with pytest.raises(TargetError, match="more than 10 MB"):
            await target.ask(CASE)
        await target.aclose()


@pytest.mark.parametrize(("kind", "text"), [("openai", "Danube" * 100), ("anthropic", "Oder" * 100)])
async def test_a_compressed_answer_is_read(kind: str, text: str) -> None:
    whole = {
        "openai": {"choices": [{"message": {"content": text}}]},
        "anthropic": {"content": [{"type": "text", "text": text}]},
    }[kind]
    packed = gzip.compress(json.dumps(whole).encode())

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
        writer.write(head.encode() + packed)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as listening:
        target = MAKERS[kind](f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        assert (await target.ask(CASE)).text == text
        await target.aclose()
