"""What the page shows: how each target stands, what runs now, and what is out of order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from alerts.incident import Incident
from monitor import standing
from monitor.domain.run import Run, RunState
from monitor.domain.verdict import Level
from monitor.incidents import retiring
from monitor.store import history, incidents, outbox
from monitor.store import runs as stored
from monitor.web import chart, names, runs, words
from monitor.web.service import Health, Service

if TYPE_CHECKING:
    from monitor.config.models import Config

# A slot that was missed longer ago is history.
LATELY = timedelta(days=30)
# A replay without an answer for so long is worth a word: retries take up to five minutes unless configured otherwise.
SILENT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Row:
    """One (target, suite): the contract's object, its picture, and what comes next in words."""

    standing: standing.Standing
    role: str
    chart: chart.Chart | None
    measured: datetime | None
    following: str

    @property
    def payload(self) -> dict[str, Any]:
        """The contract's object."""
        return self.standing.payload


@dataclass(frozen=True, slots=True)
class Overview:
    """The page's content; `problems` and `notes` are sentences."""

    rows: tuple[Row, ...]
    counts: tuple[tuple[str, int], ...]
    progress: runs.Progress | None
    silent: bool
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    incidents: tuple[Incident, ...]
    following: datetime | None
    health: Health
    now: datetime


def look(service: Service) -> Overview:
    """Everything at this moment; raises DatabaseError."""
    config, now, health = service.config(), service.clock(), service.health()
    following = config.schedule.timetable.following(now)
    found = standing.of(service.database, config, config.pairs, now, standing.STALE_AFTER)
    with service.database.read() as connection:
        progress = runs.under_way(connection)
        unfinished = stored.unfinished(connection)
        missed = history.missed(connection, now - LATELY)
        undelivered = outbox.undelivered(connection)
        open_ones = incidents.open_ones(connection)
        retired = retiring.retired(connection, list(config.targets))
    open_runs: defaultdict[names.Pair, list[Run]] = defaultdict(list)
    for run in unfinished:
        open_runs[run.target, run.suite].append(run)
    found.sort(key=lambda one: -one.level.rank)
    rows = tuple(_row(config, one, open_runs[one.target, one.suite], following, now) for one in found)
    return Overview(
        rows=rows,
        counts=tuple((level.value, sum(row.standing.level is level for row in rows)) for level in reversed(Level)),
        progress=progress,
        silent=progress is not None and progress.at is not None and now - progress.at > SILENT,
        problems=tuple(_problems(health)),
        notes=(*_undelivered(undelivered), *retired, *_missed(missed)),
        incidents=tuple(open_ones),
        following=following,
        health=health,
        now=now,
    )


def _row(
    config: Config,
    one: standing.Standing,
    open_runs: Sequence[Run],
    slot: datetime | None,
    now: datetime,
) -> Row:
    role = config.targets[one.target].role
    return Row(
        standing=one,
        role=role,
        chart=chart.drop_chart(one.payload),
        measured=words.moment(one.payload["finished_at"]),
        following=_following(open_runs, slot if role == "production" else None, now),
    )


def _following(open_runs: Sequence[Run], slot: datetime | None, now: datetime) -> str:
    """What comes next: what is open, else the schedule's next slot."""
    said = [_open(run, now) for run in open_runs]
    if not said:
        said = ["On demand only"] if slot is None else [f"Next slot {words.stamp(slot)}"]
    return "; ".join(said) + "."


def _open(run: Run, now: datetime) -> str:
    who = f" for {run.requested_by}" if run.requested_by else ""
    what = words.KINDS[run.kind.value] + who
    if run.state is RunState.RUNNING:
        return f"{what} under way"
    if run.due_at is not None and run.due_at > now:
        return f"{what} goes on {words.stamp(run.due_at)}"
    return f"{what} is due" if run.begun else f"{what} is about to begin"


def _problems(health: Health) -> list[str]:
    named = (
        ("Scheduler", health.scheduler),
        ("Database", health.database),
        ("Configuration: not reloaded, the one before stays in force", health.configuration),
    )
    return [f"{name}: {fault}" for name, fault in named if fault is not None]


def _undelivered(waiting: Sequence[tuple[str, str, int, datetime, str | None]]) -> list[str]:
    return [
        outbox.waiting(channel, state, words.counted(count, "message"), words.stamp(since), error)
        for channel, state, count, since, error in waiting
    ]


def _missed(missed: Sequence[Run]) -> list[str]:
    by_pair: defaultdict[names.Pair, list[datetime]] = defaultdict(list)
    for run in missed:
        if run.slot is not None:
            by_pair[run.target, run.suite].append(run.slot)
    return [
        f"{target} · {suite}: {words.counted(len(slots), 'slot')} missed in the last {LATELY.days} days, the last on "
        f"{words.stamp(slots[0])}; heldout was not running, or could not begin: its log says why."
        for (target, suite), slots in by_pair.items()
    ]
