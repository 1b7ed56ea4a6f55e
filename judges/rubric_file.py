"""Reads a rubric from its TOML file, or says everything that is wrong with it at once; finds the bundled ones."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from judges.rubric import Rubric
from judges.rubric_fields import Found, rubric_of

LARGEST = 100_000  # bytes
_BUNDLED = Path(__file__).parent / "rubrics"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `place` is a key (`version`, `criteria[2].weight (polite)`); criteria and lines count from 1."""

    file: Path
    message: str
    place: str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return ": ".join(part for part in (where, self.place, self.message) if part)


class RubricError(Exception):
    """A rubric cannot be used; `faults` lists everything that is wrong with it. Trying again does not help."""

    permanent = True

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(frozen=True, slots=True)
class RubricFile:
    """A rubric as it was written: `weights_given` says of each criterion whether its weight stands in the file."""

    path: Path
    rubric: Rubric
    weights_given: tuple[bool, ...]


def load(path: Path) -> Rubric:
    """The rubric in `path`; raises `RubricError` with every fault."""
    return read(path).rubric


def read(path: Path) -> RubricFile:
    """The rubric in `path`, and what of it was written there; raises `RubricError` with every fault."""
    return parse(path, _content(path))


def parse(path: Path, content: bytes) -> RubricFile:
    """The rubric that `content` holds; `path` only names it in faults. Raises `RubricError` with every fault."""
    document = _document(path, content)
    found = Found()
    rubric, weights_given = rubric_of(document, found)
    if found.faults or rubric is None:
        raise RubricError(Fault(path, message, place) for place, message in found.faults)
    return RubricFile(path, rubric, weights_given)


def bundled_names() -> tuple[str, ...]:
    """The names of the rubrics that come with heldout, in order."""
    return tuple(sorted(path.stem for path in _BUNDLED.glob("*.toml")))


def bundled(name: str) -> Rubric:
    """The bundled rubric `name`; raises `RubricError` where there is none."""
    return load(bundled_path(name))


def bundled_path(name: str) -> Path:
    """Where the bundled rubric `name` lies; raises `RubricError`, with the nearest name, where there is none."""
    names = bundled_names()
    if name in names:
        return _BUNDLED / f"{name}.toml"
    near = get_close_matches(name.lower()[:100], names, n=1)
    guess = f": did you mean {near[0]}?" if near else "."
    message = (
        f"no bundled rubric has this name{guess} There are {', '.join(names)}; for your own give the path of a .toml"
    )
    raise RubricError([Fault(Path(re.sub(r"[^ -~]", "?", name[:60])), message)])


def _content(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            # A named pipe would be waited for, for ever.
            raise RubricError([Fault(path, "is no file: give one that holds a rubric in TOML")])
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        remedy = f"correct the path, or name a bundled rubric: {', '.join(bundled_names())}"
        raise RubricError([Fault(path, f"there is no such file: {remedy}")]) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise RubricError([Fault(path, f"cannot be read: {reason}")]) from None
    return content


def _document(path: Path, content: bytes) -> dict[str, Any]:
    if len(content) > LARGEST:
        raise RubricError([Fault(path, f"is larger than {LARGEST} bytes: is it a rubric?")])
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RubricError([Fault(path, "is not UTF-8 here: save the file as UTF-8", line=line)]) from None
    except RecursionError:
        raise RubricError([Fault(path, "is nested too deeply: a rubric is keys and [[criteria]]")]) from None
    except ValueError as error:
        raise RubricError([_syntax(path, str(error))]) from None


def _syntax(path: Path, message: str) -> Fault:
    """TOML's complaint with its place in front, where it tells one: it says `… (at line 3, column 7)`."""
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message, re.S)
    if match is None:
        return Fault(path, f"is not valid TOML: {message}")
    what = match[1][:1].lower() + match[1][1:]
    if match[2] is None:
        return Fault(path, f"is not valid TOML: {what} at the end of the file")
    return Fault(path, f"is not valid TOML: {what}", line=int(match[2]), column=int(match[3]))
