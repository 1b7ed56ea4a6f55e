"""Where an alert goes, and why: pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from alerts.alert import Alert


@dataclass(frozen=True, slots=True)
class Route:
    """The names of the channels an alert goes to, whether it calls for somebody at once, and the reason for both."""

    channels: tuple[str, ...]
    urgent: bool
    reason: str


def route(alert: Alert, configured: Collection[str]) -> Route:
    """Every configured channel, in the order of their names; `urgent` only for a rollback.

    With no channel at all the route is empty and its reason says what to configure: the caller has to show that.
    """
    if not configured:
        return Route((), False, "no channel is configured: add [alerts.slack] to the configuration")
    channels = tuple(sorted(configured))
    if alert.kind.low_priority:
        return Route(channels, False, f"{alert.kind} is of low priority: every channel, nobody is called")
    what = f"{alert.kind} with the verdict {alert.verdict}"
    if alert.urgent:
        return Route(channels, True, f"{what}: every channel, and somebody is called")
    return Route(channels, False, f"{what}: every channel")
