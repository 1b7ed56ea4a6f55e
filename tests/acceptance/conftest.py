"""The usual scene: a model that answers 36 of 40 cases right each time, a Slack, and a folder configured for both.

Servers and baselines take most of a scene's time, so a process of the tests has them once: a server begins anew for
each test, and a folder gets a copy of the baseline that was collected in the first one with the same target and suite.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.harness import PASS, Case, Fake, Home, cases, provider, slack
from tests.fakes import databases

ANSWERS = 4  # a case, in the usual baseline


@pytest.fixture
def known() -> list[Case]:
    """The cases; nothing is left to chance, so that scores are exact."""
    return cases(right=36, wrong=4)


@pytest.fixture(scope="session")
def the_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fake]:
    """The provider of all tests."""
    with provider(tmp_path_factory.mktemp("provider"), []) as fake:
        yield fake


@pytest.fixture(scope="session")
def the_chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fake]:
    """Slack of all tests."""
    with slack(tmp_path_factory.mktemp("slack")) as fake:
        yield fake


@pytest.fixture
def server(the_server: Fake, known: list[Case]) -> Fake:
    """The provider, that nobody has asked yet."""
    the_server.begin_anew()
    the_server.control(cases=known)
    return the_server


@pytest.fixture
def chat(the_chat: Fake) -> Fake:
    """Slack, to which nobody has written yet."""
    the_chat.begin_anew()
    return the_chat


@pytest.fixture
def home(tmp_path: Path, known: list[Case], server: Fake, chat: Fake) -> Home:
    """A folder that is configured; nothing was run in it yet."""
    place = Home(tmp_path)
    place.configure(known, server, chat)
    return place


@pytest.fixture(scope="session")
def baselines() -> dict[str, Path]:
    """Folders with a baseline, by what it was collected with."""
    return {}


@pytest.fixture
def pinned(home: Home, server: Fake, baselines: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The same folder with a baseline: four answers a case."""
    collected_with = _collected_with(home)
    if collected_with in baselines:
        databases.copy(baselines[collected_with], home.folder)
        server.control(asked_before=ANSWERS)
    else:
        home.run("baseline", "collect", "bot", "support", "--yes", code=PASS)
        kept = tmp_path_factory.mktemp("baseline")
        databases.empty(kept)
        databases.keep(kept)
        databases.copy(home.folder, kept)
        baselines[collected_with] = kept
    assert home.count("SELECT count(*) FROM answer") == server.tell()["answered"] == 160
    return home


def _collected_with(home: Home) -> str:
    """All that the configuration says but where things are kept, shown and told, and the cases."""
    tables = tomllib.loads((home.folder / "config.toml").read_text("utf-8"))
    for name in ("database", "web", "alerts"):
        tables.pop(name, None)
    return repr(tables) + (home.folder / "support.jsonl").read_text("utf-8")
