"""A provider on loopback: OpenAI chat, Anthropic messages and plain JSON, with faults by script and a sampling model.

Inside a test: `async with ProviderServer() as server`, then `server.script(Step(status=429, ...))`; each request takes
the next step, and without one the model answers, or what `judge` makes of the request's JSON. With `cache` it caches
prompts, and reports it, as the two providers do. As a process: `python tests/fakes/provider_server.py --port 0
--delay 0.5 --cases suite.jsonl --p 0.8 --seed 7` prints `port N`; `POST /control` changes p, seed, delay, cases, script
and what every further request meets while it runs, `GET /control` tells what was asked. SIGHUP makes it a new server on
the same port, of which `port N` is said again; SIGTERM or SIGINT ends it. With `--judge` it rules on what asks it for
verdicts: what equals a reference is right, but for a share `strict` of these.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import signal
import sys
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from aiohttp import web

if TYPE_CHECKING:
    from tests.fakes.prefix_cache import PrefixCache

KEPT_REQUESTS = 1_000


@dataclass(frozen=True)
class Step:
    """What one request meets: an answer, an error, a wait, a connection closed before or in the middle of the body."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None  # sent instead of what the protocol would say; {authorization} is the request's own header
    delay: float = 0.0
    action: Literal["answer", "close", "truncate", "hang", "hold"] = "answer"  # hold: until it is released
    text: str | None = None  # the answer's text, instead of the model's
    patch: dict[str, Any] = field(default_factory=dict)  # merged over the protocol's top-level fields


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    path: str
    headers: dict[str, str]
    body: Any
    question: str


class SamplingModel:
    """Answers each known question right with probability `p`, independently each time it is asked.

    Which of a question's askings come out right depends on `seed`, the question and how often it was asked before,
    never on the order in which concurrent requests arrive. A case may state its own `p`. An unknown question is echoed.
    """

    def __init__(self, cases: list[dict[str, Any]] | None = None, *, p: float = 1.0, seed: int = 0) -> None:
        self.p = p
        self.seed = seed
        self.times: Counter[str] = Counter()
        self.learn(cases or [])

    def learn(self, cases: list[dict[str, Any]]) -> None:
        """Know these cases, and no others; how often each was asked goes on being counted."""
        self.cases = {_asked(case): case for case in cases}

    def begin_anew(self, seed: int) -> None:
        """Draw from `seed`, as if nothing had been asked yet."""
        self.seed = seed
        self.times.clear()

    def asked_before(self, times: int) -> None:
        """Go on as if each case had been asked so often already."""
        self.times.update(dict.fromkeys(self.cases, times))

    def answer(self, question: str) -> str:
        """The answer to `question`, right or wrong."""
        case = self.cases.get(question)
        if case is None:
            return f"echo: {question}"
        nth = self.times[question]
        self.times[question] += 1
        digest = hashlib.sha256(f"{self.seed}\n{nth}\n{question}".encode()).digest()
        draw = int.from_bytes(digest[:8], "big") / 2**64
        return _right(case) if draw < case.get("p", self.p) else _wrong(case)


def _asked(case: dict[str, Any]) -> str:
    turns = case["input"]
    text = str(turns if isinstance(turns, str) else turns[-1]["content"])
    choices = case.get("choices") or []
    lettered = "\n".join(f"{chr(65 + i)}. {choice}" for i, choice in enumerate(choices))
    return f"{text}\n\n{lettered}" if lettered else text


def _right(case: dict[str, Any]) -> str:
    expected = case["expected"]
    if isinstance(expected, list) and expected and all(isinstance(e, str) for e in expected):
        expected = expected[0]
    return expected if isinstance(expected, str) else json.dumps(expected)


def _wrong(case: dict[str, Any]) -> str:
    choices = case.get("choices") or []
    right = case["expected"]
    others = [chr(65 + i) for i, text in enumerate(choices) if right not in (chr(65 + i), text)]
    return others[0] if others else "I do not know."


class ProviderServer:
    """The server; `url` is its root once started, `requests` what it received (the last 1,000), `count` how many.

    `answered` counts what was answered well, and so would be billed, `ruled` what of it asked for a judge's verdicts.
    `always` is what a request meets when the script holds no step for it.
    """

    def __init__(
        self,
        model: SamplingModel | None = None,
        *,
        delay: float = 0.0,
        name: str = "fake-1",
        judge: Callable[[dict[str, Any]], str] | None = None,
        cache: PrefixCache | None = None,
    ) -> None:
        self.model = model or SamplingModel()
        self.judge = judge
        self.cache = cache
        self.delay = delay
        self.name = name
        self.requests: deque[Request] = deque(maxlen=KEPT_REQUESTS)
        self.count = 0
        self.answered = 0
        self.ruled = 0
        self.always = Step()
        self.released = asyncio.Event()
        self.in_flight = 0
        self.most_in_flight = 0
        self.url = ""
        self._steps: deque[Step] = deque()
        self._stopping = asyncio.Event()
        self._arrived = asyncio.Event()
        self._runner: web.AppRunner | None = None

    def script(self, *steps: Step) -> None:
        """Make the next requests meet `steps`, one each."""
        self._steps.extend(steps)

    async def received(self, count: int) -> None:
        """Wait until `count` requests have come in all."""
        while self.count < count:
            self._arrived.clear()
            await self._arrived.wait()

    async def start(self, port: int = 0) -> int:
        """Listen on 127.0.0.1 and give the port."""
        app = web.Application(client_max_size=32 * 2**20)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_post("/answer", self._plain)
        app.router.add_get("/control", self._tell)
        app.router.add_post("/control", self._control)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, backlog=2048)
        await site.start()
        bound = int(self._runner.addresses[0][1])
        self.url = f"http://127.0.0.1:{bound}"
        return bound

    async def stop(self) -> None:
        """Let go of whoever hangs, and close."""
        self._stopping.set()
        self.released.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        question = str(body["messages"][-1]["content"])
        reading = self.cache.openai(body) if self.cache else None

        def whole(text: str) -> dict[str, Any]:
            usage: dict[str, Any] = {"prompt_tokens": 7}
            if self.cache and reading:
                self.cache.answered(reading)
                usage = reading.openai()
            return {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": self.name,
                "system_fingerprint": "fp_1",
                "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"},
                ],
                "usage": {**usage, "completion_tokens": 3, "total_tokens": usage["prompt_tokens"] + 3},
            }

        return await self._meet(request, body, question, whole)

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        question = str(body["messages"][-1]["content"])
        reading = self.cache.anthropic(body) if self.cache else None

        def whole(text: str) -> dict[str, Any]:
            usage: dict[str, Any] = {"input_tokens": 7}
            if self.cache and reading:
                self.cache.answered(reading)
                usage = reading.anthropic()
            return {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": self.name,
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "usage": {**usage, "output_tokens": 3},
            }

        return await self._meet(request, body, question, whole)

    async def _plain(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        question = str(body.get("question", ""))

        def whole(text: str) -> dict[str, Any]:
            return {"result": {"text": text, "items": [{"text": text}], "sources": [{"text": "a source"}, "another"]}}

        return await self._meet(request, body, question, whole)

    async def _meet(self, request: web.Request, body: Any, question: str, whole: Any) -> web.StreamResponse:
        self.count += 1
        self._arrived.set()
        self.requests.append(Request(request.path, dict(request.headers), body, question))
        step = self._steps.popleft() if self._steps else self.always
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if step.action == "hang":
                await self._stopping.wait()
            if step.action == "hold":
                await self.released.wait()
            await asyncio.sleep(step.delay or self.delay)
            return await self._say(request, step, lambda: self._answer(body, question), whole, _wants_verdicts(body))
        finally:
            self.in_flight -= 1

    def _answer(self, body: Any, question: str) -> str:
        return self.judge(body) if self.judge else self.model.answer(question)

    async def _say(
        self, request: web.Request, step: Step, answer: Callable[[], str], whole: Any, ruled: bool
    ) -> web.StreamResponse:
        if step.action in ("close", "hang"):
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if step.body is not None:
            text = step.body.replace("{authorization}", request.headers.get("Authorization", ""))
        elif step.status != 200:
            text = json.dumps({"type": "error", "error": {"type": "fault", "message": f"scripted {step.status}"}})
        else:
            said = step.text if step.text is not None else answer()
            self.answered += 1
            self.ruled += ruled
            text = json.dumps({**whole(said), **step.patch})
        if step.action == "truncate":
            response = web.StreamResponse(status=step.status, headers={"Content-Length": str(len(text) + 100)})
            await response.prepare(request)
            await response.write(text.encode()[: len(text) // 2])
            assert request.transport is not None
            request.transport.abort()
            return response
        headers = {"Content-Type": "application/json", **step.headers}
        return web.Response(status=step.status, headers=headers, body=text.encode("utf-8", "surrogatepass"))

    async def _tell(self, _: web.Request) -> web.Response:
        last = asdict(self.requests[-1]) if self.requests else None
        if last:  # whoever runs this as a process has no need of keys in its output
            last["headers"].pop("Authorization", None)
        told = {"count": self.count, "answered": self.answered, "ruled": self.ruled}
        told["most_in_flight"] = self.most_in_flight
        return web.json_response({**told, "p": self.model.p, "last": last})

    async def _control(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        self.delay = float(wanted.get("delay", self.delay))
        self.name = str(wanted.get("name", self.name))
        self.model.p = float(wanted.get("p", self.model.p))
        if "seed" in wanted:
            self.model.begin_anew(int(wanted["seed"]))
        if "strict" in wanted:
            self.judge = _judge(self.model, float(wanted["strict"]))
        if "cases" in wanted:
            self.model.learn(wanted["cases"])
        if "asked_before" in wanted:
            times = int(wanted["asked_before"])
            self.model.asked_before(times)
            self.count += times * len(self.model.cases)
            self.answered += times * len(self.model.cases)
        if wanted.get("release"):
            self.released.set()
        if "always" in wanted:
            self.always = Step(**wanted["always"])
        self.script(*(Step(**step) for step in wanted.get("script", [])))
        return web.json_response({"ok": True})


def _wants_verdicts(body: Any) -> bool:
    """Whether a request asks for a form to be filled in, as judges are."""
    return "response_format" in body or "format" in (body.get("output_config") or {})


def _judge(model: SamplingModel, strict: float) -> Callable[[dict[str, Any]], str]:
    """Rules where verdicts are wanted, and has `model` answer elsewhere."""
    from tests.fakes.judging import by_reference, judging

    ruling = judging(by_reference(strict))
    return lambda body: ruling(body) if _wants_verdicts(body) else model.answer(str(body["messages"][-1]["content"]))


async def _serve(options: argparse.Namespace) -> None:
    cases = []
    for path in options.cases:
        lines = path.read_text(encoding="utf-8").splitlines()
        cases += [json.loads(line) for line in lines if line.strip()]
    loop, told = asyncio.get_running_loop(), asyncio.Queue[signal.Signals]()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, told.put_nowait, number)
    port, again = options.port, True
    while again:
        model = SamplingModel(cases, p=options.p, seed=options.seed)
        server = ProviderServer(model, delay=options.delay, name=options.name)
        if options.judge:
            server.judge = _judge(server.model, 0.0)
        port = await server.start(port)
        print(f"port {port}", flush=True)
        again = await told.get() == signal.SIGHUP
        await server.stop()


def main(arguments: list[str] | None = None) -> int:
    """Run the server until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before every answer")
    parser.add_argument("--cases", type=Path, action="append", default=[], help="a suite's .jsonl; may be repeated")
    parser.add_argument("--p", type=float, default=1.0, help="the chance of a right answer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="fake-1", help="the model's name as reported")
    parser.add_argument("--judge", action="store_true", help="rule on what asks for verdicts")
    # As a program it stands in its own folder, beside what it imports.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    asyncio.run(_serve(parser.parse_args(arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
