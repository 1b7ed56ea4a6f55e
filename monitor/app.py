"""What all runs of a process share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from monitor.config.models import Config
from monitor.domain.verdict import Thresholds
from monitor.replay.budget import Month
from monitor.replay.stage import Workplace
from monitor.site import Site


@dataclass(frozen=True)
class App:
    """Everything that runs of this process share. `new_id` gives a new run's id for the time it begins.

    `left_out`: why a (target, suite) that was wanted is not among `sites`. `turns`: locks by (target, suite, slot), for
    runs that several of others share.
    """

    config: Config
    place: Workplace
    sites: Mapping[tuple[str, str], Site]
    channels: tuple[str, ...]
    show_cases: bool
    month: Month
    new_id: Callable[[datetime], str]
    left_out: Mapping[tuple[str, str], Exception] = field(default_factory=dict)
    turns: dict[tuple[str, str, datetime], asyncio.Lock] = field(default_factory=dict)

    @property
    def scheduled(self) -> list[Site]:
        """The sites that the schedule measures: production. References and candidates are run on demand."""
        return [site for site in self.sites.values() if site.role == "production"]

    @property
    def thresholds(self) -> Thresholds:
        """As configured."""
        table = self.config.thresholds
        return Thresholds(table.investigate, table.rollback, table.unit)

    @property
    def max_repeats(self) -> int | None:
        """K_cap where it is configured; None means automatic."""
        configured = self.config.decision.max_repeats
        return None if configured == "auto" else configured
