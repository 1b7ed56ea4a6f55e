"""ROUGE, BLEU and chrF equal rouge-score and sacrebleu on generated and hand-made pairs, Unicode included."""

from __future__ import annotations

import random

import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from monitor.domain.case import Case
from monitor.metrics import build_metric
from monitor.metrics.overlap import bleu, chrf, rouge_1, rouge_2, rouge_l

EXACT = 1e-9
BY_HAND = [
    ("", ""),
    ("", "Danube"),
    ("Danube", ""),
    ("the cat sat on the mat", "the cat is on the mat"),
    ("The Danube — Europe’s second-longest river.", "The Danube, Europe's second longest river"),
    ("Kelvin \u212a and \u0130stanbul", "kelvin k and istanbul"),
    ("naïve café", "naive cafe"),
    ("多瑙河流经维也纳", "多瑙河 流经 维也纳"),
    ("Дунай течёт через Вену", "Дунай протекает через Вену"),
    ("نهر الدانوب", "نهر الدانوب"),
    ("🎉 party 🎉", "🎉 party"),
    ("3.14, 1,000 and -5%", "3.14 , 1,000 and - 5 %"),
    ("&lt;b&gt; &amp; &quot;x&quot;", '<b> & "x"'),
    ("<skipped>", "<skipped>"),
    ("line-\nbreak and\nmore", "linebreak and more"),
    ("a\x00b \ud800 c", "a b c"),
    ("tokenised .", "tokenised."),
    ("one", "one"),
    ("x x x x x x", "x"),
    ("   ", "\t\n"),
    ("a_b-c/d", "a b c d"),
    ("١٢٣ 123", "123"),
]
ALPHABETS = [
    ["the", "river", "Danube", "flows", "through", "Vienna", ",", ".", "12", "3.5", "U.S."],
    ["Дунай", "река", "Wien", "über", "straße", "naïve", "a", "b", "—", "…"],
    ["多", "瑙", "河", "流", "k", "\u212a", "\u0130", "ß", "🎉", "\u200b", "1", "a1"],
]


def generated(count: int) -> list[tuple[str, str]]:
    rng = random.Random(20)
    pairs = []
    for i in range(count):
        words = ALPHABETS[i % len(ALPHABETS)]
        reference = rng.choices(words, k=rng.randint(0, 40))
        if rng.random() < 0.5:
            said = [w if rng.random() < 0.7 else rng.choice(words) for w in reference if rng.random() < 0.9]
        else:
            said = rng.choices(words, k=rng.randint(0, 40))
        pairs.append((rng.choice([" ", "  ", "\n", ""]).join(said), " ".join(reference)))
    return pairs


PAIRS = BY_HAND + generated(400)


def test_rouge_equals_rouge_score() -> None:
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
    positive = 0
    for answer, expected in PAIRS:
        theirs = scorer.score(expected, answer)
        for ours, name in ((rouge_1, "rouge1"), (rouge_2, "rouge2"), (rouge_l, "rougeL")):
            assert ours(answer, expected) == pytest.approx(theirs[name].fmeasure, abs=EXACT), (name, answer, expected)
            positive += theirs[name].fmeasure > 0
    assert positive > 500  # the pairs do overlap: equality of zeros would prove nothing


def test_bleu_equals_sacrebleu() -> None:
    positive = 0
    for answer, expected in PAIRS:
        theirs = min(1.0, sacrebleu.sentence_bleu(answer, [expected]).score / 100)
        assert bleu(answer, expected) == pytest.approx(theirs, abs=EXACT), (answer, expected)
        positive += theirs > 0
    assert positive > 250


def test_chrf_equals_sacrebleu() -> None:
    positive = 0
    for answer, expected in PAIRS:
        theirs = min(1.0, sacrebleu.sentence_chrf(answer, [expected]).score / 100)
        assert chrf(answer, expected) == pytest.approx(theirs, abs=EXACT), (answer, expected)
        positive += theirs > 0
    assert positive > 250


@pytest.mark.parametrize("metric", [bleu, chrf])
def test_bleu_and_chrf_read_an_answer_of_fifty_thousand_characters_to_its_end(metric) -> None:  # type: ignore[no-untyped-def]
    answer = "The Danube flows. " * 2800
    theirs = {bleu: sacrebleu.sentence_bleu, chrf: sacrebleu.sentence_chrf}[metric](answer, ["The Danube flows on."])
    assert metric(answer, "The Danube flows on.") == pytest.approx(theirs.score / 100, abs=EXACT)


def test_several_references_are_scored_one_by_one_and_not_pooled() -> None:
    references = ["the river Danube flows east", "a stream runs through Vienna"]
    answer = "the river Danube runs through Vienna"
    one_by_one = max(sacrebleu.sentence_bleu(answer, [r]).score / 100 for r in references)
    pooled = sacrebleu.sentence_bleu(answer, references).score / 100
    assert build_metric("bleu", {})(answer, Case("c", "?", references)).value == pytest.approx(one_by_one, abs=EXACT)
    assert pooled > one_by_one + 0.05


@pytest.mark.parametrize(
    ("name", "expected", "reason"),
    [
        ("rouge_1", "多瑙河", "no Latin letter or digit"),
        ("rouge_l", "!!!", "no Latin letter or digit"),
        ("rouge_2", "Danube", "fewer than two words"),
        ("bleu", "  ", "no words"),
        ("bleu", "<skipped>", "no words"),
        ("chrf", "\n", "no characters besides spaces"),
    ],
)
def test_a_reference_that_would_not_even_score_against_itself_is_unscored(
    name: str, expected: str, reason: str
) -> None:
    metric = build_metric(name, {})
    score = metric(expected, Case("c", "?", expected))
    assert score.value is None
    assert score.reason is not None
    assert reason in score.reason
    assert metric.fault(Case("c", "?", expected)) == score.reason


def test_references_out_of_sight_are_left_out_where_another_can_be_scored() -> None:
    assert build_metric("rouge_l", {})("Danube", Case("c", "?", ["多瑙河", "Danube"])).value == 1.0


def test_sacrebleu_keeps_no_answers_behind() -> None:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
    from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

    bleu("an answer that nobody should keep", "an expected output")
    assert Tokenizer13a.__call__.cache_info().currsize == 0
    assert TokenizerRegexp.__call__.cache_info().currsize == 0
