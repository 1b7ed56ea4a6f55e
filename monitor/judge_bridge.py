"""What `heldout judge bridge` does: today's judges judge the stored baseline, and are compared with those before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from monitor.app import App
from monitor.domain.judgement import Marked
from monitor.domain.run import Baseline
from monitor.judge_run import (
    Agree,
    JudgeOffer,
    agreed,
    begun,
    convened,
    finish,
    judging_of,
    left_open,
    refuse_halted,
)
from monitor.judging import bridging, watching
from monitor.judging.anchors import Anchors
from monitor.judging.forecast import NOTHING, Cost, outstanding
from monitor.judging.scorer import RubricScorer
from monitor.judging.seat import Item, Jury, Sitting
from monitor.judging.setup import Judging
from monitor.site import Site
from monitor.store import answers, judgements
from monitor.store.database import Database

if TYPE_CHECKING:
    from monitor.stats.quantiles import FloatArray

PURPOSE = "bridge"


@dataclass(frozen=True, slots=True)
class Contrast:
    """How today's judges score the baseline's answers, against others of the same rubric before them.

    `earlier`: the scorer's key then. `then`, `now`: mean scores in [0, 1] over `answers` distinct ones that both have
    scored; `points`: the difference with its 95% interval; `up` and `down`: answers that score higher or lower now.
    """

    earlier: str
    answers: int
    then: float
    now: float
    points: float
    low: float | None
    high: float | None
    up: int
    down: int


@dataclass(frozen=True, slots=True)
class OfRubric:
    """One rubric: how many distinct answers were judged for it now, and how that compares with earlier judges.

    `weak`: what canaries cannot show of a judge, in words.
    """

    rubric: str
    judged: int
    contrasts: tuple[Contrast, ...]
    weak: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bridge:
    """What came of it; `judged` is 0 for every rubric where there was nothing to do."""

    target: str
    suite: str
    rubrics: tuple[OfRubric, ...]
    calls: int = 0
    usd: float | None = None

    @property
    def idle(self) -> bool:
        """Whether today's judges had judged everything already."""
        return not any(one.judged for one in self.rubrics)

    def as_json(self) -> dict[str, object]:
        """For `--json`; every number is finite or null."""
        return {"schema": 1, **asdict(self)}


async def bridge(app: App, site: Site, baseline: Baseline, agree: Agree) -> Bridge:
    """Have the baseline's answers judged by today's panels where they have not been; `agree` hears the cost first.

    Raises JudgeError and DeclinedError.
    """
    judging = judging_of(site)
    left = {
        name: outstanding(app.place.database, scorer, judging, baseline.run_id, site.scorable)
        for name, scorer in judging.scorers.items()
    }
    canaries = _canaries(app, site, judging, baseline)
    if not any(cost.answers for cost in left.values()) and not canaries.calls:
        return Bridge(
            site.target, site.suite.name, tuple(_of(app, site, baseline, one) for one in judging.scorers.values())
        )
    run = left_open(app, site, PURPOSE)
    offer = _offer(site, left, canaries)
    budget = agreed(app, run, offer, agree, "baseline_usd")
    run = run or begun(app, site, PURPOSE)
    weak: dict[str, tuple[str, ...]] = {}
    async with convened(app, judging, run, budget) as jury:
        here = Sitting(run.id, run.id, site.name)
        for name, scorer in judging.scorers.items():
            came = await bridging.bridge(app.place, here, jury, scorer, judging, None, baseline, site.scorable)
            refuse_halted(site, came.halt)
            weak[name] = await _first_look(app, site, here, jury, scorer, baseline)
    finish(app, run)
    with app.place.database.read() as connection:
        spend = answers.spend(connection, run.id)
    found = [
        _of(app, site, baseline, scorer, left[name].answers, weak[name]) for name, scorer in judging.scorers.items()
    ]
    return Bridge(site.target, site.suite.name, tuple(found), spend.calls, spend.usd)


def _canaries(app: App, site: Site, judging: Judging, baseline: Baseline) -> Cost:
    """What the canaries of the baseline still take; an interrupted bridge may have got no further."""
    then = Sitting(baseline.run_id, baseline.run_id, site.name)
    parts = (
        watching.outstanding(app.place.database, judging, scorer, then, baseline.run_id, site.scorable)
        for scorer in judging.scorers.values()
    )
    return sum(parts, NOTHING)


def _offer(site: Site, left: Mapping[str, Cost], canaries: Cost) -> JudgeOffer:
    parts = [(f"{name}: {cost.answers:,} answers of deployment", cost) for name, cost in left.items() if cost.answers]
    if canaries.calls:
        parts.append(("canaries (answers whose verdict is known)", canaries))
    return JudgeOffer(f"Judging the baseline of {site.name} by today's judges", tuple(parts))


async def _first_look(
    app: App, site: Site, here: Sitting, jury: Jury, scorer: RubricScorer, baseline: Baseline
) -> tuple[str, ...]:
    """Pin what each judge makes of the canaries; returns what they cannot show of it."""
    then = Sitting(here.run_id, baseline.run_id, here.label)
    by_id = {case.id: case for case in site.scorable}
    pinned, halt = await watching.first_look(app.place, then, jury, scorer, by_id)
    refuse_halted(site, halt)
    return tuple(f"[judges.{name}] with {scorer.name}: {one.reason}" for name, one in pinned.items() if one.reason)


def _of(
    app: App, site: Site, baseline: Baseline, scorer: RubricScorer, judged: int = 0, weak: tuple[str, ...] = ()
) -> OfRubric:
    anchors = Anchors.load(app.place.database, site.grader, scorer, baseline.run_id, site.scorable)
    return OfRubric(scorer.name, judged, contrasts(app.place.database, scorer, baseline.run_id, anchors.items), weak)


def contrasts(database: Database, scorer: RubricScorer, run_id: str, items: Mapping[str, Item]) -> tuple[Contrast, ...]:
    """Today's judges against each earlier panel or version of the same rubric that scored the same answers."""
    with database.read() as connection:
        now = judgements.marks(connection, run_id, scorer.key)
        earlier = {
            key: judgements.marks(connection, run_id, key)
            for key in judgements.scorers(connection, run_id, scorer.name)
            if key != scorer.key
        }
    found = (_contrast(key, then, now, items) for key, then in earlier.items())
    return tuple(one for one in found if one is not None)


def _contrast(
    key: str, then: Mapping[str, Marked], now: Mapping[str, Marked], items: Mapping[str, Item]
) -> Contrast | None:
    import numpy as np

    from monitor.stats.flips import shift

    both = [one for one in items if one in then and one in now]
    pairs = [(one, then[one].value, now[one].value) for one in both]
    scored = [(one, before, after) for one, before, after in pairs if before is not None and after is not None]
    if not scored:
        return None
    before, after = (np.array(column, dtype=np.float64) for column in list(zip(*scored, strict=True))[1:])
    cases = np.unique([items[one].case_id for one, _, _ in scored], return_inverse=True)[1]
    stricter = shift(before - after, cases)
    return Contrast(
        earlier=key,
        answers=len(scored),
        then=round(float(before.mean()), 4),
        now=round(float(after.mean()), 4),
        points=round(-float(stricter.estimate), 2) + 0.0,  # a negative zero is no number to show
        low=_finite(-stricter.high),
        high=_finite(-stricter.low),
        up=int((after > before).sum()),
        down=int((after < before).sum()),
    )


def _finite(value: FloatArray) -> float | None:
    return round(float(value), 2) + 0.0 if math.isfinite(float(value)) else None
