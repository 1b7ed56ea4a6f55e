"""`[hooks.NAME]`: what asks deployment tooling to roll back or retrain, or tells it that a verdict changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from alerts.hooks.settings import PLACEHOLDER, PLACEHOLDERS
from monitor.config.faults import no_such
from monitor.config.fields import Duration, PositiveDuration, Secret, Text, WebAddress
from monitor.config.places import Finding
from monitor.config.tables import Table

_DAY, _QUARTER = timedelta(hours=24), timedelta(hours=6)


class HookConfig(Table):
    """A hook: a signed request to `url`, or a `command`.

    `targets`: empty means all. `expires` counts from the request; None: a day, and six hours where nobody is asked.
    `timeout`: of one attempt; None: 20 seconds for a request, 10 minutes for a command.
    """

    on: Literal["rollback", "retrain", "verdict"]
    targets: tuple[Text, ...] = ()
    mode: Literal["off", "approve", "auto"] = "approve"
    url: WebAddress | None = None
    secret: Secret | None = None
    command: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    expires: PositiveDuration | None = None
    cooldown: Duration = _DAY
    timeout: PositiveDuration | None = None

    @property
    def lasts(self) -> timedelta:
        """How long a request is wanted."""
        return self.expires or (_QUARTER if self.mode == "auto" else _DAY)

    def concerns(self, target: str) -> bool:
        """Whether it is for this target."""
        return not self.targets or target in self.targets


def hook_findings(hooks: dict[str, dict[str, Any]], targets: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    """What lies between the keys of hooks, and between hooks and targets."""
    for name, table in hooks.items():
        place = ("hooks", name)
        yield from _way(place, table)
        named = table.get("targets")
        for index, target in enumerate(named if isinstance(named, list) else ()):
            if isinstance(target, str) and target not in targets:
                yield (*place, "targets", index), no_such("target", target, "targets", targets)
            elif isinstance(target, str) and table.get("on") == "rollback" and "fallback" not in targets[target]:
                yield (
                    (*place, "targets", index),
                    f'[targets.{target}] has no fallback to roll back to: add fallback = "…" there',
                )


def _way(place: tuple[str, str], table: dict[str, Any]) -> Iterator[Finding]:
    if "url" in table and "command" in table:
        yield (*place, "command"), "give either url with secret, or command, not both"
    elif "url" not in table and "command" not in table:
        yield place, 'needs url = "https://…" with secret = { env = "…" }, or command = ["…"]'
    elif "url" in table and "secret" not in table:
        yield (
            (*place, "secret"),
            'is missing: every request is signed, with { env = "…" } naming a whsec_… of 24 to 64 bytes in base64',
        )
    elif "command" in table and "secret" in table:
        yield (*place, "secret"), "has no effect with command: leave it out"
    if "mode" in table and table.get("on") == "verdict" and table["mode"] == "approve":
        yield (*place, "mode"), 'nobody is asked before a change is told: "auto", or "off"'
    command = table.get("command")
    for index, part in enumerate(command if isinstance(command, list) else ()):
        if isinstance(part, str):
            yield from _placeholders((*place, "command", index), part)


def _placeholders(place: tuple[str | int, ...], part: str) -> Iterator[Finding]:
    for found in PLACEHOLDER.findall(part):
        if found not in PLACEHOLDERS:
            known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            yield place, f"unknown placeholder; the known ones are {known}"
