"""Which tests touch a database, so that a second pass can run them all on PostgreSQL; and the end of its server.

HELDOUT_TEST_DATABASE=postgresql pytest -m database is that pass.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.fakes import databases, postgresql

# What a module has to know, or a test to ask for, to have a database.
_MODULES = {"House", "Home", "databases", "open_database"}
_FIXTURES = {"database", "home"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what touches a database, and leave out what is about the other kind."""
    other = "sqlite_only" if databases.POSTGRESQL else "postgresql_only"
    left_out = [item for item in items if item.get_closest_marker(other)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker(other)]
    missing = databases.POSTGRESQL and postgresql.programs() is None
    if missing and os.environ.get("CI"):
        raise pytest.UsageError(postgresql.HOW_TO_INSTALL)
    for item in items:
        if _touches_database(item):
            item.add_marker("database")
            if missing:
                item.add_marker(pytest.mark.skip(reason=postgresql.HOW_TO_INSTALL))


def _touches_database(item: pytest.Item) -> bool:
    known = vars(getattr(item, "module", None) or object).keys()
    return bool(_MODULES & known or _FIXTURES & set(getattr(item, "fixturenames", ())))


@pytest.fixture(autouse=True)
def _databases_of_one_test() -> Iterator[None]:
    before = databases.known()
    yield
    databases.forget(before)


@pytest.fixture(scope="session", autouse=True)
def _databases_of_all_tests() -> Iterator[None]:
    yield
    databases.close()
