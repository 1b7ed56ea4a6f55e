"""What people said of answers that a judge judged: a file of labels, read whole or refused with every fault."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judges.label_rows import EXAMPLE, Broken, Row, did_you_mean, rows, shown
from judges.rubric import Rubric
from judges.vote import Verdict

LARGEST_FILE = 50_000_000  # bytes
MOST_LABELS = 50_000
LONGEST_NAME = 200  # characters, of a case and of whoever labelled it
LONGEST_ANSWER = 1_000_000  # characters
_MOST_FAULTS = 1_000
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_VERDICTS = (Verdict.MET, Verdict.NOT_MET, Verdict.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class Label:
    """What one person said of one answer to a case.

    Of a criterion: `value` is its verdict, never `cannot_tell`. Of the answer as a whole (`criterion` None): its score
    in [0, 1]. `by`: who said it, where the file says; `line`: where it stands.
    """

    rubric: str
    case: str
    answer: str
    criterion: str | None
    value: Verdict | float
    by: str | None = None
    line: int = 0


class LabelError(Exception):
    """The file of labels cannot be used; `faults` lists everything that is wrong with it. Trying again is no help."""

    permanent = True

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


def answer_key(text: str) -> str:
    """What two copies of an answer have in common: spreadsheets change line ends, and editors what ends a text."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def read(path: Path, rubrics: Sequence[Rubric]) -> tuple[Label, ...]:
    """The labels in the file `path`, CSV where it ends in `.csv`, otherwise JSON Lines; see `parse`."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise LabelError([f"{path}: there is no such file: give one with a label a line, such as {EXAMPLE}"]) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise LabelError([f"{path}: cannot be read: {reason}"]) from None
    if len(content) > LARGEST_FILE:
        raise LabelError([f"{path}: is larger than {LARGEST_FILE // 1_000_000} MB: split or sample it"])
    return parse(content, path, rubrics)


def parse(content: bytes, path: Path, rubrics: Sequence[Rubric]) -> tuple[Label, ...]:
    """The labels in `content`, a file's bytes; `path` is for messages, and its ending tells the form.

    UTF-8 with or without a byte order mark; fields (columns) `case`, `answer`, `label`, and where wanted `rubric`,
    `criterion`, `by`; `input`, `reference` and `question` may stand there for whoever labels. `rubrics` are those that
    labels may be about, at least one; with exactly one a label need not name it. Raises `LabelError` with every fault:
    file, line, field and remedy. After 1,000 it only counts them.
    """
    reader = _Reader(rubrics)
    faults = _Faults(path)
    labels: list[Label] = []
    for row in rows(content, as_csv=path.suffix.lower() == ".csv"):
        if isinstance(row, Broken):
            faults.add(row.line, row.message)
            continue
        label, found = reader.label(row)
        for field, message in found:
            faults.add(row.line, f"{field}: {message}")
        if label is not None:
            labels.append(label)
    if not labels and not faults.count:
        faults.add(None, f"holds no labels: write one a line, such as {EXAMPLE}")
    if len(labels) > MOST_LABELS:
        faults.add(None, f"holds {len(labels):,} labels, and {MOST_LABELS:,} is the most: split or sample it")
    if faults.count:
        raise LabelError(faults.listed())
    return tuple(labels)


class _Faults:
    """The faults of a file: the first by their words, the others by their number, whatever a file holds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._first: list[str] = []
        self.count = 0

    def add(self, line: int | None, message: str) -> None:
        self.count += 1
        if self.count <= _MOST_FAULTS:
            place = self._path if line is None else f"{self._path}:{line}"
            self._first.append(f"{place}: {message}")

    def listed(self) -> list[str]:
        more = self.count - len(self._first)
        return [*self._first, f"{self._path}: and {more:,} more faults"] if more else self._first


Findings = Iterator[tuple[str, str]]


class _Reader:
    """Makes labels of rows, and remembers them to find those that are there twice."""

    def __init__(self, rubrics: Sequence[Rubric]) -> None:
        if not rubrics:
            raise ValueError("labels are about rubrics: give at least one")
        self._criteria = {rubric.name: tuple(one.id for one in rubric.criteria) for rubric in rubrics}
        self._lines: dict[tuple[str | None, ...], int] = {}

    def label(self, row: Row) -> tuple[Label | None, list[tuple[str, str]]]:
        """The label of `row`, or None with everything that is wrong with it."""
        given = {
            field: value
            for field, value in row.fields.items()
            if field == "answer" or not isinstance(value, str) or value.strip()
        }
        faults = [*_name_faults(given), *_answer_faults(given), *self._about(given)]
        value: Verdict | float = Verdict.CANNOT_TELL
        try:
            value = _value(given)
        except _ValueError as error:
            faults.append(("label", str(error)))
        if faults:
            return None, faults
        names = {field: _tidy(given.get(field)) for field in ("rubric", "case", "criterion", "by")}
        rubric = names["rubric"] or next(iter(self._criteria))
        label = Label(rubric, names["case"] or "", given["answer"], names["criterion"], value, names["by"], row.line)
        twice = self._twice(label)
        return (label, []) if twice is None else (None, [("case", twice)])

    def _about(self, given: dict[str, Any]) -> Findings:
        """What is wrong with the rubric and the criterion."""
        known = tuple(self._criteria)
        rubric = given.get("rubric", known[0] if len(known) == 1 else None)
        if rubric is None:
            yield "rubric", f"is missing, and the labels may be about several: write one of {', '.join(known)}"
            return
        if not isinstance(rubric, str):
            yield "rubric", "must be text in quotes"
            return
        if rubric.strip() not in self._criteria:
            yield "rubric", f"{shown(rubric)} is unknown here{did_you_mean(rubric, known)}"
            return
        criterion = given.get("criterion")
        criteria = self._criteria[rubric.strip()]
        if criterion is None:
            return
        if not isinstance(criterion, str):
            yield "criterion", "must be text in quotes; leave it out where the label is of the whole answer"
        elif criterion.strip() not in criteria:
            yield "criterion", f"{rubric.strip()} has no {shown(criterion)}{did_you_mean(criterion, criteria)}"

    def _twice(self, label: Label) -> str | None:
        identity = (label.rubric, label.case, answer_key(label.answer), label.criterion, label.by)
        before = self._lines.setdefault(identity, label.line)
        if before == label.line:
            return None
        if label.by is None:
            return f"line {before} labels the same answer: leave one out, or say by whom each is in the field by"
        return f"line {before} is a label of the same answer by the same person: leave one out"


def _tidy(value: str | None) -> str | None:
    return None if value is None else value.strip()


def _name_faults(given: dict[str, Any]) -> Findings:
    if "case" not in given:
        yield "case", "is missing: write the id of the case"
    for field in ("case", "by"):
        value = given.get(field, "-")
        if not isinstance(value, str):
            yield field, "must be text in quotes"
        elif len(value) > LONGEST_NAME:
            yield field, f"is longer than {LONGEST_NAME} characters"
        elif not value.strip().isprintable():
            yield field, "must be printable: leave out line breaks and invisible characters"


def _answer_faults(given: dict[str, Any]) -> Findings:
    answer = given.get("answer")
    if answer is None:
        yield "answer", "is missing: write the text that was judged"
    elif not isinstance(answer, str):
        yield "answer", "must be text in quotes, as it was judged"
    elif len(answer) > LONGEST_ANSWER:
        yield "answer", f"is longer than {LONGEST_ANSWER:,} characters"
    elif "\0" in answer or _SURROGATE.search(answer):
        yield "answer", "holds NUL or half of a surrogate pair, which no stored answer does: export it anew"


def _word(value: Any) -> str:
    """A verdict in anybody's spelling: `Not met`, `NOT-MET`."""
    return re.sub(r"[\s_-]+", "_", value.strip().lower()) if isinstance(value, str) else ""


class _ValueError(ValueError):
    """What a label says is nothing that one can say."""


def _value(given: dict[str, Any]) -> Verdict | float:
    if "label" not in given:
        raise _ValueError(
            "is missing: write met, not_met or not_applicable; of the whole answer, a number from 0 to 1; or delete "
            "a row that nobody labelled"
        )
    return _overall(given["label"]) if "criterion" not in given else _verdict(given["label"])


def _verdict(value: Any) -> Verdict:
    word = _word(value)
    if word in _VERDICTS:
        return Verdict(word)
    wanted = "of a criterion must be met, not_met or not_applicable"
    if word == Verdict.CANNOT_TELL:
        raise _ValueError(f"{wanted}: leave the line out where a person could not tell")
    if isinstance(value, int | float) or _NUMBER.fullmatch(word):
        raise _ValueError(f"{wanted}: a number is for the whole answer, without a criterion")
    raise _ValueError(wanted)  # and no nearest one: that of "unmet" would be "met"


def _overall(value: Any) -> float:
    wanted = "of the whole answer must be a number from 0 to 1, or met or not_met"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _ValueError(wanted)
    word = _word(value)
    if word in (Verdict.MET, Verdict.NOT_MET):
        return 1.0 if word == Verdict.MET else 0.0
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        raise _ValueError(wanted)
    number = float(value) if isinstance(value, str) else value
    if not 0 <= number <= 1:
        raise _ValueError(f"{wanted}: 80 of 100 is 0.8")
    return abs(float(number))
