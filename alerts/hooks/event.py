"""The events that hooks send: Standard Webhooks' `type`, `timestamp` and `data`, never over 20,000 bytes; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from alerts.alert import Drop
from alerts.hooks.guard import Action
from alerts.hooks.trim import fit, instant
from alerts.text import clean

LARGEST = 19_999  # bytes: the standard's "smaller than 20 kB"
_KIND = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_ASKED = 3  # tags and clusters that are named in the sentence; all are in the lists
_SHOWN = 60  # characters of such a name

Event = dict[str, object]


@dataclass(frozen=True, slots=True)
class Occasion:
    """What all events have: which `hook` asks about which `target`, since when, and until when it may be acted on.

    `result_url` is where the tool posts what came of it; None where it is told by command. Naive times raise
    ValueError.
    """

    hook: str
    target: str
    at: datetime
    expires_at: datetime
    result_url: str | None = None

    def __post_init__(self) -> None:
        for name in ("at", "expires_at"):
            if getattr(self, name).tzinfo is None:
                raise ValueError(f"{name} must say its time zone")


@dataclass(frozen=True, slots=True)
class CaseScore:
    """One case in numbers: mean scores in [0, 1] of its answers, then and now; None where none was scored."""

    tags: tuple[str, ...]
    cluster: str | None
    failing: bool
    before: float | None
    now: float | None


@dataclass(frozen=True, slots=True)
class Failing:
    """What fails under one tag or in one cluster: numbers of cases, and means over them of scores in [0, 1]."""

    name: str
    cases: int
    failing: int
    mean_before: float | None
    mean_now: float | None


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What a retraining is asked for: names of the suite's own, and numbers.

    There is no place here for a text of a case, nor for words of a model or a judge: `causes` are kinds ("model"),
    and what has not the form of one is left out. Scores lie in [0, 1], `drop` is in points.
    """

    suite: str
    verdict: str
    run: str | None
    score: float | None
    baseline_score: float | None
    drop: Drop
    cases: int
    failing: int
    tags: tuple[Failing, ...] = ()
    clusters: tuple[Failing, ...] = ()
    causes: tuple[str, ...] = ()


def by_tag(cases: Iterable[CaseScore]) -> tuple[Failing, ...]:
    """What fails by tag, the worst first; a tag under which nothing fails is left out."""
    return _grouped((tag, case) for case in cases for tag in dict.fromkeys(case.tags))


def by_cluster(cases: Iterable[CaseScore]) -> tuple[Failing, ...]:
    """What fails by cluster, the worst first; a cluster in which nothing fails is left out."""
    return _grouped((case.cluster, case) for case in cases if case.cluster is not None)


def rollback_requested(occasion: Occasion, fallback: str, verdict: Mapping[str, object]) -> Event:
    """Asks for `fallback` to serve instead of the target; `verdict` is the API's object."""
    data = _data(occasion, Action.ROLLBACK, fallback)
    return _event("heldout.rollback.requested", occasion, data | {"verdict": dict(verdict)})


def verdict_changed(
    occasion: Occasion, verdict: Mapping[str, object], previous: str | None, fallback: str | None = None
) -> Event:
    """Tells that the verdict is another one than `previous`; asks for nothing."""
    data = _data(occasion, Action.VERDICT, fallback)
    return _event("heldout.verdict.changed", occasion, data | {"previous": previous, "verdict": dict(verdict)})


def retrain_requested(occasion: Occasion, shortfall: Shortfall) -> Event:
    """Asks for new examples of what fails; takes no input, no expected output and no words about them."""
    verdict = {
        "target": occasion.target,
        "suite": shortfall.suite,
        "verdict": shortfall.verdict,
        "run": shortfall.run,
        "score": shortfall.score,
        "baseline_score": shortfall.baseline_score,
        "drop": {name: getattr(shortfall.drop, name) for name in ("points", "low", "high", "confidence")},
    }
    fails = {
        "verdict": verdict,
        "cases": shortfall.cases,
        "failing": shortfall.failing,
        "causes": [kind for kind in dict.fromkeys(shortfall.causes) if _KIND.fullmatch(kind)],
        "ask": _ask(shortfall),
        "tags": [asdict(one) for one in shortfall.tags],
        "clusters": [asdict(one) for one in shortfall.clusters],
    }
    return _event("heldout.retrain.requested", occasion, _data(occasion, Action.RETRAIN, None) | fails)


def encode(event: Mapping[str, object]) -> bytes:
    """The event as JSON in UTF-8, always under 20,000 bytes, and always valid; numbers that are none are null.

    Where it is too long, texts and lists are cut, and `data.left_out` counts what is missing. What a receiver acts
    upon is never cut: ValueError where that alone is too long.
    """
    return fit(event, LARGEST)


def _event(kind: str, occasion: Occasion, data: Event) -> Event:
    return {"type": kind, "timestamp": instant(occasion.at), "data": data}


def _data(occasion: Occasion, action: Action, fallback: str | None) -> Event:
    return {
        "hook": occasion.hook,
        "action": action.value,
        "target": occasion.target,
        "fallback": fallback,
        "expires_at": instant(occasion.expires_at),
        "result_url": occasion.result_url,
    }


def _ask(shortfall: Shortfall) -> str:
    named = [("under the tags", shortfall.tags), ("in the clusters", shortfall.clusters)]
    where = [f"{words} {', '.join(_named(one) for one in found[:_ASKED])}" for words, found in named if found]
    worst = f", worst {' and '.join(where)}" if where else ""
    return (
        f"{shortfall.failing} of {shortfall.cases} cases fail{worst}. Write NEW sibling examples for training: the "
        "same kind of question about other facts and in other words. Never copy or paraphrase a case of the held-out "
        "test set: a model that was trained on one can no longer be measured with it."
    )


def _named(one: Failing) -> str:
    name = " ".join(clean(one.name).split())
    return name if len(name) <= _SHOWN else f"{name[: _SHOWN - 1]}…"


def _grouped(found: Iterable[tuple[str, CaseScore]]) -> tuple[Failing, ...]:
    groups: dict[str, list[CaseScore]] = {}
    for name, case in found:
        groups.setdefault(name, []).append(case)
    rows = [_group(name, cases) for name, cases in groups.items() if any(case.failing for case in cases)]
    return tuple(sorted(rows, key=lambda one: (-one.failing, -one.failing / one.cases, one.name)))


def _group(name: str, cases: list[CaseScore]) -> Failing:
    failing = sum(case.failing for case in cases)
    before, now = ([score for case in cases if (score := getattr(case, at)) is not None] for at in ("before", "now"))
    return Failing(name, len(cases), failing, _mean(before), _mean(now))


def _mean(scores: list[float]) -> float | None:
    return round(sum(scores) / len(scores), 4) if scores else None
