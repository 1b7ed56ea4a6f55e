"""The page that Prometheus reads: a collector that asks the database at each scrape."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from monitor.store.database import Database, DatabaseError
from monitor.telemetry.families import about, families
from monitor.telemetry.snapshot import Snapshot, take

if TYPE_CHECKING:
    from monitor.config.models import Config

logger = logging.getLogger(__name__)


class DatabaseCollector(Collector):
    """Computes every metric when it is asked; without the database, says that it is gone and stays up."""

    def __init__(self, database: Database, config: Callable[[], Config], clock: Callable[[], datetime]) -> None:
        self._database = database
        self._config = config
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """All metrics as they are now."""
        seen = self._seen()
        yield from about(seen is not None)
        if seen is not None:
            yield from families(seen)

    def _seen(self) -> Snapshot | None:
        try:
            return take(self._database, self._config(), self._clock())
        except DatabaseError as error:
            logger.warning("no metrics for this scrape: %s", error)
        except sa.exc.SQLAlchemyError as error:
            # Its text may show what was to be read.
            logger.warning("no metrics for this scrape: %s", type(error).__name__)
        return None


class Telemetry:
    """The `/metrics` page, in Prometheus' text format.

    `config` gives the configuration in force, which a reload may change; `clock` the time in UTC. `render` blocks for
    as long as the database takes, some tens of milliseconds, so it belongs into a thread; it may run in several.
    """

    def __init__(
        self,
        database: Database,
        config: Callable[[], Config],
        clock: Callable[[], datetime],
        registry: CollectorRegistry | None = None,
    ) -> None:
        self._registry = CollectorRegistry() if registry is None else registry
        self._registry.register(DatabaseCollector(database, config, clock))

    def render(self) -> bytes:
        """The page; where the database cannot be read, only that it cannot."""
        return generate_latest(self._registry)
