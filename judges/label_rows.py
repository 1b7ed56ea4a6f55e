"""Takes a file of labels apart into rows of fields, each with its line; what the fields hold is not judged here."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from judges.cells import unguarded

REQUIRED = ("case", "answer", "label")
FIELDS = ("rubric", "case", "answer", "criterion", "label", "by")
FOR_READERS = ("input", "reference", "question")  # stand there for whoever labels, and say nothing to us
EXAMPLE = '{"case": "refund-017", "answer": "…", "criterion": "correct", "label": "met"}'
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Row:
    """The fields of one label; `line` is where it begins, counted from 1."""

    line: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Broken:
    """A line that cannot be taken apart, or a column that means nothing."""

    line: int
    message: str


class _NotJsonError(ValueError):
    """Text that is JSON to Python and not to anyone else, or that says the same thing twice."""


def rows(content: bytes, *, as_csv: bool) -> Iterator[Row | Broken]:
    """One row a label, in the file's order; empty lines are skipped, and a byte order mark is."""
    body = content.removeprefix(_BOM)
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        yield Broken(1, "is UTF-16: save the file as UTF-8")
        return
    lines = body.split(b"\n")
    broken = [found for number, raw in enumerate(lines, 1) if (found := _undecodable(number, raw)) is not None]
    if broken:
        yield from broken
    elif as_csv:
        yield from _csv(body.decode("utf-8"))
    else:
        yield from _json_lines(lines)


def shown(name: str) -> str:
    """A name out of the file, fit for a message of one line."""
    return name if name.isprintable() and 0 < len(name) <= 80 else f"{name[:80]!a}"


def did_you_mean(name: str, known: tuple[str, ...]) -> str:
    """`; did you mean "…"?` with the nearest known name, or `; known are …` where none is near."""
    near = difflib.get_close_matches(name.strip().lower()[:100], known, n=1)
    if near:
        return f'; did you mean "{near[0]}"?'
    return "; known are " + ", ".join(f'"{one}"' for one in known)


def _undecodable(line: int, raw: bytes) -> Broken | None:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return Broken(line, f"byte 0x{raw[error.start]:02x} is not UTF-8: save the file as UTF-8")
    return None


def _constant(name: str) -> NoReturn:
    raise _NotJsonError(f"{name} is not JSON: write a number from 0 to 1")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise _NotJsonError(f"{shown(twice)} is given twice")
    return fields


def _json_lines(lines: list[bytes]) -> Iterator[Row | Broken]:
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        try:
            value = json.loads(raw, parse_constant=_constant, object_pairs_hook=_object)
        except json.JSONDecodeError as error:
            yield Broken(number, f"is not valid JSON ({error.msg.lower()}): write one label a line, such as {EXAMPLE}")
        except _NotJsonError as error:
            yield Broken(number, str(error))
        except (ValueError, RecursionError):
            yield Broken(number, f"is not a label: write one a line, such as {EXAMPLE}")
        else:
            if isinstance(value, dict):
                yield from _known(number, value)
            else:
                yield Broken(number, f"must be a label in braces, such as {EXAMPLE}")


def _known(line: int, fields: dict[str, Any]) -> Iterator[Row | Broken]:
    """The row without the fields that mean nothing, after a fault for each of these."""
    for name in fields:
        if name not in FIELDS and name not in FOR_READERS:
            yield Broken(line, f"{shown(name)}: unknown field{did_you_mean(name, FIELDS)}")
    yield Row(line, {name: value for name, value in fields.items() if name in FIELDS and value is not None})


def _csv(text: str) -> Iterator[Row | Broken]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    begins = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Broken(begins, _csv_fault(error))
            return
        if cells is None:
            return
        line, begins = begins, reader.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            fatal, others = _header_faults(header)
            yield from (Broken(line, message) for message in (*fatal, *others))
            if fatal:
                return
        elif len(cells) != len(header):
            yield Broken(
                line, f"has {len(cells)} cells and the header has {len(header)}: is a quote or a comma missing?"
            )
        else:
            yield Row(line, _cells(header, cells))


def _cells(header: list[str], cells: list[str]) -> dict[str, str]:
    """An empty cell is no value, but that an answer is empty can be what was judged."""
    given = zip(header, map(unguarded, cells), strict=True)
    return {name: cell for name, cell in given if name in FIELDS and (cell.strip() or name == "answer")}


def _csv_fault(error: csv.Error) -> str:
    text = str(error)
    if "field larger" in text:
        return f"a cell is longer than {csv.field_size_limit():,} characters: use JSON Lines for texts of this length"
    return f"is not valid CSV ({text}): put texts with commas, quotes or line breaks in quotes"


def _header_faults(header: list[str]) -> tuple[list[str], list[str]]:
    """Faults without whose remedy no row can be read, and the others."""
    missing = [name for name in REQUIRED if name not in header]
    fatal = []
    if missing:
        semicolons = len(header) == 1 and any(mark in header[0] for mark in ";\t")
        remedy = "separate the columns by commas" if semicolons else "the first line names the columns"
        fatal.append(f"has no column {' nor '.join(missing)}: {remedy}, at least {', '.join(REQUIRED)}")
        if semicolons:
            return fatal, []
    twice = {name for name in header if name and header.count(name) > 1}
    fatal += [f"column {shown(name)} is there twice: leave one out" for name in sorted(twice)]
    others = []
    for index, name in enumerate(header, 1):
        if not name:
            others.append(f"column {index} has no name: name it or leave it out")
        elif name not in FIELDS and name not in FOR_READERS:
            others.append(f"column {shown(name)} is unknown{did_you_mean(name, FIELDS)}")
    return fatal, others
