"""Fits the units that ship to an installation: its program, its configuration, its credentials, what it has to see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CREDENTIALS = Path("/etc/heldout/credentials")
STATE = Path("/var/lib/heldout")
_COMMAND = "ExecStart=/opt/heldout/bin/heldout "
_CONFIG = "/etc/heldout/config.toml"


@dataclass(frozen=True, slots=True)
class Service:
    """What differs from one installation to another; all paths are absolute.

    `shown`: folders that the sandbox would hide, and that the service is to see, read-only. `credentials`: the names
    that the configuration refers to.
    """

    program: Path
    config: Path
    credentials: tuple[str, ...] = ()
    shown: tuple[Path, ...] = ()


def fit(unit: str, service: Service) -> str:
    """The text of a unit as it ships, with what is `service`'s own; a timer stays as it is."""
    return "\n".join(_fitted(unit.split("\n"), service))


def _fitted(lines: list[str], service: Service) -> Iterator[str]:
    credentials = [f"LoadCredential={name}:{CREDENTIALS / name}" for name in service.credentials]
    for line in lines:
        if line.startswith(_COMMAND):
            words = line.removeprefix(_COMMAND).replace(_CONFIG, argument(str(service.config)))
            yield f"ExecStart={executable(str(service.program))} {words}"
        elif line.startswith("#LoadCredential=") and service.credentials:
            # The examples stand together: what is real takes the place of the first.
            yield from credentials
            credentials = []
        elif line == "ProtectHome=yes" and service.shown:
            yield "# Homes are empty, and /tmp is the service's own, but for what heldout itself is made of and reads."
            yield "ProtectHome=tmpfs"
            yield from (f"BindReadOnlyPaths={place(str(path))}" for path in service.shown)
        else:
            yield line


def executable(path: str) -> str:
    """A path as the first word of ExecStart=, where variables are not replaced.

    Raises ValueError for what systemd takes in no program's path, however it is quoted.
    """
    if any(char in "\"'\\" or not char.isprintable() for char in path):
        raise ValueError("systemd starts no program whose path holds a quote, a backslash or a control character")
    return place(path)


def argument(text: str) -> str:
    """A further word of ExecStart=, which stays what it is whatever it holds."""
    return place(text).replace("$", "$$")


def place(text: str) -> str:
    """A path in a list of paths, where a colon that is not in quotes would begin where it is to be seen."""
    # `%` begins a specifier everywhere in a unit.
    text = text.replace("%", "%%")
    if text and all(char.isalnum() or char in "/._-+,@=%" for char in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
