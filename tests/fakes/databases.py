"""The databases of one run of the tests: SQLite files or, where HELDOUT_TEST_DATABASE says so, a real PostgreSQL.

A database belongs to the folder that a test uses, as a SQLite file would: whoever names the same folder gets the same.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.fakes.postgresql import Server

KIND = os.environ.get("HELDOUT_TEST_DATABASE", "sqlite")
POSTGRESQL = KIND == "postgresql"
_NAME = "heldout.db"
_TEMPLATE = "newest"


class _Session:
    """The server of this process, and which database belongs to which folder."""

    def __init__(self) -> None:
        self.server: Server | None = None
        self.names: dict[Path, str] = {}
        self.kept: set[Path] = set()
        self.made = 0

    def started(self) -> Server:
        if self.server is None:
            self.server = Server()
            self.server.start()
            self.server.do(f"CREATE DATABASE {_TEMPLATE}")
            from monitor.store.database import open_database

            open_database(self.server.url(_TEMPLATE)).close()
        return self.server


_session = _Session()


def empty(folder: Path) -> str:
    """The address of a database without a table; on SQLite there is no file yet."""
    return _url(folder, "template0")


def filled(folder: Path) -> str:
    """The address of a database that may have its schema already, because building that anew each time takes long."""
    return _url(folder, _TEMPLATE)


def copy(source: Path, target: Path) -> None:
    """Give one folder a copy of the database of another, which nobody uses at the time."""
    if not POSTGRESQL:
        (target / _NAME).write_bytes((source / _NAME).read_bytes())
        return
    # Whoever was told the address of an empty one before still has the right one.
    address = _url(target, "template0")
    name = _session.names[target]
    _session.started().do(f"DROP DATABASE {name} WITH (FORCE)")
    _create(name, _session.names[source])
    assert _url(target, "template0") == address


def keep(folder: Path) -> None:
    """Keep this folder's database to the end of the session, whichever test made it."""
    _session.kept.add(folder)


def forget(kept: set[Path]) -> set[Path]:
    """Remove the databases of all folders but `kept`, and those that are kept for longer."""
    for folder in set(_session.names) - kept - _session.kept:
        _drop(folder)
    return known()


def known() -> set[Path]:
    """The folders that have a database on the server."""
    return set(_session.names)


def close() -> None:
    """End the server."""
    if _session.server is not None:
        _session.server.close()
        _session.server = None
        _session.names.clear()
        _session.kept.clear()


def _url(folder: Path, template: str) -> str:
    if not POSTGRESQL:
        return f"sqlite:///{folder / _NAME}"
    server = _session.started()
    if folder not in _session.names:
        _session.made += 1
        name = f"test_{_session.made}"
        _create(name, template)
        _session.names[folder] = name
    return server.url(_session.names[folder])


def _create(name: str, template: str) -> None:
    _session.started().do(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")


def _drop(folder: Path) -> None:
    name = _session.names.pop(folder, None)
    if name is not None and _session.server is not None:
        _session.server.do(f"DROP DATABASE {name} WITH (FORCE)")
