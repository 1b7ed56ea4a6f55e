"""Whatever texts, replies and votes hold: fences hold, parsing ends in votes or one error, what is certain stays so."""

from __future__ import annotations

import json
import re
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from judges.canaries import CanaryCase, Kind, make, pin, trust
from judges.judge import Opinion
from judges.material import Material
from judges.panel import certain, decide
from judges.parse import LONGEST_EVIDENCE, UnreadableReplyError, parse
from judges.prechecks import failed
from judges.prompt import MARGIN, question
from judges.rubric import Criterion, Rubric
from judges.text import clean, normal, shorten
from judges.vote import Verdict, Vote

NONCE = "c0ffee1234567890"
RUBRIC = Rubric("r", "1", "d", (Criterion("a", "Is it?", 2.0, required=True), Criterion("b", "Is it?")))
FRAGMENTS = (
    NONCE, NONCE.upper(), NONCE[:7], NONCE[7:], "<<<", "<<", "<", ">>>", "＜", "⋘", "‹", "END ANSWER ", "ANSWER ", "|",
    "| ", "\n", "\r", "\u2028", "\x85", "\x0b", "\x1c", "<|", "im_start|>", "｜", "[", "INST]", "[/INST]", "<<SYS>>",
    "<s>", "</s>", "\u200b", "\u200c", "\u200d", "\u2060", "\u202e", "\u2066", "\ufe0f", "\U000e0041", "\U000e0100",
    "\ud800", "\udfff", "\x00", "\x1b[31m", "e\u0301", "नि\u200dज", "👩\u200d💻",
)  # fmt: skip
JSON_PARTS = (
    '{"a": {"evidence": "x", "verdict": "met"}, "b": {"evidence": "", "verdict": "not_met"}}', '"a":', '"b":', "{", "}",
    "[", "]", '"verdict":', '"met"', '"evidence":', ",", '"', "\\", "'", "NaN", "1e999", "-", "null", "```json\n",
    "```", "<think>", "</think>", "\n", " ", '{"', "\\u0000", "\ud800",
)  # fmt: skip
hostile = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(st.characters(), max_size=4)), max_size=8).map("".join)
replies = st.lists(st.one_of(st.sampled_from(JSON_PARTS), st.text(st.characters(), max_size=3)), max_size=14).map(
    "".join
)
verdicts = st.sampled_from(Verdict)
votes = st.fixed_dictionaries({"a": st.builds(Vote, verdicts), "b": st.builds(Vote, verdicts)})
opinions = st.one_of(st.builds(Opinion, votes), st.just(Opinion(reason="refused")))


@given(hostile, hostile, st.lists(hostile, max_size=2).map(tuple), st.lists(hostile, max_size=2).map(tuple))
@settings(max_examples=150)
def test_no_text_leaves_its_block(answer, asked, references, contexts):
    text = question(RUBRIC, Material(answer, asked, references, contexts), NONCE)
    around = question(RUBRIC, Material("", "", ("",) * len(references), ("",) * len(contexts)), NONCE)
    outside = [line for line in text.split("\n") if not line.startswith(MARGIN)]
    assert outside == [line for line in around.split("\n") if not line.startswith(MARGIN)]
    inside = [line for line in text.splitlines() if line.startswith(MARGIN)]
    assert len(inside) + len(outside) == len(text.splitlines()) == text.count("\n") + 1
    assert not any(NONCE in line.lower() or re.search("<<<|<\\||＜＜＜|⋘|\\[/?INST\\]|</?s>", line) for line in inside)
    text.encode("utf-8")


@given(hostile)
def test_cleaning_is_done_after_one_pass(text):
    once = clean(text)
    assert clean(once) == once
    assert normal(once) == normal(text)
    assert len(shorten(text, 20)) <= 20


@given(replies)
@settings(max_examples=300)
def test_a_reply_gives_votes_or_one_kind_of_error(text):
    try:
        found = parse(text, RUBRIC)
    except UnreadableReplyError:
        return
    assert list(found) == ["a", "b"]
    assert all(len(vote.evidence) <= LONGEST_EVIDENCE for vote in found.values())


@given(
    votes,
    hostile,
    hostile,
    st.booleans(),
    st.sampled_from(["{}", "```json\n{}\n```", "My verdicts:\n{}\nBye.", "[1] {}"]),
)
def test_what_a_judge_writes_is_read_back(given_votes, first, second, ascii_only, frame):
    first, second = json.loads(json.dumps([first, second]))  # which joins a pair of surrogates
    given_votes = {"a": Vote(given_votes["a"].verdict, first), "b": Vote(given_votes["b"].verdict, second)}
    reply = {name: {"evidence": vote.evidence, "verdict": str(vote.verdict)} for name, vote in given_votes.items()}
    found = parse(frame.replace("{}", json.dumps(reply, ensure_ascii=ascii_only)), RUBRIC)
    assert found == {
        name: Vote(vote.verdict, shorten(vote.evidence, LONGEST_EVIDENCE)) for name, vote in given_votes.items()
    }


@given(st.lists(opinions, max_size=5), st.sampled_from([1, 3, 5]), st.data())
@settings(max_examples=150)
def test_what_is_certain_is_the_same_whatever_the_others_say(given_opinions, size, data):
    given_opinions = given_opinions[:size]
    if certain(RUBRIC, given_opinions, size):
        now = decide(RUBRIC, given_opinions, size)
        rest = data.draw(st.lists(opinions, min_size=size - len(given_opinions), max_size=size - len(given_opinions)))
        then = decide(RUBRIC, [*given_opinions, *rest], size)
        assert (then.verdicts, then.mark.score) == (now.verdicts, now.mark.score)


@given(st.lists(opinions, min_size=1, max_size=2))
def test_what_is_not_certain_can_still_change(given_opinions):
    if certain(RUBRIC, given_opinions, 3):
        return
    every = [Opinion({"a": Vote(a), "b": Vote(b)}) for a, b in product(Verdict, repeat=2)]
    rests = product(every, repeat=3 - len(given_opinions))
    outcomes = {tuple(decide(RUBRIC, [*given_opinions, *rest], 3).verdicts.items()) for rest in rests}
    assert len(outcomes) > 1


@given(hostile, hostile, st.lists(hostile, max_size=2).map(tuple))
def test_an_acceptable_answer_is_never_failed_beforehand(answer, asked, references):
    failed(Material(answer, asked, references))
    for reference in references:
        assert failed(Material(f" {reference.upper().lower()}\n", asked, (reference.upper().lower(),))) is None
    assert failed(Material(answer, asked, (*references, answer))) is None


cases = st.lists(
    st.builds(
        CanaryCase,
        st.uuids().map(str),
        hostile,
        st.lists(st.sampled_from(["yes", "no", "Yes.", "a lamp", "lamp", ":", "", "7"]), max_size=2).map(tuple),
        st.none() | st.sampled_from(["x", "y"]),
    ),
    max_size=6,
)


@given(cases)
def test_no_canary_contradicts_its_case(suite):
    by_id = {case.id: case for case in suite}
    for one in make(suite, per_kind=8):
        case = by_id[one.case]
        assert one.material.references == case.references
        if one.kind is Kind.BAD:
            output = normal(one.material.answer)
            assert not any(output in normal(right) or normal(right) in output for right in case.references)
            assert case.cluster is None or by_id[one.donor].cluster != case.cluster


@given(st.lists(st.tuples(st.sampled_from(Kind), st.none() | st.floats(0, 1)), max_size=40))
@settings(max_examples=50, deadline=None)  # the first one imports scipy
def test_a_judge_that_does_as_at_baseline_is_trusted(results):
    found = trust(pin(results), results)
    unscored = any(tally.unscored > tally.judged for tally in found.by_kind.values())
    assert found.trusted is not unscored
