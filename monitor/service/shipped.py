"""Finds the files of the repository's folder `systemd/`, in a checkout as well as where a wheel has put them."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from monitor.config.faults import Fault, FaultsError

UNITS = ("heldout.service", "heldout-run.service", "heldout-run.timer")
_CHECKOUT = Path(__file__).resolve().parents[2]


def shipped(name: str) -> str:
    """The text of one of the files in `systemd/`; raises FaultsError where this installation lacks it."""
    path = folder() / name
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FaultsError([Fault(path, f"{error.strerror}: install heldout again")]) from None


def folder() -> Path:
    """Where they are: beside the packages in a checkout, else under the prefix's `share/heldout/systemd`."""
    here = _CHECKOUT / "systemd"
    # Beside installed packages a folder `systemd` would be the package of that name, which has no such file.
    if (here / UNITS[0]).is_file():
        return here
    try:
        files = metadata.files("heldout") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.parts[-3:] == ("heldout", "systemd", UNITS[0]):
            return Path(str(file.locate())).resolve().parent
    raise FaultsError(
        [Fault(here, "the files for systemd are not in this installation: install heldout from its wheel")]
    )
