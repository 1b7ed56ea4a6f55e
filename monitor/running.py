"""`heldout run`: what is wanted is measured, shown and told, by one process at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from monitor import session, wiring
from monitor.exits import FAILED, PASS

if TYPE_CHECKING:
    from monitor.config.models import Config
    from monitor.cycle import App
    from monitor.rounds import Round


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure: what is due, one slot, or (with neither) a replay now; of these targets and suites, or all."""

    due: bool = False
    slot: datetime | None = None
    targets: list[str] | None = None
    suites: list[str] | None = None


def run(
    config: Config,
    wanted: Wanted,
    *,
    as_json: bool,
    exit_code: bool,
    as_child: bool = False,
    clock: Callable[[], datetime] = wiring.clock,
) -> int:
    """Do it, and return the exit code. Another process at work is no failure where only what is due was wanted.

    `as_child`: a daemon has started this process, and when the daemon is gone it stops as it does at Ctrl-C.
    """
    from monitor import parent
    from monitor.progress import progress
    from monitor.store.lock import LockedError

    async def work(desk: session.Desk) -> int:
        from monitor import outcome

        if as_child:
            parent.stop_when_gone(desk.stop)
        with progress() as watch:
            # What the schedule wants of one target does not wait until another's suite is mended.
            tolerant = wanted.due or wanted.slot is not None
            only = (wanted.targets, wanted.suites)
            built = session.build(config, desk, watch, only=only, tolerant=tolerant, clock=clock)
            done = await _round(built, wanted)
        following = wiring.timetable(config).following(clock()) if wanted.due else None
        await outcome.tell(built, done, as_json=as_json, following=following)
        return outcome.code(done, as_verdict=exit_code)

    try:
        return session.work_on(config, work, paying=True, unattended=True, clock=clock)
    except LockedError as error:
        # An hourly timer that meets a long run has nothing to complain of.
        typer.echo(f"{error}; nothing was done", err=True)
        return PASS if wanted.due else FAILED


async def _round(built: App, wanted: Wanted) -> Round:
    from monitor import rounds

    if wanted.due:
        return await rounds.run_due(built)
    if wanted.slot is not None:
        return await rounds.run_slot(built, built.scheduled, wiring.timetable(built.config), wanted.slot)
    return await rounds.run_now(built, list(built.sites.values()))
