"""Puts unit files where systemd looks, and never over a file that somebody has changed."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from monitor.config.faults import Fault, FaultsError

State = Literal["new", "same", "update", "changed"]
_MARK = re.compile(r"# Written by heldout install-service, version \S+, checksum (?P<sum>[0-9a-f]{16})[^\n]*\n")


class ChangedError(FaultsError):
    """Files are there that heldout did not write, or that somebody has changed since; nothing was written."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to write, and how what is there compares: `update` is an older one of ours that nobody has changed."""

    path: Path
    text: str
    state: State
    difference: str = ""


def marked(text: str, version: str) -> str:
    """`text` under a line by which a later version sees whether somebody has changed it."""
    note = "an update replaces the file if nobody has changed it"
    return f"# Written by heldout install-service, version {version}, checksum {_checksum(text)}: {note}.\n{text}"


def plan(folder: Path, texts: Mapping[str, str]) -> list[File]:
    """How each of `texts`, by file name, compares with what is there; raises FaultsError for what it cannot read."""
    return [_compared(folder / name, text) for name, text in texts.items()]


def _compared(path: Path, text: str) -> File:
    if path.is_symlink():
        # `systemctl mask` links a unit to /dev/null.
        return File(path, text, "changed", f"{path} is a link to {path.readlink()}\n")
    try:
        there = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return File(path, text, "new")
    except OSError as error:
        raise FaultsError([Fault(path, f"cannot be read: {error.strerror}: move it away")]) from None
    if there == text:
        return File(path, text, "same")
    mark = _MARK.match(there)
    ours = mark is not None and mark["sum"] == _checksum(there[mark.end() :])
    return File(path, text, "update" if ours else "changed", _difference(path, there, text))


def write(folder: Path, files: Iterable[File], *, force: bool, remedy: str) -> None:
    """Write what is new or different, each file at once or not at all.

    Raises ChangedError, with the differences, for files that somebody has changed unless `force`; and FaultsError with
    `remedy` where this user may not write. In both cases nothing was written.
    """
    files = list(files)
    changed = [file for file in files if file.state == "changed"]
    if changed and not force:
        what = "was changed, or is not heldout's: keep it, put what you need into a drop-in, or replace it with --force"
        raise ChangedError([Fault(file.path, f"{what}\n{file.difference}") for file in changed])
    if not folder.is_dir():
        raise FaultsError([Fault(folder, "there is no such folder: is this a system with systemd? See --directory")])
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FaultsError([Fault(folder, f"this user may not write here: {remedy}")])
    for file in files:
        if file.state != "same":
            _replace(file)


def _replace(file: File) -> None:
    handle, name = tempfile.mkstemp(dir=file.path.parent, prefix=f".{file.path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(file.text)
            os.fchmod(stream.fileno(), 0o644)
        temporary.replace(file.path)
    except OSError as error:
        raise FaultsError([Fault(file.path, f"cannot be written: {error.strerror}")]) from None
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _difference(path: Path, there: str, text: str) -> str:
    lines = difflib.unified_diff(
        _discreet(there), _discreet(text), str(path), "what heldout would write", lineterm="", n=1
    )
    return "\n".join(lines) + "\n"


def _discreet(text: str) -> list[str]:
    """The lines of a unit without values that may be secret."""
    hidden = re.compile(r"^(\s*(?:Environment|SetCredential|SetCredentialEncrypted)\s*=).+$")
    return [hidden.sub(r"\1…", line) for line in text.splitlines()]


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
