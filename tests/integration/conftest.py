"""A machine with a real systemd, and the daemon's HTTP side in front of a house, for tests that name them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from monitor.config.load import load_config
from tests.fakes.daemon import HOUSEHOLD, WebDaemon, serving
from tests.fakes.house import MONDAY, House
from tests.fakes.programs import lacking
from tests.integration import systemd_harness


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[systemd_harness.Machine]:
    """A machine that has just been booted, with nothing of heldout's in it but the program."""
    if (reason := systemd_harness.impossible()) is not None:
        lacking(reason)
    with systemd_harness.machine(tmp_path) as booted:
        yield booted


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Two targets' database; MONDAY is now."""
    built = House(tmp_path, now=MONDAY)
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "a.md").write_text("# Refunds\n\nWithin 14 days.\n", encoding="utf-8")
    yield built
    built.close()


@pytest.fixture
def daemon(house: House) -> Iterator[Callable[..., WebDaemon]]:
    """Starts a daemon; `web` is what [web] holds, `listen` where it really listens."""
    with ExitStack() as stack:

        def started(web: str = "", listen: str = "127.0.0.1:0", **changes: object) -> WebDaemon:
            path = house.folder / "web.toml"
            path.write_text(f"{HOUSEHOLD}\n[web]\n{web}\n", encoding="utf-8")
            return stack.enter_context(serving(WebDaemon(house, load_config(path, {}), **changes), listen))

        yield started
