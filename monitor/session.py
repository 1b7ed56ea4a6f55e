"""What the command's verbs have in common: the configuration, the database and its lock, signals, names, who asks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

if TYPE_CHECKING:
    import asyncio

    from monitor.collect import Offer
    from monitor.config.models import Config
    from monitor.cycle import App
    from monitor.domain.run import Run
    from monitor.store.database import Database

T = TypeVar("T")


def load(path: Path) -> Config:
    """The configuration; raises ConfigError with every fault."""
    from monitor.config.load import load_config

    return load_config(path, os.environ)


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
    database: Database,
    stop: asyncio.Event,
    watch: Any = None,
    *,
    only: tuple[str | list[str] | None, str | list[str] | None],
    tolerant: bool = False,
) -> App:
    """The parts of these targets and suites (None: all). Where `tolerant`, a site that is broken is left out."""
    from monitor import wiring

    def chosen(wanted: str | list[str] | None, name: str) -> bool:
        return not wanted or (name == wanted if isinstance(wanted, str) else name in wanted)

    built = wiring.build(
        config,
        os.environ,
        database,
        only=lambda target, suite: chosen(only[0], target) and chosen(only[1], suite),
        watch=watch or (lambda label, tally: None),
        stop=stop,
        tolerant=tolerant,
    )
    if not built.sites:
        raise typer.BadParameter(f"{config.path}: no such target has such a suite; see `suites` under [targets.…]")
    return built


def work_on(
    config: Config, work: Callable[[Database, asyncio.Event], Coroutine[Any, Any, T]], *, paying: bool = False
) -> T:
    """Run `work` on the database; Ctrl-C and SIGTERM set its stop event, a second Ctrl-C ends it at once."""
    import asyncio
    import signal
    from contextlib import nullcontext

    from monitor import wiring
    from monitor.config.outputs import database_url
    from monitor.store.lock import sole_runner

    database = wiring.open_store(config, os.environ)

    async def guarded() -> T:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        main = asyncio.current_task()

        def interrupt() -> None:
            if stop.is_set() and main is not None:
                main.cancel()
            elif sys.stderr.isatty():
                typer.echo("\nStopping: waiting for the answers under way (Ctrl-C again: at once) …", err=True)
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupt)
        return await work(database, stop)

    lock = sole_runner(database_url(config, os.environ)) if paying else nullcontext()
    with lock:
        try:
            return asyncio.run(guarded())
        finally:
            database.close()


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


def agreement(config: Config, yes: bool, pause: Callable[[], Any]) -> Callable[[Offer], bool]:
    """How the cost is agreed to: said first; then asked on a terminal, elsewhere --yes or a price under the cap."""
    from monitor import show

    def agree(offer: Offer) -> bool:
        with pause():
            show.offer(offer)
            if yes or offer.site.free:
                return True
            if sys.stdin.isatty() and sys.stderr.isatty():
                return typer.confirm("Go on?", err=True)
            if offer.usd is not None and offer.usd <= config.budget.baseline_usd:
                return True
            typer.echo("Nobody can be asked here: add --yes, or a price and [budget] baseline_usd.", err=True)
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
