"""A whole `heldout run` against a bare loop over the same SDK: wall, CPU and memory, as ratios taken in one run.

    python tests/bench/bench_replay.py [--cases 2000] [--concurrency 256] [--delay 0.5] [--repeats 8]

Start-up is a run of the same command on a suite of one case, and is taken off both sides. CPU is that of the whole
process, by the operating system's account. The provider runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORDS = ["amber", "river", "stone", "window", "garden", "copper", "signal", "harbour", "meadow", "lantern"]

BARE = """
import asyncio, json, sys
from openai import AsyncOpenAI, DefaultAioHttpClient
import httpx2
async def main(url, path, concurrency):
    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    client = AsyncOpenAI(api_key="none", base_url=url, max_retries=0, http_client=DefaultAioHttpClient(limits=limits))
    cases = iter([json.loads(line) for line in open(path)])
    answers = []
    async def work():
        for case in cases:
            reply = await client.chat.completions.create(
                model="bench", messages=[{"role": "user", "content": case["input"]}])
            answers.append(reply.choices[0].message.content)
    await asyncio.gather(*(work() for _ in range(concurrency)))
    await client.close()
asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


@dataclass(frozen=True)
class Cost:
    wall: float
    cpu: float
    megabytes: float

    def beyond(self, start: Cost) -> Cost:
        return Cost(self.wall - start.wall, self.cpu - start.cpu, self.megabytes)


def measure(command: list[str], folder: Path) -> Cost:
    """One run of a process; fails loudly where it does."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ | {"NO_COLOR": "1"}
    ) as process:
        peak = 0
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            with suppress(OSError):
                peak = max(peak, *(int(row.split()[1]) for row in status.read_text().splitlines() if "VmHWM" in row), 0)
            time.sleep(0.02)
        wall = time.perf_counter() - began
        complaint = process.stderr.read().decode() if process.stderr else ""
    if process.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {process.returncode}: {complaint}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, peak / 1024)


def write_suite(path: Path, cases: int) -> None:
    """Cases whose expected answer is a paragraph of a hundred words."""
    with path.open("w", encoding="utf-8") as file:
        for i in range(cases):
            text = " ".join(WORDS[(i * 7 + j * j) % len(WORDS)] for j in range(100))
            case = {"id": f"case-{i}", "input": f"Question {i}: {text[:120]}?", "expected": text, "tags": ["edge"]}
            file.write(json.dumps(case) + "\n")


def write_config(path: Path, suite: str, url: str, options: argparse.Namespace) -> None:
    path.write_text(
        f"""
[database]
url = "sqlite:///{suite}.db"
[decision]
baseline_repeats = {options.repeats}
[suites.bench]
cases = "{suite}.jsonl"
metrics = ["exact_match", "rouge_l"]
headline = {{ exact_match = 0.5, rouge_l = 0.5 }}
[targets.bench]
provider = "openai"
base_url = "{url}"
model = "bench"
suites = ["bench"]
concurrency = {options.concurrency}
[budget]
calls_per_run = 1000000
""",
        encoding="utf-8",
    )


@contextmanager
def provider(delay: float, suite: Path) -> Iterator[str]:
    """The fake provider as a process of its own."""
    command = [sys.executable, str(ROOT / "tests/fakes/provider_server.py"), "--port", "0", "--delay", str(delay)]
    command += ["--cases", str(suite), "--p", "0.9"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{server.stdout.readline().split()[-1]}/v1"
        finally:
            server.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--delay", type=float, default=0.5)
    parser.add_argument("--repeats", type=int, default=8)
    options = parser.parse_args()
    heldout = str(Path(sys.executable).parent / "heldout")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_suite(folder / "many.jsonl", options.cases)
        write_suite(folder / "one.jsonl", 1)
        (folder / "bare.py").write_text(BARE, encoding="utf-8")
        with provider(options.delay, folder / "many.jsonl") as url:
            for suite in ("many", "one"):
                write_config(folder / f"{suite}.toml", suite, url, options)
            ours = {s: measure([heldout, "run", "-c", f"{s}.toml"], folder) for s in ("one", "many")}
            concurrency = str(options.concurrency)
            bare = {
                s: measure([sys.executable, "bare.py", url, f"{s}.jsonl", concurrency], folder) for s in ("one", "many")
            }
            flat = measure([heldout, "baseline", "collect", "bench", "bench", "--yes", "-c", "many.toml"], folder)
    beyond, loop = ours["many"].beyond(ours["one"]), bare["many"].beyond(bare["one"])
    floor = options.cases * options.delay / options.concurrency
    print(
        f"{options.cases} cases, concurrency {options.concurrency}, {options.delay:g} s an answer; floor {floor:.2f} s"
    )
    print(f"bare loop over the SDK: {loop.wall:.2f} s, {1000 * loop.cpu / options.cases:.2f} ms of CPU an answer")
    print(f"heldout run:            {beyond.wall:.2f} s, {1000 * beyond.cpu / options.cases:.2f} ms of CPU an answer")
    print(f"wall ratio {beyond.wall / loop.wall:.2f} (goal 1.25); CPU goal 2 ms an answer")
    print(
        f"memory: {ours['many'].megabytes:.0f} MB with 1 answer a case, {flat.megabytes:.0f} MB with {options.repeats}"
    )
    print("(goal: under 300 MB, flat in the number of answers)")


if __name__ == "__main__":
    main()
