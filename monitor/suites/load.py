"""Reads a suite from JSON Lines or CSV, or says everything that is wrong with the file at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from monitor.config.faults import Fault, FaultsError
from monitor.domain.case import Case, Suite
from monitor.suites.case import FieldFault, case_from
from monitor.suites.rows import Row, Unreadable, rows_of_csv, rows_of_json_lines

LARGEST_FILE = 256_000_000  # bytes
MOST_CASES = 100_000
_MOST_FAULTS = 1_000


class SuiteError(FaultsError):
    """The suite's file cannot be used; `faults` lists everything that is wrong with it."""


def load_suite(name: str, path: Path) -> Suite:
    """The suite `name` from the file `path`: CSV where it ends in `.csv`, otherwise JSON Lines.

    Both are UTF-8, with or without a byte order mark; empty lines are skipped. A CSV file has the fields of a case as
    columns, separated by commas. In its cells `tags` are separated by spaces or commas, `choices` by `|`; a cell of
    these two, of `input` with messages, or of `expected` that begins with `[` (`expected`: or `{`) is read as JSON.
    An empty cell is no value.

    Raises `SuiteError` with every fault: file, line, field, and what to do. After 1,000 it only counts them.
    """
    rows = rows_of_csv(_read(path)) if path.suffix.lower() == ".csv" else rows_of_json_lines(_read(path))
    cases: list[Case] = []
    faults: list[Fault] = []
    first_seen: dict[str, int] = {}
    for row in rows:
        if isinstance(row, Unreadable):
            faults.append(Fault(path, row.message, line=row.line, column=row.column, key=row.field))
            continue
        found = list(_checked(row, cases, first_seen))
        faults += [Fault(path, fault.message, line=row.line, key=fault.field) for fault in found]
    if not cases and not faults:
        faults.append(
            Fault(path, 'holds no cases: write one a line, such as {"id": "a-1", "input": "…", "expected": "…"}')
        )
    if len(cases) > MOST_CASES:
        faults.append(Fault(path, f"holds {len(cases):,} cases, and {MOST_CASES:,} is the most: split or sample it"))
    if faults:
        raise SuiteError(_bounded(path, faults))
    return Suite(name, tuple(cases))


def _checked(row: Row, cases: list[Case], first_seen: dict[str, int]) -> Iterator[FieldFault]:
    """Adds the case of `row` to `cases`, or yields what is wrong with it."""
    case, found = case_from(row.fields)
    yield from found
    identity = row.fields.get("id")
    if isinstance(identity, str) and identity:
        if identity in first_seen:
            yield FieldFault("id", f'"{identity:.80}" is on line {first_seen[identity]} already: ids are unique')
        first_seen.setdefault(identity, row.line)
    if case is not None:
        cases.append(case)


def _bounded(path: Path, faults: list[Fault]) -> list[Fault]:
    if len(faults) <= _MOST_FAULTS:
        return faults
    more = Fault(path, f"and {len(faults) - _MOST_FAULTS:,} more faults")
    return [*faults[:_MOST_FAULTS], more]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise SuiteError([Fault(path, "there is no such file: `cases` names the file of the suite")]) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SuiteError([Fault(path, f"cannot be read: {reason}")]) from None
    if len(content) > LARGEST_FILE:
        raise SuiteError([Fault(path, f"is larger than {LARGEST_FILE // 1_000_000} MB: split or sample it")])
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise SuiteError([Fault(path, "is UTF-16: save it as UTF-8")])
    return content
