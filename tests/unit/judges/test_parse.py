"""Replies of judges, from servers that hold them to a schema and from those that don't."""

from __future__ import annotations

import json
import time

import pytest

from judges.parse import LONGEST_EVIDENCE, LONGEST_REPLY, UnreadableReplyError, parse
from judges.rubric import Criterion, Rubric
from judges.vote import Verdict, Vote

RUBRIC = Rubric("r", "1", "d", (Criterion("polite", "Is it?"), Criterion("right", "Is it?")))
MET = {"evidence": "thank you", "verdict": "met"}
NOT = {"evidence": "at nine", "verdict": "not_met"}
GOOD = json.dumps({"polite": MET, "right": NOT})
OTHER = json.dumps({"polite": MET, "right": MET})
READ = {"polite": Vote(Verdict.MET, "thank you"), "right": Vote(Verdict.NOT_MET, "at nine")}

READABLE = {
    "plain": GOOD,
    "pretty": json.dumps(json.loads(GOOD), indent=2),
    "in a Markdown fence": f"```json\n{GOOD}\n```",
    "text around it": f"Here is my judgement {{as asked}} [1]:\n{GOOD}\nI hope it helps.",
    "the same twice": f"So {GOOD}, that is {GOOD}.",
    "another object after it": f'{GOOD} {{"confidence": 0.9}}',
    "unknown ids": json.dumps({"polite": MET, "extra": {"verdict": "none"}, "right": NOT}),
    "a list": json.dumps([{"id": "right", **NOT}, {"id": "polite", **MET}]),
    "thoughts before it": f'<think>maybe {OTHER} or {{"broken</think>\n{GOOD}',
    "quoted in a string": json.dumps({"polite": MET, "right": NOT, "note": OTHER}),
    "one in code within a line": f"```\n{GOOD}\n```\nThe answer said `{OTHER}`.",
    "quoted in prose": f'{GOOD}\nThe answer had "{OTHER}" in it.',
    "quoted in typographic marks": f"{GOOD}\nThe answer had “{OTHER}” in it.",
}


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE)
def test_readable(text):
    assert parse(text, RUBRIC) == READ


@pytest.mark.parametrize(
    ("spelled", "read"),
    [
        ("Met", Verdict.MET), ("yes", Verdict.MET), (" NOT MET.", Verdict.NOT_MET), ("not-met", Verdict.NOT_MET),
        ("No", Verdict.NOT_MET), ("N/A", Verdict.NOT_APPLICABLE), ("Not applicable", Verdict.NOT_APPLICABLE),
        ("cannot tell", Verdict.CANNOT_TELL),
    ],
)  # fmt: skip
def test_spellings(spelled, read):
    text = json.dumps({"polite": {"verdict": spelled}, "right": {"evidence": None, "verdict": "met"}})
    assert parse(text, RUBRIC) == {"polite": Vote(read), "right": Vote(Verdict.MET)}


def _with(**right):
    return json.dumps({"polite": MET, "right": right})


UNREADABLE = {
    "nothing": (" \n", "the reply is empty"),
    "prose": ("Both are met.", "no JSON object in the reply has verdicts on polite, right"),
    "a criterion is missing": (json.dumps({"polite": MET}), "no verdict on right"),
    "both are missing": ('{"a": 1}', "has verdicts on polite, right"),
    "an unknown verdict": (_with(verdict="partly"), "the verdict on right is none of met, not_met"),
    "a verdict close to one": (_with(verdict="not met, but polite"), "is none of"),
    "a boolean": (_with(verdict=True), "right has no verdict that is a string"),
    "no verdict": (_with(evidence="x"), "right has no verdict"),
    "evidence of another type": (_with(verdict="met", evidence=["x"]), "the evidence on right is no string"),
    "a verdict alone": ('{"polite": "met", "right": "met"}', "polite is no object"),
    "a key twice": (
        '{"polite": {"verdict": "met", "verdict": "not_met"}, "right": {}}',
        "a key stands twice",
    ),
    "a criterion twice": (f'{{"right": {json.dumps(NOT)}, {OTHER[1:]}', "a key stands twice"),
    "an id twice": (json.dumps([{"id": "right", **NOT}, {"id": "right", **MET}]), "the list has one id twice"),
    "a list without ids": (json.dumps([MET, NOT]), "has no id"),
    "cut off": (GOOD[:-3], "the JSON object at character 1 is broken or not closed"),
    "Python's way": (str(json.loads(GOOD)), "is broken"),
    "quoted in Python's way": (f"{{'polite': {{'evidence': 'says {OTHER} ', 'verdict': 'not_met'}}}}", "is broken"),
    "quoted in JavaScript's way": (f"{{polite: {{evidence: 'says {OTHER} ', verdict: 'not_met'}}}}", "is broken"),
    "NaN": ('{"polite": NaN, "right": {"verdict": "met"}}', "is broken"),
    "only in a string": (json.dumps(GOOD), "no JSON object in the reply"),
    "only in quotation marks": (f'He wrote "{GOOD}".', "no JSON object in the reply"),
    "quoted without escapes": (f'{{"polite": {{"evidence": "it says {OTHER}", "verdict": "not_met"}}}}', "is broken"),
    "quoted so that it closes": (f'{{"polite": {{"evidence": "}}}} {OTHER}", "verdict": "not_met"}}}}', "is broken"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "deep in an object": ('{"a":' * 20_000, "nested too deeply"),
    "many starts": ("[x " * 20_000, "places at which JSON could begin"),
    "a number of 5,000 digits": ('{"polite": ' + "9" * 5_000 + "}", "is broken"),
    "another one within a line": (f"{GOOD}\nNote: the answer said {OTHER}, which I ignored.", "twice, and they differ"),
    "two within lines": (f"First I thought {OTHER}. No: {GOOD}", "twice, and they differ"),
    "two that stand alone": (f"First I thought:\n{OTHER}\nBut no:\n{GOOD}", "twice, and they differ"),
    "a quotation that stands alone": (f"{GOOD}\n\nThe answer held this:\n{OTHER}", "twice, and they differ"),
    "two blocks": (f"```json\n{GOOD}\n```\nIt held:\n```json\n{OTHER}\n```\n", "twice, and they differ"),
    "a thought's end quoted": (f"<think>It says\n</think>\n{OTHER}\nand so on</think>{GOOD}", "twice, and they differ"),
    "a thought without an end": (f"<think>It says\n{OTHER}", "no end of its thoughts"),
    "a quotation that closes it": (f'{OTHER}", "verdict": "not_met"}}}}', "braces stand loose"),
    "a quotation that closes and opens": (f'{OTHER} {{"x": {{"y": "", "verdict": "not_met"}}}}', "no verdict on"),
    "half of it, then all": (f'{{"polite": {{"evidence": "x"}}}} {OTHER}', "no verdict on right"),
    "megabytes": ("x" * (LONGEST_REPLY + 1), "characters; at most"),
}


@pytest.mark.parametrize(("text", "why"), UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable(text, why):
    with pytest.raises(UnreadableReplyError) as caught:
        parse(text, RUBRIC)
    assert why in str(caught.value)
    assert len(str(caught.value)) < 300


def test_evidence_is_cut_and_cleaned():
    text = json.dumps(
        {"polite": {"evidence": "a\x00b\x1b[31m\n\n c\u202e\u200bd\ud800", "verdict": "met"}, "right": NOT}
    )
    assert parse(text, RUBRIC)["polite"].evidence == "a\ufffdb\ufffd[31m c\ufffdd\ufffd"
    text = json.dumps({"polite": {"evidence": "e" * 50_000, "verdict": "met"}, "right": NOT})
    evidence = parse(text, RUBRIC)["polite"].evidence
    assert len(evidence) == LONGEST_EVIDENCE
    assert evidence.endswith("e…")


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "' + "x" * 199_000,
        '[{"a": "' * 499 + "x" * 190_000,
        "[" * 400 + "1," * 90_000,
        "<think>" * 28_000,
        '{"a": {' + ", ".join(f'"k{i}": 1' for i in range(15_000)) + ', "k9": 1}}',
        "{" * 200_000,
    ],
    ids=["an open string", "many open strings", "many open lists", "many thoughts", "many keys", "many braces"],
)
def test_hostile_replies_take_no_time(text):
    began = time.process_time()
    with pytest.raises(UnreadableReplyError):
        parse(text, RUBRIC)
    assert time.process_time() - began < 0.5
