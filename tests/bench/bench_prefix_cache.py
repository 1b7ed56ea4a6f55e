"""The share of judges' input that providers' caches serve, by bundled rubric, and what a prompt and its reply cost.

    python tests/bench/bench_judges.py

A run of the sample's 200 cases, each with a page of the handbook as its context, is judged by all bundled rubrics
through both SDKs over HTTP. The server caches as the providers do (a token is four bytes): OpenAI from 1,024 tokens in
steps of 128, Anthropic from 1,024 or, with some of its models, 4,096.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from judges.material import Material
from judges.parse import parse
from judges.prompt import prefix, question
from judges.rubric_file import bundled, bundled_names
from monitor import wiring
from monitor.config.load import load_config
from monitor.rounds import run_now
from monitor.store.database import open_database
from monitor.store.tables import judgement
from tests.fakes.judging import by_reference, judging
from tests.fakes.prefix_cache import PrefixCache
from tests.fakes.provider_server import ProviderServer, SamplingModel

SAMPLE = Path(wiring.__file__).parent / "sample"
GOAL = 0.6
TOML = """
[suites.support]
cases = "support.jsonl"
rubrics = [{rubrics}]
headline = {{ support_answer = 1.0 }}
[targets.bot]
provider = "openai"
model = "bot"
base_url = "{target}/v1"
api_key = {{ env = "KEY" }}
suites = ["support"]
concurrency = 32
[judges.strict]
provider = "{provider}"
model = "judge"
base_url = "{judge}"
api_key = {{ env = "KEY" }}
concurrency = 32
[judging]
panel = ["strict"]
"""
ROWS = (("OpenAI", "openai", 1024), ("Anthropic", "anthropic", 1024), ("Anthropic", "anthropic", 4096))


def cases() -> list[dict[str, object]]:
    """The sample's, with pages of the handbook in turn."""
    pages = [path.read_text(encoding="utf-8") for path in sorted((SAMPLE / "handbook").glob("*.md"))]
    lines = (SAMPLE / "support.jsonl").read_text(encoding="utf-8").splitlines()
    return [{**json.loads(line), "context": pages[i % len(pages)]} for i, line in enumerate(lines)]


async def shares(folder: Path, provider: str, least: int) -> dict[str, float]:
    """The share of the input that was read from the cache, by rubric; a failed judgement ends it."""
    cache = PrefixCache(least=least)
    known = cases()
    model = SamplingModel(known, p=0.9)
    async with ProviderServer(model) as target, ProviderServer(judge=judging(by_reference()), cache=cache) as judge:
        (folder / "support.jsonl").write_text("\n".join(map(json.dumps, known)), encoding="utf-8")
        names = ", ".join(f'"{name}"' for name in bundled_names())
        root = f"{judge.url}/v1" if provider == "openai" else judge.url
        text = TOML.format(rubrics=names, target=target.url, provider=provider, judge=root)
        (folder / "config.toml").write_text(text, encoding="utf-8")
        database = open_database(f"sqlite:///{folder}/{provider}{least}.db")
        app = wiring.build(load_config(folder / "config.toml", {}), {"KEY": "k-0123"}, database)
        await run_now(app, list(app.sites.values()))
        with database.read() as connection:
            rows = list(connection.execute(judgement.select()))
        database.close()
    given: dict[str, int] = defaultdict(int)
    read: dict[str, int] = defaultdict(int)
    for row in rows:
        given[row.rubric] += row.input_tokens
        read[row.rubric] += row.cached_input_tokens
    assert (sum(given.values()), sum(read.values())) == (cache.input, cache.cached)
    return {name: read[name] / given[name] for name in given}


def milliseconds(name: str, rounds: int = 500) -> float:
    """CPU of building one question and reading its reply."""
    rubric = bundled(name)
    some = cases()[0]
    material = Material(
        "It is as you say. " * 20, str(some["input"]), (str(some["expected"]),), (str(some["context"]),)
    )
    vote = {"evidence": "as it stands in the answer, which says so", "verdict": "met"}
    reply = json.dumps({one.id: vote for one in rubric.criteria})
    began = time.process_time()
    for _ in range(rounds):
        question(rubric, material, "0123456789abcdef")
        parse(reply, rubric)
    return 1000 * (time.process_time() - began) / rounds


def main() -> None:
    found = []
    for _, provider, least in ROWS:
        with tempfile.TemporaryDirectory() as name:
            found.append(asyncio.run(shares(Path(name), provider, least)))
    print(f"share of the input read from the cache, 200 cases (goal {GOAL:.0%})")
    heads = "".join(f"{f'{vendor} {least:,}':>18}" for vendor, _, least in ROWS)
    print(f"{'rubric':<16}{'prefix, tokens':>16}{heads}{'prompt and parse':>20}")
    for name in bundled_names():
        figures = "".join(f"{of.get(name, 0.0):>18.1%}" for of in found)
        size = len(prefix(bundled(name)).encode()) // 4
        print(f"{name:<16}{size:>16,}{figures}{milliseconds(name):>17.3f} ms")
    print("(goal of prompt and parse: 0.3 ms; at 4,096 tokens a prefix of half of that is never kept)")


if __name__ == "__main__":
    main()
