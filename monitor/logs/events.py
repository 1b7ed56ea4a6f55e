"""What a run writes into the log: one function an event, each of one line, without a word that a model said.

The ids (run, target, suite) stand in each line; `bound` adds them to what others log meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from monitor.domain.run import Halt, Run, RunState
from monitor.domain.verdict import Verdict, instant
from monitor.logs.context import bound, bound_to
from monitor.store import answers

if TYPE_CHECKING:
    from alerts.alert import Alert
    from monitor.store.database import Database

logger = logging.getLogger("monitor.run")


def within(run: Run) -> AbstractContextManager[None]:
    """Whatever is logged inside has the run's ids."""
    return bound(**_ids(run))


def taken_up(database: Database, run: Run) -> None:
    """A run begins, or goes on after a wait or a crash: with how many answers it has, and for which slot."""
    if not logger.isEnabledFor(logging.INFO):
        return
    with database.read() as connection:
        stored = answers.spend(connection, run.id).answers
    begins = not stored and not run.progress
    _say(run, "run begins" if begins else "run taken up", kind=run.kind.value, slot=instant(run.slot), answers=stored)


def halted(run: Run, halt: Halt | None) -> None:
    """The replay ended early, and why; nothing where it did not."""
    if halt is not None:
        _say(run, "replay halted", logging.WARNING, reason=halt.kind.value, why=halt.message)


def decided(run: Run, said: Verdict, written: Sequence[Alert]) -> None:
    """The verdict is stored, with the alerts that were written with it; `run` is how it goes on."""
    drop = said.drop.as_json() if said.drop else {}
    goes_on = run.state is RunState.WAITING
    _say(
        run,
        "decided",
        verdict=said.level.value,
        stage=said.stage.value,
        drop=drop.get("points"),
        low=drop.get("low"),
        high=drop.get("high"),
        cause=said.causes[0].cause.value if said.causes else None,
        next="over" if run.state is RunState.DONE else f"{run.progress.get('phase')} ×{run.progress.get('repeats')}",
        due=instant(run.due_at) if goes_on else None,
    )
    for alert in written:
        _say(run, "alert written", alert=alert.id, kind=alert.kind.value)


def superseded(run: Run, by: datetime) -> None:
    """The next slot came before the run was finished."""
    _say(run, "run superseded", logging.WARNING, by=instant(by))


def missed(found: Sequence[Run]) -> None:
    """Slots that nobody was there for, and that are too old to make up for."""
    for run in found:
        _say(run, "slot missed", logging.WARNING, slot=instant(run.slot))


def collected(run: Run, pinned: bool) -> None:
    """A baseline was pinned, or waits for its next batch."""
    _say(run, "baseline pinned" if pinned else "baseline goes on", due=instant(run.due_at))


def interrupted(site: str, error: BaseException) -> None:
    """Somebody stopped it; what was answered is stored. The ids are those of where it was raised."""
    logger.warning("run interrupted", extra={"site": site, **bound_to(error)})


def broken(site: str, error: Exception) -> None:
    """A site's run ended in an error; the others went on."""
    logger.error("run broken", exc_info=error, extra={"site": site})


def no_picture(run: Run, error: Exception) -> None:
    """A message goes out without its picture."""
    logger.warning("no picture could be drawn", extra={"run": run.id, "why": type(error).__name__})


def round_over(taken: int, collected: int, idle: int, failed: int, broken: int) -> None:
    """One command has done what it was asked for; counts of sites."""
    counts = {"runs": taken, "baselines": collected, "idle": idle, "failed": failed, "broken": broken}
    logger.info("round over", extra=counts)


def _ids(run: Run) -> dict[str, str]:
    return {"run": run.id, "target": run.target, "suite": run.suite}


def _say(run: Run, event: str, level: int = logging.INFO, **fields: Any) -> None:
    logger.log(level, event, extra={**_ids(run), **fields})
