"""Whether a judge has changed: what it says of the same answers, then and now."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from monitor.domain.judgement import Judgement, Juror
from monitor.domain.judging import JudgeSeen
from monitor.judging.scorer import RubricScorer
from monitor.judging.seat import Sitting
from monitor.store import judgements
from monitor.store.database import Database

if TYPE_CHECKING:
    from monitor.stats.quantiles import FloatArray


def drifts(
    database: Database, scorer: RubricScorer, baseline_run: str, sitting: Sitting, given: Mapping[str, int]
) -> list[JudgeSeen]:
    """Each judge of the panel, over the answers that it has scored for the baseline and in this sitting.

    `given`: how often each answer was given, by its key. Equal answers share a verdict: in the sign test they count
    once, in the points as often as they were given.
    """
    keys = list(given)
    with database.read() as connection:
        then = judgements.opinions(connection, baseline_run, scorer.fingerprint, keys)
        now = judgements.opinions(connection, sitting.occasion, scorer.fingerprint, keys, sitting.part)
    return [_drift(scorer, juror, _of(then, juror), _of(now, juror), given) for juror in scorer.panel]


def _of(said: dict[str, list[Judgement]], juror: Juror) -> dict[str, Judgement]:
    return {key: one for key, of_item in said.items() for one in of_item if one.juror == juror}


def _drift(
    scorer: RubricScorer,
    juror: Juror,
    then: dict[str, Judgement],
    now: dict[str, Judgement],
    given: Mapping[str, int],
) -> JudgeSeen:
    import numpy as np

    from monitor.stats.flips import JUDGE_ALPHA, shift, sign_test

    both = [key for key, one in then.items() if one.value is not None and key in now and now[key].value is not None]
    before, after = (np.array([of[key].value for key in both], dtype=np.float64) for of in (then, now))
    flips = before - after
    up, down = int((flips < 0).sum()), int((flips > 0).sum())
    p = sign_test(up, down)
    cases = np.unique([then[key].case_id for key in both], return_inverse=True)[1]
    times = np.array([given[key] for key in both], dtype=np.int64)
    stricter = shift(np.repeat(flips, times), np.repeat(cases, times))
    lost = float(((1.0 - before) * times).sum())
    return JudgeSeen(
        judge=juror.name,
        rubric=scorer.name,
        judged=len(both),
        up=up,
        down=down,
        p=p,
        moved=p < JUDGE_ALPHA,
        points=_number(-stricter.estimate),
        low=_number(-stricter.high),
        high=_number(-stricter.low),
        passes=max(0.0, float(-(flips * times).sum()) / lost) if lost > 0 else None,
        models=_models(list(then.values()), list(now.values())),
    )


def _number(value: FloatArray) -> float | None:
    return float(value) if math.isfinite(float(value)) else None


def _models(then: Sequence[Judgement], now: Sequence[Judgement]) -> tuple[str, str] | None:
    before, after = ({one.model for one in said if one.model is not None} for said in (then, now))
    if not before or not after or after <= before:
        return None
    return ", ".join(sorted(before)), ", ".join(sorted(after))
