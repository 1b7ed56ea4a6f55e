"""Answers that fail without a judge, and those that must not."""

from __future__ import annotations

import time

import pytest

from judges.material import Material
from judges.prechecks import failed

ASKED = "Can I return a gift card after thirty days?"
EXPECTED = "No. Gift cards are final sale."


@pytest.mark.parametrize(
    "answer", ["", " \n\t", "\u200b\u2060\ufeff", "\u3164", "\u2800", "\x00\x00", "\U000e0041", "\u202e \u2066"]
)
def test_empty(answer):
    assert failed(Material(answer, ASKED, (EXPECTED,))) == "the answer is empty"
    assert failed(Material(answer, ASKED)) == "the answer is empty"


@pytest.mark.parametrize(
    "answer", [":", ".", ",", ";", "...", "---", " : ", "“”", "。", "：", "()", "***", "{}", "[]", '""']
)
def test_only_punctuation(answer):
    assert failed(Material(answer, ASKED, (EXPECTED,))) == "the answer is only punctuation"


@pytest.mark.parametrize(
    "answer",
    [
        "Thought process:", "thought process", "**Thought process:**", "Let's solve this problem step by step.",
        "Let’s think step by step", "Solution", "Solution:", "# Solution", "解", "解：",
        "かいせつ", "Respuesta", "RÉPONSE :",
        "Ｓｏｌｕｔｉｏｎ", "Thought process:\n\nSolution:", "Final answer:", "```\nSolution:\n```", "S\u200bolution",
    ],
)  # fmt: skip
def test_master_keys(answer):
    assert failed(Material(answer, ASKED, (EXPECTED,))) == "the answer only announces an answer"
    assert failed(Material(answer, ASKED))


@pytest.mark.parametrize(
    "answer",
    [ASKED, ASKED.upper(), f"  {ASKED}\n", ASKED[:-1], f"You asked: {ASKED}", f"Question: {ASKED}\nAnswer:",
     f'"{ASKED}"', f"{ASKED}\n{ASKED}", f"```\n{ASKED}\n```", f"{ASKED[:9]}\u200b{ASKED[9:]}"],
)  # fmt: skip
def test_echo(answer):
    assert failed(Material(answer, ASKED, (EXPECTED,))) == "the answer only repeats the input"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("```", "only punctuation"), ("``````", "empty code block"), ("```json\n```", "empty code block"),
        ("~~~\n\n~~~", "empty code block"), ("```json\n{}\n```", "only punctuation"),
        ("<answer></answer>", "markup without content"), ("<p> </p><p></p>", "markup without content"),
    ],
)  # fmt: skip
def test_only_a_format(answer, why):
    assert why in failed(Material(answer, ASKED, (EXPECTED,)))


@pytest.mark.parametrize(
    ("answer", "asked", "references"),
    [
        (EXPECTED, ASKED, (EXPECTED,)),
        ("No.", ASKED, (EXPECTED,)),
        (f"{ASKED} No.", ASKED, (EXPECTED,)),
        (f"You asked: {ASKED} No.", ASKED, ()),
        ("Solution: no, they are final.", ASKED, (EXPECTED,)),
        ("Thought process: no returns.", ASKED, (EXPECTED,)),
        ("Hello!", "Hello!", ()),  # a greeting may be returned
        (ASKED, "Correct the spelling: " + ASKED, ()),
        (ASKED, ASKED, (ASKED.upper(),)),  # nothing to correct
        (f"Answer: {ASKED}", ASKED, (ASKED,)),
        ("Solution", "What is sugar in water called?", ("A solution.",)),
        (":", "Which sign comes before a list?", (":",)),
        ("：", "Which sign comes before a list?", (":",)),
        ("*", "Which sign multiplies?", ("the asterisk",)),
        ("!=", "Which operator compares for inequality?", ()),
        ("≥", "Which sign?", ()),
        ("👍", "Is it fine?", ()),
        ("7", "Three and four?", ()),
        ("[]", "List the names.", ()),
        ("```json\n[ ]\n```", "List the names.", ("[]",)),
        ("{ }", "Extract.", ("{}",)),
        ("", "Say nothing.", ("",)),
        ("<br></br>", "Write it.", ("<br></br>",)),
        ("हि", "?", ()),
        ("答案是不可以。", ASKED, ()),
    ],
)
def test_what_needs_a_judge(answer, asked, references):
    assert failed(Material(answer, asked, references)) is None


def test_megabytes_are_no_burden():
    began = time.process_time()
    found = [
        failed(Material(answer * 300_000, ASKED, (EXPECTED,)))
        for answer in ("`", "<a", "<a ", ": ", "e\u0301", "\u200b", "a>")
    ]
    assert found[1:3] + found[4:5] + found[6:] == [None] * 4
    assert found[5] == "the answer is empty"
    assert failed(Material(f"{ASKED} " * 20_000, ASKED, (EXPECTED,))) == "the answer only repeats the input"
    assert time.process_time() - began < 3.0
