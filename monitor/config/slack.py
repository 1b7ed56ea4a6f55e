"""`[alerts.slack]`: where alerts are posted, whom they call, and who may act on them from there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator

from monitor.config.fields import Flag, PositiveDuration, Secret, WebAddress
from monitor.config.places import Finding
from monitor.config.tables import Table

_MENTION = re.compile(r"<(?:!here|!channel|!subteam\^[A-Z0-9]{1,40}|@[UW][A-Z0-9]{1,40})>")
# What a bot's token is needed for: an incoming webhook neither listens nor posts anywhere else.
_OF_A_TOKEN = ("app_token", "signing_secret", "team", "approvers", "fallback_channel", "fallback_after")


def _id(first: str, what: str, where: str) -> Callable[[str], str]:
    """A check of one of Slack's ids, which begin with one of the letters `first`."""
    shape, said = re.compile(rf"[{first}][A-Z0-9]{{1,40}}"), f'"{first[0]}0123456789"'

    def check(value: str) -> str:
        if not shape.fullmatch(value):
            raise ValueError(f"must be the id of {what}, such as {said} ({where})")
        return value

    return check


def _mention(value: str) -> str:
    if not _MENTION.fullmatch(value):
        raise ValueError('must be "<!subteam^S0123456789>" (a group), "<@U0123456789>", "<!here>" or "<!channel>"')
    return value


ChannelId = Annotated[str, AfterValidator(_id("CGD", "a channel", "Slack shows it where it tells about the channel"))]
TeamId = Annotated[str, AfterValidator(_id("T", "a workspace", "it stands in Slack's address in the browser"))]
UserId = Annotated[str, AfterValidator(_id("UW", "a person", "Slack copies it from the menu of a profile"))]


class Slack(Table):
    """A bot token with a channel, or an incoming webhook.

    With `signing_secret` (Slack calls `/slack/interactions`) or `app_token` (heldout calls Slack: Socket Mode) messages
    have buttons, for people of `team`; `approvers` are those of them who may approve. What could not be delivered for
    `fallback_after` goes to `fallback_channel` too.
    """

    token: Secret | None = None
    webhook_url: Secret | None = None
    channel: ChannelId | None = None
    app_token: Secret | None = None
    signing_secret: Secret | None = None
    team: TeamId | None = None
    approvers: tuple[UserId, ...] = ()
    mention: Annotated[str, AfterValidator(_mention)] | None = None
    fallback_channel: ChannelId | None = None
    fallback_after: PositiveDuration = timedelta(minutes=15)
    show_cases: Flag = False
    base_url: WebAddress | None = None

    @property
    def hears(self) -> bool:
        """Whether what people press in Slack reaches heldout, and counts."""
        return self.team is not None and (self.signing_secret is not None or self.app_token is not None)


def slack_findings(document: dict[str, Any]) -> Iterator[Finding]:
    """What lies between the keys of the table."""
    alerts = document.get("alerts")
    slack = alerts.get("slack") if isinstance(alerts, dict) else None
    if not isinstance(slack, dict):
        return
    place = ("alerts", "slack")
    if "token" in slack and "webhook_url" in slack:
        yield (*place, "webhook_url"), "give either token and channel, or webhook_url, not both"
    elif "webhook_url" in slack and "channel" in slack:
        yield (*place, "channel"), "has no effect with webhook_url, which posts to a channel of its own: leave it out"
    elif "token" in slack and "channel" not in slack:
        yield (*place, "channel"), 'is missing: name the channel to post to by its id, such as "C0123456789"'
    elif "token" not in slack and "webhook_url" not in slack:
        yield place, 'needs token = { env = "…" } and channel, or webhook_url = { env = "…" }'
    if "webhook_url" in slack and "token" not in slack:
        for key in _OF_A_TOKEN:
            if key in slack:
                yield (*place, key), "needs token and channel: a webhook only takes messages, in one channel"
        return
    yield from _acting(place, slack)
    yield from _fallback(place, slack)


def _acting(place: tuple[str, str], slack: dict[str, Any]) -> Iterator[Finding]:
    needing = [key for key in ("app_token", "signing_secret", "approvers") if slack.get(key)]
    if needing and "team" not in slack:
        yield (*place, "team"), f'is missing: {needing[0]} needs the workspace whose people may act, as "T0123456789"'
    elif slack.get("approvers") and "signing_secret" not in slack and "app_token" not in slack:
        yield (*place, "approvers"), "has no effect without buttons: add signing_secret, or app_token for Socket Mode"


def _fallback(place: tuple[str, str], slack: dict[str, Any]) -> Iterator[Finding]:
    channel = slack.get("fallback_channel")
    if "fallback_after" in slack and channel is None:
        yield (*place, "fallback_after"), "has no effect without fallback_channel: name the channel, or leave it out"
    elif channel is not None and channel == slack.get("channel"):
        yield (*place, "fallback_channel"), "is the same as channel: name another one"
