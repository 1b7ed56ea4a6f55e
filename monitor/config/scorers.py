"""Checks of what a suite is scored by: its metrics, its rubrics, and the headline that is made of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from monitor.config.faults import did_you_mean, listing
from monitor.config.places import Finding, Place
from monitor.config.rubrics import RubricRefusedError, Shelf

if TYPE_CHECKING:
    from judges.rubric import Rubric


def scorer_findings(suites: dict[str, dict[str, Any]], shelf: Shelf) -> Iterator[Finding]:
    """Every fault of the suites' scorers that lies between keys; a rubric that cannot be had is told by the models."""
    known: dict[str, tuple[str, Rubric]] = {}  # by name, with the first suite that has it
    for name, suite in suites.items():
        place = ("suites", name)
        if "metrics" not in suite and "rubrics" not in suite:
            yield (*place, "metrics"), 'is missing: how answers are scored, such as ["exact_match"]'
        scorers: list[str] = []
        yield from _metrics(place, suite.get("metrics"), scorers)
        rubrics = _read(suite.get("rubrics"), shelf)
        yield from _rubrics(place, rubrics, scorers, known)
        if scorers and None not in rubrics:
            yield from _headline(place, suite.get("headline"), scorers)


def _read(rubrics: Any, shelf: Shelf) -> list[Rubric | None]:
    """The rubrics in the order of the file; None stands for one that cannot be had."""
    found: list[Rubric | None] = []
    for given in rubrics if isinstance(rubrics, list) else ():
        try:
            found.append(shelf.rubric(given) if isinstance(given, str) and given.strip() else None)
        except RubricRefusedError:
            found.append(None)
    return found


def _rubrics(
    place: Place, rubrics: list[Rubric | None], scorers: list[str], known: dict[str, tuple[str, Rubric]]
) -> Iterator[Finding]:
    """Faults of the rubrics' names, which are added to `scorers` and `known`."""
    for index, rubric in enumerate(rubrics):
        if rubric is None:
            continue
        here, name = (*place, "rubrics", index), rubric.name
        if name in scorers:
            yield here, f'the rubric "{name}" is listed twice, or a metric has its name: a scorer is known by its name'
            continue
        scorers.append(name)
        other, first = known.setdefault(name, (str(place[-1]), rubric))
        if _is_metric(name):
            yield here, f'the rubric "{name}" has the name of a metric: give it another in its file'
        elif first.fingerprint != rubric.fingerprint:
            yield (
                here,
                f'another rubric is called "{name}" too, that of [suites.{other}]: give one of them another name',
            )


def _is_metric(name: str) -> bool:
    from monitor.metrics import METRICS

    return name in METRICS


def _metrics(place: Place, metrics: Any, scorers: list[str]) -> Iterator[Finding]:
    """Faults of the metrics, whose names are added to `scorers`."""
    for index, metric in enumerate(metrics if isinstance(metrics, list) else ()):
        name, options = (metric, {}) if isinstance(metric, str) else _named(metric)
        if name is None:
            continue
        here = (*place, "metrics", index)
        if name in scorers:
            yield here, f'"{name}" is listed twice: a scorer is known by its metric\'s name'
            continue
        scorers.append(name)
        fault = _metric_fault(name, options)
        if fault is not None:
            yield here, fault


def _named(metric: Any) -> tuple[str | None, dict[str, Any]]:
    if isinstance(metric, dict) and isinstance(metric.get("name"), str):
        return metric["name"], {key: value for key, value in metric.items() if key != "name"}
    return None, {}


def _metric_fault(name: str, options: dict[str, Any]) -> str | None:
    from monitor.metrics import MetricError, build_metric

    try:
        build_metric(name, options)
    except MetricError as error:
        return str(error)
    return None


def _headline(place: Place, headline: Any, scorers: list[str]) -> Iterator[Finding]:
    if headline is None or headline == {}:
        if len(scorers) > 1:
            example = f"{{ {scorers[0]} = 1.0 }}"
            yield (
                (*place, "headline"),
                f"is missing, and there are {len(scorers)} scorers ({listing(scorers)}): say which ones the thresholds "
                f"are about and how much each weighs, such as headline = {example}",
            )
        return
    for name in headline if isinstance(headline, dict) else ():
        if name not in scorers:
            known = f"its scorers are {listing(scorers)}"
            yield (*place, "headline", name), f"is not a scorer of this suite: {known}{did_you_mean(name, scorers)}"
