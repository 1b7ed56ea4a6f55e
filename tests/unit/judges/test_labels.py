"""Reading labels from JSON Lines and CSV, and each kind of fault by its whole text."""

# ruff: noqa: E501 a file and a message each stand on one line

from __future__ import annotations

import json
from pathlib import Path

import pytest

from judges import labels as module
from judges.labels import Label, LabelError, answer_key, parse, read
from judges.rubric import Criterion, Rubric
from judges.vote import Verdict

SUPPORT = Rubric("support", "1", "", (Criterion("correct", "Is it correct?"), Criterion("polite", "Is it polite?")))
TONE = Rubric("tone", "1", "", (Criterion("warm", "Is it warm?"),))
LINE = {"case": "a", "answer": "Yes.", "criterion": "correct", "label": "met"}
VERDICT = "label: of a criterion must be met, not_met or not_applicable"
SCORE = "label: of the whole answer must be a number from 0 to 1, or met or not_met"


def labels(text: str | bytes, name: str = "l.jsonl", rubrics: tuple[Rubric, ...] = (SUPPORT,)) -> tuple[Label, ...]:
    return parse(text if isinstance(text, bytes) else text.encode(), Path(name), rubrics)


def faults(text: str | bytes, name: str = "l.jsonl", rubrics: tuple[Rubric, ...] = (SUPPORT,)) -> list[str]:
    with pytest.raises(LabelError) as caught:
        labels(text, name, rubrics)
    assert caught.value.permanent
    assert str(caught.value) == "\n".join(caught.value.faults)
    return [fault.removeprefix(f"{name}") for fault in caught.value.faults]


def test_json_lines_of_several_people_and_kinds():
    lines = [
        LINE | {"by": "ada"},
        LINE | {"by": "bob", "label": "NOT MET"},
        LINE | {"criterion": "polite", "label": "not-applicable", "by": None},
        LINE | {"criterion": None, "label": 0.75},
        {"case": "b", "answer": "", "label": "not_met", "rubric": "support", "criterion": " "},
    ]
    found = labels(b"\xef\xbb\xbf" + "\r\n\r\n".join(map(json.dumps, lines)).encode())
    assert found == (
        Label("support", "a", "Yes.", "correct", Verdict.MET, "ada", 1),
        Label("support", "a", "Yes.", "correct", Verdict.NOT_MET, "bob", 3),
        Label("support", "a", "Yes.", "polite", Verdict.NOT_APPLICABLE, None, 5),
        Label("support", "a", "Yes.", None, 0.75, None, 7),
        Label("support", "b", "", None, 0.0, None, 9),
    )
    assert [type(label.value) for label in found] == [Verdict, Verdict, Verdict, float, float]


def test_csv_with_quoted_lines_a_mark_and_empty_answers():
    found = labels(
        "\ufeffcase,answer, criterion ,label,by,rubric\r\n"
        'a,"Yes,\r\n""surely"".",correct,met,ada,tone \r\n'
        ",,,,,\r\n"
        "a,,,1,,support\r\n"
        "a,No.,,.5,ada,support\r\n"
        "b,No.,warm,Not applicable,,tone\r\n".replace("correct,met", "warm,met"),
        "l.CSV",
        (SUPPORT, TONE),
    )
    assert found == (
        Label("tone", "a", 'Yes,\r\n"surely".', "warm", Verdict.MET, "ada", 2),
        Label("support", "a", "", None, 1.0, None, 5),
        Label("support", "a", "No.", None, 0.5, "ada", 6),
        Label("tone", "b", "No.", "warm", Verdict.NOT_APPLICABLE, None, 7),
    )


WRONG_FIELDS = [
    ({"case": None}, "case: is missing: write the id of the case"),
    ({"case": 7}, "case: must be text in quotes"),
    ({"case": "a" * 201}, "case: is longer than 200 characters"),
    ({"case": "a\u202eb"}, "case: must be printable: leave out line breaks and invisible characters"),
    ({"by": "x\ny"}, "by: must be printable: leave out line breaks and invisible characters"),
    ({"answer": None}, "answer: is missing: write the text that was judged"),
    ({"answer": ["Yes."]}, "answer: must be text in quotes, as it was judged"),
    ({"answer": "a" * 1_000_001}, "answer: is longer than 1,000,000 characters"),
    (
        {"answer": "\ud800"},
        "answer: holds NUL or half of a surrogate pair, which no stored answer does: export it anew",
    ),
    ({"rubric": 1}, "rubric: must be text in quotes"),
    ({"rubric": "suport"}, 'rubric: suport is unknown here; did you mean "support"?'),
    ({"criterion": 1}, "criterion: must be text in quotes; leave it out where the label is of the whole answer"),
    ({"criterion": "corect"}, 'criterion: support has no corect; did you mean "correct"?'),
    ({"criterion": "z\n"}, 'criterion: support has no \'z\\n\'; known are "correct", "polite"'),
    (
        {"label": None},
        "label: is missing: write met, not_met or not_applicable; of the whole answer, a number from 0 to 1; or delete "
        "a row that nobody labelled",
    ),
    ({"label": "cannot_tell"}, f"{VERDICT}: leave the line out where a person could not tell"),
    ({"label": 1}, f"{VERDICT}: a number is for the whole answer, without a criterion"),
    ({"label": "0.5"}, f"{VERDICT}: a number is for the whole answer, without a criterion"),
    ({"label": "unmet"}, VERDICT),
    ({"label": "yes"}, VERDICT),
    ({"label": ["met"]}, VERDICT),
    ({"criterion": None, "label": True}, SCORE),
    ({"criterion": None, "label": {}}, SCORE),
    ({"criterion": None, "label": "not_applicable"}, SCORE),
    ({"criterion": None, "label": "80%"}, SCORE),
    ({"criterion": None, "label": "1_0"}, SCORE),
    ({"criterion": None, "label": "nan"}, SCORE),
    ({"criterion": None, "label": 80}, f"{SCORE}: 80 of 100 is 0.8"),
    ({"criterion": None, "label": "1e999"}, f"{SCORE}: 80 of 100 is 0.8"),
    ({"criterion": None, "label": -0.1}, f"{SCORE}: 80 of 100 is 0.8"),
    ({"lable": "met"}, 'lable: unknown field; did you mean "label"?'),
    (
        {"a\u202eb": 1},
        '\'a\\u202eb\': unknown field; known are "rubric", "case", "answer", "criterion", "label", "by"',
    ),
]


@pytest.mark.parametrize(("change", "message"), WRONG_FIELDS)
def test_what_a_field_may_not_be(change, message):
    fields = {name: value for name, value in (LINE | change).items() if value is not None}
    assert faults(json.dumps(fields)) == [f":1: {message}"]


EXAMPLE = 'such as {"case": "refund-017", "answer": "…", "criterion": "correct", "label": "met"}'
WRONG_FILES = [
    ("l.jsonl", b"\n \n", f": holds no labels: write one a line, {EXAMPLE}"),
    ("l.csv", b"case,answer,label\n", f": holds no labels: write one a line, {EXAMPLE}"),
    ("l.jsonl", b"\xff\xfe{", ":1: is UTF-16: save the file as UTF-8"),
    ("l.csv", b"case,answer,label\na,\xe4,met", ":2: byte 0xe4 is not UTF-8: save the file as UTF-8"),
    ("l.jsonl", b"{'case'}", f":1: is not valid JSON (expecting property name enclosed in double quotes): write one label a line, {EXAMPLE}"),
    ("l.jsonl", b"[1]", f":1: must be a label in braces, {EXAMPLE}"),
    ("l.jsonl", b"[" * 100_000, f":1: is not a label: write one a line, {EXAMPLE}"),
    ("l.jsonl", b"9" * 5_000, f":1: is not a label: write one a line, {EXAMPLE}"),
    ("l.jsonl", b'{"case": 1, "case": 2}', ":1: case is given twice"),
    ("l.jsonl", b'{"label": NaN}', ":1: NaN is not JSON: write a number from 0 to 1"),
    ("l.csv", b"case;answer;label\n", ":1: has no column case nor answer nor label: separate the columns by commas, at least case, answer, label"),
    ("l.csv", b"case,answer\n", ":1: has no column label: the first line names the columns, at least case, answer, label"),
    ("l.csv", b"case,answer,label,by,by\n", ":1: column by is there twice: leave one out"),
    ("l.csv", b"case,answer,label,\na,b,1,\n", ":1: column 4 has no name: name it or leave it out"),
    ("l.csv", b"case,answer,label,criterium\na,b,1,\n", ':1: column criterium is unknown; did you mean "criterion"?'),
    ("l.csv", b"case,answer,label\na,b\n", ":2: has 2 cells and the header has 3: is a quote or a comma missing?"),
    ("l.csv", b'case,answer,label\n\na,"b,1\n', ":3: is not valid CSV (unexpected end of data): put texts with commas, quotes or line breaks in quotes"),
    ("l.csv", b"case,answer,label\na," + b"x" * 140_000, ":2: a cell is longer than 131,072 characters: use JSON Lines for texts of this length"),
]  # fmt: skip # each stands on a line


@pytest.mark.parametrize(("name", "content", "message"), WRONG_FILES)
def test_what_a_file_may_not_be(name, content, message):
    assert faults(content, name) == [message]


def test_all_faults_are_listed_at_once_in_the_files_order():
    text = 'case,answer,label,note,criterion\n,x,9,n,\na,x,yes,n,polight\nb,"x\ny",1,n,\nc,x\n'
    assert faults(text, "l.csv") == [
        ':1: column note is unknown; known are "rubric", "case", "answer", "criterion", "label", "by"',
        ":2: case: is missing: write the id of the case",
        f":2: {SCORE}: 80 of 100 is 0.8",
        ':3: criterion: support has no polight; did you mean "polite"?',
        f":3: {VERDICT}",
        ":6: has 2 cells and the header has 5: is a quote or a comma missing?",
    ]
    thousands = faults("[]\n" * 1_500)
    assert len(thousands) == 1_001
    assert thousands[-1] == ": and 500 more faults"


def test_a_label_twice():
    same = LINE | {"answer": " Yes.\r\n"}
    assert faults(json.dumps(LINE) + "\n" + json.dumps(same)) == [
        ":2: case: line 1 labels the same answer: leave one out, or say by whom each is in the field by"
    ]
    by = {"by": "ada"}
    assert faults(json.dumps(LINE | by) + "\n\n" + json.dumps(LINE | by | {"label": "not_met"})) == [
        ":3: case: line 1 is a label of the same answer by the same person: leave one out"
    ]
    others = [LINE, LINE | by, LINE | {"criterion": "polite"}, LINE | {"case": "b"}, LINE | {"answer": "yes."}]
    assert len(labels("\n".join(map(json.dumps, others)))) == 5


def test_which_rubric_must_be_said_where_there_are_several():
    assert faults(json.dumps(LINE), rubrics=(SUPPORT, TONE)) == [
        ":1: rubric: is missing, and the labels may be about several: write one of support, tone"
    ]
    with pytest.raises(ValueError, match="at least one"):
        labels(json.dumps(LINE), rubrics=())


def test_files_that_cannot_be_had(tmp_path: Path):
    path = tmp_path / "l.csv"
    for make, message in (
        (lambda: None, f"{path}: there is no such file: give one with a label a line, {EXAMPLE}"),
        (path.mkdir, f"{path}: cannot be read: Is a directory"),
    ):
        make()
        with pytest.raises(LabelError) as caught:
            read(path, (SUPPORT,))
        assert caught.value.faults == (message,)
    path.rmdir()
    path.write_text("case,answer,label\na,b,met\n", encoding="utf-8")
    assert read(path, (SUPPORT,)) == (Label("support", "a", "b", None, 1.0, None, 2),)
    with path.open("r+b") as file:
        file.truncate(module.LARGEST_FILE + 1)  # sparse
    with pytest.raises(LabelError) as caught:
        read(path, (SUPPORT,))
    assert caught.value.faults == (f"{path}: is larger than 50 MB: split or sample it",)


def test_too_many_labels():
    text = "case,answer,label\n" + "".join(f"{number},x,1\n" for number in range(module.MOST_LABELS + 1))
    assert faults(text, "l.csv") == [": holds 50,001 labels, and 50,000 is the most: split or sample it"]


def test_copies_of_an_answer_have_the_same_key():
    assert answer_key(" a\r\nb\rc \n") == "a\nb\nc"
