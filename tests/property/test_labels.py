"""Whatever stands in a file of labels, it gives labels or the error that lists faults; and labels survive a file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from judges.labels import LONGEST_NAME, Label, LabelError, answer_key, parse
from judges.rubric import Criterion, Rubric
from judges.vote import Verdict

RUBRIC = Rubric("support", "1", "", (Criterion("correct", "Is it correct?"), Criterion("polite", "Is it polite?")))
FIELDS = ["rubric", "case", "answer", "criterion", "label", "by"]
MANY = settings(max_examples=150, deadline=None)

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8)
ANSWERS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
VALUES = st.one_of(
    st.tuples(st.none(), st.floats(0, 1, allow_nan=False)),
    st.tuples(
        st.sampled_from(["correct", "polite"]),
        st.sampled_from([Verdict.MET, Verdict.NOT_MET, Verdict.NOT_APPLICABLE]),
    ),
)
LABELS = st.lists(
    st.builds(
        lambda case, answer, value, by: Label("support", case, answer, *value, by=by),
        NAMES,
        ANSWERS,
        VALUES,
        st.none() | NAMES,
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda label: (label.case, answer_key(label.answer), label.criterion, label.by),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["met", "a", "1"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def labels_or_faults(content: bytes, name: str) -> tuple[Label, ...]:
    faults: tuple[str, ...] = ()
    found: tuple[Label, ...] = ()
    try:
        found = parse(content, Path(name), (RUBRIC,))
    except LabelError as error:
        faults = error.faults
    assert bool(found) != bool(faults)
    for fault in faults:
        assert fault.startswith(name + ":")
        assert fault.isprintable()
    for label in found:
        assert 0 < len(label.case) <= LONGEST_NAME
        assert label.value is not Verdict.CANNOT_TELL
        assert isinstance(label.value, Verdict) == (label.criterion is not None)
        assert isinstance(label.value, Verdict) or 0 <= label.value <= 1
    return found


@MANY
@given(st.binary(max_size=200), st.sampled_from(["l.jsonl", "l.csv"]))
@example(b"\xef\xbb\xbf", "l.csv")
@example(b"case,answer,label\r\ra,b", "l.csv")
@example(b'case,answer,label\na,"\0', "l.csv")
@example(b'{"case": "\\ud800", "answer": "\\ud800", "label": "\\ud800"}', "l.jsonl")
def test_any_bytes(content, name):
    labels_or_faults(content, name)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from([*FIELDS, "note"]), JSON), max_size=3))
def test_any_fields(rows):
    labels_or_faults("\n".join(json.dumps(row) for row in rows).encode(), "l.jsonl")


@MANY
@given(st.lists(st.lists(st.sampled_from(["", "a", "met", "0.5", 'x"', "y\r\nz", "correct"]), min_size=6, max_size=6)))
def test_any_cells(cells):
    text = io.StringIO()
    csv.writer(text).writerows([FIELDS, *cells])
    labels_or_faults(text.getvalue().encode(), "l.csv")


@MANY
@given(LABELS, st.sampled_from(["l.jsonl", "l.csv"]))
def test_labels_survive_a_file(labels, name):
    rows = [
        {"rubric": one.rubric, "case": one.case, "answer": one.answer, "criterion": one.criterion, "by": one.by}
        | {"label": str(one.value) if isinstance(one.value, Verdict) else one.value}
        for one in labels
    ]
    text = io.StringIO()
    if name == "l.csv":
        writer = csv.DictWriter(text, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    else:
        text.write("\n".join(map(json.dumps, rows)))
    found = labels_or_faults(text.getvalue().encode(), name)
    assert [(one.case, one.answer, one.criterion, one.value, one.by) for one in found] == [
        (one.case, one.answer, one.criterion, one.value, one.by) for one in labels
    ]
