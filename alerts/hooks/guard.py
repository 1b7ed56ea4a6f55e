"""Whether a hook may go out now: one ruling with its reason, out of what is known at this moment; pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

FEWEST_REPEATS = 8  # answers a case of the fallback: below, its interval rests on too little to send users there


class Action(StrEnum):
    """What a hook asks for; `verdict` asks for nothing and only tells."""

    ROLLBACK = "rollback"
    RETRAIN = "retrain"
    VERDICT = "verdict"


@dataclass(frozen=True, slots=True)
class Request:
    """One decision to act. `model` is the version as reported, else as requested; `baseline` is its number.

    `fallback` is the target that the event names. A naive `expires_at` raises ValueError.
    """

    action: Action
    target: str
    suite: str
    model: str | None
    baseline: int | None
    fallback: str | None
    expires_at: datetime
    cooldown: timedelta

    def __post_init__(self) -> None:
        _aware("expires_at", self.expires_at)


@dataclass(frozen=True, slots=True)
class Fallback:
    """How the fallback did on the slot that the verdict is about.

    `ready`: it was measured and its run is valid; else `why` says what is wrong. `low` is the lower end of the 99%
    interval of fallback minus production, in points; None where it was not estimated. `repeats` are its answers a
    case, of `needed`.
    """

    target: str
    ready: bool
    why: str
    low: float | None
    repeats: int
    needed: int


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known now.

    `judge_bar` says why the judges may not cause a rollback. `last_done_at` is when the last hook of this name and
    target was done; `done_for_this`: one was done for this model version and baseline; `under_way`: another one of the
    same target was asked for, and may yet be done. A naive time raises ValueError.
    """

    confirmed: bool
    judge_bar: str | None = None
    fallback: Fallback | None = None
    last_done_at: datetime | None = None
    done_for_this: bool = False
    under_way: bool = False
    silenced_until: datetime | None = None
    incident_open: bool = True
    recovered: bool = False
    retired: bool = False

    def __post_init__(self) -> None:
        for name in ("last_done_at", "silenced_until"):
            _aware(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether the hook may go out; `reason` is one sentence, also when it may.

    `passing`: what refuses it may be over before the request expires, so that it is worth to ask again.
    """

    allowed: bool
    reason: str
    passing: bool = False


def guard(request: Request, situation: Situation, now: datetime) -> Ruling:
    """The ruling at `now`; the first refusal wins, and `verdict` is refused by nothing but its expiry."""
    if request.action is Action.VERDICT:
        return _expired(request, now) or Ruling(True, f"The verdict on {_place(request)} is told to whoever listens.")
    refusal = (
        _over(request, situation)
        or _expired(request, now)
        or _unproven(request, situation)
        or _too_soon(request, situation, now)
    )
    if refusal is None and request.action is Action.ROLLBACK:
        refusal = _no_better(request, situation.fallback)
    return refusal or Ruling(True, _grounds(request, situation))


def _over(request: Request, situation: Situation) -> Ruling | None:
    if situation.recovered:
        return Ruling(False, f"{_place(request)} has recovered, so nothing is to be done any more.")
    if not situation.incident_open:
        return Ruling(False, f"The incident of {_place(request)} is over, so nothing is to be done any more.")
    if situation.retired:
        return Ruling(False, f"{request.target} was rolled back and is retired until it is pinned again.")
    return None


def _expired(request: Request, now: datetime) -> Ruling | None:
    if now < request.expires_at:
        return None
    return Ruling(False, f"The request expired at {_when(request.expires_at)}: what was right then may be wrong now.")


def _unproven(request: Request, situation: Situation) -> Ruling | None:
    if not situation.confirmed:
        return Ruling(False, f"The verdict on {_place(request)} is not confirmed by a second replay.")
    if situation.judge_bar is not None:
        return Ruling(False, f"The judges may not cause this: {situation.judge_bar.rstrip('. ')}.")
    if situation.done_for_this:
        return Ruling(False, f"A {request.action} was done before for {_version(request)}.")
    if situation.under_way and request.action is Action.ROLLBACK:
        said = f"Another rollback of {request.target} is under way, and what comes of it is awaited first."
        return Ruling(False, said, passing=True)
    return None


def _too_soon(request: Request, situation: Situation, now: datetime) -> Ruling | None:
    if situation.last_done_at is not None and now < (over := situation.last_done_at + request.cooldown):
        said = f"The last {request.action} of {request.target} was done at {_when(situation.last_done_at)}"
        return Ruling(False, f"{said}, and the cooldown lasts until {_when(over)}.", over < request.expires_at)
    if situation.silenced_until is not None and now < situation.silenced_until:
        said = f"The incident of {_place(request)} is silenced until {_when(situation.silenced_until)}."
        return Ruling(False, said, situation.silenced_until < request.expires_at)
    return None


def _no_better(request: Request, fallback: Fallback | None) -> Ruling | None:
    if request.fallback is None or fallback is None:
        return Ruling(False, f"No fallback is configured for {request.target}: set `fallback` in its table.")
    if fallback.target != request.fallback:
        said = f"The request names the fallback {request.fallback}, and what was measured is {fallback.target}."
        return Ruling(False, said)
    if not fallback.ready:
        return Ruling(False, f"The fallback {fallback.target} is not measured: {fallback.why.rstrip('. ')}.", True)
    needed = max(fallback.needed, FEWEST_REPEATS)
    if fallback.repeats < needed:
        said = f"The fallback {fallback.target} has {fallback.repeats} answers a case, and {needed} are needed."
        return Ruling(False, said, passing=True)
    if fallback.low is None or not math.isfinite(fallback.low):
        return Ruling(False, f"How {fallback.target} compares with {request.target} is not estimated.", passing=True)
    if fallback.low <= 0.0:
        said = f"The fallback {fallback.target} is not shown to be better than {request.target}"
        return Ruling(False, f"{said}: the 99% interval of the difference begins at {fallback.low:+.1f} points.")
    return None


def _grounds(request: Request, situation: Situation) -> str:
    if request.action is Action.ROLLBACK and situation.fallback is not None and situation.fallback.low is not None:
        better = f"{situation.fallback.target} is better by at least {situation.fallback.low:.1f} points"
        return f"The rollback of {_place(request)} is confirmed, and {better} (99% interval)."
    return f"The verdict on {_place(request)} is confirmed, and a {request.action} was not done for it before."


def _place(request: Request) -> str:
    return f"{request.target} · {request.suite}"


def _version(request: Request) -> str:
    model = f"model {request.model}" if request.model is not None else "this model"
    return f"{model} against " + ("this baseline" if request.baseline is None else f"baseline {request.baseline}")


def _when(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _aware(name: str, moment: datetime | None) -> None:
    if moment is not None and moment.tzinfo is None:
        raise ValueError(f"{name} must say its time zone")
