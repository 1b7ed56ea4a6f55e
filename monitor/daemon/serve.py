"""`heldout serve` from its start to its end: who leads, what a tick does, what each signal means, how it drains."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from monitor import schedule, sdnotify, ways, wiring
from monitor.config.outputs import database_url
from monitor.daemon import leftovers
from monitor.daemon.child import GRACE, Child
from monitor.daemon.leadership import Leadership
from monitor.daemon.outlook import Outlook
from monitor.daemon.pace import Pace
from monitor.daemon.postman import PASS, Postman
from monitor.daemon.settings import Settings
from monitor.daemon.socket import Ear
from monitor.daemon.supervisor import Supervisor
from monitor.daemon.ticker import Ticker
from monitor.domain.verdict import instant
from monitor.exits import FAILED
from monitor.holding import BEAT
from monitor.incidents import chores
from monitor.incidents.actions import Actions
from monitor.incidents.calls import HookObserver
from monitor.slack_desk import SlackDesk
from monitor.store.database import Database, DatabaseError, open_database
from monitor.telemetry.exposition import Telemetry
from monitor.threads import in_thread
from monitor.web.app import create_app
from monitor.web.server import Server
from monitor.web.service import Service

if TYPE_CHECKING:
    from alerts.channels.slack_socket import SocketSettings

logger = logging.getLogger(__name__)

# What `python -m monitor run --due` is, whatever this process was started as.
CHILD = (sys.executable, "-m", "monitor", "run", "--due", "--as-child")
# Seconds for the parts of a drain, which together stay under systemd's TimeoutStopSec.
FOR_REQUESTS = 2.0
FOR_THE_DATABASE = 3.0
# Its number: what writes there when a watchdog ends this process knows no stream of Python's.
_STDERR = 2


@dataclass(frozen=True)
class Options:
    """What a daemon is started with; tests give it another clock, another child and another pace."""

    path: Path
    environ: Mapping[str, str]
    clock: Callable[[], datetime] = wiring.clock
    new_id: Callable[[datetime], str] = wiring.new_id
    child: Sequence[str] = CHILD
    pace: Pace = field(default_factory=Pace)


async def serve(options: Options, told: Callable[[str], None] = lambda text: None) -> int:
    """Run until SIGTERM or Ctrl-C; returns the exit code. `told` is called once with where the page is.

    Raises what keeps it from starting: FaultsError, SecretError, DatabaseError, LockedError, ListenError.
    """
    # The watchdog ends a daemon by SIGABRT: then the log holds where each thread stood.
    faulthandler.enable(_STDERR)
    leftovers.adopt()
    settings = Settings(options.path, options.environ)
    url = database_url(settings.config, options.environ)
    daemon = Daemon(options, settings, wiring.connected(settings.config, options.environ), url)
    return await daemon.run(told)


class Daemon:
    """The parts, and what holds between them."""

    def __init__(self, options: Options, settings: Settings, database: Database, url: str) -> None:
        self._options = options
        self._settings = settings
        self._database = database
        self._url = url
        self._opened = False
        self._ticked_at: datetime | None = None
        self._draining = asyncio.Event()
        self._ticker = Ticker(self._tick, options.pace)
        # The child knows where its configuration comes from: paths in it begin there.
        environ = {**options.environ, "HELDOUT_CONFIG": str(options.path)}
        self._child = Child(options.child, environ, self._ticker.wake, options.pace, leftovers.end)
        self._supervisor = Supervisor(self._child, options.pace)
        self._leadership = Leadership(database, url, options.clock)
        self._office = ways.office(lambda: settings.config, options.clock, options.new_id)
        self._postman = Postman(
            database,
            lambda: ways.everything(settings.config, options.environ, database, self._office),
            options.clock,
            lambda: self._leadership.leads,
            HookObserver(self._office),
        )
        self._desk = SlackDesk(lambda: settings.config, options.environ, options.clock, self._actions)
        self._ear = Ear(self._slack_socket, self._desk.heard, self._desk.answer)
        self._outlook = Outlook(settings, self._ticker, self._child, self._leadership, self._draining, options.clock)
        self._server = Server(create_app(self._service()), settings.config.web.listen)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._reloads: set[asyncio.Task[None]] = set()
        self._reloading = asyncio.Lock()

    async def run(self, told: Callable[[str], None]) -> int:
        """From the start to the end."""
        self._handle_signals()
        await self._open_at_start()
        self._leadership.begin()
        try:
            host, port = await self._server.start()
            self._ticker.start()
            parts = {
                "lease": self._lead(),
                "postman": self._postman.run(),
                "slack": self._ear.run(),
                "watchdog": self._watchdog(),
            }
            self._tasks = {name: asyncio.create_task(part, name=name) for name, part in parts.items()}
            where = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
            logger.info("heldout serves", extra={"page": where, "database": self._database.describe()})
            told(where)
            sdnotify.ready(self._options.environ, f"page at {where}")
            return await self._until_it_ends()
        finally:
            await self._drain()

    async def _until_it_ends(self) -> int:
        """The exit code, when somebody has said that it shall end, or when a part of it has broken down."""
        told = asyncio.create_task(self._draining.wait())
        done, _ = await asyncio.wait([told, *self._tasks.values()], return_when=asyncio.FIRST_COMPLETED)
        if told in done:
            return 0
        told.cancel()
        # Half a daemon looks alive and is of no use; whoever watches over this one starts a whole one.
        for task in done:
            logger.critical("a part of the daemon broke down: it ends", exc_info=task.exception())
        return FAILED

    # --- what comes in ---

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end, "SIGTERM")
        loop.add_signal_handler(signal.SIGINT, self._end, "Ctrl-C")
        loop.add_signal_handler(signal.SIGHUP, self._reload)

    def _end(self, why: str) -> None:
        if not self._draining.is_set():
            logger.info("heldout comes to its end", extra={"signal": why})
            self._draining.set()
        elif why == "Ctrl-C":
            # Whoever presses it twice does not want to wait: what is stored is stored, and the rest goes on next time.
            self._child.kill()
            logger.warning("stopped at once")
            sys.stderr.flush()
            os._exit(1)

    def _reload(self) -> None:
        if self._draining.is_set():
            return
        task = asyncio.create_task(self._read_anew())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _read_anew(self) -> None:
        # One after the other: of two readings at a time the older one could be the last to come into force.
        async with self._reloading:
            sdnotify.reloading(self._options.environ, "reading the configuration")
            try:
                if await in_thread(self._settings.reload):
                    self._child.forget()
                    self._postman.wake()
                    self._ticker.wake()
            finally:
                # Whatever came of it: a unit that only reloads can neither be reloaded again nor says how it stands.
                sdnotify.ready(self._options.environ, self._outlook.status())

    # --- what goes on ---

    async def _open_at_start(self) -> None:
        """Open the database, or go on without it where it may come; raises DatabaseError where it never will."""
        try:
            await in_thread(self._open)
        except DatabaseError as error:
            if error.permanent:
                raise
            self._outlook.database("start", str(error))

    def _open(self) -> None:
        open_database(self._url).close()
        self._opened = True

    async def _tick(self) -> None:
        """One look at the schedule, and a child where something is due; the boundary of all that may go wrong here."""
        try:
            if not self._opened:
                await in_thread(self._open)
                self._outlook.database("start", None)
            if self._leadership.leads:
                await self._look()
            self._outlook.database("tick", None)
            self._outlook.ticked()
        except DatabaseError as error:
            self._outlook.database("tick", str(error))
        except Exception as error:  # the tick's boundary: the next one comes, and the log says what it was
            logger.exception("a tick failed")
            self._outlook.ticked(broke=type(error).__name__)
        sdnotify.status(self._options.environ, self._outlook.status())

    async def _look(self) -> None:
        now = self._options.clock()
        config, content = self._settings.config, self._settings.content
        channels = config.alerts.channels
        looked = await in_thread(lambda: schedule.look(self._database, config, channels, now, self._options.new_id))
        self._ticked_at = now
        await in_thread(lambda: chores.do(self._database, self._office()))
        for run in looked.recorded:
            logger.info("a slot is due", extra={"target": run.target, "suite": run.suite, "slot": instant(run.slot)})
        await in_thread(lambda: self._supervisor.look(self._database, config))
        # A run that has come a stage further is another thing to do.
        due = frozenset(f"{run.id} {run.due_at}" for run in looked.due)
        if due and not self._draining.is_set() and self._child.may_start(due):
            await self._child.start(content, due)
        if looked.next_at is not None:
            self._ticker.wake_in((looked.next_at - now).total_seconds())

    async def _lead(self) -> None:
        """Keep the lease, or wait for it."""
        while True:
            led = self._leadership.leads
            try:
                if self._opened:
                    await in_thread(lambda: self._leadership.step(self._ticked_at))
                    self._outlook.database("lease", None)
            except DatabaseError as error:
                self._outlook.database("lease", str(error))
            if led and not self._leadership.leads:
                await self._child.stop()
            if not led and self._leadership.leads:
                self._ticker.wake()
            await asyncio.sleep(15.0 if self._leadership.alone and self._leadership.leads else BEAT)

    async def _watchdog(self) -> None:
        """Tell systemd that the scheduler ticks, by a look that the scheduler has no part in."""
        interval = sdnotify.watchdog_interval(self._options.environ)
        every = min(5.0, interval.total_seconds() / 3) if interval else 5.0
        said = False
        while True:
            if not self._ticker.stale:
                sdnotify.alive(self._options.environ)
            elif not said:
                logger.critical("the scheduler does not tick any more", extra={"seconds": round(self._ticker.age)})
            said = self._ticker.stale
            await asyncio.sleep(every)

    # --- what others see ---

    def _service(self) -> Service:
        metrics = Telemetry(self._database, lambda: self._settings.config, self._options.clock)
        return Service(
            database=self._database,
            config=lambda: self._settings.config,
            tokens=lambda: self._settings.tokens,
            clock=self._options.clock,
            new_id=self._options.new_id,
            health=self._outlook.health,
            wake=self._asked,
            metrics=metrics.render,
            actions=self._actions,
            slack=self._desk.signed,
        )

    def _actions(self) -> Actions:
        config, options = self._settings.config, self._options
        return Actions(self._database, config, config.alerts.channels, options.clock(), options.new_id)

    def _slack_socket(self) -> SocketSettings | None:
        leads = self._leadership.leads and not self._draining.is_set()
        return ways.slack_socket(self._settings.config, self._options.environ) if leads else None

    def _asked(self) -> None:
        self._child.forget()
        self._ticker.wake()

    # --- the end ---

    async def _drain(self) -> None:
        """End everything within its bound: a child stores what is under way, a message that is being sent goes out."""
        self._draining.set()
        sdnotify.stopping(self._options.environ, self._outlook.status())
        await self._ticker.stop()
        self._postman.stop()
        self._ear.stop()
        ending = [asyncio.create_task(self._child.stop())]
        if "postman" in self._tasks:
            ending.append(self._tasks["postman"])
        # A child that has to be killed takes longer than a message that cannot be sent; both are bounded.
        await asyncio.wait(ending, timeout=max(PASS, 2 * GRACE))
        left = [*self._tasks.values(), *self._reloads]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._server.stop(FOR_REQUESTS)
        with suppress(TimeoutError):
            await asyncio.wait_for(in_thread(self._leadership.end), FOR_THE_DATABASE)
        logger.info("heldout has ended")
