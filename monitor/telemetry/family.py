"""How a family of metrics is built: what is unknown has no sample."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

# Label values, and the number; None where it is unknown.
Sample = tuple[Sequence[str], float | None]


def gauge(name: str, meaning: str, labels: Sequence[str], samples: Iterable[Sample]) -> Metric:
    """A family of gauges; `meaning` says what the number is, with its unit."""
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, number in samples:
        if number is not None:
            family.add_metric(values, number)
    return family


def counter(name: str, meaning: str, labels: Sequence[str], samples: Iterable[Sample]) -> Metric:
    """A family of counters, `name` without its `_total`; samples of the same labels are added up."""
    found: dict[tuple[str, ...], list[float]] = {}
    for values, number in samples:
        if number is not None:
            found.setdefault(tuple(values), []).append(number)
    family = CounterMetricFamily(name, meaning, labels=labels)
    for key, numbers in found.items():
        # Exact, whatever the order: a counter that shrinks by its last digit would seem to have begun again.
        family.add_metric(key, math.fsum(numbers))
    return family
