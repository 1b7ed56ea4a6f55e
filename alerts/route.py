"""Where an alert goes, whom it calls, and why: pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alerts.alert import Alert, Kind
from alerts.incident import Incident, rank


class Way(StrEnum):
    """What an alert is to people who know the incident so far."""

    FIRST = "first"
    WORSE = "worse"
    BETTER = "better"
    REPEAT = "repeat"
    RECOVERED = "recovered"
    STEP = "step"  # somebody, or something, acted
    SILENCED = "silenced"
    APART = "apart"  # about something else than how good a target is
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Route:
    """The names of the channels an alert goes to, and the reason.

    `mention`: somebody is called. `broadcast`: it is shown to the whole channel, where it belongs to a thread.
    """

    way: Way
    channels: tuple[str, ...]
    mention: bool
    broadcast: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Known:
    """What people know before an alert: the incident as it was (None: there was none), and by what they were called.

    `called_for`: a target that fell in the same slot, with the same provider, and for which people were called already.
    """

    incident: Incident | None = None
    called_for: str | None = None


_WAYS = {
    Kind.AGAIN: Way.REPEAT,
    Kind.RECOVERING: Way.BETTER,
    Kind.RECOVERED: Way.RECOVERED,
    Kind.STEP: Way.STEP,
}
# Steps that nobody who reads the channel may miss.
_LOUD_STEPS = frozenset({"escalated", "expired", "failed", "verified", "silence ended", "refused"})


def route(alert: Alert, configured: Collection[str], now: datetime, known: Known | None = None) -> Route:
    """Where `alert` goes. A recovery is always told; a silence covers what was known when it was asked for."""
    known = known or Known()
    if not configured:
        reason = "no channel is configured: add [alerts.slack] or [alerts.email] to the configuration"
        return Route(Way.NONE, (), False, False, reason)
    channels = tuple(sorted(configured))
    way = _way(alert, known)
    before = known.incident
    of_verdicts = way in (Way.FIRST, Way.WORSE, Way.BETTER, Way.REPEAT)
    if of_verdicts and before is not None and before.silent(now) and not _breaks(alert, before):
        until = f"{before.silenced_until:%Y-%m-%d %H:%M} UTC"
        return Route(Way.SILENCED, (), False, False, f"silenced by {before.silenced_by} until {until}")
    mention, why = _mention(alert, way, known)
    return Route(way, channels, mention, _broadcast(alert, way), f"{_WHY[way]}; {why}")


_WHY = {
    Way.FIRST: "nobody knew of it",
    Way.WORSE: "it is worse than what was told before",
    Way.BETTER: "it is better than what was told before",
    Way.REPEAT: "it is as bad as it was, and a repetition is due",
    Way.RECOVERED: "it is over, which is always told",
    Way.STEP: "a step was taken",
    Way.APART: "it is about something else than how good the target is",
}


def _way(alert: Alert, known: Known) -> Way:
    if alert.kind is Kind.WORSE:
        return Way.FIRST if known.incident is None else Way.WORSE
    if alert.kind is Kind.NOTE and alert.incident is not None:
        return Way.BETTER
    return _WAYS.get(alert.kind, Way.APART)


def _breaks(alert: Alert, before: Incident) -> bool:
    """Whether it is worse than what was known when people asked for silence."""
    return alert.kind is Kind.WORSE and rank(alert.verdict) > rank(before.silenced_level or before.level)


def _mention(alert: Alert, way: Way, known: Known) -> tuple[bool, str]:
    if not alert.urgent:
        return False, "nobody is called"
    if known.called_for is not None and way in (Way.FIRST, Way.WORSE):
        return False, f"people were called for {known.called_for}, which fell in the same slot at the same provider"
    if way is Way.REPEAT and known.incident is not None and known.incident.acknowledged_by is not None:
        return False, f"{known.incident.acknowledged_by} has acknowledged it"
    return True, "somebody is called"


def _broadcast(alert: Alert, way: Way) -> bool:
    if way is Way.STEP:
        return alert.step in _LOUD_STEPS
    return way in (Way.FIRST, Way.WORSE, Way.RECOVERED) or (way is Way.REPEAT and alert.urgent)
