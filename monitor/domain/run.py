"""A run: one replay of a suite against a target, how far it has come, and what is still to come."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class RunKind(StrEnum):
    """What a run is for: a baseline, a slot of the schedule, someone who wants to know now, or a look at the judges.

    A run of the judges asks no target: it judges stored answers again. A reference is what a target's fallback answers
    on the same slot; a verification measures what serves after a rollback, by the baseline of what failed.
    """

    BASELINE = "baseline"
    WEEK = "week"
    AD_HOC = "adhoc"
    JUDGE = "judge"
    REFERENCE = "reference"
    VERIFY = "verify"


class RunState(StrEnum):
    """`running` was begun and may have been interrupted; `waiting` goes on at `due_at`; `done` is over.

    `missed`: a slot that nobody was there for, and that is too old to make up for. It is over as well.
    """

    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    MISSED = "missed"

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self in (RunState.DONE, RunState.MISSED)


class Phase(StrEnum):
    """Which answers of a run: the week's own, or those of the separate replay that confirms a rollback."""

    MAIN = "main"
    CONFIRM = "confirm"


class HaltKind(StrEnum):
    """Why a replay ended before everything was asked."""

    BUDGET = "budget"
    FATAL = "fatal"
    OUTAGE = "outage"


@dataclass(frozen=True, slots=True)
class Halt:
    """A replay that ended early, with what to do about it."""

    kind: HaltKind
    message: str


@dataclass(frozen=True, slots=True)
class Run:
    """One row of the run table; times are UTC. `progress` is what decide needs to go on after a wait or a crash.

    A run whose `suite_fingerprint` is empty was recorded, and not begun. `requested_by`: who asked for it by the API.
    `incident_id`: of a verification, the incident whose end it decides.
    """

    id: str
    target: str
    suite: str
    kind: RunKind
    state: RunState
    suite_fingerprint: str
    target_fingerprint: str
    created_at: datetime
    slot: datetime | None = None
    due_at: datetime | None = None
    finished_at: datetime | None = None
    baseline_id: int | None = None
    requested_model: str | None = None
    progress: dict[str, Any] = field(default_factory=dict)
    requested_by: str | None = None
    incident_id: str | None = None

    @property
    def begun(self) -> bool:
        """Whether a process has taken it up; else only its slot or request was recorded."""
        return bool(self.suite_fingerprint)


@dataclass(frozen=True, slots=True)
class Baseline:
    """The pinned answers of deployment: the run that holds them, and when and by whom it was pinned."""

    id: int
    target: str
    suite: str
    run_id: str
    pinned_at: datetime
    pinned_by: str
    suite_fingerprint: str
    target_fingerprint: str
    requested_model: str | None


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it is written: `attempts` counts the calls it took, `usd` is None where the target has no price."""

    run_id: str
    phase: Phase
    case_id: str
    case_fingerprint: str
    repeat: int
    text: str
    answered_at: datetime
    latency: float
    attempts: int
    model: str | None = None
    fingerprint: str | None = None
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    usd: float | None = None
    contexts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A question that got no answer after all tries; it is never a score. `usd`: what its last call may have cost."""

    run_id: str
    phase: Phase
    case_id: str
    repeat: int
    kind: str
    message: str
    attempts: int
    failed_at: datetime
    usd: float | None = None


@dataclass(frozen=True, slots=True)
class Spend:
    """Calls and money so far, judges' calls included; `usd` is None where nothing was priced.

    `answers`: of the target. `judgements`: calls of judges. Tokens are the target's.
    """

    answers: int = 0
    calls: int = 0
    usd: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    judgements: int = 0
    judged_usd: float | None = None
