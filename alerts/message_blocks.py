"""The pieces of a Slack message: Block Kit within its limits, and always a plain text that says the same; pure.

The limits are those of Slack's reference for Block Kit; the one on all texts together is not documented and was found
near 13,200 characters, so that 10,000 keeps a distance. Every number here is in UTF-16 code units.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from alerts.alert import Action, Example, Fact, Link
from alerts.text import code, fence, line, prose, size
from alerts.words import Story, points

Block = dict[str, object]

MOST_TEXT = 10_000
MOST_FALLBACK = 4_000
MOST_HEADER = 150
ITEMS = 5  # actions, reasons and examples shown in full; a longer list is not read at night
_LINKS = 3
_MENTION = re.compile(r"<(?:!here|!channel|!subteam\^[A-Z0-9]{1,40}|@[UW][A-Z0-9]{1,40})>")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#!$&'()*+,;=%\[\]-]{1,500}")


@dataclass(frozen=True, slots=True)
class SlackMessage:
    """`text` is complete by itself (notifications, and where blocks are refused); `blocks` is what Slack shows.

    `text` is escaped but has no markup: it is meant to be sent with `mrkdwn` off.
    """

    text: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What goes into one message, in its order: `note` before all else, `standing` (how the incident is) high up.

    `call` is a mention that `checked_mention` let pass. `controls` are whole blocks, and come after what to do.
    `small`: no headline of its own size, for what need not be read at once.
    """

    story: Story
    links: tuple[Link, ...] = ()
    call: str | None = None
    note: str = ""
    standing: str = ""
    controls: tuple[Block, ...] = ()
    small: bool = False


def checked_mention(mention: str | None) -> str | None:
    """`mention`, where it is one of the four forms that Slack knows; else raises ValueError."""
    if mention is not None and not _MENTION.fullmatch(mention):
        raise ValueError("a mention must look like <!subteam^S0123456789>, <@U0123456789>, <!here> or <!channel>")
    return mention


def compose(sheet: Sheet) -> SlackMessage:
    """The message."""
    return SlackMessage(_text(sheet), tuple(_blocks(sheet)))


def _blocks(sheet: Sheet) -> list[Block]:
    story = sheet.story
    blocks: list[Block] = [] if sheet.small else [header(story.headline)]
    opening = _opening(sheet)
    if opening:
        blocks.append(section("\n".join(opening)))
    if story.actions:
        steps = [f"{i}. {_step(action)}" for i, action in enumerate(story.actions[:ITEMS], 1)]
        blocks.append(section("\n".join(["*What to do*", *steps, *more(story.actions)])))
    blocks += sheet.controls
    if story.facts:
        blocks.append(fields(story.facts))
    if story.reasons:
        reasons = [f"• {prose(reason, 240)}" for reason in story.reasons[:ITEMS]]
        blocks.append(section("\n".join(["*Why*", *reasons, *more(story.reasons)])))
    if story.examples:
        blocks.append(section("*Cases that lost most:* " + ", ".join(code(case, 60) for case in story.examples)))
    return [*blocks, *linked(sheet.links), context(story.footer)]


def _opening(sheet: Sheet) -> list[str]:
    story = sheet.story
    lines = [f"*{prose(sheet.note, 240)}*"] if sheet.note else []
    if sheet.small:
        lines.append(f"*{prose(story.headline, MOST_HEADER)}*")
    if story.lead:
        lines.append(prose(story.lead, 400))
    if sheet.standing:
        lines.append(f"*Now:* {prose(sheet.standing, 400)}")
    if story.meaning:
        lines.append(f"*What it means:* {prose(story.meaning, 500)}")
    if sheet.call:
        lines[:1] = [f"{sheet.call} {part}" for part in lines[:1]] or [sheet.call]
    return lines


def header(text: str) -> Block:
    """A headline."""
    return {"type": "header", "text": {"type": "plain_text", "text": prose(text, MOST_HEADER), "emoji": False}}


def section(text: str) -> Block:
    """A paragraph of markup that is safe already."""
    return {"type": "section", "text": mrkdwn(text)}


def fields(facts: tuple[Fact, ...]) -> Block:
    """Labels with their values, two abreast; ten at the most."""
    return {
        "type": "section",
        "fields": [mrkdwn(f"*{prose(fact.label, 60)}*\n{_value(fact, 150)}") for fact in facts[:10]],
    }


def context(footer: tuple[Fact, ...]) -> Block:
    """The small print."""
    return {"type": "context", "elements": [mrkdwn(f"{fact.label}: {_value(fact, 80)}") for fact in footer[:10]]}


def linked(links: tuple[Link, ...]) -> list[Block]:
    """The addresses that Slack cannot misread, in a row; nothing where there is none."""
    safe = [f"<{_escaped(link.url)}|{_label(link)}>" for link in links if _ADDRESS.fullmatch(link.url)]
    return [section(" · ".join(safe[:_LINKS]))] if safe else []


def mrkdwn(text: str) -> Block:
    """Markup. verbatim: Slack must not look for addresses, channels or names in the text by itself."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def more(items: tuple[object, ...], shown: int = ITEMS) -> list[str]:
    """How many there are beyond those that are `shown`."""
    return [f"… and {len(items) - shown} more"] if len(items) > shown else []


def insert_examples(blocks: list[Block], examples: tuple[Example, ...]) -> None:
    """Put as many examples before the footer as the budget for all texts leaves room for."""
    room = MOST_TEXT - sum(map(size, texts(blocks)))
    for example in examples[:ITEMS]:
        block = section(_example(example))
        room -= sum(map(size, texts([block])))
        if room < 0:
            return
        blocks.insert(len(blocks) - 1, block)


def scores(example: Example) -> str:
    """How a case fell, or "" where it has no scores."""
    if example.score_before is None and example.score_now is None:
        return ""
    return f": score {points(example.score_before)} at deployment, {points(example.score_now)} now"


def texts(value: object) -> list[str]:
    """Every text that counts towards Slack's limits, in blocks or any part of them."""
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + [text for part in value.values() if not isinstance(part, str) for text in texts(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in texts(part)]
    return []


def fit(lines: list[str], end: str) -> str:
    """`lines` and the `end`, cut before the end where they are too long for a plain text."""
    note = "… (cut: the rest is in the run's record)"
    room = MOST_FALLBACK - size(end) - size(note) - 2
    kept: list[str] = []
    for text in lines:
        room -= size(text) + 1
        if room < 0:
            return "\n".join([*kept, note, end])
        kept.append(text)
    return "\n".join([*kept, end])


def plain_footer(footer: tuple[Fact, ...]) -> str:
    """The small print of a plain text, after an empty line."""
    return "\n".join(["", *(f"{fact.label}: {prose(fact.value, 80)}" for fact in footer)])


def _text(sheet: Sheet) -> str:
    """The whole story in lines, cut before the footer where it is too long."""
    story = sheet.story
    headline = prose(story.headline, MOST_HEADER)
    lines = [prose(sheet.note, 240), headline] if sheet.note else [headline]
    lines[0] = f"{sheet.call} {lines[0]}" if sheet.call else lines[0]
    lines += [prose(story.lead, 400)] if story.lead else []
    lines += [f"Now: {prose(sheet.standing, 400)}"] if sheet.standing else []
    if story.meaning:
        lines += ["", f"What it means: {prose(story.meaning, 500)}"]
    if story.actions:
        lines += ["", "What to do:"]
        for i, action in enumerate(story.actions[:ITEMS], 1):
            lines.append(f"{i}. {prose(action.do, 200)}")
            lines += [f"   {line(action.command, 250)}"] if action.command else []
        lines += more(story.actions)
    if story.facts:
        lines += ["", *(f"{fact.label}: {prose(fact.value, 150)}" for fact in story.facts)]
    if story.reasons:
        lines += ["", "Why:", *(f"- {prose(reason, 240)}" for reason in story.reasons[:ITEMS]), *more(story.reasons)]
    if story.examples:
        lines += ["", "Cases that lost most: " + ", ".join(prose(case, 60) for case in story.examples)]
    return fit(lines, plain_footer(story.footer))


def _value(fact: Fact, limit: int) -> str:
    return code(fact.value, limit) if fact.exact else prose(fact.value, limit)


def _step(action: Action) -> str:
    said = prose(action.do, 200)
    return f"{said}\n      {code(action.command, 250)}" if action.command else said


def _label(link: Link) -> str:
    # A label ends at the bracket, and the bar parts it from the address.
    return prose(link.label.replace("|", "/"), 60)


def _escaped(url: str) -> str:
    return url.replace("&", "&amp;")


def _example(example: Example) -> str:
    parts = [f"*Case* {code(example.case, 80)}{scores(example)}"]
    shown = (
        ("Input", example.input),
        ("Expected", example.expected),
        ("Answer at deployment", example.answer_before),
        ("Answer now", example.answer_now),
    )
    parts += [f"{title}\n{fence(text, 400)}" for title, text in shown if text is not None]
    return "\n".join(parts)
