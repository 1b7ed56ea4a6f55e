"""Reading a suite from JSON Lines and CSV, and each kind of fault by its whole text."""

# ruff: noqa: E501 a case and a message each stand on one line

from __future__ import annotations

import json

import pytest

from monitor.domain.case import Case, Message
from monitor.suites.load import SuiteError, load_suite

FIELDS = '"id", "input", "expected", "choices", "tags", "cluster", "context"'


def test_the_contracts_cases(load):
    suite = load(
        '{"id": "refund-017", "input": "Can I return a gift card?", "expected": "No. Gift cards are final sale.", '
        '"tags": ["refunds", "edge"], "cluster": "policy-12", "context": "optional text for the judge"}\n'
        '{"id": "geo-003", "input": "Which river runs through Vienna?", "choices": ["Danube", "Elbe", "Rhine", "Oder"], "expected": "A"}\n'
    )
    assert suite.name == "support"
    assert suite.cases == (
        Case(
            id="refund-017",
            input="Can I return a gift card?",
            expected="No. Gift cards are final sale.",
            tags=frozenset({"refunds", "edge"}),
            cluster="policy-12",
            context="optional text for the judge",
        ),
        Case(
            id="geo-003",
            input="Which river runs through Vienna?",
            expected="A",
            choices=("Danube", "Elbe", "Rhine", "Oder"),
        ),
    )


def test_messages_and_every_kind_of_expected_output(load):
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    lines = [{"id": "talk", "input": turns}]
    for number, expected in enumerate(["a", ["a", "b"], {"n": [1, 2.5, None, True]}, [], 42, 0.5, False, "", None]):
        lines.append({"id": str(number), "input": "Why?", "expected": expected})
    suite = load("\n".join(map(json.dumps, lines)))
    assert suite.cases[0].input == (Message("system", "Be brief."), Message("user", "Why?"))
    assert [case.expected for case in suite.cases[1:]] == [line["expected"] for line in lines[1:]]


def test_empty_lines_marks_and_line_ends_of_other_systems_are_read_and_null_is_left_out(load):
    suite = load(
        b'\xef\xbb\xbf{"id": "a", "input": "Gr\xc3\xbc\xc3\x9fe\xe2\x80\xa8?", "tags": null, "cluster": ""}\r\n\r\n  \n{"id": "b", "input": "x"}'
    )
    assert suite.cases == (Case("a", "Grüße\u2028?"), Case("b", "x"))


def test_csv_with_the_same_columns(load):
    suite = load(
        "\ufeffid, expected,input,tags,choices,cluster,context\r\n"
        'a,"No, never","Can I\nreturn it?","refunds, edge",,policy-12,"said ""so"""\r\n'
        "\r\n"
        "b,B,Which river?,geo rivers,Elbe | Danube,,\r\n"
        'c,"[""14 days"", ""two weeks""]","[urgent] how long?","[""long tag""]","[""a|b"", ""c""]",,\r\n'.replace(
            '"[""14 days"", ""two weeks""]"', '"[""a|b""]"'
        )
        + 'd,"{""n"": 1}","[{""role"": ""user"", ""content"": ""Why?""}]",,,,\r\n'
        ",,,,,,\r\n"
        "e,42,How many?,,,,\r\n",
        "support.CSV",
    )
    assert suite.cases == (
        Case("a", "Can I\nreturn it?", "No, never", (), frozenset({"refunds", "edge"}), "policy-12", 'said "so"'),
        Case("b", "Which river?", "B", ("Elbe", "Danube"), frozenset({"geo", "rivers"})),
        Case("c", "[urgent] how long?", ["a|b"], ("a|b", "c"), frozenset({"long tag"})),
        Case("d", (Message("user", "Why?"),), {"n": 1}),
        Case("e", "How many?", "42"),
    )


def test_the_same_cases_in_either_form_are_the_same_suite(load):
    lines = '{"id": "a", "input": "Why?", "expected": ["x", "y"], "tags": ["edge", "b"]}\n'
    cells = 'id,input,expected,tags\na,Why?,"[""x"", ""y""]",edge b\n'
    assert load(lines) == load(cells, "support.csv")


@pytest.mark.parametrize("right", ["B", "b", " B ", "Elbe", ["A", "B"], ["Danube"], None])
def test_with_choices_the_expected_output_is_a_letter_or_a_text(load, right):
    line = {"id": "a", "input": "Which?", "choices": ["Danube", "Elbe"], "expected": right}
    assert load(json.dumps(line)).cases[0].expected == right


CASE = {"id": "a", "input": "Which?"}
LETTER = "must be a letter from A to B or the text of a choice"
CONTENT = '{"role": "…", "content": "…"}'
WRONG_FIELDS = [
    ({"tag": ["x"]}, 'tag: unknown field; did you mean "tags"?'),
    ({"zzz": 1}, f"zzz: unknown field; a case has {FIELDS}"),
    ({"ex\u202epected": 1}, "'ex\\u202epected': unknown field; did you mean \"expected\"?"),
    ({"id": None}, "id: is missing"),
    ({"id": 17}, "id: must be text in quotes"),
    ({"id": " "}, "id: must not be empty"),
    ({"id": "a\n"}, "id: must be printable, without spaces at its ends"),
    ({"id": "a\u202eb"}, "id: must be printable, without spaces at its ends"),
    ({"id": "a" * 201}, "id: is longer than 200 characters"),
    ({"input": None}, "input: is missing"),
    ({"input": 3}, "input: must be text in quotes, or a list of messages"),
    ({"input": " \n"}, "input: must not be empty"),
    ({"input": "a\0b"}, "input: holds the character NUL, which databases and command lines do not take"),
    ({"input": "\ud800"}, "input: holds half of a surrogate pair, which is not text: write the character itself"),
    ({"input": "a" * 1_000_001}, "input: is longer than 1,000,000 characters"),
    ({"input": []}, "input: must hold at least one message"),
    ({"input": ["Why?"]}, f"input: message 1: must be {CONTENT}"),
    ({"input": [{"role": "user"}]}, f"input: message 1: must be {CONTENT}"),
    ({"input": [{"role": "user", "content": "a", "name": "b"}]}, f"input: message 1: must be {CONTENT}"),
    (
        {"input": [{"role": "User", "content": "a"}]},
        'input: message 1: role must be one of "system", "user", "assistant"',
    ),
    ({"input": [{"role": "user", "content": ""}]}, "input: message 1: content must not be empty"),
    ({"input": [{"role": "user", "content": [1]}]}, "input: message 1: content must be text in quotes"),
    (
        {"input": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
        "input: the last message must be the user's, because it is the one to answer",
    ),
    (
        {"expected": {"a": ["\ud800"]}},
        "expected: holds half of a surrogate pair, which is not text: write the character itself",
    ),
    ({"expected": {"\0": 1}}, "expected: holds the character NUL, which databases and command lines do not take"),
    ({"tags": "edge"}, "tags: must be a list of strings"),
    ({"tags": ["edge", 3]}, "tags: must be a list of strings"),
    ({"tags": [" edge"]}, "tags: each must be printable and not empty, without spaces at its ends"),
    ({"tags": ["x"] * 101}, "tags: must be 100 at most"),
    ({"cluster": 12}, "cluster: must be text in quotes"),
    ({"context": ["x"]}, "context: must be text in quotes"),
    ({"choices": "A"}, "choices: must be a list of strings"),
    ({"choices": ["x"]}, "choices: must be 2 to 26, and there are 1"),
    ({"choices": [str(n) for n in range(27)]}, "choices: must be 2 to 26, and there are 27"),
    ({"choices": ["x", " "]}, "choices: choice 2 must not be empty"),
    ({"choices": ["x", "y", "x "]}, "choices: choices 1 and 3 are the same"),
    ({"choices": ["x", "y"], "expected": "C"}, f"expected: {LETTER}"),
    ({"choices": ["x", "y"], "expected": 1}, f"expected: {LETTER}"),
    ({"choices": ["x", "y"], "expected": {"a": 1}}, f"expected: {LETTER}"),
    ({"choices": ["x", "y"], "expected": ["A", "z"]}, f"expected: {LETTER}"),
    ({"choices": ["Danube", "Elbe"], "expected": "Danub"}, f'expected: {LETTER}; did you mean "Danube"?'),
    (
        {"choices": ["B", "x"], "expected": "B"},
        "expected: is the letter of one choice and the text of another: write the letter, and reword that choice",
    ),
]


@pytest.mark.parametrize(("fields", "fault"), WRONG_FIELDS)
def test_a_field_that_is_wrong(faults_of, fields, fault):
    assert faults_of(json.dumps(CASE | fields)) == [f"support.jsonl:1: {fault}"]


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


WRONG_LINES = [
    (b"", ': holds no cases: write one a line, such as {"id": "a-1", "input": "…", "expected": "…"}'),
    (b"\n \n", ': holds no cases: write one a line, such as {"id": "a-1", "input": "…", "expected": "…"}'),
    (b'\n{"id": "a" "input": "b"}', ":2:12: is not valid JSON: expecting ',' delimiter"),
    (b"# a comment", ":1:1: is not valid JSON: comments are not allowed"),
    (
        b'{"id": "a", "input": "b"} {"id": "c", "input": "d"}',
        ":1:27: is not valid JSON: something follows the value; write one case a line",
    ),
    (b'"a"', ':1: must be a case in braces, such as {"id": "a-1", "input": "…"}'),
    (
        b'[{"id": "a", "input": "b"}]',
        ":1: is a JSON list: JSON Lines has one case a line, in braces, without commas between",
    ),
    (b'{"id": "a", "input": "b", "expected": NaN}', ":1: NaN is not JSON: leave it out or write null"),
    (b'{"id": "a", "input": "b", "expected": -Infinity}', ":1: -Infinity is not JSON: leave it out or write null"),
    (b'{"id": "a", "input": "b", "expected": 1e999}', ":1: expected: holds a number that is too large"),
    (
        b'{"id": "a", "input": "b", "expected": ' + b"9" * 5000 + b"}",
        ":1: is not valid JSON: a number has too many digits",
    ),
    (b'{"id": "a", "input": "b", "id": "c"}', ':1: "id" is given twice'),
    (f'{{"id": "a", "input": "b", "expected": {deep(40)}}}'.encode(), ":1: expected: is nested more than 32 deep"),
    (f'{{"id": "a", "input": "b", "expected": {deep(100_000)}}}'.encode(), ":1: is nested too deeply"),
    (
        b'{"id": "a", "input": "b"}\n{"id": "Gr\xc3\xbc\xdf", "input": "b"}',
        ":2:12: byte 0xdf is not UTF-8: save the file as UTF-8",
    ),
    ('{"id": "a"}'.encode("utf-16"), ": is UTF-16: save it as UTF-8"),
]


@pytest.mark.parametrize(("content", "fault"), WRONG_LINES)
def test_a_line_that_is_wrong(faults_of, content, fault):
    assert faults_of(content) == [f"support.jsonl{fault}"]


WRONG_CSV = [
    ("", ': holds no cases: write one a line, such as {"id": "a-1", "input": "…", "expected": "…"}'),
    (
        "id;input\na;b",
        ":1: has no column id: the first line names the columns, at least id and input, separated by commas",
    ),
    (
        "id,question\na,b",
        ":1: has no column input: the first line names the columns, at least id and input, separated by commas",
    ),
    ("id,input,\na,b,c", ":1: column 3 has no name"),
    ("id,input,id\na,b,c", ':1: column "id" is there twice'),
    ("id,input,tag\na,b,c", ':2: tag: unknown field; did you mean "tags"?'),
    ("id,input\na,b\n\nb,c,d", ":4: has 3 cells and the header has 2: is a quote or comma missing?"),
    ('id,input\na,"b\nc"\nd\n', ":4: has 1 cells and the header has 2: is a quote or comma missing?"),
    ('id,input\na,"b', ":2: is not valid CSV: unexpected end of data"),
    ('id,input\na,"b"c', ":2: is not valid CSV: ',' expected after '\"'"),
    ("id,input\na,", ":2: input: is missing"),
    (
        "id,input,expected\na,b,[soon]",
        ':2: expected: is not valid JSON: expecting value; it begins with [, which means JSON: write text that does so as ["…"]',
    ),
    ('id,input,tags\na,b,"[""x"", 3]"', ":2: tags: must be a list of strings"),
    (
        f"id,input\na,{'b' * 200_000}",
        ":2: a cell is longer than 131,072 characters: use JSON Lines for texts of this length",
    ),
    ("id,input\na,b\nGr\udcfc,c", ":3:3: byte 0xfc is not UTF-8: save the file as UTF-8"),
]


@pytest.mark.parametrize(("text", "fault"), WRONG_CSV)
def test_csv_that_is_wrong(faults_of, text, fault):
    assert faults_of(text.encode("utf-8", "surrogateescape"), "support.csv") == [f"support.csv{fault}"]


def test_all_faults_are_listed_at_once_in_the_order_of_the_file(faults_of):
    content = (
        b'{"id": "a", "input": "b"}\n'
        b'{"id": "b", "input": ""}\n'
        b"{\n"
        b'{"id": "a", "inputt": "b", "tags": 3, "choices": []}\n'
        b"\xff\n"
        b'{"id": "b", "input": "c"}\n'
    )
    assert faults_of(content) == [
        "support.jsonl:2: input: must not be empty",
        "support.jsonl:3:2: is not valid JSON: expecting property name enclosed in double quotes",
        'support.jsonl:4: inputt: unknown field; did you mean "input"?',
        "support.jsonl:4: input: is missing",
        "support.jsonl:4: choices: must be 2 to 26, and there are 0",
        "support.jsonl:4: tags: must be a list of strings",
        'support.jsonl:4: id: "a" is on line 1 already: ids are unique',
        "support.jsonl:5:1: byte 0xff is not UTF-8: save the file as UTF-8",
        'support.jsonl:6: id: "b" is on line 2 already: ids are unique',
    ]


def test_after_a_thousand_faults_the_rest_is_counted(faults_of):
    faults = faults_of("x\n" * 1_500)
    assert len(faults) == 1_001
    assert faults[-1] == "support.jsonl: and 500 more faults"


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(SuiteError) as caught:
        load_suite("support", tmp_path / "none.jsonl")
    assert str(caught.value) == f"{tmp_path}/none.jsonl: there is no such file: `cases` names the file of the suite"
    with pytest.raises(SuiteError, match="cannot be read: Is a directory"):
        load_suite("support", tmp_path)
    assert caught.value.permanent
