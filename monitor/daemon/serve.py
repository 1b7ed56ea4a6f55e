"""`heldout serve` from its start to its end: who leads, what a tick does, what each signal means, how it drains."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from monitor import schedule, sdnotify, telemetry, wiring
from monitor.config.outputs import database_url
from monitor.daemon.child import Child
from monitor.daemon.leadership import Leadership
from monitor.daemon.postman import PASS, Postman
from monitor.daemon.settings import Settings
from monitor.daemon.supervisor import Supervisor
from monitor.daemon.threads import in_thread
from monitor.daemon.ticker import Ticker
from monitor.holding import BEAT
from monitor.store.database import Database, DatabaseError, open_database
from monitor.web.app import create_app
from monitor.web.server import Server
from monitor.web.service import Health, Service

logger = logging.getLogger(__name__)

# What `python -m monitor run --due` is, whatever this process was started as.
CHILD = (sys.executable, "-m", "monitor", "run", "--due", "--as-child")
# Seconds for the parts of a drain, which together stay under systemd's TimeoutStopSec.
FOR_REQUESTS = 2.0
FOR_THE_DATABASE = 3.0


@dataclass(frozen=True)
class Options:
    """What a daemon is started with; tests give it another clock and another child."""

    path: Path
    environ: Mapping[str, str]
    clock: Callable[[], datetime] = wiring.clock
    new_id: Callable[[datetime], str] = wiring.new_id
    child: Sequence[str] = CHILD


async def serve(options: Options, told: Callable[[str], None] = lambda text: None) -> int:
    """Run until SIGTERM or Ctrl-C; returns the exit code. `told` is called once with where the page is.

    Raises what keeps it from starting: FaultsError, SecretError, DatabaseError, LockedError, ListenError.
    """
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
        self._database_fault: str | None = None
        self._ticked_at: datetime | None = None
        self._since = options.clock()
        self._draining = asyncio.Event()
        self._ticker = Ticker(self._tick)
        self._child = Child(options.child, options.environ, self._ticker.wake)
        self._supervisor = Supervisor(self._child)
        self._leadership = Leadership(database, url, options.clock)
        self._postman = Postman(database, lambda: settings.config, options.clock, lambda: self._leadership.leads)
        self._server = Server(create_app(self._service()), settings.config.web.listen)
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, told: Callable[[str], None]) -> int:
        """From the start to the end."""
        self._handle_signals()
        await self._open_at_start()
        self._leadership.begin()
        try:
            host, port = await self._server.start()
            self._ticker.start()
            self._tasks = [asyncio.create_task(work) for work in (self._lead(), self._postman.run(), self._watchdog())]
            where = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
            logger.info("heldout serves", extra={"page": where, "database": self._database.describe()})
            told(where)
            sdnotify.ready(self._options.environ, f"page at {where}")
            await self._draining.wait()
        finally:
            await self._drain()
        return 0

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
        async def reload() -> None:
            sdnotify.reloading(self._options.environ, "reading the configuration")
            if await in_thread(self._settings.reload):
                self._child.forget()
                self._postman.wake()
                self._ticker.wake()
            sdnotify.ready(self._options.environ, self._status())

        self._tasks.append(asyncio.create_task(reload()))

    # --- what goes on ---

    async def _open_at_start(self) -> None:
        """Open the database, or go on without it where it may come; raises DatabaseError where it never will."""
        try:
            await in_thread(self._open)
        except DatabaseError as error:
            if error.permanent:
                raise
            self._tell_database(str(error))

    def _open(self) -> None:
        open_database(self._url).close()
        self._opened = True

    async def _tick(self) -> None:
        """One look at the schedule, and a child where something is due; the boundary of all that may go wrong here."""
        try:
            if not self._opened:
                await in_thread(self._open)
            if self._leadership.leads:
                await self._look()
            self._tell_database(None)
        except DatabaseError as error:
            self._tell_database(str(error))
        except Exception:  # the tick's boundary: the next one comes, and the log says what it was
            logger.exception("a tick failed")
        sdnotify.status(self._options.environ, self._status())

    async def _look(self) -> None:
        now = self._options.clock()
        config, content = self._settings.config, self._settings.content
        channels = wiring.channel_names(config)
        looked = await in_thread(lambda: schedule.look(self._database, config, channels, now, self._options.new_id))
        self._ticked_at = now
        for run in looked.recorded:
            logger.info("a slot is due", extra={"target": run.target, "suite": run.suite, "slot": str(run.slot)})
        for run in looked.missed:
            logger.warning("a slot was missed", extra={"target": run.target, "suite": run.suite, "slot": str(run.slot)})
        await in_thread(lambda: self._supervisor.look(self._database, config))
        due = frozenset(run.id for run in looked.due)
        if due and not self._draining.is_set() and self._child.may_start(due):
            await self._child.start(content, due)

    async def _lead(self) -> None:
        """Keep the lease, or wait for it."""
        while True:
            led = self._leadership.leads
            try:
                if self._opened:
                    await in_thread(lambda: self._leadership.step(self._ticked_at))
            except DatabaseError as error:
                self._tell_database(str(error))
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
        metrics = telemetry.Metrics(self._database, lambda: self._settings.config, self._options.clock)
        return Service(
            database=self._database,
            config=lambda: self._settings.config,
            tokens=lambda: self._settings.tokens,
            clock=self._options.clock,
            new_id=self._options.new_id,
            health=self._health,
            wake=self._asked,
            metrics=metrics.render,
        )

    def _asked(self) -> None:
        self._child.forget()
        self._ticker.wake()

    def _health(self) -> Health:
        stale = f"the scheduler has not ticked for {self._ticker.age:.0f} seconds" if self._ticker.stale else None
        if self._draining.is_set():
            stale = "heldout comes to its end"
        role = "leader" if self._leadership.leads else "standby"
        return Health(role, stale, self._database_fault, self._settings.fault, self._since)

    def _status(self) -> str:
        if self._database_fault:
            return f"the database does not answer: {self._database_fault}"
        if not self._leadership.leads:
            return "stands by: another daemon leads"
        if self._child.pid is not None:
            return f"measures what is due (process {self._child.pid})"
        following = wiring.timetable(self._settings.config).following(self._options.clock())
        return f"waits for the slot of {following:%Y-%m-%d %H:%M} UTC" if following else "waits; no slot comes"

    def _tell_database(self, fault: str | None) -> None:
        """Say it once when the database goes away, and once when it is back."""
        if fault is not None and self._database_fault is None:
            logger.error("the database does not answer; everything waits for it", extra={"reason": fault})
        elif fault is None and self._database_fault is not None:
            logger.info("the database answers again")
        self._database_fault = fault

    # --- the end ---

    async def _drain(self) -> None:
        """End everything within its bound: a child stores what is under way, a message that is being sent goes out."""
        sdnotify.stopping(self._options.environ, "waits for what is under way")
        self._draining.set()
        await self._ticker.stop()
        self._postman.stop()
        posted = self._tasks[1:2]
        await asyncio.gather(self._child.stop(), asyncio.wait(posted, timeout=PASS) if posted else asyncio.sleep(0))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.stop(FOR_REQUESTS)
        with suppress(TimeoutError):
            await asyncio.wait_for(in_thread(self._leadership.end), FOR_THE_DATABASE)
        logger.info("heldout has ended")
