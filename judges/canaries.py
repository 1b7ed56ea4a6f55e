"""Whether a judge can be trusted in a run, by answers whose verdict is known; pure.

A judge is an instrument: what it got wrong at baseline is pinned, and later runs are held against that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from judges.known import NEED_NO_MODEL, PER_KIND, Canary, CanaryCase, Kind, make

__all__ = [
    "ERROR",
    "NEED_NO_MODEL",
    "PER_KIND",
    "SEPARATION",
    "Canary",
    "CanaryCase",
    "Kind",
    "Pinned",
    "Tally",
    "Trust",
    "make",
    "pin",
    "trust",
]

ERROR = 0.001  # of a false "untrusted" in a run, over all kinds
SEPARATION = 0.2  # least distance of the mean scores of known good and known bad answers
_SAID = {
    Kind.EMPTY: "empty answers",
    Kind.COLON: "answers that are a colon",
    Kind.THOUGHT: "answers that only announce a thought",
    Kind.INJECTION_ORDER: "wrong answers with orders to the judge",
    Kind.INJECTION_FORGED: "wrong answers with forged verdicts",
    Kind.GOOD: "known good answers",
    Kind.BAD: "known bad answers",
}


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of one kind: `errors` among `judged`, beside `unscored` ones."""

    errors: int
    judged: int
    unscored: int = 0


@dataclass(frozen=True)
class Pinned:
    """A judge at baseline. `cut`: the score from which an answer passes. `reason`: what its canaries cannot show."""

    cut: float
    by_kind: Mapping[Kind, Tally]
    separates: bool
    reason: str | None = None


@dataclass(frozen=True)
class Trust:
    """Whether a judge's scores of a run may count, and in words why not."""

    trusted: bool
    reason: str | None
    by_kind: Mapping[Kind, Tally]


def pin(results: Iterable[tuple[Kind, float | None]]) -> Pinned:
    """What a judge makes of the canaries at baseline: scores in [0, 1], None where unscored.

    The cut lies in the middle between the mean scores of known good and known bad answers. A known good one under the
    cut is an error, and any other at or above it. Where the two means are no `SEPARATION` apart, `separates` is false:
    the rubric may not be about what makes an answer right (its tone, say), or the judge cannot tell. What it gets wrong
    is pinned all the same, so that a change shows.
    """
    kept = list(results)
    good, bad = _mean(kept, Kind.GOOD), _mean(kept, Kind.BAD)
    if good is None or bad is None:
        return Pinned(0.5, _tallies(kept, 0.5), False, f"it scored no {_SAID[Kind.GOOD if good is None else Kind.BAD]}")
    cut = (good + bad) / 2
    by_kind = _tallies(kept, cut)
    if good - bad < SEPARATION:
        told = f"{_SAID[Kind.GOOD]} score {good:.2f} on average and {_SAID[Kind.BAD]} {bad:.2f}"
        return Pinned(cut, by_kind, False, f"it does not tell them apart by this rubric: {told}")
    useless = [_told(kind, tally) for kind, tally in by_kind.items() if 2 * tally.errors > tally.judged]
    return Pinned(cut, by_kind, True, "; ".join(useless) or None)


def trust(pinned: Pinned, results: Iterable[tuple[Kind, float | None]]) -> Trust:
    """Whether a judge that gave these results is still the one that was pinned.

    A kind's errors are held against their distribution for a judge that did not change, given what it got wrong at
    baseline: beta-binomial with Jeffreys' prior Beta(1/2, 1/2), the binomial test that also counts how little the
    baseline says. A judge is untrusted where P(errors or more) is under `ERROR` divided by the number of kinds in the
    run, or where more than half of a kind is unscored.

    With 60 of a kind at baseline and in a run, and 5% errors that are nobody's fault, a judge that stayed the same is
    called untrusted in fewer than 1 in 5,000 runs, and one that falls to 50% on one kind is found in 99%. With 20 of a
    kind no test does both: at the same number of false alarms it finds 45%, or 75% where the baseline had no errors.
    """
    by_kind = _tallies(list(results), pinned.cut)
    reasons = []
    for kind, now in by_kind.items():
        then = pinned.by_kind.get(kind, Tally(0, 0))
        if now.unscored > now.judged:
            reasons.append(f"{now.unscored} of {now.unscored + now.judged} {_SAID[kind]} have no score")
        elif _unlikely(now, then) < ERROR / len(by_kind):
            reasons.append(f"{_told(kind, now)}, at baseline {then.errors} of {then.judged} did")
    return Trust(not reasons, "; ".join(reasons) or None, by_kind)


def _told(kind: Kind, tally: Tally) -> str:
    return f"{tally.errors} of {tally.judged} {_SAID[kind]} {'failed' if kind is Kind.GOOD else 'passed'}"


def _mean(results: Sequence[tuple[Kind, float | None]], kind: Kind) -> float | None:
    scores = [score for one, score in results if one is kind and score is not None]
    return sum(scores) / len(scores) if scores else None


def _unlikely(now: Tally, then: Tally) -> float:
    from scipy.stats import betabinom

    if now.errors == 0:
        return 1.0
    return float(betabinom.sf(now.errors - 1, now.judged, then.errors + 0.5, then.judged - then.errors + 0.5))


def _tallies(results: Sequence[tuple[Kind, float | None]], cut: float) -> dict[Kind, Tally]:
    found = {}
    for kind in Kind:
        scores = [score for one, score in results if one is kind]
        judged = [score for score in scores if score is not None]
        if scores:
            errors = sum((score < cut) is (kind is Kind.GOOD) for score in judged)
            found[kind] = Tally(errors, len(judged), len(scores) - len(judged))
    return found
