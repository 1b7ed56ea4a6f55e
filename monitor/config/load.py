"""Reads config.toml into `Config`, or says everything that is wrong with it at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from monitor.config.crosscheck import cross_findings
from monitor.config.faults import ConfigError, Fault
from monitor.config.fields import Secret
from monitor.config.later import later_keys, of_this_version
from monitor.config.literals import literal_secrets
from monitor.config.models import Config, TargetTable
from monitor.config.outputs import database_fault
from monitor.config.places import Finding, Place, fault_at, position
from monitor.config.rubrics import Shelf
from monitor.config.secrets import SecretError, resolve
from monitor.config.translate import PROVIDERS, findings

_LARGEST = 4_000_000  # bytes
_DEEPEST = 30  # levels of tables and lists


def load_config(path: Path, environ: Mapping[str, str], content: bytes | None = None) -> Config:
    """The configuration in `path`, with absolute paths and the text of prompts; raises `ConfigError` with every fault.

    `content` is what the file holds, where it was read before.
    Secrets stay references. `environ` is only looked at for a database URL that is one, because its kind decides
    whether this version can use it; where it is not set, nothing is said here.
    """
    document = _document(path, read_content(path) if content is None else content)
    found = [*later_keys(document)]
    known = of_this_version(document)
    if "path" in known:
        found.append((("path",), "unknown key"))
        del known["path"]
    shelf = Shelf(path.absolute().parent)
    found += [*literal_secrets(known), *cross_findings(known, shelf)]
    config, refused = _validated(path, known, shelf)
    found += refused
    if config is not None:
        found += _referenced_database(config, environ)
    if found or config is None:
        raise ConfigError(_in_order(path, document, found))
    return config


def read_content(path: Path) -> bytes:
    """What the file holds; raises `ConfigError`."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        remedy = "write one with `heldout init`, or name another with --config"
        raise ConfigError([Fault(path, f"there is no such file: {remedy}")]) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError([Fault(path, f"cannot be read: {reason}")]) from None
    if len(content) > _LARGEST:
        raise ConfigError([Fault(path, f"is larger than {_LARGEST} bytes: is it a configuration?")])
    return content


def _document(path: Path, content: bytes) -> dict[str, Any]:
    try:
        document = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([Fault(path, "is not UTF-8 here: save the file as UTF-8", line=line)]) from None
    except RecursionError:
        raise ConfigError([Fault(path, "is nested too deeply")]) from None
    except ValueError as error:
        raise ConfigError([_syntax(path, str(error))]) from None
    if _deeper_than(document, _DEEPEST):
        raise ConfigError([Fault(path, "is nested too deeply")])
    return document


def _deeper_than(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    items = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(item, levels - 1) for item in items)


def _syntax(path: Path, message: str) -> Fault:
    """TOML's complaint with its place in front, where it tells one: it says `… (at line 3, column 7)`."""
    match = re.fullmatch(
        r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", message, re.S
    )
    if match is None:
        return Fault(path, f"is not valid TOML: {message}")
    what = match["what"][:1].lower() + match["what"][1:]
    if match["line"] is None:
        return Fault(path, f"is not valid TOML: {what} at the end of the file")
    return Fault(path, f"is not valid TOML: {what}", line=int(match["line"]), column=int(match["column"]))


def _validated(path: Path, document: dict[str, Any], shelf: Shelf) -> tuple[Config | None, list[Finding]]:
    folder = path.absolute().parent
    context = {"folder": folder, "rubrics": shelf}
    try:
        return Config.model_validate({**document, "path": folder / path.name}, context=context), []
    except ValidationError as error:
        refused = findings(document, error.errors(include_url=False, include_input=False))
    return None, [*refused, *_of_unknown_provider(document, context)]


def _of_unknown_provider(document: dict[str, Any], context: dict[str, Any]) -> list[Finding]:
    """Faults in the common keys of targets whose provider is unknown, so that they too are told the first time."""
    found: list[Finding] = []
    targets = document.get("targets")
    for name, target in targets.items() if isinstance(targets, dict) else ():
        if not isinstance(target, dict) or str(target.get("provider")) in PROVIDERS:
            continue
        common = {key: value for key, value in target.items() if key in TargetTable.model_fields}
        try:
            TargetTable.model_validate(common, context=context)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=False):
                detail["loc"] = ("targets", name, *detail["loc"])
                found += findings(document, [detail])
    return found


def _referenced_database(config: Config, environ: Mapping[str, str]) -> list[Finding]:
    url = config.database.url
    if not isinstance(url, Secret):
        return []
    try:
        fault = database_fault(resolve(url, environ))
    except SecretError:
        return []
    return [] if fault is None else [(("database", "url"), f"{url}: {fault}")]


def _in_order(path: Path, document: dict[str, Any], found: list[Finding]) -> list[Fault]:
    """One fault a place, in the order of the file; of several that are about the same value the first found is told.

    A rubric is a file of its own: what is wrong with it is told whole, at the place that names it.
    """
    by_place: dict[Place, list[str]] = {}
    for place, message in found:
        told = by_place.setdefault(place, [])
        if not told or place[2:3] == ("rubrics",):
            told.append(message)
    return [
        fault_at(path, place, message, is_key=not _is_table(document, place))
        for place, told in sorted(by_place.items(), key=lambda item: position(document, item[0]))
        for message in told
    ]


def _is_table(document: dict[str, Any], place: Place) -> bool:
    """Whether the first part of `place` is a table, or the name of one that is missing or was written as a value."""
    known = place[0] in Config.model_fields and place[0] != "path"
    return known or isinstance(document.get(str(place[0]), {}), dict)
