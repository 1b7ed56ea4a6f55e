"""What the pages show of incidents: how one stands, what happened, what may be done about it and what that would do."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from alerts.alert import Alert, Drop
from alerts.incident import Approval, Incident
from monitor.incidents.actions import Story
from monitor.store import incidents, pictures
from monitor.web import chart
from monitor.web.service import Service

if TYPE_CHECKING:
    from monitor.config.hooks import HookConfig
    from monitor.config.models import Config

# Those that are over, on the page of all.
MOST_OVER = 50


@dataclass(frozen=True, slots=True)
class AllView:
    """The page of all incidents, the newest first; `over` are the last of those that are not open any more."""

    now: datetime
    open: Sequence[Incident]
    over: Sequence[Incident]


@dataclass(frozen=True, slots=True)
class OneView:
    """The page of one. `numbers` has the keys of the contract's verdict; `picture` is an address that holds it."""

    now: datetime
    story: Story
    numbers: Mapping[str, Any] | None
    chart: chart.Chart | None
    picture: str | None
    alt: str

    @property
    def incident(self) -> Incident:
        """How it stands."""
        return self.story.incident


def everything(service: Service) -> AllView:
    """The page of all; raises DatabaseError."""
    with service.database.read() as connection:
        found = incidents.open_ones(connection)
        # Those that are open are among the newest as well.
        newest = incidents.newest(connection, MOST_OVER + len(found))
    over = [one for one in newest if not one.is_open][:MOST_OVER]
    return AllView(service.clock(), found, over)


def one(service: Service, prefix: str) -> OneView:
    """The page of one; raises UnknownError, DatabaseError."""
    actions = service.actions()
    story = actions.story(actions.find(prefix).id)
    drawn = None
    if story.alert is not None:
        with service.database.read() as connection:
            drawn = pictures.of_alert(connection, story.alert.id)
    numbers = None if story.alert is None else _numbers(story.alert)
    return OneView(
        now=service.clock(),
        story=story,
        numbers=numbers,
        chart=None if numbers is None else chart.drop_chart(numbers),
        picture=None if drawn is None else f"data:image/png;base64,{base64.b64encode(drawn[0]).decode()}",
        alt="" if drawn is None else drawn[1],
    )


def _numbers(alert: Alert) -> dict[str, Any]:
    """An alert's numbers under the names that a verdict has for them."""
    table = alert.thresholds
    return {
        "score": alert.score,
        "baseline_score": alert.baseline_score,
        "drop": _interval(alert.drop),
        "confirmation": _interval(alert.confirmation),
        "thresholds": {
            "investigate": table.investigate if table else 0.0,
            "rollback": table.rollback if table else 0.0,
            "unit": table.unit if table else "points",
        },
    }


def _interval(drop: Drop | None) -> dict[str, float | None] | None:
    if drop is None:
        return None
    return {"points": drop.points, "low": drop.low, "high": drop.high, "confidence": drop.confidence}


def consequences(config: Config, incident: Incident, offer: Approval, fallback: str | None) -> list[str]:
    """What an approval does, in the order in which it happens."""
    table = config.hooks.get(offer.name)
    if table is None:
        return [f"Nothing: [hooks.{offer.name}] is not in the configuration any more, and heldout will refuse."]
    until = f"{offer.expires_at:%Y-%m-%d %H:%M} UTC"
    looks = "heldout looks once more whether this is right by what is known now, and refuses where it is not."
    tried = f"Where that cannot be delivered, it is tried again until {until}; then people are called."
    if offer.action != "rollback":
        what = (
            f"{_way(offer.name, table)} to retrain {incident.target}. It says what fails by tags, clusters and counts, "
            "and holds no input and no expected output of the test set."
        )
        return [looks, what, tried]
    what = f"{_way(offer.name, table)} to roll {incident.target} back to {fallback or 'what served before'}."
    then = (
        f"Its result is awaited until {until}. Then what serves is measured with {incident.suite} against the baseline "
        f"of {incident.target}: the incident ends where the score came back, and people are called where it did not."
    )
    retired = f"From then on {incident.target} is retired: it alerts no more until a baseline of it is pinned again."
    return [looks, what, tried, then, retired]


def _way(name: str, table: HookConfig) -> str:
    """What goes out, and where to; of an address and of a command no more than may be shown."""
    if table.url is not None:
        return f"heldout sends a signed request to {urlsplit(table.url).hostname} ([hooks.{name}])"
    program = PurePath((table.command or ("",))[0]).name
    return f"heldout runs the command {program} of [hooks.{name}] on its own machine"
