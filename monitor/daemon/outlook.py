"""How the daemon stands, as the page, /readyz and systemd are told; and when its database went away and came back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from monitor.daemon.child import Child
from monitor.daemon.leadership import Leadership
from monitor.daemon.settings import Settings
from monitor.daemon.ticker import Ticker
from monitor.web.service import Health

logger = logging.getLogger(__name__)


class Outlook:
    """Reads the parts; nothing here needs input or output, so that it answers whatever hangs."""

    def __init__(
        self,
        settings: Settings,
        ticker: Ticker,
        child: Child,
        leadership: Leadership,
        draining: asyncio.Event,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._ticker = ticker
        self._child = child
        self._leadership = leadership
        self._draining = draining
        self._clock = clock
        self._since = clock()
        self._faults: dict[str, str] = {}
        self._broke: str | None = None

    def ticked(self, broke: str | None = None) -> None:
        """A tick has come to its end; `broke`: the type of an error that nobody foresaw, so that it did nothing."""
        self._broke = broke

    def database(self, who: str, fault: str | None) -> None:
        """What `who` has met: what is wrong, or None. It is said once when anybody meets it, and once when all is well.

        A full disk lets one read and keeps another from writing: neither may talk the other's fault away.
        """
        before = bool(self._faults)
        if fault is None:
            self._faults.pop(who, None)
        else:
            self._faults[who] = fault
        if self._faults and not before:
            logger.error("the database does not answer; everything waits for it", extra={"reason": fault})
        elif before and not self._faults:
            logger.info("the database answers again")

    def health(self) -> Health:
        """For /readyz and the page."""
        scheduler = self._broken
        if self._ticker.stale:
            scheduler = f"the scheduler has not ticked for {self._ticker.age:.0f} seconds"
        if self._draining.is_set():
            scheduler = "heldout comes to its end"
        role = "leader" if self._leadership.leads else "standby"
        return Health(role, scheduler, self._fault, self._settings.fault, self._since)

    def status(self) -> str:
        """One line for systemd, also about a configuration that was refused."""
        refused = self._settings.fault
        return self._stands() + (f"; the configuration was not reloaded: {refused}" if refused else "")

    @property
    def _broken(self) -> str | None:
        return self._broke and f"the last look at the schedule ended in an error ({self._broke}); the log says where"

    @property
    def _fault(self) -> str | None:
        return next(iter(self._faults.values()), None)

    def _stands(self) -> str:
        if self._draining.is_set():
            return "waits for what is under way"
        if self._faults:
            return f"the database does not answer: {self._fault}"
        if self._broken:
            return self._broken
        if not self._leadership.leads:
            return "begins" if self._leadership.alone else "stands by: another daemon leads"
        if self._child.pid is not None:
            return f"measures what is due (process {self._child.pid})"
        following = self._settings.config.schedule.timetable.following(self._clock())
        return f"waits for the slot of {following:%Y-%m-%d %H:%M} UTC" if following else "waits; no slot comes"
