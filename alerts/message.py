"""An alert as Slack messages: complete by itself, or the first of a thread, a reply in it, its details; pure."""

from __future__ import annotations

from dataclasses import replace

from alerts.alert import Alert, Fact, Kind
from alerts.incident import Incident, What
from alerts.message_blocks import (
    ITEMS,
    Sheet,
    SlackMessage,
    checked_mention,
    compose,
    context,
    fields,
    fit,
    header,
    insert_examples,
    linked,
    more,
    plain_footer,
    scores,
    section,
)
from alerts.message_buttons import NO_BUTTONS, Powers, controls
from alerts.state_words import standing
from alerts.text import code, prose
from alerts.words import tell

# Steps that the state of the incident tells of by itself.
_SHOWN = frozenset(
    {What.ACKNOWLEDGED, What.SILENCED, What.OFFERED, What.ESCALATED, What.VERIFIED, What.RESOLVED, What.REPLACED}
)


def render(alert: Alert, *, show_cases: bool = False, mention: str | None = None, note: str = "") -> SlackMessage:
    """The message for `alert` that says everything by itself; `note` is said before all else.

    The texts of cases are shown only with `show_cases`, and never in `text`, which lands on locked screens.
    `mention` (`<!subteam^S…>`, `<@U…>`, `<!here>`, `<!channel>`) is put there where the alert's route says so; what is
    none of these raises ValueError.
    """
    message = compose(Sheet(tell(alert), alert.links, _call(alert, mention), note, _standing(alert)))
    if not show_cases:
        return message
    blocks = list(message.blocks)
    insert_examples(blocks, alert.examples)
    return SlackMessage(message.text, tuple(blocks))


def root(alert: Alert, *, mention: str | None = None, powers: Powers = NO_BUTTONS) -> SlackMessage:
    """The first message of an incident's thread, as it is after `alert`; also what it is changed to later.

    Raises ValueError for an alert without an incident.
    """
    incident = _incident(alert)
    story = tell(_verdict_of(alert, incident))
    headline = story.headline
    if not incident.is_open and alert.kind is not Kind.RECOVERED:
        headline = f"✅ RESOLVED{headline[headline.index(':') :]}" if ":" in headline else headline
    last = f" · Last: {alert.event}" if alert.kind is Kind.STEP and alert.step not in _SHOWN else ""
    sheet = Sheet(
        replace(story, headline=headline, reasons=(), examples=()),
        alert.links,
        _call(alert, mention),
        standing=standing(incident) + last,
        controls=controls(incident, powers),
    )
    return compose(sheet)


def reply(alert: Alert, *, mention: str | None = None) -> SlackMessage:
    """What `alert` adds to its incident's thread, where the first message shows the numbers."""
    is_step, call, story = alert.kind is Kind.STEP, _call(alert, mention), tell(alert)
    if is_step and not alert.broadcast:
        quiet = replace(story, meaning="", actions=(), facts=(), reasons=(), examples=(), footer=story.footer[-1:])
        return compose(Sheet(quiet, call=call, small=True))
    # With its links: a reply that the whole channel is shown stands there without the message that it replies to.
    told = replace(
        story,
        meaning="" if is_step else story.meaning,
        facts=story.facts[:1] if is_step else (),
        reasons=alert.reasons[1:] if is_step else (),
        examples=(),
    )
    return compose(Sheet(told, alert.links, call, standing=_standing(alert)))


def details(alert: Alert, *, show_cases: bool = False) -> SlackMessage:
    """The causes, what was measured and what was not, and the five cases that fell most: for those who ask why."""
    title = f"Details: {alert.target} on {alert.suite}"
    blocks = [header(title)]
    lines = [prose(title, 150)]
    causes = tuple(f"{cause.cause}: {cause.evidence}" for cause in alert.causes)
    told = {cause.evidence for cause in alert.causes}
    # A step's reasons are its own, and were told with it.
    reasons = () if alert.kind is Kind.STEP else tuple(reason for reason in alert.reasons if reason not in told)
    for name, said in (("Likely causes", causes), ("Why this verdict", reasons)):
        if said:
            shown = [f"• {prose(one, 240)}" for one in said[:ITEMS]]
            blocks.append(section("\n".join([f"*{name}*", *shown, *more(said)])))
            lines += ["", f"{name}:", *shown, *more(said)]
    if alert.details:
        blocks.append(fields(alert.details))
        lines += ["", *(f"{prose(fact.label, 60)}: {prose(fact.value, 150)}" for fact in alert.details[:10])]
    if alert.examples:
        cases = [f"• {code(example.case, 80)}{scores(example)}" for example in alert.examples[:ITEMS]]
        blocks.append(section("\n".join(["*Cases that fell most*", *cases, *more(alert.examples)])))
        lines += ["", "Cases that fell most: " + ", ".join(prose(e.case, 60) for e in alert.examples[:ITEMS])]
    footer = (Fact("Alert", alert.id, exact=True),)
    blocks += [*linked(alert.links), context(footer)]
    if show_cases:
        insert_examples(blocks, alert.examples)
    return SlackMessage(fit(lines, plain_footer(footer)), tuple(blocks))


def _call(alert: Alert, mention: str | None) -> str | None:
    """Whom to call: whom the configuration names, when the route says so."""
    checked = checked_mention(mention)
    return checked if alert.mention else None


def _standing(alert: Alert) -> str:
    return "" if alert.incident is None else standing(alert.incident)


def _incident(alert: Alert) -> Incident:
    if alert.incident is None:
        raise ValueError("only an incident has a thread")
    return alert.incident


def _verdict_of(alert: Alert, incident: Incident) -> Alert:
    """What a step was taken on: the step itself says nothing of how good the target is, nor when it was measured."""
    if alert.kind is not Kind.STEP:
        return alert
    kind = Kind.RECOVERING if alert.verdict == "pass" and incident.is_open else Kind.WORSE
    return replace(alert, kind=kind, event="", finished_at=None)
