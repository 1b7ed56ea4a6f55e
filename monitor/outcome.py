"""The end of a round: what is shown, what goes out, which errors are raised after all, and the exit code."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from monitor import errors, process, show, ways, wiring
from monitor.config.secrets import SecretError
from monitor.exits import FAILED, OF_VERDICT, PASS

if TYPE_CHECKING:
    from monitor.app import App
    from monitor.config.models import Config
    from monitor.rounds import Broken, Round
    from monitor.store.database import Database

# Delivery before the end of a run, in seconds: a timer without the daemon alerts too.
DELIVER_FOR = 30.0


async def tell(app: App, done: Round, *, as_json: bool, following: datetime | None) -> None:
    """Show what was done, and deliver what is due; then raise the errors that nobody can explain.

    Those are mistakes in the program. They are raised rather than logged, because a command without a log would lose
    where they come from; and last, because a mistake with one target must not silence the alerts of the others.
    """
    explained = [one for one in done.broken if isinstance(one.error, errors.expected())]
    try:
        with process.result_stands():
            # Shown first: whoever looks on need not wait for a Slack that is down.
            show.round_(done, _sentences(explained), as_json=as_json, following=following)
        await _deliver(app, {errors.message(one.error) for one in explained})
    finally:
        _raise([one for one in done.broken if one not in explained])


def code(done: Round, *, as_verdict: bool) -> int:
    """0, or 1 failed, or 2 where a configuration is to be mended; where `as_verdict` the worst verdict's before those.

    A pass of some targets says nothing of those that were not measured.
    """
    from monitor.domain.run import HaltKind
    from monitor.domain.verdict import worst

    found = OF_VERDICT[worst(one.verdict.level for one in done.done).value] if as_verdict and done.done else PASS
    if found != PASS:
        return found
    # A target that refuses the key is a verdict already, and has an exit code as one.
    fatal = any(one.halt is not None and one.halt.kind is HaltKind.FATAL for one in done.done)
    failed = bool(done.failed) or (fatal and not (as_verdict and done.done))
    return max([FAILED if failed else PASS, *(errors.exit_code(one.error) for one in done.broken)])


async def _deliver(app: App, said: set[str]) -> None:
    """Send what is due; a database error that a site has met and that was `said` is not said again."""
    from monitor.store.database import DatabaseError

    try:
        await deliver(app.config, app.place.database, app.place.now)
    except DatabaseError as error:
        if errors.message(error) not in said:
            raise


async def deliver(
    config: Config, database: Database, clock: Callable[[], datetime], *, seconds: float = DELIVER_FOR
) -> None:
    """Send what is due, for so long at the most, and say what went out; raises DatabaseError."""
    from monitor.delivery import deliver_due
    from monitor.incidents.calls import HookObserver

    try:
        office = ways.office(lambda: config, clock, wiring.new_id)
        found = ways.everything(config, os.environ, database, office)
    except SecretError as error:
        # What was measured is stored and counts; the alerts wait until the secret is there.
        show.line(f"Alerts wait in the database: {error}", colour="yellow", err=True)
        return
    show.delivered(await deliver_due(database, found, clock, seconds, HookObserver(office)))


def _sentences(broken: Sequence[Broken]) -> list[str]:
    """What stopped each site; what stopped several is said once."""
    sites: dict[str, list[str]] = {}
    for one in broken:
        sites.setdefault(errors.message(one.error), []).append(one.site)
    return [f"{', '.join(names)}: {text}" for text, names in sites.items()]


def _raise(unexpected: Sequence[Broken]) -> None:
    for one in unexpected:
        one.error.add_note(f"This happened with {one.site}; the other targets were measured.")
    if len(unexpected) == 1:
        raise unexpected[0].error
    if unexpected:
        raise ExceptionGroup("several targets failed", [one.error for one in unexpected])
