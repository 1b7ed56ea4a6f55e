"""What the command's verbs have in common: the configuration, the database and its lock, signals, names, who asks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import typer

if TYPE_CHECKING:
    import asyncio

    from monitor.app import App
    from monitor.config.models import Config
    from monitor.domain.run import Run
    from monitor.holding import Runner
    from monitor.replay.runner import Tally
    from monitor.store.database import Database

T = TypeVar("T")


class Spending(Protocol):
    """What is about to be spent; `usd` is None where nobody knows."""

    @property
    def free(self) -> bool:
        """Whether it costs nothing."""
        ...

    @property
    def usd(self) -> float | None:
        """About how much."""
        ...


S = TypeVar("S", bound=Spending)


def load(path: Path) -> Config:
    """The configuration; raises ConfigError with every fault."""
    from monitor.config.load import load_config

    return load_config(path, os.environ)


def log_if_wanted(*, always: bool = False) -> None:
    """Log to standard error where HELDOUT_LOG asks for it or systemd reads it, or `always`; raises LogSettingError."""
    from monitor import logs

    if always or logs.wanted(os.environ):
        logs.setup(os.environ)


def open_existing(config: Config) -> Database | None:
    """The database, or None where nothing was ever measured: asking how things stand creates nothing."""
    from monitor import wiring
    from monitor.store.database import NoDatabaseError

    try:
        return wiring.open_store(config, os.environ, create=False)
    except NoDatabaseError:
        return None


def build(
    config: Config,
    desk: Desk,
    watch: Callable[[str, Tally], None] | None = None,
    *,
    only: tuple[str | list[str] | None, str | list[str] | None],
    tolerant: bool = False,
    clock: Callable[[], datetime] | None = None,
) -> App:
    """The parts of these targets and suites (None: all). Where `tolerant`, a site that is broken is left out."""
    from monitor import wiring

    def chosen(wanted: str | list[str] | None, name: str) -> bool:
        return not wanted or (name == wanted if isinstance(wanted, str) else name in wanted)

    def watching(label: str, tally: Tally) -> None:
        desk.report(label, tally)
        if watch is not None:
            watch(label, tally)

    built = wiring.build(
        config,
        os.environ,
        desk.database,
        only=lambda target, suite: chosen(only[0], target) and chosen(only[1], suite),
        watch=watching,
        stop=desk.stop,
        tolerant=tolerant,
        clock=clock or wiring.clock,
    )
    if not built.sites and not built.left_out:
        raise typer.BadParameter(f"{config.path}: no such target has such a suite; see `suites` under [targets.…]")
    return built


@dataclass(frozen=True, slots=True)
class Desk:
    """What a verb works with: the database, the event that asks it to stop, and where it reports how it gets on."""

    database: Database
    stop: asyncio.Event
    report: Callable[[str, Tally], None]


def work_on(
    config: Config,
    work: Callable[[Desk], Coroutine[Any, Any, T]],
    *,
    paying: bool = False,
    ends_after: float | None = None,
    clock: Callable[[], datetime] | None = None,
) -> T:
    """Run `work` on the database; Ctrl-C and SIGTERM set its stop event, a second Ctrl-C ends it at once.

    `paying`: it asks targets, which one process does at a time. `ends_after`: the process ends by itself when it hangs
    for so many seconds; for work that never waits for a person.
    """
    import asyncio

    from monitor import logs, wiring

    logs.be_silent_unless_set_up()
    database = wiring.open_store(config, os.environ)
    with ExitStack() as stack:
        stack.callback(database.close)
        if not paying:
            return asyncio.run(_guarded(Desk(database, asyncio.Event(), lambda label, tally: None), work, None, None))
        held = stack.enter_context(_sole(config, database, clock or wiring.clock))
        return asyncio.run(_guarded(Desk(held.database, asyncio.Event(), held.report), work, held, ends_after))


@contextmanager
def _sole(config: Config, database: Database, clock: Callable[[], datetime]) -> Iterator[Runner]:
    """The right to ask targets on this database; raises LockedError where another process has it."""
    from monitor import holding
    from monitor.config.outputs import database_url
    from monitor.store.lock import sole_runner

    url = database_url(config, os.environ)
    with sole_runner(url), holding.runner(database, clock, certain=url.startswith("sqlite:")) as held:
        yield held


async def _guarded(
    desk: Desk, work: Callable[[Desk], Coroutine[Any, Any, T]], held: Runner | None, ends_after: float | None
) -> T:
    """`work` with signals that stop it, and a watch over the event loop where it is wanted."""
    import asyncio
    import signal

    from monitor.hang import ends_when_it_hangs

    loop = asyncio.get_running_loop()
    main = asyncio.current_task()

    def interrupt() -> None:
        if desk.stop.is_set() and main is not None:
            main.cancel()
        elif sys.stderr.isatty():
            typer.echo("\nStopping: waiting for the answers under way (Ctrl-C again: at once) …", err=True)
        desk.stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    if held is None:
        return await work(desk)
    # What is written after the lease is lost would be refused: asking on would only cost money.
    held.on_lost = lambda: _from_a_thread(loop, desk.stop.set)
    if ends_after is None:
        return await work(desk)
    async with ends_when_it_hangs(held.turned, ends_after):
        return await work(desk)


def _from_a_thread(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    # The loop may be over by now: then there is nothing left to stop.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call)


def known(config: Config, targets: str | list[str] | None, suites: str | list[str] | None) -> None:
    """Refuse names that are not in the configuration, and suggest the nearest."""
    from monitor.config.faults import did_you_mean

    for names, known, what in ((targets, config.targets, "target"), (suites, config.suites, "suite")):
        for name in [names] if isinstance(names, str) else names or []:
            if name not in known:
                raise typer.BadParameter(f"{config.path}: there is no {what} {name!r}{did_you_mean(name, list(known))}")


def find_run(database: Database, prefix: str) -> Run:
    """The one run whose id begins so."""
    from monitor.store import runs

    with database.read() as connection:
        found = runs.find(connection, prefix)
    if len(found) != 1:
        which = "no run's id begins" if not found else f"{len(found)} runs' ids begin"
        raise typer.BadParameter(f"{which} with {prefix!r}; `heldout status --json` tells the ids", param_hint="RUN")
    return found[0]


def agreement(
    config: Config, yes: bool, pause: Callable[[], Any], say: Callable[[S], None], *, cap: str = "baseline_usd"
) -> Callable[[S], bool]:
    """How a cost is agreed to: said first; then asked on a terminal, elsewhere --yes, or a price under `cap`."""

    def agree(offer: S) -> bool:
        with pause():
            say(offer)
            if yes or offer.free:
                return True
            if sys.stdin.isatty() and sys.stderr.isatty():
                return typer.confirm("Go on?", err=True)
            if offer.usd is not None and offer.usd <= getattr(config.budget, cap):
                return True
            typer.echo(f"Nobody can be asked here: add --yes, or a price and [budget] {cap}.", err=True)
            return False

    return agree


def user() -> str:
    """Who is at work: the OS user's name, or the number where it has none, as in a container."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def moment(text: str) -> datetime:
    """What `--slot` says, in UTC."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time in ISO 8601, such as 2026-11-16T06:00Z", param_hint="--slot"
        ) from None
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)
