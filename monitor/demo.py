"""`heldout demo`: twelve real weeks of the sample in a scratch folder, of which the last lose documents."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from urllib.request import urlopen

import typer

from monitor import session, show, ways, wiring
from monitor.config.load import load_config
from monitor.exits import FAILED
from monitor.inbox import Inbox, inbox

if TYPE_CHECKING:
    from monitor.app import App
    from monitor.config.models import Config

WEEKS = 12
TARGET, SUITE = "handbook-bot", "support"
INBOX = "HELDOUT_DEMO_INBOX"
# From which week on which file of the handbook is gone: the first costs 4 points, both together 8.5.
LOST = {8: "rental.md", 10: "gift-cards.md"}
# A run begins some seconds after its slot.
_LATE = timedelta(seconds=20)
# Seconds for the messages of a week, and for the page.
_FOR_DELIVERY = 20.0
_FOR_THE_PAGE = 20.0

_CONFIG = f"""\
# Written by `heldout demo`. Everything is local: the answers come from the folder beside this file.
[database]
url = "sqlite:///DATABASE"

[schedule]
cron = "0 6 * * mon"

[suites.{SUITE}]
cases = "support.jsonl"
metrics = ["contains", "f1"]
headline = {{ contains = 1.0 }}

[targets.{TARGET}]
provider = "rag"
documents = "handbook"
generator = "extract"
suites = ["{SUITE}"]

# Where Slack would be, there is an inbox on this machine for as long as the tour lasts.
[alerts.slack]
webhook_url = {{ env = "{INBOX}" }}

[web]
listen = "127.0.0.1:PORT"
"""


@dataclass
class Clock:
    """The tour's own time: it stands where the week's run is."""

    now: datetime

    def __call__(self) -> datetime:
        """The time, UTC."""
        return self.now


def prepare(folder: Path) -> Path:
    """Put the sample and a configuration into `folder`, which is made; returns the configuration's path."""
    sample = Path(__file__).with_name("sample")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise typer.BadParameter(f"{folder} is not empty; the tour writes into a new folder", param_hint="FOLDER")
    shutil.copytree(sample / "handbook", folder / "handbook")
    shutil.copy(sample / "support.jsonl", folder / "support.jsonl")
    database = quote(str(folder.absolute() / "heldout.db"))
    config = folder / "config.toml"
    config.write_text(_CONFIG.replace("DATABASE", database).replace("PORT", str(_free_port())), encoding="utf-8")
    return config


def tour(folder: Path, *, stay: bool) -> None:
    """Collect the baseline, let twelve weeks go by, print what is told of them, and show the page.

    `stay`: the page stays until Ctrl-C; else it is only looked at. Raises what the verbs raise.
    """
    path = prepare(folder)
    with inbox() as box:
        os.environ[INBOX] = box.url
        config = load_config(path, os.environ)
        timetable = config.schedule.timetable
        slots = timetable.slots(wiring.clock() - timedelta(weeks=WEEKS), wiring.clock())[-WEEKS:]
        clock = Clock(slots[0] - timedelta(days=1))
        show.line(f"The tour's files lie in {folder}. No key is needed, and nothing leaves this machine.")
        show.line()
        show.line(f"{clock.now:%d %B %Y}. The sample's target goes into production; its baseline is collected.")
        _work(config, clock, _collect)
        for number, slot in enumerate(slots, 1):
            if number in LOST:
                (folder / "handbook" / LOST[number]).unlink()
                show.line(f"Somebody rebuilds the index, and it loses {LOST[number]}.", colour="cyan")
            clock.now = slot + _LATE
            _work(config, clock, partial(_week, slot=slot, number=number))
            _print_new(box)
        _page(path, stay=stay)


def _work(config: Config, clock: Clock, work: Callable[[App], Awaitable[None]]) -> None:
    async def at_the_desk(desk: session.Desk) -> None:
        await work(session.build(config, desk, only=(None, None), clock=clock))

    session.work_on(config, at_the_desk, paying=True, clock=clock)


async def _collect(app: App) -> None:
    from monitor import collect

    done = await collect.collect(app, app.sites[TARGET, SUITE], session.user(), lambda offer: True, spread=False)
    show.line(
        f"Four answers to each of {len(done.site.scorable)} questions are pinned: the score of deployment.", indent=2
    )
    show.line()


async def _week(app: App, *, slot: datetime, number: int) -> None:
    """One weekly run, as `heldout run --slot` makes it, with its messages."""
    from monitor import rounds
    from monitor.delivery import deliver_due

    done = await rounds.run_slot(app, app.scheduled, app.config.schedule.timetable, slot)
    for one in done.done:
        payload = one.verdict.as_json()
        level = one.verdict.level.value
        text = f"Week {number:2} · {slot:%d %b} · {level.upper():12} {show.scores(payload)}"
        show.line(text, colour=show.COLOURS[level])
    await deliver_due(app.place.database, ways.channels(app.config, os.environ), wiring.clock, _FOR_DELIVERY)


def _print_new(box: Inbox) -> None:
    """What has arrived since the last look, as it would stand in Slack; what only repeats is cut short."""
    for message in box.take():
        lines = message.splitlines()
        if lines[0].startswith("🔴 STILL") or lines[0].startswith("🟠 STILL"):
            lines = [*lines[:2], "…"]
        show.line()
        for text in lines:
            for part in textwrap.wrap(show.plain(text), 90) or [""]:
                typer.echo(f"    │ {part}")
    show.line()


def _page(path: Path, *, stay: bool) -> None:
    """The daemon with its page: until Ctrl-C, or just for one look."""
    url = f"http://{load_config(path, os.environ).web.listen}/"
    command = [sys.executable, "-m", "monitor", "serve", "--config", str(path)]
    quiet = {**os.environ, "HELDOUT_LOG_LEVEL": "error"}
    silent = subprocess.DEVNULL
    with _ends_with_its_terminal(), subprocess.Popen(command, env=quiet, stdin=silent, stdout=silent) as daemon:  # noqa: S603  # this very program
        try:
            if not _answers(url, daemon):
                raise typer.Exit(FAILED)
            if stay:
                show.line(f"The daemon runs now, and shows all this at {url}", colour="green")
                show.line("Ctrl-C ends the tour.")
                with suppress(KeyboardInterrupt):
                    daemon.wait()
        finally:
            daemon.terminate()
    show.line()
    show.line(f"That was the tour. Its files stay in {path.parent}; delete them when you like.")
    show.line("The page that shows all this:" if not stay else "To see the page again:")
    # Not wrapped: it is there to be copied.
    typer.echo(show.plain(f"  heldout serve --config {shlex.quote(str(path))}"))
    show.line(f"It is at {url} then.")
    show.line("Your own target, in a folder of its own: `heldout init`, then `heldout check`.")


@contextmanager
def _ends_with_its_terminal() -> Iterator[None]:
    """A terminal that is closed, or a SIGTERM, ends the tour as Ctrl-C does: its daemon must not stay behind alone."""

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGHUP, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _answers(url: str, daemon: subprocess.Popen[bytes]) -> bool:
    until = time.monotonic() + _FOR_THE_PAGE
    while time.monotonic() < until and daemon.poll() is None:
        with suppress(OSError), urlopen(url, timeout=5) as answer:  # noqa: S310  # it is this machine's own address
            return bool(answer.status == 200)
        time.sleep(0.1)
    show.line(f"The page at {url} does not answer.", colour="red", err=True)
    return False


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
