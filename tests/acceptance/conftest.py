"""The usual scene: a model that answers 36 of 40 cases right each time, a Slack, and a folder configured for both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.harness import PASS, Case, Fake, Home, cases, provider, slack


@pytest.fixture
def known() -> list[Case]:
    """The cases; nothing is left to chance, so that scores are exact."""
    return cases(right=36, wrong=4)


@pytest.fixture
def server(tmp_path: Path, known: list[Case]) -> Iterator[Fake]:
    """The provider."""
    with provider(tmp_path, known) as fake:
        yield fake


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Fake]:
    """Slack."""
    with slack(tmp_path) as fake:
        yield fake


@pytest.fixture
def home(tmp_path: Path, known: list[Case], server: Fake, chat: Fake) -> Home:
    """A folder that is configured; nothing was run in it yet."""
    place = Home(tmp_path)
    place.configure(known, server, chat)
    return place


@pytest.fixture
def pinned(home: Home) -> Home:
    """The same folder with a baseline: four answers a case."""
    home.run("baseline", "collect", "bot", "support", "--yes", code=PASS)
    assert home.count("SELECT count(*) FROM answer") == 160
    return home
