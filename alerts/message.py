"""An alert as a Slack message: Block Kit within its limits, and always a plain text that says the same; pure.

The limits are those of Slack's reference for Block Kit; the one on all texts together is not documented and was found
near 13,200 characters, so that 10,000 keeps a distance. Every number here is in UTF-16 code units.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from alerts.alert import Action, Alert, Example, Fact, Link
from alerts.text import code, fence, line, prose, size
from alerts.words import Story, points, tell

Block = dict[str, object]

MOST_TEXT = 10_000
MOST_FALLBACK = 4_000
MOST_HEADER = 150
_ITEMS = 5  # actions, reasons and examples shown in full; a longer list is not read at night
_MENTION = re.compile(r"<(?:!here|!channel|!subteam\^[A-Z0-9]{1,40}|@[UW][A-Z0-9]{1,40})>")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#!$&'()*+,;=%\[\]-]{1,500}")


@dataclass(frozen=True, slots=True)
class SlackMessage:
    """`text` is complete by itself (notifications, and where blocks are refused); `blocks` is what Slack shows.

    `text` is escaped but has no markup: it is meant to be sent with `mrkdwn` off.
    """

    text: str
    blocks: tuple[Block, ...]


def render(alert: Alert, *, show_cases: bool = False, mention: str | None = None) -> SlackMessage:
    """The message for `alert`.

    The texts of cases are shown only with `show_cases`, and never in `text`, which lands on locked screens.
    `mention` (`<!subteam^S…>`, `<@U…>`, `<!here>`, `<!channel>`) is put before an urgent alert alone; anything else
    raises ValueError.
    """
    if mention is not None and not _MENTION.fullmatch(mention):
        raise ValueError("a mention must look like <!subteam^S0123456789>, <@U0123456789>, <!here> or <!channel>")
    story = tell(alert)
    call = mention if alert.urgent else None
    blocks = _blocks(story, alert.links, call)
    if show_cases:
        _insert_examples(blocks, alert.examples)
    return SlackMessage(_text(story, call), tuple(blocks))


def _blocks(story: Story, links: tuple[Link, ...], call: str | None) -> list[Block]:
    lead = f"{call} {prose(story.lead, 400)}" if call else prose(story.lead, 400)
    meaning = f"\n*What it means:* {prose(story.meaning, 500)}" if story.meaning else ""
    blocks: list[Block] = [
        {"type": "header", "text": {"type": "plain_text", "text": prose(story.headline, MOST_HEADER), "emoji": False}},
        _section(lead + meaning),
    ]
    if story.actions:
        steps = [f"{i}. {_step(action)}" for i, action in enumerate(story.actions[:_ITEMS], 1)]
        blocks.append(_section("\n".join(["*What to do*", *steps, *_more(story.actions)])))
    if story.facts:
        fields = [_mrkdwn(f"*{fact.label}*\n{_value(fact, 150)}") for fact in story.facts[:10]]
        blocks.append({"type": "section", "fields": fields})
    if story.reasons:
        reasons = [f"• {prose(reason, 240)}" for reason in story.reasons[:_ITEMS]]
        blocks.append(_section("\n".join(["*Why*", *reasons, *_more(story.reasons)])))
    if story.examples:
        blocks.append(_section("*Cases that lost most:* " + ", ".join(code(case, 60) for case in story.examples)))
    safe = [f"<{_escaped(link.url)}|{_label(link)}>" for link in links[:_ITEMS] if _ADDRESS.fullmatch(link.url)]
    if safe:
        blocks.append(_section(" · ".join(safe)))
    footer = [_mrkdwn(f"{fact.label}: {_value(fact, 80)}") for fact in story.footer[:10]]
    blocks.append({"type": "context", "elements": footer})
    return blocks


def _value(fact: Fact, limit: int) -> str:
    return code(fact.value, limit) if fact.exact else prose(fact.value, limit)


def _step(action: Action) -> str:
    said = prose(action.do, 200)
    return f"{said}\n      {code(action.command, 250)}" if action.command else said


def _more(items: tuple[object, ...]) -> list[str]:
    return [f"… and {len(items) - _ITEMS} more"] if len(items) > _ITEMS else []


def _label(link: Link) -> str:
    # A label ends at the bracket, and the bar parts it from the address.
    return prose(link.label.replace("|", "/"), 60)


def _escaped(url: str) -> str:
    return url.replace("&", "&amp;")


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> Block:
    # verbatim: Slack must not look for addresses, channels or names in the text by itself.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _insert_examples(blocks: list[Block], examples: tuple[Example, ...]) -> None:
    """Put as many examples before the footer as the budget for all texts leaves room for."""
    room = MOST_TEXT - sum(map(size, texts(blocks)))
    for example in examples[:_ITEMS]:
        block = _section(_example(example))
        room -= sum(map(size, texts([block])))
        if room < 0:
            return
        blocks.insert(len(blocks) - 1, block)


def _example(example: Example) -> str:
    parts = [f"*Case* {code(example.case, 80)}"]
    if example.score_before is not None or example.score_now is not None:
        parts[0] += f": score {points(example.score_before)} at deployment, {points(example.score_now)} now"
    shown = (
        ("Input", example.input),
        ("Expected", example.expected),
        ("Answer at deployment", example.answer_before),
        ("Answer now", example.answer_now),
    )
    parts += [f"{title}\n{fence(text, 400)}" for title, text in shown if text is not None]
    return "\n".join(parts)


def texts(value: object) -> list[str]:
    """Every text that counts towards Slack's limits, in blocks or any part of them."""
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + [text for part in value.values() if not isinstance(part, str) for text in texts(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in texts(part)]
    return []


def _text(story: Story, call: str | None) -> str:
    """The whole story in lines, cut before the footer where it is too long."""
    headline = prose(story.headline, MOST_HEADER)
    lines = [f"{call} {headline}" if call else headline, prose(story.lead, 400)]
    if story.meaning:
        lines += ["", f"What it means: {prose(story.meaning, 500)}"]
    if story.actions:
        lines += ["", "What to do:"]
        for i, action in enumerate(story.actions[:_ITEMS], 1):
            lines.append(f"{i}. {prose(action.do, 200)}")
            lines += [f"   {line(action.command, 250)}"] if action.command else []
        lines += _more(story.actions)
    if story.facts:
        lines += ["", *(f"{fact.label}: {prose(fact.value, 150)}" for fact in story.facts)]
    if story.reasons:
        lines += ["", "Why:", *(f"- {prose(reason, 240)}" for reason in story.reasons[:_ITEMS]), *_more(story.reasons)]
    if story.examples:
        lines += ["", "Cases that lost most: " + ", ".join(prose(case, 60) for case in story.examples)]
    return _fit(lines, "\n".join(["", *(f"{fact.label}: {prose(fact.value, 80)}" for fact in story.footer)]))


def _fit(lines: list[str], end: str) -> str:
    note = "… (cut: the rest is in the run's record)"
    room = MOST_FALLBACK - size(end) - size(note) - 2
    kept: list[str] = []
    for text in lines:
        room -= size(text) + 1
        if room < 0:
            return "\n".join([*kept, note, end])
        kept.append(text)
    return "\n".join([*kept, end])
