"""A real database for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.store import runs
from monitor.store.database import Database, open_database
from tests.fakes import databases
from tests.unit.store.rows import run


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(databases.filled(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def begun(database: Database) -> Database:
    """A database with run-1."""
    with database.write() as connection:
        assert runs.begin(connection, run())
    return database
