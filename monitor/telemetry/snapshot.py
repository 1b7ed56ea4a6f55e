"""What one scrape shows, read from the database: how targets stand, what was used, and whether the daemon works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from monitor import standing
from monitor.decide.transition import UNMEASURED
from monitor.standing import CLOCKS_DIFFER, STALE_AFTER, Standing
from monitor.store import calibrations, incidents, leases, outbox, runs, usage, verdicts
from monitor.store.database import Database
from monitor.store.leases import Lease
from monitor.store.outbox import Deliveries
from monitor.store.runs import Missed
from monitor.store.usage import Used
from monitor.store.verdicts import Measured
from monitor.telemetry.judges import ByJudge, agreements

if TYPE_CHECKING:
    from monitor.config.models import Config


@dataclass(frozen=True, slots=True)
class SiteState:
    """One configured (target, suite): how it stands, and its last run that measured it.

    `scheduled`: the schedule measures it (production that was not rolled back).
    """

    standing: Standing
    measured: Measured | None
    missed: Missed | None
    scheduled: bool

    @property
    def labels(self) -> tuple[str, str]:
        """Target and suite."""
        return self.standing.target, self.standing.suite


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a scrape shows. `sites` are those of the configuration; `used` and `deliveries` are history.

    `panel`: the judges' names; `rubrics`: those of each suite; `kappas`: agreement with people.
    """

    now: datetime
    sites: tuple[SiteState, ...]
    targets: tuple[str, ...]
    channels: tuple[str, ...]
    used: tuple[Used, ...]
    deliveries: tuple[Deliveries, ...]
    leader: Lease
    runner: Lease
    next_slot: datetime | None
    monthly_cap: float
    panel: tuple[str, ...]
    rubrics: Mapping[str, tuple[str, ...]]
    kappas: ByJudge


def take(database: Database, config: Config, now: datetime) -> Snapshot:
    """Read it all; no answer but those of unfinished runs is looked at. Raises DatabaseError."""
    stands = standing.of(database, config, config.pairs, now, STALE_AFTER)
    month_begins = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    with database.read() as connection:
        retired = incidents.retired(connection, list(config.targets))
        missed = {(one.target, one.suite): one for one in runs.missed(connection)}
        sites = tuple(
            SiteState(
                standing=one,
                # A run that is dated ahead, by a wrong clock, must not hide for months that there are no others.
                measured=verdicts.newest_measured(connection, one.target, one.suite, now + CLOCKS_DIFFER, UNMEASURED),
                missed=missed.get((one.target, one.suite)),
                scheduled=config.targets[one.target].role == "production" and one.target not in retired,
            )
            for one in stands
        )
        return Snapshot(
            now=now,
            sites=sites,
            targets=tuple(config.targets),
            channels=config.alerts.channels,
            used=tuple(usage.totals(connection, month_begins)),
            deliveries=tuple(outbox.deliveries(connection)),
            leader=leases.look(connection, leases.LEADER),
            runner=leases.look(connection, leases.RUNNER),
            next_slot=config.schedule.timetable.following(now),
            monthly_cap=config.budget.usd_per_month,
            panel=config.judging.panel,
            rubrics={name: tuple(ref.name for ref in table.rubrics) for name, table in config.suites.items()},
            kappas=agreements(config, calibrations.kappas(connection)),
        )
