"""What a judge is told: the constant prefix, the fenced question, the schema."""

from __future__ import annotations

import json
import re

import pytest
from anthropic import transform_schema

from judges.material import Material
from judges.prompt import MOST_ANSWER, MOST_CONTEXTS, MOST_TEXTS, prefix, question, schema
from judges.rubric import Criterion, Rubric, Sees
from judges.rubric_file import bundled, bundled_names
from tests.fakes.json_schema import faults

NONCE = "0a1b2c3d4e5f6071"
RUBRIC = Rubric(
    "replies",
    "1",
    "Replies of a library",
    (
        Criterion("names_hours", "Does the answer name the hours?", 2.0, sees=frozenset({Sees.INPUT})),
        Criterion("agrees", "Does it agree\nwith the reference?", applies_when="there are\thours in it"),
    ),
)


@pytest.mark.parametrize("name", bundled_names())
def test_every_bundled_rubric_has_a_prefix_that_providers_cache(name):
    text = prefix(bundled(name))
    # English takes 4 to 4.5 characters a token, JSON fewer; from 1,024 tokens on a prefix is kept.
    assert len(text) / 4.5 > 1024
    assert text == prefix(bundled(name))
    assert all(one.id in text and one.question in text for one in bundled(name).criteria)


def test_prefixes_differ_only_from_the_rubric_on():
    texts = [prefix(bundled(name)) for name in bundled_names()]
    heads = {text[: text.index("# The rubric")] for text in texts}
    assert len(heads) == 1
    assert len(heads.pop()) / 4.5 > 1024


def test_prefix_says_of_each_criterion_when_it_applies_and_what_it_sees():
    text = prefix(RUBRIC)
    assert "## Criterion 1: names_hours\nQuestion: Does the answer name the hours?\nApplies always.\n" in text
    assert "Judge it by: the answer, the input.\n" in text
    assert "Question: Does it agree with the reference?\nApplies only if: there are hours in it\n" in text
    assert "Judge it by: the answer, the input, the references, the contexts." in text


def test_question_holds_what_a_criterion_may_see_and_ends_with_the_task():
    text = question(RUBRIC, Material("At ten.\nBye", "When?", ("10:00", "ten"), ("Open at ten.",)), NONCE)
    blocks = re.findall(rf"^<<<([A-Z0-9 ]+) {NONCE}>>>$\n(.*?)\n^<<<END \1 {NONCE}>>>$", text, re.DOTALL | re.MULTILINE)
    assert blocks == [
        ("INPUT", "| When?"),
        ("CONTEXT 1", "| Open at ten."),
        ("REFERENCE 1", "| 10:00"),
        ("REFERENCE 2", "| ten"),
        ("ANSWER", "| At ten.\n| Bye"),
    ]
    after = text.rpartition(f"<<<END ANSWER {NONCE}>>>")[2]
    assert "names_hours, agrees" in after
    assert "JSON object alone" in after


def test_what_no_criterion_sees_is_not_shown():
    rubric = Rubric("r", "1", "d", (Criterion("c", "Is it?", sees=frozenset()),))
    text = question(rubric, Material("yes", "SECRET-A", ("SECRET-B",), ("SECRET-C",)), NONCE)
    assert "SECRET" not in text
    assert "REFERENCE" not in text


def test_missing_references_and_contexts_are_said():
    text = question(RUBRIC, Material("yes", "?"), NONCE)
    assert "No REFERENCE is given." in text
    assert "No CONTEXT is given." in text


def test_a_long_answer_keeps_its_beginning_and_its_end_and_says_what_is_left_out():
    text = question(RUBRIC, Material("FIRST" + "x" * 10_000_000 + "LAST", "?"), NONCE)
    assert len(text) < MOST_ANSWER + 2_000
    assert "| FIRSTxx" in text
    assert "xxLAST\n<<<END" in text
    assert f"\n[{10_000_009 - MOST_ANSWER} characters are left out here]\n| x" in text


def test_contexts_share_their_room_and_short_ones_stay_whole():
    short, long = "s" * 300, "l" * 90_000
    text = question(RUBRIC, Material("a", "?", (), (short, long, long)), NONCE)
    each = (MOST_CONTEXTS - 300) // 2
    assert f"| {short}\n" in text
    assert text.count(f"[{90_000 - each} characters are left out here]") == 2
    many = question(RUBRIC, Material("a", "?", (), ("c",) * (MOST_TEXTS + 3)), NONCE)
    assert "3 more of CONTEXT are left out." in many


@pytest.mark.parametrize("nonce", ["", "short", "0A1B2C3D4E5F6071", "0a1b2c3", "0a1b2c3d\n", "zz1b2c3d4e5f6071"])
def test_a_nonce_that_is_none_is_refused(nonce):
    with pytest.raises(ValueError, match="hexadecimal"):
        question(RUBRIC, Material("a", "?"), nonce)


def test_the_schema_is_within_both_vendors_strict_modes():
    made = schema(RUBRIC)
    assert list(made["properties"]) == made["required"] == ["names_hours", "agrees"]
    assert made["additionalProperties"] is False
    for one in made["properties"].values():
        assert list(one["properties"]) == one["required"] == ["evidence", "verdict"]
        assert one["additionalProperties"] is False
        assert one["properties"]["verdict"]["enum"] == ["met", "not_met", "not_applicable", "cannot_tell"]
    keywords = set(re.findall(r'"(\w+)":', json.dumps({**made, "properties": list(made["properties"].values())})))
    assert keywords == {"type", "properties", "required", "additionalProperties", "enum", "evidence", "verdict"}


def test_anthropics_own_reading_of_the_schema_keeps_all_of_it():
    made = transform_schema(schema(RUBRIC))
    vote = made["properties"]["agrees"]
    assert vote["required"] == ["evidence", "verdict"]
    assert vote["properties"]["verdict"]["enum"] == ["met", "not_met", "not_applicable", "cannot_tell"]
    assert "description" not in json.dumps(made)  # what it cannot hold it moves into a description


def test_a_reply_is_held_to_the_schema():
    good = {"evidence": "x", "verdict": "met"}
    made = schema(RUBRIC)
    assert not list(faults({"names_hours": good, "agrees": good}, made, made))
    assert list(faults({"names_hours": good}, made, made))
    assert list(faults({"names_hours": good, "agrees": {**good, "verdict": "yes"}}, made, made))
