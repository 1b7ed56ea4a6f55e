"""Where heldout writes: beside the configuration, or where systemd says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from monitor.config.faults import ConfigError
from monitor.config.fields import Secret
from monitor.config.places import fault_at

if TYPE_CHECKING:
    from monitor.config.models import Config

_POSTGRESQL = '"postgresql://USER@HOST/DATABASE"'


def output_folder(config: Config, environ: Mapping[str, str]) -> Path:
    """Where relative outputs go: the first of systemd's `$STATE_DIRECTORY`, else the folder of the configuration."""
    for folder in environ.get("STATE_DIRECTORY", "").split(":"):
        if folder:
            return Path(folder)
    return config.path.parent


def database_fault(url: str) -> str | None:
    """Why `url` cannot be the database, without repeating it; None if it can."""
    if re.match(r"postgres", url, re.IGNORECASE):
        return _postgresql_fault(url)
    match = re.fullmatch(r"sqlite:///([^?#\0]*)", url)
    if match is None:
        return (
            'must be "sqlite:///FILE", where FILE is a path without ? or #, such as "sqlite:///heldout.db", '
            f"or {_POSTGRESQL}"
        )
    path = unquote(match[1])
    if path in ("", ":memory:") or path.startswith("file:") or path.endswith("/"):
        return 'must name a file, such as "sqlite:///heldout.db": what is only in memory is lost after each command'
    return None


def _is_postgresql(url: str) -> bool:
    return url.startswith(("postgresql://", "postgresql+psycopg://"))


def _postgresql_fault(url: str) -> str | None:
    scheme = url.partition(":")[0]
    if scheme == "postgres":
        return "postgres:// is an old spelling: write postgresql://"
    if not _is_postgresql(url):
        return f"must be {_POSTGRESQL}, which psycopg connects to"
    if re.search(r"[\s\x00-\x1f\x7f#]", url):
        return "must be an address without spaces, line breaks or #; in a password or name write them as %20, %23"
    try:
        parts = urlsplit(url)
        # Reading the port is what finds out whether it is one; several hosts stand in the query.
        _ = parts.port
    except ValueError:
        return f"is not a valid address: write it as {_POSTGRESQL}"
    if not parts.path.strip("/") or "/" in parts.path[1:]:
        return f"must name one database at its end: {_POSTGRESQL}"
    return None


def database_url(config: Config, environ: Mapping[str, str]) -> str:
    """The database's URL, with an absolute path where it is a file.

    Raises `SecretError`, or `ConfigError` for a reference to what is no URL.
    """
    url = config.database.url
    if isinstance(url, Secret):
        from monitor.config.secrets import resolve_at

        url = resolve_at(config, ("database", "url"), url, environ)
        fault = database_fault(url)
        if fault is not None:
            raise ConfigError([fault_at(config.path, ("database", "url"), f"{config.database.url}: {fault}")])
    if _is_postgresql(url):
        return url
    path = Path(unquote(url.removeprefix("sqlite:///")))
    return "sqlite:///" + quote(str(output_folder(config, environ).absolute() / path))
