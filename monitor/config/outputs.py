"""Where heldout writes: beside the configuration, or where systemd says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from monitor.config.faults import ConfigError
from monitor.config.fields import Secret
from monitor.config.later import NOT_YET
from monitor.config.places import fault_at

if TYPE_CHECKING:
    from monitor.config.models import Config


def output_folder(config: Config, environ: Mapping[str, str]) -> Path:
    """Where relative outputs go: the first of systemd's `$STATE_DIRECTORY`, else the folder of the configuration."""
    for folder in environ.get("STATE_DIRECTORY", "").split(":"):
        if folder:
            return Path(folder)
    return config.path.parent


def sqlite_fault(url: str) -> str | None:
    """Why `url` cannot be the database, without repeating it; None if it can."""
    if re.match(r"postgres", url, re.IGNORECASE):
        return f'PostgreSQL is {NOT_YET}: use SQLite, as in "sqlite:///heldout.db"'
    match = re.fullmatch(r"sqlite:///([^?#\0]*)", url)
    if match is None:
        return 'must be "sqlite:///FILE", where FILE is a path without ? or #, such as "sqlite:///heldout.db"'
    path = unquote(match[1])
    if path in ("", ":memory:") or path.startswith("file:") or path.endswith("/"):
        return 'must name a file, such as "sqlite:///heldout.db": what is only in memory is lost after each command'
    return None


def database_url(config: Config, environ: Mapping[str, str]) -> str:
    """The database's URL with an absolute path; raises `SecretError`, or `ConfigError` for a reference to no URL."""
    url = config.database.url
    if isinstance(url, Secret):
        from monitor.config.secrets import resolve

        url = resolve(url, environ)
        fault = sqlite_fault(url)
        if fault is not None:
            raise ConfigError([fault_at(config.path, ("database", "url"), f"{config.database.url}: {fault}")])
    path = Path(unquote(url.removeprefix("sqlite:///")))
    return "sqlite:///" + quote(str(output_folder(config, environ).absolute() / path))
