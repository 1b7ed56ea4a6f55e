"""`heldout incident`: the life of an alert, for people at a terminal; who they are is the OS user."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor import session
from monitor.exits import FAILED
from monitor.options import CONFIG, AsJson, ConfigPath

if TYPE_CHECKING:
    from alerts.incident import Approval, Incident
    from monitor.config.models import Config
    from monitor.incidents.actions import Actions, Story
    from monitor.incidents.office import Actor
    from monitor.store.database import Database

# Delivery of what an action tells, before the command ends, in seconds; the daemon, or the next run, does the rest.
_DELIVER_FOR = 10.0

Id = Annotated[str, typer.Argument(metavar="INCIDENT", help="The incident's id, or how it begins.")]
Why = Annotated[str, typer.Option("--why", help="The reason, for those who read the story later.")]
HookName = Annotated[str | None, typer.Option("--hook", help="Which hook, by name or id, where several wait.")]

app = typer.Typer(no_args_is_help=True, help="The life of an alert: who sees to it, and what is done about it.")


@dataclass(frozen=True, slots=True)
class _Desk:
    """What a verb works with; `now` is when everything that it does is done."""

    config: Config
    database: Database
    actions: Actions
    actor: Actor
    now: datetime

    def fallback(self, target: str) -> str | None:
        """What a rollback of this target leads to, as it is configured now."""
        table = self.config.targets.get(target)
        return getattr(table, "fallback", None)


@app.command("list", epilog="Examples: heldout incident list · heldout incident list --all --json")
def list_incidents(
    config: ConfigPath = CONFIG,
    every: Annotated[bool, typer.Option("--all", help="The newest hundred, those that are over, too.")] = False,
    json: AsJson = False,
) -> None:
    """Show which incidents are open, one a line, the newest first."""
    from monitor import show, show_incident
    from monitor.incidents import told
    from monitor.store.database import NoDatabaseError

    found: list[Incident] = []
    try:
        with _desk(config) as desk:
            found = desk.actions.list(every=every)
            if not json:
                for one in found:
                    show_incident.line(one, desk.fallback(one.target), desk.now)
    except NoDatabaseError:
        # Asking how things stand is no mistake where nothing was ever measured.
        pass
    if json:
        show.json_out({"schema": 1, "incidents": [told.incident(one) for one in found]})
    elif not found:
        show.line("There is no incident." if every else "No incident is open.", err=True)


@app.command("show", epilog="Example: heldout incident show 0193a5c2")
def show_one(incident: Id, config: ConfigPath = CONFIG, json: AsJson = False) -> None:
    """Tell the whole story of one: the numbers, what happened, who did what and why, and what can be done."""
    from monitor import show, show_incident
    from monitor.incidents import told

    with _desk(config) as desk:
        found = desk.actions.story(desk.actions.find(incident).id)
        if json:
            show.json_out({"schema": 1, "incident": told.story(found)})
        else:
            show_incident.story(found, desk.fallback(found.incident.target), desk.now)


@app.command("ack", epilog='Example: heldout incident ack 0193a5c2 --why "I look at the retriever"')
def acknowledge(incident: Id, config: ConfigPath = CONFIG, why: Why = "", json: AsJson = False) -> None:
    """Say that you see to it: it is not repeated any more, unless it gets worse."""
    _act(config, incident, lambda desk, one: desk.actions.acknowledge(one, desk.actor, why), as_json=json)


@app.command("silence", epilog='Example: heldout incident silence 0193a5c2 --for 7d --why "known until the release"')
def silence(
    incident: Id,
    config: ConfigPath = CONFIG,
    for_: Annotated[str, typer.Option("--for", help="How long, such as 12h or 7d.")] = "7d",
    why: Why = "",
    json: AsJson = False,
) -> None:
    """Hear nothing more of it for a while, but that it got worse, or is over."""
    from monitor.config.fields import parse_duration

    try:
        lasts = parse_duration(for_)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None
    if not lasts:
        raise typer.BadParameter('must be longer than nothing, such as "7d"', param_hint="--for")
    _act(config, incident, lambda desk, one: desk.actions.silence(one, desk.actor, desk.now + lasts, why), as_json=json)


@app.command("resolve", epilog='Example: heldout incident resolve 0193a5c2 --why "the index was rebuilt"')
def resolve(
    incident: Id,
    why: Annotated[str, typer.Option("--why", help="The reason, for those who read the story later.")],
    config: ConfigPath = CONFIG,
    json: AsJson = False,
) -> None:
    """Close it: what was decided until now is settled."""
    if not why.strip():
        raise typer.BadParameter("say why, for those who read the story later", param_hint="--why")
    _act(config, incident, lambda desk, one: desk.actions.resolve(one, desk.actor, why), as_json=json)


@app.command("approve", epilog="Examples: heldout incident approve 0193a5c2 · heldout incident approve 0193a5c2 --yes")
def approve(
    incident: Id,
    config: ConfigPath = CONFIG,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it goes out.")] = False,
    hook: HookName = None,
    why: Why = "",
    json: AsJson = False,
) -> None:
    """Let a hook ask for what it waits to ask for, when the guard allows it now; what that is is shown first."""

    def do(desk: _Desk, one: str) -> Incident:
        from monitor import show_incident

        found = desk.actions.story(one)
        waiting = _waiting(found, hook)
        show_incident.offer(found, waiting)
        if not (yes or _agreed()):
            raise typer.Exit(FAILED)
        # The nonce: if something else waits by now, it is not what was agreed to.
        return desk.actions.approve(one, desk.actor, nonce=waiting.nonce, why=why)

    _act(config, incident, do, as_json=json)


@app.command("reject", epilog='Example: heldout incident reject 0193a5c2 --why "the provider is at work on it"')
def reject(
    incident: Id, config: ConfigPath = CONFIG, hook: HookName = None, why: Why = "", json: AsJson = False
) -> None:
    """Decide that a hook that waits is not asked for."""
    _act(config, incident, lambda desk, one: desk.actions.reject(one, desk.actor, hook=hook, why=why), as_json=json)


@app.command("result", epilog="Example: heldout incident result 0193a5c7 done --now-serving support-rag")
def result(
    hook: Annotated[str, typer.Argument(metavar="HOOK", help="The hook's id, or how it begins.")],
    status: Annotated[str, typer.Argument(metavar="done|failed", help="What came of it.")],
    config: ConfigPath = CONFIG,
    now_serving: Annotated[
        str | None, typer.Option("--now-serving", help="The target that serves now; else the fallback.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Say what came of a hook, where its tool does not; what serves now is then measured."""
    from monitor import show
    from monitor.incidents import told
    from monitor.incidents.office import UnknownError

    if status not in ("done", "failed"):
        raise typer.BadParameter(f"{status!r} is neither done nor failed", param_hint="done|failed")
    with _desk(config) as desk:
        # A slip of the pen would have something else measured, or nothing, and could not be taken back.
        session.known(desk.config, now_serving, None)
        row = desk.actions.hook(hook)
        if row is None:
            raise UnknownError(
                f'no hook\'s id, or several, begin with "{hook[:40]}"; `heldout incident show` tells them'
            )
        came = desk.actions.result(row.id, status, now_serving, desk.actor)
        if json:
            shown = None if came.incident is None else told.incident(came.incident)
            show.json_out({"schema": 1, "again": came.again, "incident": shown})
        else:
            if came.again:
                show.line("The same was said before; nothing has changed.")
            _shown(desk, came.incident)
        _deliver(desk)


@contextmanager
def _desk(path: Path) -> Iterator[_Desk]:
    """The configuration and its database, which has to be there; raises ConfigError and DatabaseError."""
    from monitor import logs, wiring
    from monitor.incidents.actions import Actions
    from monitor.incidents.office import Actor

    config = session.load(path)
    logs.be_silent_unless_set_up()
    database = wiring.open_store(config, os.environ, create=False)
    try:
        now = wiring.clock()
        actions = Actions(database, config, config.alerts.channels, now, wiring.new_id)
        yield _Desk(config, database, actions, Actor(session.user(), "command"), now)
    finally:
        database.close()


def _act(path: Path, prefix: str, do: Callable[[_Desk, str], Incident], *, as_json: bool) -> None:
    """Do something about one incident, say how it stands then, and deliver what it tells."""
    from monitor import show
    from monitor.incidents import told

    with _desk(path) as desk:
        after = do(desk, desk.actions.find(prefix).id)
        if as_json:
            show.json_out({"schema": 1, "incident": told.incident(after)})
        else:
            _shown(desk, after)
        _deliver(desk)


def _shown(desk: _Desk, incident: Incident | None) -> None:
    from monitor import show_incident

    if incident is not None:
        show_incident.line(incident, desk.fallback(incident.target), desk.now)


def _deliver(desk: _Desk) -> None:
    """Send what is due, as the end of a run does: an installation without the daemon tells people, too."""
    import asyncio

    from monitor import outcome, process, wiring

    with process.result_stands():
        asyncio.run(outcome.deliver(desk.config, desk.database, wiring.clock, seconds=_DELIVER_FOR))


def _waiting(found: Story, hook: str | None) -> Approval:
    """The approval that is meant; raises NotAllowedError where none waits, BadParameter where several do."""
    from alerts.incident import NotAllowedError

    one = found.incident
    waiting = [offer for offer in one.approvals if hook is None or hook in (offer.name, offer.hook)]
    if not waiting:
        of = "" if hook is None else f' of a hook "{hook[:40]}"'
        raise NotAllowedError(
            f"incident {one.id} waits for no approval{of}; `heldout incident show {one.id}` tells why"
        )
    if len(waiting) > 1:
        names = ", ".join(offer.name for offer in waiting)
        raise typer.BadParameter(f"incident {one.id} waits for several ({names}): name one", param_hint="--hook")
    return waiting[0]


def _agreed() -> bool:
    if sys.stdin.isatty() and sys.stderr.isatty():
        return typer.confirm("Let it go out?", err=True)
    typer.echo("Nobody can be asked here: add --yes. Nothing was approved.", err=True)
    return False
