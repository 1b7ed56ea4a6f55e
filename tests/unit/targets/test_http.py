"""The http target against a scripted endpoint on loopback."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from monitor import __version__
from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case, Message
from monitor.targets.http import LARGEST, HttpEndpoint, HttpSettings, PathError, as_text, follow, parse_path
from monitor.targets.port import Account
from tests.fakes.provider_server import ProviderServer, Step

TOKEN = "token-0123456789"
CASE = Case("geo", 'Which "river"\nruns through Vienna?', expected="THE-EXPECTED", context="FOR-THE-JUDGE")
BODY = '{"question": {{ input | tojson }}}'


@pytest.fixture
async def server() -> AsyncIterator[ProviderServer]:
    async with ProviderServer() as running:
        yield running


async def reply(
    server: ProviderServer, *steps: Step, case: Case = CASE, path: str = "/answer", **settings: Any
) -> Reply:
    server.script(*steps)
    chosen: dict[str, Any] = {
        "body": BODY,
        "answer": "result.text",
        "headers": {"Authorization": f"Bearer {TOKEN}"},
        "secrets": (f"Bearer {TOKEN}",),
        "key_name": "$RAG_TOKEN",
        "timeout": 5.0,
        **settings,
    }
    target = HttpEndpoint(HttpSettings(url=server.url + path, account=Account("http"), **chosen))
    try:
        return await target.ask(case)
    finally:
        await target.aclose()
        await target.aclose()


async def failure(server: ProviderServer, *steps: Step, **settings: Any) -> TargetError:
    with pytest.raises(TargetError) as caught:
        await reply(server, *steps, **settings)
    assert TOKEN not in caught.value.message
    assert caught.value.message.isprintable()
    return caught.value


async def test_an_answer_and_its_sources(server: ProviderServer) -> None:
    found = await reply(server, Step(text="The Danube."), contexts="result.sources")
    assert found == Reply("The Danube.", contexts=("a source", "another"))
    sent = server.requests[0]
    assert sent.body == {"question": CASE.input}
    assert sent.headers["User-Agent"] == f"heldout/{__version__}"
    assert sent.headers["Content-Type"] == "application/json"
    assert sent.headers["Authorization"] == f"Bearer {TOKEN}"


async def test_a_template_is_given_what_is_asked_and_nothing_else(server: ProviderServer) -> None:
    body = """{"id": {{ id | tojson }}, "q": {{ question | tojson }}, "turns": {{ messages | tojson }},
               "choices": {{ choices | tojson }}}"""
    case = Case("c", (Message("user", "a"), Message("user", "b")), choices=("x",), expected="A", context="ctx")
    await reply(server, case=case, body=body)
    assert server.requests[0].body == {
        "id": "c",
        "q": "b\n\nA. x",
        "turns": [{"role": "user", "content": "a"}, {"role": "user", "content": "b\n\nA. x"}],
        "choices": ["x"],
    }


@pytest.mark.parametrize("beyond", ["expected", "context", "case", '"".__class__.__mro__ | string'])
async def test_a_template_reaches_nothing_else(server: ProviderServer, beyond: str) -> None:
    error = await failure(server, body=f'{{"q": {{{{ {beyond} | tojson }}}}}}')
    assert (error.kind, error.permanent) == (ErrorKind.REFUSED_REQUEST, True)
    assert server.count == 0


async def test_what_a_case_says_is_no_template(server: ProviderServer) -> None:
    await reply(server, case=Case("c", "{{ 7 * 7 }}{% for %}"))
    assert server.requests[0].body == {"question": "{{ 7 * 7 }}{% for %}"}


@pytest.mark.parametrize(
    "body", ['{"q": "{{ input }}"}', '{"q": {{ 1 // 0 }}}', "{{ choices[9].x }}", "{{ id.nope() }}"]
)
async def test_a_template_that_makes_no_json_of_a_case(server: ProviderServer, body: str) -> None:
    error = await failure(server, body=body)
    assert (error.kind, error.permanent, error.fatal) == (ErrorKind.REFUSED_REQUEST, True, False)
    assert "tojson" in error.message


@pytest.mark.parametrize("path", ["result.items[0].text", "result.items.0.text", "[0].a", "0.a"])
def test_two_ways_to_write_a_place_in_a_list(path: str) -> None:
    body = [{"a": "x"}] if path.endswith("a") else {"result": {"items": [{"text": "x"}]}}
    assert follow(body, parse_path(path)) == "x"


@pytest.mark.parametrize("path", ["", ".a", "a..b", "a[x]", "a[-1]", "a[0", "a.", "a]"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(PathError):
        parse_path(path)


@pytest.mark.parametrize("path", ["b", "a.b", "a.2", "a.-1", "a.0.x", "a.99999999999"])
def test_where_a_path_ends(path: str) -> None:
    with pytest.raises(PathError, match=f'has no "{path.rpartition(".")[2]}"'):
        follow({"a": ["one", "two"]}, parse_path(path))


@pytest.mark.parametrize(
    ("value", "text"), [("x", "x"), (None, ""), (4.5, "4.5"), (True, "true"), ({"a": ["ü"]}, '{"a":["ü"]}')]
)
def test_any_json_value_has_a_text(value: object, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("step", "kind", "permanent", "fatal"),
    [
        (Step(body="<html>Log in</html>"), ErrorKind.MALFORMED, False, False),
        (Step(body='["list"]'), ErrorKind.MALFORMED, False, False),
        (Step(body='{"result": {"answer": "x"}}'), ErrorKind.MALFORMED, True, False),
        (Step(body='{"error": {"type": "overloaded_error"}}'), ErrorKind.OVERLOADED, False, False),
        (Step(body=json.dumps({"result": {"text": "x" * LARGEST}})), ErrorKind.MALFORMED, True, False),
        (Step(status=302, headers={"Location": "http://127.0.0.1:9/"}), ErrorKind.REFUSED_REQUEST, True, True),
        (Step(status=401, body="no"), ErrorKind.AUTHENTICATION, True, True),
        (Step(status=404, body="no"), ErrorKind.NOT_FOUND, True, True),
        (Step(status=400, body="no"), ErrorKind.REFUSED_REQUEST, True, False),
        (Step(status=429), ErrorKind.RATE_LIMITED, False, False),
        (Step(status=502, body="<html>"), ErrorKind.OVERLOADED, False, False),
        (Step(action="close"), ErrorKind.CONNECTION, False, False),
        (Step(action="truncate"), ErrorKind.CONNECTION, False, False),
    ],
)
async def test_each_fault_has_its_kind(
    server: ProviderServer, step: Step, kind: ErrorKind, permanent: bool, fatal: bool
) -> None:
    error = await failure(server, step)
    assert (error.kind, error.permanent, error.fatal) == (kind, permanent, fatal)
    assert server.count == 1


async def test_an_error_beside_an_answer_is_the_endpoints_business(server: ProviderServer) -> None:
    found = await reply(server, Step(body='{"error": "minor", "result": {"text": "x"}}'))
    assert found.text == "x"


async def test_a_refused_token_says_where_it_came_from(server: ProviderServer) -> None:
    error = await failure(server, Step(status=401, body=f'{{"message": "bad token {TOKEN}"}}'))
    assert f"the key in $RAG_TOKEN was refused by {server.url}/answer (401): bad token [secret]" in error.message


async def test_a_query_is_not_repeated_in_messages(server: ProviderServer) -> None:
    error = await failure(server, Step(status=500), path="/answer?session=private")
    assert "private" not in error.message


async def test_the_wait_that_the_endpoint_asks_for(server: ProviderServer) -> None:
    assert (await failure(server, Step(status=503, headers={"Retry-After": "2.5"}))).retry_after == 2.5


async def test_an_endpoint_that_hangs_is_left_at_the_time_out(server: ProviderServer) -> None:
    assert (await failure(server, Step(action="hang"), timeout=0.2)).kind is ErrorKind.TIMEOUT


@pytest.mark.parametrize("contexts", ["result.nothing", "result.text[0]"])
async def test_an_answer_without_sources_is_an_answer(server: ProviderServer, contexts: str) -> None:
    assert (await reply(server, contexts=contexts)).contexts == ()
