"""What people can do about an incident from its message: buttons where they work, else the commands; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from alerts.incident import Approval, Incident
from alerts.message_blocks import Block, section
from alerts.text import code, prose

ACKNOWLEDGE, SILENCE, APPROVE, REJECT = "heldout.ack", "heldout.silence", "heldout.approve", "heldout.reject"
# What may stand in a button's value: it comes back as it was, and is read by this rule alone.
PLAIN = re.compile(r"[A-Za-z0-9_-]{1,200}")
_APPROVALS = 3  # shown with buttons of their own; nobody has more hooks for one target


@dataclass(frozen=True, slots=True)
class Powers:
    """Whether a press of a button reaches heldout, and whether anybody may approve by one."""

    buttons: bool = False
    approvals: bool = False


NO_BUTTONS = Powers()


def controls(incident: Incident, powers: Powers) -> tuple[Block, ...]:
    """Blocks for what still makes sense; none for an incident that is over."""
    if not incident.is_open:
        return ()
    if not powers.buttons or not PLAIN.fullmatch(incident.id):
        return _commands(incident, approvals_alone=False)
    blocks = [*_attend(incident)]
    if powers.approvals and all(PLAIN.fullmatch(one.nonce) for one in incident.approvals):
        return (*_decide(incident), *blocks)
    return (*_commands(incident, approvals_alone=True), *blocks)


def value(incident_id: str, nonce: str | None = None) -> str:
    """What a button sends back."""
    return incident_id if nonce is None else f"{incident_id} {nonce}"


def _attend(incident: Incident) -> list[Block]:
    buttons = []
    if incident.acknowledged_by is None:
        buttons.append(_button("I see to it (acknowledge)", ACKNOWLEDGE, value(incident.id), style="primary"))
    if incident.silenced_until is None:
        buttons.append(_button("Silence for a week", SILENCE, value(incident.id)))
    return [{"type": "actions", "elements": buttons}] if buttons else []


def _decide(incident: Incident) -> list[Block]:
    blocks: list[Block] = []
    for number, waiting in enumerate(incident.approvals[:_APPROVALS], 1):
        # An action's id has to be the only one of its kind in a message.
        end = "" if number == 1 else f".{number}"
        sent = value(incident.id, waiting.nonce)
        approve = _button(f"Approve: {_deed(incident, waiting)}", APPROVE + end, sent, style="danger")
        approve["confirm"] = {
            "title": _plain("Are you sure?", 100),
            "text": _plain(f"{_deed(incident, waiting)}. The hook {waiting.name} is asked to do it at once.", 300),
            "confirm": _plain("Approve", 30),
            "deny": _plain("Not now", 30),
            "style": "danger",
        }
        blocks.append({"type": "actions", "elements": [approve, _button("Reject", REJECT + end, sent)]})
    return blocks


def _deed(incident: Incident, waiting: Approval) -> str:
    """What will happen, as in `Roll support-ft back to support-rag`."""
    if waiting.action == "rollback":
        return f"Roll {incident.target} back" + (f" to {waiting.fallback}" if waiting.fallback else "")
    if waiting.action == "retrain":
        return f"Ask for {incident.target} to be retrained"
    return f"{waiting.action.capitalize()} of {incident.target}"


def _commands(incident: Incident, *, approvals_alone: bool) -> tuple[Block, ...]:
    """The same, to be typed where heldout runs."""
    name = incident.id if PLAIN.fullmatch(incident.id) else "ID"
    lines = [
        f"{prose(_deed(incident, waiting), 200)}: {code(f'heldout incident approve {name}', 250)}, "
        f"or {code(f'heldout incident reject {name}', 250)}"
        for waiting in incident.approvals[:_APPROVALS]
    ]
    if incident.acknowledged_by is None and not approvals_alone:
        lines.append(f"Say that you see to it: {code(f'heldout incident ack {name}', 250)}")
    return (section("\n".join(lines)),) if lines else ()


def _button(text: str, action_id: str, sent: str, *, style: str | None = None) -> Block:
    button: Block = {"type": "button", "text": _plain(text, 75), "action_id": action_id, "value": sent}
    return button if style is None else {**button, "style": style}


def _plain(text: str, limit: int) -> Block:
    return {"type": "plain_text", "text": prose(text, limit), "emoji": False}
