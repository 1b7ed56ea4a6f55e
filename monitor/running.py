"""`heldout run`: what is wanted is measured, shown and told, by one process at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import typer

from monitor import session, wiring
from monitor.exits import FAILED, PASS
from monitor.hang import HUNG

if TYPE_CHECKING:
    from monitor.app import App
    from monitor.config.models import Config
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
    ends_after: float = HUNG,
    clock: Callable[[], datetime] = wiring.clock,
) -> int:
    """Do it, and return the exit code. Another process at work is no failure where only what is due was wanted.

    `as_child`: a daemon has started this process, and when the daemon is gone it stops as it does at Ctrl-C.
    `ends_after`: seconds for which it may stand still.
    """
    from monitor import parent, pings
    from monitor.progress import progress
    from monitor.store.lock import LockedError

    told = pings.of(config, os.environ, due=wanted.due)

    async def work(desk: session.Desk) -> int:
        from monitor import outcome

        if as_child:
            parent.stop_when_gone(desk.stop)
        with progress() as shown:
            watch = told.watching(shown)
            # What the schedule wants of one target does not wait until another's suite is mended.
            tolerant = wanted.due or wanted.slot is not None
            only = (wanted.targets, wanted.suites)
            built = session.build(config, desk, watch, only=only, tolerant=tolerant, clock=clock)
            done = await _round(built, wanted)
        following = config.schedule.timetable.following(clock()) if wanted.due and built.sites else None
        told.over(done, worked=outcome.code(done, as_verdict=False) == PASS)
        await outcome.tell(built, done, as_json=as_json, following=following)
        return outcome.code(done, as_verdict=exit_code)

    try:
        return session.work_on(config, partial(told.around, work), paying=True, ends_after=ends_after, clock=clock)
    except LockedError as error:
        # An hourly timer that meets a long run has nothing to complain of.
        typer.echo(f"{error}; nothing was done", err=True)
        return PASS if wanted.due else FAILED


async def _round(built: App, wanted: Wanted) -> Round:
    from monitor import rounds

    if wanted.due:
        return await rounds.run_due(built)
    if wanted.slot is not None:
        return await rounds.run_slot(built, built.scheduled, built.config.schedule.timetable, wanted.slot)
    return await rounds.run_now(built, list(built.sites.values()))
