"""A fault in a file that someone wrote: where it is, what is wrong and what to do; and the errors that carry faults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `line` and `column` count from 1; `table` and `key` are a configuration's, `key` alone is a field."""

    file: Path
    message: str
    line: int | None = None
    column: int | None = None
    table: str | None = None
    key: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        within = " ".join(part for part in (f"[{self.table}]" if self.table else None, self.key) if part)
        return ": ".join(part for part in (place, within, self.message) if part)


class FaultsError(Exception):
    """A file cannot be used; `faults` lists everything that is wrong with it. Trying again does not help."""

    permanent = True

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class ConfigError(FaultsError):
    """The configuration cannot be used."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` most resembles, whatever its case, or None where none is near."""
    by_folded = {candidate.lower(): candidate for candidate in known}
    found = get_close_matches(name.lower()[:100], list(by_folded), n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean "…"?` with the nearest known name, or nothing."""
    found = nearest(name, known)
    return "" if found is None else f'; did you mean "{found}"?'


def no_such(what: str, name: str, table: str, known: Iterable[str]) -> str:
    """That no table `[table.name]` is there, with the nearest of those that are."""
    return f'there is no {what} "{name}", as [{table}.{name}] would be{did_you_mean(name, known)}'


def listing(names: Iterable[str]) -> str:
    """Names in quotes, with commas: `"a", "b"`."""
    return ", ".join(f'"{name}"' for name in names)
