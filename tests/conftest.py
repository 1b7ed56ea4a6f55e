"""Which tests touch a database, so that a second pass can run them all on PostgreSQL; which begin first; and the end.

HELDOUT_TEST_DATABASE=postgresql pytest -m database is that pass.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.fakes import databases, postgresql

# What a module has to know, or a test to ask for, to have a database.
_MODULES = {"House", "Home", "databases", "open_database"}
_FIXTURES = {"database", "home"}
# Modules whose tests share what is long to make: one worker has them all.
_TOGETHER = {"tests/acceptance/test_weeks.py", "tests/integration/test_wheel.py", "tests/unit/test_simulate.py"}
_SLOWEST_FIRST = ("acceptance", "integration", "property", "unit")


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
    # What takes long begins first: nothing long is left for one worker when the others have no work any more.
    items.sort(key=_begins)
    for item in items:
        if _touches_database(item):
            item.add_marker("database")
            if missing:
                item.add_marker(pytest.mark.skip(reason=postgresql.HOW_TO_INSTALL))


class _OneByOne(LoadScopeScheduling):
    """Gives a worker that is free the next test, or all tests of a module that belong together."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if module in _TOGETHER else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Workers take tests in the order of the session, instead of each a part of it from the beginning."""
    return _OneByOne(config, log)


def _begins(item: pytest.Item) -> tuple[float, int]:
    """A place in the order of the session: by what a test says that it takes, then by what its kind usually takes."""
    long = item.get_closest_marker("long")
    kind = next((place for place, name in enumerate(_SLOWEST_FIRST) if f"tests/{name}/" in item.nodeid), 9)
    return (-float(long.args[0]) if long else 0.0, kind)


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
