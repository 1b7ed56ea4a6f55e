"""Whatever stands in a rubric's file, it becomes a rubric or the error that lists faults; lint reads any question."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from judges.lint import lint
from judges.lint_references import would_fail
from judges.rubric import Criterion, Rubric, Sees
from judges.rubric_file import RubricError, parse
from judges.vote import Verdict

WORDS = [
    *(
        "is",
        "does",
        "the",
        "answer",
        "not",
        "and",
        "or",
        "?",
        ",",
        "good",
        "state",
        "price",
        "reference",
        "how",
        "well",
    ),
    *("free", "of", "context", "“", '"', "'", "’", "5", "to", "avoid", "İ"),
]
QUESTIONS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=14).map(" ".join) | st.text(max_size=60)
VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
TABLES = st.dictionaries(
    st.sampled_from(["id", "question", "weight", "required", "applies_when", "sees", "ids"]), VALUES, max_size=5
)
GOOD = st.fixed_dictionaries(
    {"id": st.text("abc_", min_size=1, max_size=5), "question": st.just("Does the answer name it?")},
    optional={
        "weight": st.floats(1e-6, 1e6) | st.integers(1, 1000),
        "required": st.booleans(),
        "sees": st.lists(st.sampled_from([str(one) for one in Sees])),
    },
)


def toml(value: Any) -> str:
    """TOML of a value; strings and keys are JSON's, whose escapes TOML shares once none is a surrogate."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "nan" if math.isnan(value) else repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(one)}" for key, one in value.items()) + "}"
    return str(value)


def rubric_of(content: bytes) -> Rubric | None:
    try:
        return parse(Path("own.toml"), content).rubric
    except RubricError as error:
        told = [str(fault) for fault in error.faults]
    assert told
    assert all(fault.isprintable() and fault.startswith("own.toml") for fault in told)
    return None


@settings(max_examples=150, deadline=None)
@given(
    st.lists(TABLES | GOOD, max_size=3), st.dictionaries(st.sampled_from(["name", "version", "x"]), VALUES, max_size=3)
)
def test_any_file_is_a_rubric_or_faults(tables: list[dict[str, Any]], top: dict[str, Any]) -> None:
    document = {"name": "own", "version": "1", "description": "x", **top, "criteria": tables}
    rubric = rubric_of(
        "\n".join(f"{key} = {toml(value)}" for key, value in document.items()).encode("utf-8", "replace")
    )
    if rubric is not None:
        assert 0 <= (rubric.mark({c.id: Verdict.MET for c in rubric.criteria}).score or 0) <= 1
        assert rubric.mark({c.id: Verdict.NOT_MET for c in rubric.criteria}).score == 0
        lint(rubric)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
@example(b"a = " + b"[" * 9999)
@example(b"a = " + b"1" * 9999)
def test_any_bytes_are_faults(content: bytes) -> None:
    assert rubric_of(content) is None


@settings(max_examples=300, deadline=None)
@given(st.lists(QUESTIONS, min_size=1, max_size=3), st.sets(st.sampled_from(Sees)), st.text(max_size=20))
@example(["İs the answer good and does it “quote”?"], set(), "")
def test_lint_reads_any_question_and_speaks_in_one_line(questions: list[str], sees: set[Sees], answer: str) -> None:
    criteria = tuple(Criterion(f"c{n}", q, sees=frozenset(sees)) for n, q in enumerate(questions))
    rubric = Rubric("own", "1", "x", criteria)
    for finding in (*lint(rubric), *would_fail(rubric, {"a": (answer,)})):
        assert finding.reason
        assert finding.better
        assert finding.place.startswith("criteria")
    assert lint(rubric) == lint(rubric)
