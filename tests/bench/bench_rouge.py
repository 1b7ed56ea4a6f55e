"""How much faster ROUGE-L is than rouge-score on pairs of 200 tokens, and what scoring one answer costs.

Run `python tests/bench/bench_rouge.py`; it prints the figures of one run and exits 1 where a target is missed.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rouge_score.rouge_scorer import RougeScorer

from monitor.domain.case import Case
from monitor.metrics import build_metric
from monitor.metrics.overlap import rouge_l

RATIO_AT_LEAST = 30.0
MICROSECONDS_AT_MOST = 50.0
PAIRS, TOKENS, VOCABULARY = 60, 200, 300
ANSWERS, ANSWER_TOKENS = 2000, 100


def sentence(rng: random.Random, tokens: int) -> str:
    return " ".join(f"word{rng.randrange(VOCABULARY)}" for _ in range(tokens))


def seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def ratio(rng: random.Random) -> tuple[float, float, float]:
    """CPU microseconds a pair of rouge-score and of ours, both on texts not seen before, and their ratio."""
    pairs = [(sentence(rng, TOKENS), sentence(rng, TOKENS)) for _ in range(PAIRS)]
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    rouge_l("warm up", "warm up")
    theirs: list[float] = []
    ours: list[float] = []
    slow = seconds(lambda: theirs.extend(scorer.score(e, a)["rougeL"].fmeasure for a, e in pairs))
    fast = seconds(lambda: ours.extend(rouge_l(a, e) for a, e in pairs))
    if any(abs(x - y) > 1e-9 for x, y in zip(theirs, ours, strict=True)):
        raise SystemExit("the two disagree")
    return 1e6 * slow / PAIRS, 1e6 * fast / PAIRS, slow / fast


def cost(rng: random.Random) -> float:
    """CPU microseconds for exact_match and rouge_l on one answer, ten answers a case."""
    metrics = [build_metric(name, {}) for name in ("exact_match", "rouge_l")]
    cases = [Case(f"c{i}", "?", sentence(rng, ANSWER_TOKENS)) for i in range(ANSWERS // 10)]
    for metric in metrics:  # what is loaded once is not the cost of an answer
        metric("warm up", Case("c", "?", "warm up"))
    work = [(sentence(rng, ANSWER_TOKENS), case) for case in cases for _ in range(10)]
    gc.freeze()  # else full collections walk rouge-score's and nltk's heap, which no run of ours has loaded
    return 1e6 * seconds(lambda: [metric(answer, case) for answer, case in work for metric in metrics]) / ANSWERS


def main() -> int:
    rng = random.Random(20261123)
    slow, fast, faster = ratio(rng)
    print(f"ROUGE-L, {TOKENS} tokens: rouge-score {slow:.0f} µs, ours {fast:.1f} µs a pair: {faster:.0f} times faster")
    each = cost(rng)
    print(f"exact_match + rouge_l, {ANSWER_TOKENS} tokens: {each:.1f} µs of CPU an answer")
    return 0 if faster >= RATIO_AT_LEAST and each <= MICROSECONDS_AT_MOST else 1


if __name__ == "__main__":
    sys.exit(main())
