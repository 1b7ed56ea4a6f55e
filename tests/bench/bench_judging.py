"""What judging costs beside answering: CPU of whole `heldout run`s with and without a judge, as figures of one run.

    python tests/bench/bench_judging.py [--cases 1000] [--concurrency 64] [--delay 0.1] [--rounds 3]

Target and judge are asked over HTTP, through OpenAI's SDK, of a provider in a process of its own. CPU is that of the
whole process, by the operating system's account; start-up, a run of the same command on a suite of one case, is taken
off.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.bench.bench_replay import ROOT, measure, write_suite

GOAL = 2.5  # ms of CPU a judgement
CONFIG = """
[database]
url = "sqlite:///{name}.db"
[suites.bench]
cases = "{suite}.jsonl"
metrics = ["exact_match"]
headline = {{ exact_match = 1.0 }}
{rubrics}
[targets.bench]
provider = "openai"
base_url = "{url}"
model = "bench"
suites = ["bench"]
concurrency = {concurrency}
[budget]
calls_per_run = 1000000
"""
JUDGE = """
[judges.strict]
provider = "openai"
base_url = "{url}"
model = "judge"
concurrency = {concurrency}
[judging]
panel = ["strict"]
"""


@contextmanager
def provider(delay: float, suite: Path) -> Iterator[str]:
    """The fake provider as a process of its own, which rules on what asks for verdicts."""
    command = [sys.executable, str(ROOT / "tests/fakes/provider_server.py"), "--port", "0", "--delay", str(delay)]
    command += ["--cases", str(suite), "--p", "0.9", "--judge"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{server.stdout.readline().split()[-1]}/v1"
        finally:
            server.terminate()


def cpu(folder: Path, suite: str, url: str, concurrency: int, *, judged: bool) -> float:
    """Seconds of CPU of one run on a database of its own."""
    name = f"{suite}-{judged}-{len(list(folder.iterdir()))}"
    rubrics = 'rubrics = ["support_answer"]' if judged else ""
    text = CONFIG.format(name=name, suite=suite, url=url, concurrency=concurrency, rubrics=rubrics)
    text += JUDGE.format(url=url, concurrency=concurrency) if judged else ""
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    heldout = str(Path(sys.executable).parent / "heldout")
    spent = measure([heldout, "run", "-c", f"{name}.toml"], folder).cpu
    with closing(sqlite3.connect(folder / f"{name}.db")) as database:
        counts = [database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("answer", "judgement")]
    assert counts[1] == (counts[0] if judged else 0), counts
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--delay", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    answers, judgements = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_suite(folder / "many.jsonl", options.cases)
        write_suite(folder / "one.jsonl", 1)
        with provider(options.delay, folder / "many.jsonl") as url:
            for _ in range(options.rounds):
                run = {
                    (suite, judged): cpu(folder, suite, url, options.concurrency, judged=judged)
                    for suite in ("one", "many")
                    for judged in (False, True)
                }
                plain = run["many", False] - run["one", False]
                both = run["many", True] - run["one", True]
                answers.append(1000 * plain / options.cases)
                judgements.append(1000 * (both - plain) / options.cases)
    answer, judgement = statistics.median(answers), statistics.median(judgements)
    print(
        f"{options.cases} answers, each judged once, {options.concurrency} at once; medians of {options.rounds} rounds"
    )
    print(f"an answer {answer:.2f} ms of CPU, its judgement {judgement:.2f} ms (goal {GOAL} ms)")
    print(f"ratio {judgement / answer:.2f}; judgements by round: {', '.join(f'{one:.2f}' for one in judgements)} ms")


if __name__ == "__main__":
    main()
