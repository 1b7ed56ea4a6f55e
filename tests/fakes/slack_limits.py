"""What Slack's reference says of a message: its limits, and what it would act upon; nothing of the code under test."""

from __future__ import annotations

import re
from typing import Any

ALL_BLOCKS = 13_200  # undocumented; found by others
CONTROL = re.compile(r"<([^<>]*)>")


def controls(message: dict[str, Any]) -> list[str]:
    """What Slack would act upon: the inside of every `<…>` in the text and the mrkdwn of a message."""
    texts = [message.get("text", ""), *all_texts(message.get("blocks"))]
    return [found for text in texts for found in CONTROL.findall(text)]


def faults(blocks: list[dict[str, Any]]) -> list[str]:
    """What Slack would refuse `blocks` for; empty where they are valid."""
    found = [] if 1 <= len(blocks) <= 50 else [f"{len(blocks)} blocks"]
    for i, block in enumerate(blocks):
        found += [f"block {i}: {fault}" for fault in _block_faults(block)]
    ids = [button.get("action_id") for button in buttons(blocks)]
    return found if len(set(ids)) == len(ids) else [*found, "an action_id that is not the only one"]


def buttons(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every button of `blocks`, in their order."""
    return [part for block in blocks if block.get("type") == "actions" for part in block.get("elements", [])]


def _block_faults(block: dict[str, Any]) -> list[str]:
    if block.get("type") == "header":
        return _text_faults(block.get("text"), 150, ("plain_text",))
    if block.get("type") == "section":
        fields = block.get("fields", [])
        found = [] if len(fields) <= 10 and ("text" in block or fields) else ["a section of no text or too many fields"]
        found += [fault for part in fields for fault in _text_faults(part, 2000)]
        return found + (_text_faults(block["text"], 3000) if "text" in block else [])
    if block.get("type") == "context":
        elements = block.get("elements", [])
        found = [] if 1 <= len(elements) <= 10 else [f"{len(elements)} elements"]
        return found + [fault for part in elements for fault in _text_faults(part, 3000)]
    if block.get("type") == "actions":
        elements = block.get("elements", [])
        found = [] if 1 <= len(elements) <= 25 else [f"{len(elements)} elements"]
        return found + [fault for part in elements for fault in _button_faults(part)]
    return [f"unknown type {block.get('type')!r}"]


def _button_faults(button: Any) -> list[str]:
    if not isinstance(button, dict) or button.get("type") != "button":
        return ["not a button"]
    found = _text_faults(button.get("text"), 75, ("plain_text",))
    found += _length_faults("action_id", button.get("action_id"), 255) + _length_faults(
        "value", button.get("value"), 2000
    )
    unknown = set(button) - {"type", "text", "action_id", "value", "style", "confirm"}
    found += [f"unknown keys {sorted(unknown)}"] if unknown else []
    found += [] if button.get("style", "primary") in ("primary", "danger") else ["unknown style"]
    for name, limit in {"title": 100, "text": 300, "confirm": 30, "deny": 30}.items() if "confirm" in button else ():
        found += _text_faults(button["confirm"].get(name), limit, ("plain_text",))
    return found


def _length_faults(name: str, value: Any, limit: int) -> list[str]:
    return [] if isinstance(value, str) and 1 <= len(value) <= limit else [f"{name} of no or too great a length"]


def _text_faults(text: Any, limit: int, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> list[str]:
    if not isinstance(text, dict) or text.get("type") not in kinds or not isinstance(text.get("text"), str):
        return ["not a text object of the right type"]
    unknown = set(text) - {"type", "text", "emoji" if text["type"] == "plain_text" else "verbatim"}
    found = [f"unknown keys {sorted(unknown)}"] if unknown else []
    units = len(text["text"].encode("utf-16-le", "surrogatepass")) // 2
    return found if 1 <= units <= limit else [*found, f"{units} characters of text, at most {limit}"]


def all_texts(value: Any) -> list[str]:
    """The text of every text object, however deep it lies in blocks."""
    if isinstance(value, list | tuple):
        return [text for part in value for text in all_texts(part)]
    if not isinstance(value, dict):
        return []
    own = [value["text"]] if isinstance(value.get("text"), str) else []
    return own + [text for part in value.values() for text in all_texts(part)]


def refusal(body: dict[str, Any], longest: int = 40_000) -> str | None:
    """The error code for a message that Slack does not take."""
    text, blocks = body.get("text", ""), body.get("blocks", [])
    if not text and not blocks:
        return "no_text"
    if len(text) > longest:
        return "msg_too_long"
    if sum(map(len, all_texts(blocks))) > ALL_BLOCKS:
        return "msg_blocks_too_long"
    return "invalid_blocks" if blocks and faults(blocks) else None
