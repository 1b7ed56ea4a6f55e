"""The rubrics that suites name, bundled or out of a file: each is read once, and only where one is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationInfo
from pydantic_core import CoreSchema, core_schema

from monitor.config.faults import did_you_mean, listing
from monitor.config.fields import resolve_input_path

if TYPE_CHECKING:
    from judges.rubric import Rubric


class RubricRefusedError(ValueError):
    """A rubric cannot be had; `faults` is everything that is wrong with it."""

    def __init__(self, *faults: str) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class RubricRef:
    """A rubric, with the name or path that the configuration gives for it. `path`: its file, None for a bundled one."""

    given: str
    rubric: Rubric
    path: Path | None = None

    @property
    def name(self) -> str:
        """What it is called as a scorer."""
        return self.rubric.name

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> CoreSchema:
        """Read from its name alone: a schema made of the fields would import the judges for every configuration."""
        return core_schema.with_info_plain_validator_function(_referred)


class Shelf:
    """The rubrics of one configuration; relative paths start at `folder`."""

    def __init__(self, folder: Path = Path()) -> None:
        self._folder = folder
        self._read: dict[str, Rubric | RubricRefusedError] = {}

    def rubric(self, given: str) -> Rubric:
        """The rubric with that bundled name or path; raises `RubricRefusedError`."""
        if given not in self._read:
            try:
                self._read[given] = self._fetch(given)
            except RubricRefusedError as error:
                self._read[given] = error
        found = self._read[given]
        if isinstance(found, RubricRefusedError):
            raise found
        return found

    def path(self, given: str) -> Path | None:
        """The file that `given` is a path to; None for a bundled rubric. Raises `RubricRefusedError`."""
        return _path(given, self._folder) if _is_path(given) else None

    def _fetch(self, given: str) -> Rubric:
        from judges.rubric_file import RubricError, bundled, bundled_names, load

        path = self.path(given)
        try:
            if path is not None:
                return load(path)
            if given not in bundled_names():
                raise RubricRefusedError(_no_such(given, bundled_names()))
            return bundled(given)
        except RubricError as error:
            raise RubricRefusedError(*map(str, error.faults)) from None


def _is_path(given: str) -> bool:
    return given.endswith(".toml") or "/" in given


def _path(given: str, folder: Path) -> Path:
    if "\0" in given:
        raise RubricRefusedError("must be a bundled rubric's name or a path in quotes")
    try:
        return resolve_input_path(Path(given), folder)
    except RuntimeError:
        message = "begins with ~, but whose home that is cannot be found: write the path in full"
        raise RubricRefusedError(message) from None


def _no_such(given: str, known: tuple[str, ...]) -> str:
    own = "a rubric of your own is named by its path, which ends in .toml"
    return f"is not one of the bundled rubrics ({listing(known)}){did_you_mean(given, known)}; {own}"


def _referred(value: Any, info: ValidationInfo) -> RubricRef:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a bundled rubric's name or a path in quotes")
    given = (info.context or {}).get("rubrics")
    shelf = given if isinstance(given, Shelf) else Shelf()
    return RubricRef(value, shelf.rubric(value), shelf.path(value))
