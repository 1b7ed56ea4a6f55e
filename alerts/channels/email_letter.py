"""What an e-mail says, cleaned and cut but not laid out: the same words for its text and for its HTML; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from alerts.alert import Alert, Example, Fact, Kind
from alerts.text import LONGEST, clean
from alerts.words import points, tell

MOST_HEADLINE = 150
_ITEMS = 10  # of each list; a longer one is not read at night
_CASES = 5
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#!$&'()*+,;=%\[\]-]{1,500}")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, and what to type for it or ""."""

    do: str
    command: str


@dataclass(frozen=True, slots=True)
class Case:
    """A case's title with its scores, and its texts with what each is."""

    title: str
    texts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """The parts of a message in their order; all fit to be shown, none escaped. `more_…` counts what is left out."""

    headline: str
    tone: str  # rollback | investigate | good | other
    lead: str
    meaning: str
    steps: tuple[Step, ...]
    more_steps: int
    facts: tuple[Fact, ...]
    reasons: tuple[str, ...]
    more_reasons: int
    examples: tuple[str, ...]
    cases: tuple[Case, ...]
    links: tuple[tuple[str, str], ...]
    footer: tuple[Fact, ...]
    picture: str = ""  # what the picture shows, or "" where there is none


def letter(alert: Alert, *, show_cases: bool = False, picture: bool = False) -> Letter:
    """The parts of the message for `alert`; the texts of cases only with `show_cases`."""
    story = tell(alert)
    headline = flat(story.headline, MOST_HEADLINE)
    return Letter(
        headline=headline,
        tone=_tone(alert),
        lead=flat(story.lead, 600),
        meaning=flat(story.meaning, 800) if story.meaning else "",
        steps=tuple(Step(flat(a.do, 300), flat(a.command or "", 400, "")) for a in story.actions[:_ITEMS]),
        more_steps=max(0, len(story.actions) - _ITEMS),
        facts=tuple(_fact(fact) for fact in story.facts),
        reasons=tuple(flat(reason, 400) for reason in story.reasons[:_ITEMS]),
        more_reasons=max(0, len(story.reasons) - _ITEMS),
        examples=tuple(flat(case, 80) for case in story.examples),
        cases=tuple(case for case in map(_case, alert.examples[:_CASES]) if case.texts) if show_cases else (),
        links=tuple((flat(k.label, 80), k.url) for k in alert.links[:_ITEMS] if _ADDRESS.fullmatch(k.url)),
        footer=tuple(_fact(fact) for fact in story.footer),
        picture=f"Trend of the score. {headline}" if picture else "",
    )


def flat(text: str, limit: int, nothing: str = "–") -> str:
    """`text` in one clean line of at most `limit` characters (40 or more); `nothing` where there is nothing to show."""
    return _cut(" ".join(clean(text[:LONGEST]).split()), limit, text) or nothing


def block(text: str, limit: int) -> str:
    """As `flat`, with its line ends kept."""
    return _cut(clean(text[:LONGEST]).strip("\n"), limit, text) or "–"


def _cut(shown: str, limit: int, text: str) -> str:
    if len(shown) <= limit and len(text) <= LONGEST:
        return shown
    note = f" … [cut: {len(text) if len(text) > LONGEST else len(shown):,} characters]"
    return shown[: limit - len(note)].rstrip() + note


def _fact(fact: Fact) -> Fact:
    return Fact(flat(fact.label, 60), flat(fact.value, 200), fact.exact)


def _tone(alert: Alert) -> str:
    if alert.kind in (Kind.WORSE, Kind.AGAIN):
        return alert.verdict if alert.verdict in ("rollback", "investigate") else "other"
    return "good" if alert.kind in (Kind.RECOVERED, Kind.RECOVERING) else "other"


def _case(example: Example) -> Case:
    title = f"Case {flat(example.case, 80)}"
    if example.score_before is not None or example.score_now is not None:
        title += f": score {points(example.score_before)} at deployment, {points(example.score_now)} now"
    texts = (
        ("Input", example.input),
        ("Expected", example.expected),
        ("Answer at deployment", example.answer_before),
        ("Answer now", example.answer_now),
    )
    return Case(title, tuple((what, block(text, 800)) for what, text in texts if text is not None))
