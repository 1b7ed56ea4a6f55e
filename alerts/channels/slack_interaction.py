"""A press of a button in Slack: what it asks for, and whether that person may ask for it: no clock, no network.

A signature, or a socket, proves that Slack sent it. Who pressed is another question, and `may` answers it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from alerts.codec import FormatError
from alerts.message_buttons import PLAIN

ACTIONS = ("ack", "silence", "approve", "reject")
DECISIONS = frozenset({"approve", "reject"})  # what changes what users get
_ACTION = re.compile(rf"heldout\.({'|'.join(ACTIONS)})(?:\.\d)?")
_USER, _TEAM, _CHANNEL = (re.compile(rf"[{first}][A-Z0-9]{{1,40}}") for first in ("UW", "TE", "CGD"))
_STAMP = re.compile(r"\d{1,20}\.\d{1,10}")


@dataclass(frozen=True, slots=True)
class Interaction:
    """Who pressed what, on which incident.

    `team` is the workspace that it was pressed in, `home` the one that the person belongs to: another in a channel that
    is shared between companies. `nonce` is there for `approve` and `reject`. `thread`: the message to reply to.
    """

    user: str
    user_name: str
    team: str
    home: str
    channel: str
    action: str
    incident: str
    nonce: str | None = None
    thread: str | None = None

    @property
    def who(self) -> str:
        """The person, for people and the audit log; the name is what that person calls himself, the id is Slack's."""
        return f"{self.user_name} (Slack {self.user})"


def from_form(body: bytes) -> Interaction:
    """The interaction in the body of a signed request, `payload=…`; raises FormatError."""
    try:
        form = parse_qs(body.decode("ascii"), max_num_fields=10, errors="strict")
        payload = json.loads(form["payload"][0])
    except (ValueError, KeyError, RecursionError):
        raise FormatError("the body is not a form with a JSON payload, as Slack sends it") from None
    return parse(payload)


def parse(payload: object) -> Interaction:
    """The interaction that Slack's `payload` describes; raises FormatError for anything that is none of ours."""
    if not isinstance(payload, Mapping):
        raise FormatError("the payload is not an object")
    if payload.get("type") != "block_actions":
        raise FormatError("the payload is no press of a button (block_actions)")
    actions = payload.get("actions")
    if not isinstance(actions, list) or len(actions) != 1 or not isinstance(actions[0], Mapping):
        raise FormatError("actions: exactly one is expected")
    action = _match(_ACTION, actions[0].get("action_id"), "actions[0].action_id")[1]
    incident, nonce = _value(actions[0].get("value"), action)
    user, team, container = (_object(payload, name) for name in ("user", "team", "container"))
    user_id = _match(_USER, user.get("id"), "user.id")[0]
    team_id = _match(_TEAM, team.get("id"), "team.id")[0]
    channel = _object(payload, "channel").get("id", container.get("channel_id"))
    return Interaction(
        user=user_id,
        user_name=_name(user) or user_id,
        team=team_id,
        home=_match(_TEAM, user.get("team_id", team_id), "user.team_id")[0],
        channel=_match(_CHANNEL, channel, "channel.id")[0],
        action=action,
        incident=incident,
        nonce=nonce,
        thread=_stamp(container),
    )


def may(interaction: Interaction, *, team: str | None, approvers: Collection[str]) -> str | None:
    """Why this person may not do this, in a sentence for that person; None where it is allowed.

    Anybody of the configured team may acknowledge and silence; only its listed approvers approve and reject.
    """
    if team is None:
        return "Nobody may act from Slack yet: set team in [alerts.slack] to the id of this workspace (T…)."
    if interaction.team != team or interaction.home != team:
        return "Only members of the workspace that is set as team in [alerts.slack] may do this."
    if interaction.action in DECISIONS and interaction.user not in approvers:
        return (
            f"You ({interaction.user}) may not {interaction.action}: only those listed as approvers in [alerts.slack] "
            "may. Ask one of them, or have it done by `heldout incident` or on the page."
        )
    return None


def _value(value: object, action: str) -> tuple[str, str | None]:
    parts = value.split(" ") if isinstance(value, str) and len(value) <= 2_000 else []
    if len(parts) != (2 if action in DECISIONS else 1) or not all(PLAIN.fullmatch(part) for part in parts):
        raise FormatError("actions[0].value is none that heldout gave out")
    return parts[0], parts[1] if action in DECISIONS else None


def _object(payload: Mapping[Any, Any], name: str) -> Mapping[Any, Any]:
    found = payload.get(name)
    return found if isinstance(found, Mapping) else {}


def _match(pattern: re.Pattern[str], value: object, place: str) -> re.Match[str]:
    found = pattern.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise FormatError(f"{place}: not what Slack sends there")
    return found


def _name(user: Mapping[Any, Any]) -> str:
    """What the person goes by, of letters, digits and little else: it must not look like anything but a name."""
    name = user.get("username", user.get("name"))
    return "".join(re.findall(r"[\w .-]", name[:200]))[:60].strip() if isinstance(name, str) else ""


def _stamp(container: Mapping[Any, Any]) -> str | None:
    for key in ("thread_ts", "message_ts"):
        found = container.get(key)
        if isinstance(found, str) and _STAMP.fullmatch(found):
            return found
    return None
