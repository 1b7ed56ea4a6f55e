"""A run as JSON: what it is, what it found and used, and how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from monitor.domain.run import Run, RunState
from monitor.domain.verdict import instant, number
from monitor.store import history
from monitor.store.leases import RUNNER, Lease, look

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the replay that is under way has come; `at` is the time of its last answer."""

    site: str
    stage: str
    answered: int
    failed: int
    total: int
    at: datetime | None

    @property
    def done(self) -> int:
        """Questions that nobody waits for any more."""
        return min(self.total, self.answered + self.failed)

    def as_json(self) -> dict[str, object]:
        """The API's object."""
        counts = {"answered": self.answered, "failed": self.failed, "total": self.total}
        return {"stage": self.stage, **counts, "at": instant(self.at)}


def progress_of(lease: Lease) -> Progress | None:
    """What the runner's lease says of its work; None where nobody is at work, or nothing was said yet."""
    note = lease.note
    site, stage = note.get("site"), note.get("stage")
    counts = [note.get(name) for name in ("answered", "failed", "total")]
    if lease.holder is None or not isinstance(site, str) or not all(isinstance(count, int) for count in counts):
        return None
    answered, failed, total = (max(0, int(count or 0)) for count in counts)
    return Progress(site, stage if isinstance(stage, str) else "", answered, failed, total, lease.worked_at)


def under_way(connection: Connection) -> Progress | None:
    """The replay that is under way, if any."""
    return progress_of(look(connection, RUNNER))


def is_of(progress: Progress | None, run: Run) -> bool:
    """Whether this is the progress of that run."""
    running = run.state is RunState.RUNNING and run.begun
    return progress is not None and running and progress.site == f"{run.target} · {run.suite}"


def told(connection: Connection, runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Runs as the API's objects, in the same order."""
    progress = under_way(connection)
    return [
        _as_json(entry, progress if is_of(progress, entry.run) else None) for entry in history.entries(connection, runs)
    ]


def _as_json(entry: history.Entry, progress: Progress | None) -> dict[str, Any]:
    run = entry.run
    return {
        "id": run.id,
        "target": run.target,
        "suite": run.suite,
        "kind": run.kind.value,
        "state": run.state.value,
        "begun": run.begun,
        "slot": instant(run.slot),
        "created_at": instant(run.created_at),
        "due_at": instant(run.due_at),
        "finished_at": instant(run.finished_at),
        "requested_by": run.requested_by,
        "verdict": entry.verdict,
        "usage": _usage(entry),
        "progress": None if progress is None else progress.as_json(),
    }


def _usage(entry: history.Entry) -> dict[str, Any]:
    priced = [share.usd for share in entry.used if share.usd is not None]
    return {
        "calls": sum(share.calls for share in entry.used),
        "input_tokens": sum(share.input_tokens for share in entry.used),
        "output_tokens": sum(share.output_tokens for share in entry.used),
        "usd": number(sum(priced), 4) if priced else None,
        "outcomes": [{"outcome": share.outcome, "calls": share.calls} for share in entry.used],
    }
