"""Canaries: answers whose verdict is known, judged in every run, so that a judge not to be trusted is found out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy.engine import Connection

from judges import canaries
from judges.canaries import CanaryCase, Kind, Pinned
from monitor.domain.case import Case
from monitor.domain.judgement import Juror, Purpose, StoredCanary
from monitor.domain.run import Halt, HaltKind
from monitor.judging.forecast import Cost, of_answers, of_canaries
from monitor.judging.hearing import hear
from monitor.judging.marking import beforehand
from monitor.judging.scorer import RubricScorer, material_key
from monitor.judging.seat import Item, Jury, Sitting
from monitor.judging.setup import Judging
from monitor.replay.stage import Workplace
from monitor.store import judgements
from monitor.store.database import Database, alone


@dataclass(frozen=True, slots=True)
class Distrust:
    """A judge that failed its canaries by a rubric, and by what."""

    judge: str
    rubric: str
    reason: str


@dataclass(frozen=True)
class Watched:
    """What canaries said: the judges that are not to be trusted, and those that could not be asked (`away`), with why.

    `halt`: that of one of these, where they are so many that the others are no majority.
    """

    distrusted: tuple[Distrust, ...] = ()
    away: Mapping[str, Halt] = field(default_factory=dict)
    halt: Halt | None = None


@dataclass(frozen=True, slots=True)
class _Set:
    """The canaries of a baseline whose cases are as they were, as items; those that take a model, and all."""

    kinds: Mapping[str, Kind]
    items: tuple[Item, ...]


def pin(connection: Connection, run_id: str, cases: Sequence[Case], per_kind: int) -> list[StoredCanary]:
    """Make the canaries of a baseline from its suite's cases, and write them; returns them, or those that are there."""
    alone(connection, f"canaries of {run_id}")
    there = judgements.canaries(connection, run_id)
    if there:
        return there
    by_id = {case.id: case for case in cases}
    made = canaries.make([_canary_case(case) for case in cases], per_kind)
    stored = [StoredCanary(one.kind.value, one.case, by_id[one.case].fingerprint, one.material.answer) for one in made]
    judgements.pin_canaries(connection, run_id, stored)
    return stored


async def watch(
    place: Workplace,
    sitting: Sitting,
    jury: Jury,
    scorer: RubricScorer,
    baseline_run: str,
    cases: Mapping[str, Case],
) -> Watched:
    """Have every judge judge the pinned canaries, in this sitting and, where it never did, for the baseline.

    Without canaries nobody is distrusted. Who could not be asked has not shown that it can be trusted, and is left out.
    """
    with place.database.read() as connection:
        stored = judgements.canaries(connection, baseline_run)
    mine = _set(scorer, stored, cases)
    if not mine.items:
        return Watched()
    then = Sitting(sitting.run_id, baseline_run, sitting.label)
    away: dict[str, Halt] = {}
    for occasion in dict.fromkeys((then, sitting)):
        seated = {seat: judge for seat, judge in jury.items() if seat[0] not in away}
        away |= (await hear(place, occasion, seated, scorer, mine.items, everyone=True)).away
    out_of_budget = [halt for halt in away.values() if halt.kind is HaltKind.BUDGET]
    if out_of_budget or 2 * len(away) > len(scorer.panel):
        return Watched(away=away, halt=next(iter([*out_of_budget, *away.values()])))
    scores = partial(_scores, place, scorer, mine)
    found = []
    for juror in (juror for juror in scorer.panel if juror.name not in away):
        trust = canaries.trust(canaries.pin(scores(then, juror)), scores(sitting, juror))
        if not trust.trusted:
            found.append(Distrust(juror.name, scorer.name, trust.reason or "its canaries failed"))
    return Watched(tuple(found), away)


async def first_look(
    place: Workplace,
    sitting: Sitting,
    jury: Jury,
    scorer: RubricScorer,
    cases: Mapping[str, Case],
) -> tuple[dict[str, Pinned], Halt | None]:
    """Judge the canaries of a new baseline (`sitting`'s occasion): what each judge makes of them, by its name."""
    with place.database.read() as connection:
        stored = judgements.canaries(connection, sitting.occasion)
    mine = _set(scorer, stored, cases)
    halt = (await hear(place, sitting, jury, scorer, mine.items, everyone=True)).halt
    pinned = {juror.name: canaries.pin(_scores(place, scorer, mine, sitting, juror)) for juror in scorer.panel}
    return pinned, halt


def outstanding(
    database: Database,
    judging: Judging,
    scorer: RubricScorer,
    sitting: Sitting | None,
    baseline_run: str,
    cases: Sequence[Case],
) -> Cost:
    """What judging a baseline's canaries in a sitting still takes; None: in one that is still to come."""
    with database.read() as connection:
        stored = judgements.canaries(connection, baseline_run)
    if not stored:
        return of_canaries(database, judging, cases, [scorer])
    mine = _set(scorer, stored, {case.id: case for case in cases})
    keys = [item.key for item in mine.items]
    said = 0
    if sitting is not None:
        with database.read() as connection:
            known = judgements.opinions(connection, sitting.occasion, scorer.fingerprint, keys, sitting.part)
        said = sum(one.juror in scorer.panel for of_item in known.values() for one in of_item)
    calls = len(keys) * len(scorer.panel) - said
    whole = of_answers(database, judging, len(keys), cases, [scorer])
    share = calls / whole.calls if whole.calls else 0.0
    return Cost(math.ceil(share * len(keys)), calls, None if whole.usd is None else share * whole.usd)


def _set(scorer: RubricScorer, stored: Sequence[StoredCanary], cases: Mapping[str, Case]) -> _Set:
    """Those that a model has to judge; what can be said without one never reaches it."""
    kinds: dict[str, Kind] = {}
    items = []
    for one in stored:
        case = cases.get(one.case_id)
        if case is None or case.fingerprint != one.case_fingerprint:
            continue
        item = Item(material_key(case, one.text), one.case_id, scorer.material(case, one.text), Purpose.CANARY)
        if beforehand(scorer, item) is None and item.key not in kinds:
            kinds[item.key] = Kind(one.kind)
            items.append(item)
    return _Set(kinds, tuple(items))


def _scores(
    place: Workplace, scorer: RubricScorer, mine: _Set, sitting: Sitting, juror: Juror
) -> list[tuple[Kind, float | None]]:
    """One judge's own scores of the canaries in a sitting."""
    keys = [item.key for item in mine.items]
    with place.database.read() as connection:
        said = judgements.opinions(connection, sitting.occasion, scorer.fingerprint, keys, sitting.part)
    values = {key: one.value for key, of_item in said.items() for one in of_item if one.juror == juror}
    return [(mine.kinds[key], values.get(key)) for key in keys]


def _canary_case(case: Case) -> CanaryCase:
    own = (case.context,) if case.context is not None else ()
    return CanaryCase(case.id, case.question, case.acceptable, case.cluster, own)
