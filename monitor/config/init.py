"""Writes a first configuration and a first suite, and never over anything."""

from __future__ import annotations

import json
from pathlib import Path

from monitor.config import template
from monitor.config.faults import ConfigError, Fault, did_you_mean, listing

KINDS = ("openai", "anthropic", "http", "sample")
CONFIG_NAME = "config.toml"
SUITE_NAME = "support.jsonl"
_TARGETS = {"openai": template.OPENAI, "anthropic": template.ANTHROPIC, "http": template.HTTP}


def render(kind: str) -> str:
    """A commented configuration for `kind`, one of `KINDS`; raises ValueError for another."""
    if kind == "sample":
        sample = Path(__file__).resolve().parent.parent / "sample"
        suite = template.SAMPLE_SUITE.format(cases=_toml(sample / "support.jsonl"))
        target = template.SAMPLE.format(documents=_toml(sample / "handbook"))
    elif kind in _TARGETS:
        suite, target = template.OWN_SUITE, _TARGETS[kind]
    else:
        raise ValueError(f'"{kind}" is not one of {listing(KINDS)}{did_you_mean(kind, KINDS)}')
    return template.HEAD + suite + target + template.JUDGES + template.ALERTS


def first_suite() -> str:
    """A few example cases as JSON Lines that say they are to be replaced."""
    return template.FIRST_SUITE


def write_initial(folder: Path, kind: str) -> list[Path]:
    """Writes the first files of `kind` into `folder` and returns them.

    Raises `ConfigError` that names every file that is there already (then nothing is written) or that cannot be
    written, and ValueError for an unknown kind.
    """
    contents = {folder / CONFIG_NAME: render(kind)}
    if kind != "sample":
        contents[folder / SUITE_NAME] = first_suite()
    there = [path for path in contents if path.exists() or path.is_symlink()]
    if there:
        remedy = "it is left as it is; name another folder, or move it away first"
        raise ConfigError([Fault(path, f"exists already: {remedy}") for path in there])
    for path, text in contents.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as error:
            raise ConfigError([Fault(path, f"cannot be written: {error.strerror or error}")]) from None
    return list(contents)


def _toml(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)
