"""What the units' sandbox hides of an installation, and what their user cannot read: told before a service fails."""

from __future__ import annotations

import stat
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from monitor.config.faults import Fault, FaultsError
from monitor.config.fields import Secret, resolve_input_path
from monitor.config.models import Config

# ProtectHome= hides the first three, PrivateTmp= the others.
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
_TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - named because they are hidden
_MOVE = "move it to /etc/heldout, or to a folder of its own"


def is_hidden(path: Path) -> bool:
    """Whether the service would not see `path`."""
    return any(path.is_relative_to(place) for place in (*_HOMES, *_TEMPORARY))


def is_temporary(path: Path) -> bool:
    """Whether `path` is where systems delete files on their own."""
    return any(path.is_relative_to(place) for place in _TEMPORARY)


def to_show(program: Path, config: Config) -> tuple[Path, ...]:
    """The folders that the service needs and would not see, none inside another.

    Raises FaultsError for a file that lies in a home itself: the service would have to see the whole of it.
    """
    inputs = [config.path, *input_paths(config)]
    bare = [path for path in inputs if is_hidden(path) and _is_bare(_folder_of(path))]
    if bare:
        why = "lies in a folder that the service must not see as a whole"
        raise FaultsError([Fault(path, f"{why}: {_MOVE}") for path in bare])
    wanted = {*installation(program), *(_folder_of(path) for path in inputs)}
    return _outermost(form for path in wanted for form in (path, path.resolve()) if is_hidden(form))


def installation(program: Path) -> list[Path]:
    """The folders that this very heldout is made of: its environment, its Python, its packages."""
    roots = [sys.prefix, sys.base_prefix, *(entry for entry in sys.path if entry)]
    # An installation in editable form has its packages elsewhere. A package's folder, not the checkout around it.
    specs = [find_spec(name) for name in ("monitor", "judges", "alerts")]
    packages = [place for spec in specs if spec is not None for place in spec.submodule_search_locations or ()]
    found = map(Path, (*roots, *packages))
    return [program.parent, *(path for path in found if path.is_absolute() and path.is_dir())]


def input_paths(config: Config) -> list[Path]:
    """Every file and folder that the configuration reads, secrets apart; absolute, each once."""
    with config.path.open("rb") as file:
        document = tomllib.load(file)
    # Of a prompt's file only the text is in the models.
    prompts = [
        resolve_input_path(Path(table["system"]["file"]), config.path.parent)
        for table in document.get("targets", {}).values()
        if isinstance(table.get("system"), dict)
    ]
    rubrics = [ref.path for suite in config.suites.values() for ref in suite.rubrics if ref.path is not None]
    stated = _paths({name: getattr(config, name) for name in ("suites", "targets")})
    return list(dict.fromkeys([*stated, *rubrics, *prompts]))


def _paths(value: Any) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif isinstance(value, BaseModel) and not isinstance(value, Secret):
        for name in type(value).model_fields:
            yield from _paths(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _paths(item)


def unreadable(path: Path, shown: Iterable[Path]) -> Path | None:
    """The first folder on the way to `path`, or `path`, that others than its owner may not read; None if they may.

    What lies above a folder that is `shown` is made anew for the service, and may be closed here.
    """
    tops = [top for top in shown if path.is_relative_to(top)]
    above = [] if not tops else list(tops[0].parents)
    for step in (*reversed(path.parents), path):
        if step in above:
            continue
        try:
            mode = step.stat().st_mode
        except OSError:
            return step
        # A folder on the way need only be passed; what is read must be readable.
        needed = stat.S_IXOTH if step != path else stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
        if mode & needed != needed:
            return step
    return None


def _folder_of(path: Path) -> Path:
    # Editors replace a file, and a file that was bound by itself would stay the old one.
    return path if path.is_dir() else path.parent


def _is_bare(folder: Path) -> bool:
    """Whether `folder` is a home, or above one, or all of a place for temporary files."""
    return folder in (*_HOMES, *_TEMPORARY) or folder.parent in (Path("/home"), Path("/run/user"))


def _outermost(paths: Iterable[Path]) -> tuple[Path, ...]:
    every = set(paths)
    return tuple(sorted(path for path in every if not any(above in every for above in path.parents)))
