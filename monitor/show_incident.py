"""What `heldout incident` prints: a line each, and the whole story of one for somebody who was woken by it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from alerts.incident import Approval, Incident, State
from monitor import show
from monitor.domain.words import signed, stamp

if TYPE_CHECKING:
    from alerts.alert import Alert, Drop
    from alerts.incident import Event
    from monitor.incidents.actions import Story
    from monitor.store.hooks import HookRow

_STATES = {
    State.OPEN: "open",
    State.ACTING: "acting",
    State.VERIFYING: "being verified",
    State.RESOLVED: "resolved",
    State.ESCALATED: "escalated: somebody has to see to it",
}


def line(one: Incident, fallback: str | None, now: datetime) -> None:
    """One incident on one line; `fallback`: what a rollback of its target leads to."""
    colour = None if "NO_COLOR" in os.environ else show.COLOURS.get(one.level)
    typer.secho(f"{show.MARKS.get(one.level, '?')} {one.level:<12} ", fg=colour, nl=False)
    typer.echo(_flat(f"{one.target} · {one.suite}  {standing(one, fallback, now)}  {one.id}"))


def standing(one: Incident, fallback: str | None, now: datetime) -> str:
    """How it stands, in one sentence without its end."""
    if not one.is_open:
        closed = stamp(one.closed_at) if one.closed_at else "some time"
        return f"resolved {closed}: {one.outcome or 'no reason was given'}"
    parts = [f"{_STATES[one.state]}, since {stamp(one.opened_at)}"]
    if one.acknowledged_by:
        parts.append(f"acknowledged by {one.acknowledged_by}")
    if one.silenced_until is not None and one.silent(now):
        parts.append(f"silent until {stamp(one.silenced_until)}")
    parts += [f"waits for approval: {wanted(waiting, fallback)}" for waiting in one.approvals]
    return "; ".join(parts)


def wanted(waiting: Approval, fallback: str | None) -> str:
    """What would be done, and until when somebody can say yes."""
    to = f" to {fallback}" if waiting.action == "rollback" and fallback else ""
    return f"{waiting.action}{to} by {waiting.name} until {stamp(waiting.expires_at)}"


def story(told: Story, fallback: str | None, now: datetime) -> None:
    """All that is known: how it stands, the numbers, what happened, what was asked for, and what can be done."""
    one = told.incident
    show.line(
        f"{show.MARKS.get(one.level, '?')} {one.level.upper()}  {one.target} · {one.suite}",
        colour=show.COLOURS.get(one.level),
    )
    show.line(f"Incident {one.id}, {_flat(standing(one, fallback, now))}.", indent=2)
    show.line(f"It began with the slot {stamp(one.slot)}; the worst verdict so far is {one.worst}.", indent=2)
    if one.now_serving:
        show.line(f"Serving now: {one.now_serving}.", indent=2)
    if one.others:
        show.line(f"Linked incidents: {', '.join(one.others)}.", indent=2)
    if told.alert is not None:
        numbers(told.alert)
    show.line("What happened:")
    for event in told.events:
        show.line(_step(event), indent=2)
    if told.hooks:
        show.line("What was asked of deployment tooling:")
    for row in told.hooks:
        show.line(_hook(row), indent=2)
    if one.is_open:
        show.line("What can be done:")
        for do, command in _choices(told):
            show.line(f"{do}:" if command else do, indent=2)
            if command:
                # Not wrapped, so that it can be copied.
                typer.echo(f"    {_flat(command)}")


def offer(told: Story, waiting: Approval) -> None:
    """What will happen, before anybody says yes."""
    one = told.incident
    fallback = next((row.fallback for row in told.hooks if row.id == waiting.hook), None)
    show.line(f"{one.target} · {one.suite}: {wanted(waiting, fallback)}.", err=True)
    if told.alert is not None:
        numbers(told.alert, err=True)
    show.line("The guard looks once more, and refuses what is not right any more.", err=True)


def numbers(alert: Alert, *, err: bool = False) -> None:
    """What the newest verdict measured, and why it says what it says."""
    drop = None if alert.drop is None else asdict(alert.drop)
    said = [show.scores({"score": alert.score, "baseline_score": alert.baseline_score, "drop": drop})]
    if alert.confirmation is not None and alert.confirmation.points is not None:
        said.append(f"Measured again to confirm it: drop {_drop(alert.confirmation)}.")
    said += alert.reasons
    said += [f"Likely cause: {cause.cause}. {cause.evidence}" for cause in alert.causes]
    if alert.run:
        said.append(f"{alert.answers:,} answers to {alert.cases:,} cases, run {alert.run}.")
    for sentence in said:
        show.line(sentence, indent=2, err=err)


def _drop(drop: Drop) -> str:
    between = "" if drop.low is None or drop.high is None else f" ({signed(drop.low)} to {signed(drop.high)})"
    return f"{signed(drop.points or 0.0)} points{between}"


def _step(event: Event) -> str:
    more = f" ({event.level})" if event.level else ""
    more += f", until {stamp(event.until)}" if event.until else ""
    return f"{stamp(event.at)}  {event.what.value}{more}, {event.by}: {event.why or 'no reason was given'}"


def _hook(row: HookRow) -> str:
    to = f" to {row.fallback}" if row.fallback else ""
    parts = [f"{row.name}: {row.action}{to}, {row.state.value}"]
    parts.append(f"requested {stamp(row.requested_at)}, expires {stamp(row.expires_at)}")
    if row.decided_by and row.decided_at:
        parts.append(f"decided by {row.decided_by} {stamp(row.decided_at)}")
    if row.accepted_at:
        parts.append(f"accepted {stamp(row.accepted_at)}")
    result: Mapping[str, object] = row.result or {}
    if result.get("status"):
        serving = f", now serving {result['now_serving']}" if result.get("now_serving") else ""
        parts.append(f"result: {result['status']}{serving}")
    if row.why:
        parts.append(row.why)
    return f"{'; '.join(parts)} (hook {row.id})"


def _choices(told: Story) -> Iterator[tuple[str, str | None]]:
    """What whoever reads this may do now, with the command for it."""
    one = told.incident
    several = len(one.approvals) > 1
    for waiting in one.approvals:
        which = f" --hook {waiting.hook}" if several else ""
        yield f"Let {waiting.name} ask for the {waiting.action}", f"heldout incident approve {one.id}{which}"
        yield "Or decide against it", f"heldout incident reject {one.id}{which}"
    for row in told.hooks:
        if row.state.under_way and row.decided_at is not None:
            yield f"Say what came of {row.name}", f"heldout incident result {row.id} done"
    if one.acknowledged_by is None:
        yield "Say that you see to it", f"heldout incident ack {one.id}"
    yield "Hear nothing of it for a week", f"heldout incident silence {one.id} --for 7d"
    yield "Close it", f'heldout incident resolve {one.id} --why "…"'
    for action in told.alert.actions if told.alert is not None else ():
        if action.command is None or "heldout incident" not in action.command:
            yield action.do, action.command


def _flat(text: str) -> str:
    """One line of harmless characters."""
    return show.plain(" ".join(text.split("\n")))
