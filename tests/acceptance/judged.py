"""A provider that answers and judges, in a thread of the test: a request that asks for a form is one for a judge."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.acceptance.harness import Case, Home
from tests.fakes.judging import judging, schema_of
from tests.fakes.provider_server import ProviderServer, SamplingModel

_BLOCK = re.compile(r"^<<<(ANSWER|REFERENCE 1) ([0-9a-f]+)>>>\n(.*?)^<<<END \1 \2>>>", re.DOTALL | re.MULTILINE)


@dataclass
class Provider:
    """Both models at once. A judge passes what equals the reference, but for the case numbers in `fails`.

    `name`: what it reports as its model.
    """

    url: str = ""
    fails: frozenset[int] = frozenset()
    judged: int = 0
    name: str = "fake-1"
    model: SamplingModel = field(default_factory=SamplingModel)
    server: ProviderServer = field(default_factory=ProviderServer)

    def answer(self, body: dict[str, Any]) -> str:
        if schema_of(body) is None:
            return self.model.answer(str(body["messages"][-1]["content"]))
        self.judged += 1
        self.server.name = self.name
        return judging(self._decide)(body)

    def _decide(self, question: str, path: tuple[str, ...]) -> str:
        shown = {
            m[1]: "\n".join(line.removeprefix("| ") for line in m[3].splitlines()) for m in _BLOCK.finditer(question)
        }
        answer = shown["ANSWER"]
        right = answer.strip() == shown["REFERENCE 1"].strip()
        return "met" if right and int(re.sub(r"\D", "", answer) or -1) not in self.fails else "not_met"


@contextmanager
def answering(known: Sequence[Case]) -> Iterator[Provider]:
    """A provider whose model knows these cases."""
    provider = Provider(model=SamplingModel(list(known), seed=1))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="provider")
    thread.start()
    server = provider.server = ProviderServer(judge=provider.answer)
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(30.0)
        provider.url = server.url
        yield provider
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(30.0)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30.0)
        loop.close()


def configure(home: Home, known: Sequence[Case], provider: Provider, model: str = "judge-1") -> None:
    """A judged suite: the headline is the judge's, and the judge has a price."""
    home.configure(
        known,
        provider,  # type: ignore[arg-type]
        support={"rubrics": '["support_answer"]', "headline": "{ support_answer = 1.0 }"},
        bot={"price": "{ input = 1.0, output = 4.0 }"},
        decision={"baseline_repeats": 4, "max_repeats": 4},
        **{
            "judges.strict": {
                "provider": '"openai"',
                "model": f'"{model}"',
                "base_url": f'"{provider.url}/v1"',
                "api_key": '{ env = "API_KEY" }',
                "price": "{ input = 1.0, output = 4.0, cached_input = 0.1 }",
                "concurrency": 32,
            },
            "judging": {"panel": '["strict"]', "canaries": "20"},
        },
    )
