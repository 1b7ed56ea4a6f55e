"""What a spreadsheet would compute gets an apostrophe, and loses it again; everything else stays as it is."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.cells import guarded, unguarded
from judges.labels import parse
from judges.rubric import Criterion, Rubric

RUBRIC = Rubric("support", "1", "", (Criterion("correct", "Is it correct?"),))
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
    st.text("'=+-@\t\r\n ab1\ufeff＝", max_size=8),
)


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("https://example.com/?"&A1, "see")',
        "+49 30 1234",
        "-5 degrees",
        "@SUM(1)",
        "\t=1+1",
        "\r\n=1+1",
        " =1+1",
        "'=1+1",
        "''-1",
        "\uff1d1+1",
    ],
)
def test_what_would_be_computed_is_guarded(text):
    assert guarded(text) == f"'{text}"
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", ["", "yes", "'tis true", "'quoted'", "1 = 1", "a-b", "10 €", "\n"])
def test_what_is_only_text_stays_as_it_is(text):
    assert guarded(text) == unguarded(text) == text


@given(TEXTS)
def test_every_text_comes_back_and_no_cell_can_be_computed(text):
    cell = guarded(text)
    assert unguarded(cell) == text
    assert not cell.lstrip("\ufeff").lstrip().startswith(("=", "+", "-", "@", "＝"))


@given(TEXTS.filter(str.strip))
def test_an_answer_comes_back_through_a_file_of_labels(text):
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["case", "input", "reference", "question", "answer", "label"])
    writer.writerow(["a", "=1", "", "?", guarded(text), "met"])
    (label,) = parse(file.getvalue().encode(), Path("l.csv"), [RUBRIC])
    assert label.answer == text


def test_what_stands_there_for_readers_is_no_fault_and_says_nothing():
    line = b'{"case": "a", "input": "?", "reference": "b", "question": "q", "answer": "x", "label": "met"}'
    (label,) = parse(line, Path("l.jsonl"), [RUBRIC])
    assert (label.case, label.answer, label.value) == ("a", "x", 1.0)
