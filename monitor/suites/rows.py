"""Takes a suite's file apart into rows of fields, each with its line; what the fields hold is not judged here."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Row:
    """The fields of one case; `line` is where it begins, counted from 1."""

    line: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line, or a cell of it, that cannot be taken apart."""

    line: int
    message: str
    column: int | None = None
    field: str | None = None


class _NotJsonError(ValueError):
    """Text that is JSON to Python and not to anyone else, or that says the same thing twice."""


def _constant(name: str) -> NoReturn:
    raise _NotJsonError(f"{name} is not JSON: leave it out or write null")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise _NotJsonError(f'"{twice:.80}" is given twice')
    return fields


def parse_json(text: str) -> Any:
    """The JSON value of `text`; raises ValueError, with `.colno` where that is known, also for NaN and Infinity."""
    try:
        return json.loads(text, parse_constant=_constant, object_pairs_hook=_object)
    except RecursionError:
        raise _NotJsonError("is nested too deeply") from None


def rows_of_json_lines(content: bytes) -> Iterator[Row | Unreadable]:
    """One row an object; empty lines are skipped."""
    for number, raw in enumerate(content.removeprefix(_BOM).split(b"\n"), 1):
        if not raw.strip():
            continue
        try:
            value = parse_json(raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            yield _bad_bytes(number, raw, error)
        except json.JSONDecodeError as error:
            yield Unreadable(number, _syntax(error), error.colno)
        except ValueError as error:
            yield Unreadable(number, _reason(error))
        else:
            if isinstance(value, dict):
                yield Row(number, value)
            elif isinstance(value, list):
                yield Unreadable(
                    number, "is a JSON list: JSON Lines has one case a line, in braces, without commas between"
                )
            else:
                yield Unreadable(number, 'must be a case in braces, such as {"id": "a-1", "input": "…"}')


def _bad_bytes(line: int, raw: bytes, error: UnicodeDecodeError) -> Unreadable:
    column = len(raw[: error.start].decode("utf-8")) + 1
    return Unreadable(line, f"byte 0x{raw[error.start]:02x} is not UTF-8: save the file as UTF-8", column)


def _syntax(error: json.JSONDecodeError) -> str:
    if error.msg == "Extra data":
        return "is not valid JSON: something follows the value; write one case a line"
    if error.pos == 0 and error.doc.lstrip()[:1] in ("#", "/"):
        return "is not valid JSON: comments are not allowed"
    return f"is not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}"


def _reason(error: ValueError) -> str:
    if isinstance(error, _NotJsonError):
        return str(error)
    return "is not valid JSON: a number has too many digits"


def rows_of_csv(content: bytes) -> Iterator[Row | Unreadable]:
    """One row a record after the header; records whose cells are all empty are skipped."""
    lines = content.removeprefix(_BOM).split(b"\n")
    bad = [_bad_bytes(n, raw, error) for n, raw in enumerate(lines, 1) if (error := _undecodable(raw)) is not None]
    if bad:
        yield from bad
        return
    reader = csv.reader(io.StringIO(content.removeprefix(_BOM).decode("utf-8"), newline=""), strict=True)
    header: list[str] | None = None
    line = 1
    while True:
        begins = line
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Unreadable(begins, _csv_fault(error))
            return
        line = reader.line_num + 1
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            faults = list(_header_faults(begins, header))
            yield from faults
            if faults:
                return
        elif len(cells) != len(header):
            yield Unreadable(
                begins, f"has {len(cells)} cells and the header has {len(header)}: is a quote or comma missing?"
            )
        else:
            yield from _record(begins, dict(zip(header, cells, strict=True)))


def _undecodable(raw: bytes) -> UnicodeDecodeError | None:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return error
    return None


def _csv_fault(error: csv.Error) -> str:
    text = str(error)
    if "field larger" in text:
        return f"a cell is longer than {csv.field_size_limit():,} characters: use JSON Lines for texts of this length"
    return f"is not valid CSV: {text}"


def _header_faults(line: int, header: list[str]) -> Iterator[Unreadable]:
    if "id" not in header or "input" not in header:
        remedy = "the first line names the columns, at least id and input, separated by commas"
        yield Unreadable(line, f"has no column {'id' if 'id' not in header else 'input'}: {remedy}")
        return
    for index, name in enumerate(header):
        if not name:
            yield Unreadable(line, f"column {index + 1} has no name")
        elif name in header[:index]:
            yield Unreadable(line, f'column "{name:.80}" is there twice')


def _words(cell: str) -> Any:
    return parse_json(cell) if cell.lstrip().startswith("[") else [tag for tag in re.split(r"[\s,]+", cell) if tag]


def _choices(cell: str) -> Any:
    return parse_json(cell) if cell.lstrip().startswith("[") else [choice.strip() for choice in cell.split("|")]


def _input(cell: str) -> Any:
    return parse_json(cell) if re.match(r"\s*\[\s*\{", cell) else cell


def _expected(cell: str) -> Any:
    return parse_json(cell) if cell.lstrip()[:1] in ("[", "{") else cell


_CELLS: dict[str, Callable[[str], Any]] = {"tags": _words, "choices": _choices, "input": _input, "expected": _expected}


def _record(line: int, cells: dict[str, str]) -> Iterator[Row | Unreadable]:
    fields: dict[str, Any] = {}
    faults: list[Unreadable] = []
    for name, cell in cells.items():
        if not cell.strip():
            continue
        try:
            fields[name] = _CELLS.get(name, str)(cell)
        except ValueError as error:
            reason = _syntax(error) if isinstance(error, json.JSONDecodeError) else _reason(error)
            begins = cell.lstrip()[0]
            remedy = f'; it begins with {begins}, which means JSON: write text that does so as ["…"]'
            faults.append(Unreadable(line, reason + (remedy if name == "expected" else ""), field=name))
    if faults:
        yield from faults
    else:
        yield Row(line, fields)
