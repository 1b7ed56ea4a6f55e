"""Reading a rubric: the values it becomes, each kind of fault by its whole text, and what an answer's verdicts score."""

# ruff: noqa: E501 a file and a message each stand on one line

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from judges.rubric import EVERYTHING, Criterion, Mark, Rubric, Sees
from judges.rubric_fields import RESERVED
from judges.rubric_file import LARGEST, RubricError, bundled, bundled_names, bundled_path, load, parse, read
from judges.vote import Verdict

HEAD = 'name = "own"\nversion = "1"\ndescription = "Answers of a shop."\n'
ONE = '[[criteria]]\nid = "right"\nquestion = "Does the answer give the date?"\n'


def faults(text: str | bytes) -> list[str]:
    with pytest.raises(RubricError) as caught:
        parse(Path("own.toml"), text.encode() if isinstance(text, str) else text)
    assert str(caught.value) == "\n".join(map(str, caught.value.faults))
    return [str(fault) for fault in caught.value.faults]


def test_every_key_is_read(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        '\ufeffname = "own"\nversion = "2026-11"\ndescription = """\nAnswers\n  of a shop.\n"""\n'
        '[[criteria]]\nid = "right"\nquestion = "Does the answer give the date?"\nweight = 3\nrequired = true\n'
        'applies_when = "the reference holds a date"\nsees = ["reference", "input"]\n' + ONE.replace("right", "short"),
        encoding="utf-8",
    )
    dated = Criterion(
        id="right",
        question="Does the answer give the date?",
        weight=3.0,
        required=True,
        applies_when="the reference holds a date",
        sees=frozenset({Sees.INPUT, Sees.REFERENCE}),
    )
    plain = Criterion("short", "Does the answer give the date?", 1.0, False, None, EVERYTHING)
    found = read(path)
    assert found.rubric == load(path) == Rubric("own", "2026-11", "Answers of a shop.", (dated, plain))
    assert found.weights_given == (True, False)
    assert found.path == path


def test_a_criterion_may_see_nothing_but_the_answer() -> None:
    assert parse(Path("own.toml"), (HEAD + ONE + "sees = []").encode()).rubric.sees == frozenset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name = ?\n", ["own.toml:1:8: is not valid TOML: invalid value"]),
        ("name", ["own.toml: is not valid TOML: expected '=' after a key in a key/value pair at the end of the file"]),
        (HEAD.encode() + b'\n# caf\xe9', ["own.toml:5: is not UTF-8 here: save the file as UTF-8"]),
        (b"#" * (LARGEST + 1), ["own.toml: is larger than 100000 bytes: is it a rubric?"]),
        ("a = " + "[" * 50_000, ["own.toml: is nested too deeply: a rubric is keys and [[criteria]]"]),
        (HEAD, ["own.toml: criteria: is missing: write at least one [[criteria]] with an id and a question"]),
        (HEAD + "criteria = 3", ["own.toml: criteria: must be a list of tables: write [[criteria]] above each"]),
        (HEAD + "[criteria]", ["own.toml: criteria: must be a list of tables: write [[criteria]] above each"]),
        (HEAD + "".join(ONE.replace("right", f"c{n}") for n in range(13)), ["own.toml: criteria: has 13, and at most 12 are judged well at once: drop or join some"]),
        (HEAD.replace('"1"', "1.2") + ONE, ['own.toml: version: must be text: write version = "1.2"']),
        (HEAD.replace('"1"', "2026-11-02") + ONE, ["own.toml: version: must be text in quotes, not a date or time"]),
        (HEAD.replace("own", "Own rubric") + ONE, ['own.toml: name: "Own rubric" must be 1 to 40 lower-case letters, digits and underscores, beginning with a letter']),
        (HEAD.replace("of a shop", "of\u200ba shop") + ONE, ["own.toml: description: holds a control or invisible character (U+200B, character 11): remove it"]),
        (HEAD + ONE.replace("?", "."), ['own.toml: criteria[1].question (right): must end with "?": ask what yes or no answers, as in "Does the answer state …?"']),
        (HEAD + ONE.replace("Does the answer give the date", "Ok"), ["own.toml: criteria[1].question (right): has 3 characters, and must have 10 to 500: one specific question that yes or no answers"]),
        (HEAD + ONE.replace("the date", "x" * 500), ["own.toml: criteria[1].question (right): has 522 characters, and must have 10 to 500: one specific question that yes or no answers"]),
        (HEAD + ONE.replace("right", "met"), ['own.toml: criteria[1].id (met): "met" is a word of the judge\'s reply: give it another']),
        (HEAD + ONE + ONE, ['own.toml: criteria[2].id: "right" is the id of criteria[1] too: give it another']),
        (HEAD + ONE + "wieght = 2", ['own.toml: criteria[1].wieght (right): unknown key; did you mean "weight"?']),
        (HEAD + ONE + '"a\\u202eb" = 2', ['own.toml: criteria[1]."a\\u202eb" (right): unknown key: the keys are id, question, weight, required, applies_when, sees']),
        (ONE + HEAD.replace("own", "own2"), None),
        (HEAD + ONE + "weight = 0", ["own.toml: criteria[1].weight (right): is 0, so the criterion would count nothing: remove it, or give it a weight above 0"]),
        *[(HEAD + ONE + f"weight = {wrong}", ["own.toml: criteria[1].weight (right): must be a number above 0, from 0.000001 to 1000000: weights only say how criteria compare"]) for wrong in ("-1", "nan", "inf", "1e7", "1e-7", "1" + "0" * 400)],
        (HEAD + ONE + "weight = true", ["own.toml: criteria[1].weight (right): must be a number, not true or false"]),
        (HEAD + ONE + 'required = "yes"', ["own.toml: criteria[1].required (right): must be true or false, not text"]),
        (HEAD + ONE + 'applies_when = " "', ["own.toml: criteria[1].applies_when (right): has 0 characters, and must have 5 to 300: the condition, or no key"]),
        (HEAD + ONE + 'sees = "input"', ['own.toml: criteria[1].sees (right): must be a list, as in sees = ["input", "reference"], not text']),
        (HEAD + ONE + 'sees = ["refrence", 3]', ['own.toml: criteria[1].sees (right): refrence is nothing that can be seen beside the answer; did you mean "reference"?', "own.toml: criteria[1].sees (right): a number is nothing that can be seen beside the answer: there are input, reference, context"]),
    ],
)  # fmt: skip
def test_each_fault_names_its_place_and_the_remedy(text: str | bytes, expected: list[str] | None) -> None:
    told = faults(text)
    if expected is None:  # the whole rubric's keys below a criterion are that criterion's, says TOML
        assert [line.partition(": ")[2] for line in told if "above the first" in line] == [
            f"criteria[1].{key} (right): belongs to the whole rubric: write it above the first [[criteria]]"
            for key in ("name", "version", "description")
        ]
    else:
        assert told == expected


def test_all_faults_are_told_at_once() -> None:
    told = faults("[[criteria]]\nid = 1\nweight = -1\n[[criteria]]\nid = 'b'\nquestion = 'Is it so?'\nsees = ['all']")
    assert [line.split(": ")[1] for line in told] == [
        "name", "version", "description", "criteria[1].id", "criteria[1].question", "criteria[1].weight",
        "criteria[2].question (b)", "criteria[2].sees (b)",
    ]  # fmt: skip


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "no.toml", "there is no such file"), (tmp_path, "cannot be read: Is a directory")):
        with pytest.raises(RubricError, match=reason) as caught:
            load(path)
        assert str(caught.value).startswith(str(path))
    with pytest.raises(RubricError, match="cannot be read"):
        load(Path("a\0b.toml"))


def test_the_bundled_rubrics() -> None:
    assert bundled_names() == ("extraction", "groundedness", "safety_refusal", "summary", "support_answer", "tone")
    for name in bundled_names():
        rubric = bundled(name)
        assert rubric.name == name
        assert 3 <= len(rubric.criteria) <= 6
        assert sum(criterion.weight for criterion in rubric.criteria) == 100


def test_a_bundled_rubric_gives_a_wrong_or_empty_answer_nothing() -> None:
    for name in bundled_names():
        rubric = bundled(name)
        decisive = [c for c in rubric.criteria if c.required and c.applies_when is None]
        assert any(Sees.REFERENCE in c.sees for c in decisive) == (Sees.REFERENCE in rubric.sees)
        for wrong in decisive:
            verdicts = {c.id: Verdict.NOT_MET if c is wrong else Verdict.MET for c in rubric.criteria}
            assert rubric.mark(verdicts).score == 0


def test_groundedness_and_tone_do_not_see_the_reference() -> None:
    assert bundled("groundedness").sees == {Sees.INPUT, Sees.CONTEXT}
    assert bundled("tone").sees == {Sees.INPUT}


def test_a_bundled_rubric_that_there_is_not() -> None:
    with pytest.raises(RubricError, match="no bundled rubric has this name: did you mean support_answer") as caught:
        bundled_path("Support-Answer")
    assert all(name in str(caught.value) for name in bundled_names())
    with pytest.raises(RubricError, match=r"^\.\./tone: no bundled"):
        bundled("../tone")


def test_no_word_of_the_reply_is_an_id() -> None:
    assert set(Verdict) <= set(RESERVED)


SCORED = Rubric(
    "own", "1", "x", (Criterion("a", "Is it a?", 3, True), Criterion("b", "Is it b?", 2), Criterion("c", "Is it c?"))
)
MET, NOT, NONE, OPEN = Verdict.MET, Verdict.NOT_MET, Verdict.NOT_APPLICABLE, Verdict.CANNOT_TELL


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((MET, MET, MET), Mark(1.0)),
        ((MET, NOT, MET), Mark(4 / 6)),
        ((MET, NOT, NONE), Mark(3 / 5)),
        ((NONE, NOT, MET), Mark(1 / 3)),
        ((NONE, NOT, NOT), Mark(0.0)),
        ((NOT, MET, MET), Mark(0.0)),
        ((NOT, OPEN, MET), Mark(0.0)),
        ((OPEN, NOT, MET), Mark(None, "no verdict on a")),
        ((MET, OPEN, OPEN), Mark(None, "no verdict on b, c")),
        ((NONE, NONE, NONE), Mark(None, "no criterion applies")),
    ],
)
def test_the_score_is_the_weighted_share_of_what_applies(verdicts: tuple[Verdict, ...], expected: Mark) -> None:
    assert SCORED.mark(dict(zip("abc", verdicts, strict=True))) == expected


def test_a_missing_verdict_is_an_open_one() -> None:
    assert SCORED.mark({"a": MET, "c": MET}) == Mark(None, "no verdict on b")


def test_whatever_changes_a_score_changes_the_fingerprint_and_the_order_of_what_is_seen_does_not() -> None:
    first, *rest = SCORED.criteria
    others = [
        replace(SCORED, name="other"),
        replace(SCORED, version="2"),
        replace(SCORED, description="y"),
        *(
            replace(SCORED, criteria=(replace(first, **change), *rest))
            for change in (
                {"id": "z"}, {"question": "Is it z?"}, {"weight": 4.0}, {"required": False},
                {"applies_when": "it is"}, {"sees": frozenset({Sees.INPUT})},
            )
        ),
    ]  # fmt: skip
    assert len({SCORED.fingerprint, *(rubric.fingerprint for rubric in others)}) == 10
    seen = [
        parse(Path("own.toml"), f"{HEAD}{ONE}sees = {order}".encode()).rubric.fingerprint
        for order in ('["input", "context"]', '["context", "input"]')
    ]
    assert seen[0] == seen[1]


def test_a_named_pipe_is_refused_instead_of_waited_for(tmp_path):
    pipe = tmp_path / "rubric.toml"
    os.mkfifo(pipe)
    with pytest.raises(RubricError, match="is no file: give one that holds a rubric"):
        load(pipe)
