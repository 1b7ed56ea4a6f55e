"""Metrics of overlap with a reference text: ROUGE-1, ROUGE-2, ROUGE-L, BLEU and chrF, each in [0, 1].

Sources: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries"; Papineni et al. 2002, "BLEU"; Popović 2015,
"chrF". ROUGE equals Google's `rouge-score` without stemming: it sees Latin letters and digits alone, so a reference
without any cannot be scored. BLEU and chrF are `sacrebleu`'s sentence scores with its defaults, divided by 100. With
several acceptable outputs each is scored as the only reference and the best score counts, so that all metrics mean the
same by "several"; sacrebleu's own pooling of references would give higher numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from monitor.domain.case import Case
from monitor.metrics.metric import Plan, UnscorableError, switch, texts
from monitor.metrics.text import CACHED

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

BEYOND = 100_000  # characters more than the reference has that BLEU and chrF read: they take some 500 bytes each
_N_GRAMS_CACHED = 256  # references whose n-grams are kept, for the same reason

_TO_SPACE = bytes(c if chr(c) in "abcdefghijklmnopqrstuvwxyz0123456789" else ord(" ") for c in range(256))


def rouge_tokens(text: str) -> list[str]:
    """The runs of a-z and 0-9 in the lower-cased text, as `rouge-score` takes them."""
    return text.lower().encode("ascii", "replace").translate(_TO_SPACE).decode("ascii").split()


@lru_cache(maxsize=CACHED)
def _expected_tokens(text: str) -> list[str]:
    return rouge_tokens(text)


@lru_cache(maxsize=2)  # ROUGE's three forms read the same answer one after the other
def _answer_tokens(text: str) -> list[str]:
    return rouge_tokens(text)


@lru_cache(maxsize=_N_GRAMS_CACHED)
def _expected_ngrams(text: str, order: int) -> Counter[tuple[str, ...]]:
    return _ngrams(_expected_tokens(text), order)


def _ngrams(tokens: list[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(tokens[i:] for i in range(order)), strict=False))


def _f_measure(hits: int, said: int, wanted: int) -> float:
    if hits == 0:
        return 0.0
    precision, recall = hits / said, hits / wanted
    return 2 * precision * recall / (precision + recall)


def rouge_n(answer: str, expected: str, *, order: int) -> float:
    """ROUGE-N: F-measure over the n-grams of `order` tokens, each counted as often as it stands in both texts."""
    wanted = _expected_ngrams(expected, order)
    said = _ngrams(_answer_tokens(answer), order)
    hits = sum(min(count, said[gram]) for gram, count in wanted.items() if gram in said)
    return _f_measure(hits, said.total(), wanted.total())


def rouge_l(answer: str, expected: str) -> float:
    """ROUGE-L: F-measure over the longest common subsequence of tokens, found with rapidfuzz's bit-parallel search."""
    said, wanted = _answer_tokens(answer), _expected_tokens(expected)
    return _f_measure(_lcs()(said, wanted), len(said), len(wanted))


@lru_cache(maxsize=1)
def _lcs() -> Callable[[list[str], list[str]], int]:
    from rapidfuzz.distance import LCSseq

    return LCSseq.similarity


def bleu(answer: str, expected: str) -> float:
    """Sentence BLEU of up to 4-grams with exponential smoothing and effective order; an answer is cut at BEYOND."""
    return _score(_bleu(expected), answer[: len(expected) + BEYOND])


def chrf(answer: str, expected: str) -> float:
    """Sentence chrF: F2 over character n-grams of orders 1 to 6, without spaces; an answer is cut at BEYOND."""
    return _score(_chrf(expected), answer[: len(expected) + BEYOND])


def _score(scorer: BLEU | CHRF, answer: str) -> float:
    score = scorer.corpus_score([answer], None).score
    _forget_answers()
    return min(1.0, float(score) / 100)  # identical texts come out as 1.0000000000000004


@lru_cache(maxsize=_N_GRAMS_CACHED)
def _bleu(expected: str) -> BLEU:
    """A scorer that holds the n-grams of one expected output."""
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(effective_order=True, references=[[expected]])


@lru_cache(maxsize=_N_GRAMS_CACHED)
def _chrf(expected: str) -> CHRF:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(references=[[expected]])


def _forget_answers() -> None:
    """Empty sacrebleu's own caches, which would keep the last 65,536 answers, each four times."""
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
    from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

    Tokenizer13a.__call__.cache_clear()
    TokenizerRegexp.__call__.cache_clear()


@lru_cache(maxsize=CACHED)
def _itself(compare: Callable[[str, str], float], text: str) -> float:
    return compare(text, text)


def _references(case: Case, compare: Callable[[str, str], float], needs: str) -> tuple[str, ...]:
    """The expected outputs that would score against themselves; one that would not is out of the metric's sight."""
    usable = tuple(text for text in texts(case) if _itself(compare, text) > 0)
    if not usable:
        raise UnscorableError(f"the expected output has {needs}")
    return usable


def _plan(compare: Callable[[str, str], float], needs: str) -> Plan:
    return Plan(partial(_references, compare=compare, needs=needs), compare)


rouge_1 = partial(rouge_n, order=1)
rouge_2 = partial(rouge_n, order=2)


def rouge_1_plan(stemmer: bool) -> Plan:
    """The plan of `rouge_1`; `stemmer` is always false."""
    return _plan(rouge_1, "no Latin letter or digit, and ROUGE counts nothing else; chrf does")


def rouge_2_plan(stemmer: bool) -> Plan:
    """The plan of `rouge_2`; `stemmer` is always false."""
    return _plan(rouge_2, "fewer than two words of Latin letters or digits, and ROUGE-2 counts pairs of them")


def rouge_l_plan(stemmer: bool) -> Plan:
    """The plan of `rouge_l`; `stemmer` is always false."""
    return _plan(rouge_l, "no Latin letter or digit, and ROUGE counts nothing else; chrf does")


def bleu_plan() -> Plan:
    """The plan of `bleu`."""
    return _plan(bleu, "no words")


def chrf_plan() -> Plan:
    """The plan of `chrf`."""
    return _plan(chrf, "no characters besides spaces")


def no_stemmer(value: Any) -> bool:
    """The option `stemmer`, which can only be false: stemming as `rouge-score` does it is not in this version."""
    if switch(value):
        raise ValueError("is not in this version; leave it out, and words are compared as they stand")
    return False
