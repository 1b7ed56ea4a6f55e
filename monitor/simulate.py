"""Whole weeks on synthetic models, decided by the real code: what a configuration would alarm, find and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from monitor.simulate_setting import Setting, WeekPlan, deploy, judge_today
from monitor.stats.proportion import Share
from monitor.stats.quantiles import BoolArray, FloatArray
from monitor.stats.sequential import FIRST_STAGE, Questions, last_look, look, start
from monitor.stats.spec import INVESTIGATE, ROLLBACK
from monitor.stats.synthetic import Answers, dropped
from monitor.stats.synthetic_judge import JudgeWorld, seen

# What is simulated is described in a file of its own.
__all__ = [
    "CHUNK_SCORES",
    "WEEKS_A_YEAR",
    "Delay",
    "JudgeWorld",
    "Outcome",
    "WeekPlan",
    "Weeks",
    "decide",
    "delay",
    "simulate",
    "stages",
]

WEEKS_A_YEAR = 52
CHUNK_SCORES = 400_000
"""Weeks times cases that are held at once: the arrays of this size together stay below 100 MB."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many of `weeks` ended how, at one true `drop` (in the unit of the thresholds).

    Counts of weeks: `investigate` or worse; `pending`, in which a rollback fired; `confirmed`, in which it was also
    confirmed; `passed`; `repeated`, inconclusive on the first day (the others count what stood in the end).
    `answers`: a case, on average, over the stages of a week; `extra_answers`: over its next day and its confirmation.
    `baseline_repeats` and `cap`: averages.
    """

    drop: float
    weeks: int
    investigate: int
    pending: int
    confirmed: int
    passed: int
    repeated: int
    answers: float
    extra_answers: float
    baseline_repeats: float
    cap: float

    @property
    def inconclusive(self) -> int:
        """Weeks that stayed inconclusive."""
        return self.weeks - self.investigate - self.passed

    def share(self, count: int) -> Share:
        """`count` of these weeks as a share, which knows its interval."""
        return Share(count, self.weeks)

    def a_year(self, count: int) -> float:
        """`count` of these weeks as events in a model-year."""
        return WEEKS_A_YEAR * count / self.weeks


@dataclass(frozen=True, slots=True)
class Delay:
    """When a path of true drops was first alerted, by history; weeks count from 1, and infinity is never."""

    investigate: FloatArray
    rollback: FloatArray


@dataclass(frozen=True, slots=True)
class Weeks:
    """How weeks ended: the questions, which rollbacks were confirmed, which weeks were repeated, and answers a case."""

    state: Questions
    confirmed: BoolArray
    repeated: BoolArray
    answers: FloatArray
    extra_answers: FloatArray


def simulate(plan: WeekPlan, drop: float, weeks: int, seed: int, judge: JudgeWorld | None = None) -> Outcome:
    """`weeks` independent weeks at a true drop of `drop`, each with a model, a pilot and a baseline of its own.

    `drop` is in the unit of the thresholds, and as today's `judge` sees it, where there is one: that is what the
    contrast measures. The same seed gives the same outcome. `ValueError` where no score can drop so far, no week is
    asked for, or a judge is to score graded answers.
    """
    if weeks < 1:
        raise ValueError(f"at least one week is to be simulated, not {weeks}")
    if judge is not None and plan.world.ratio < 1.0:
        raise ValueError("a synthetic judge passes or fails answers: it has no graded scores")
    rates = (0.0, 0.0) if judge is None else judge.rates(plan.world.mean)
    amount = _amount(plan, drop, shown=1.0 - sum(rates))
    rng = np.random.default_rng(seed)
    settings, parts = [], []
    for number in _chunks(plan, weeks):
        means = plan.world.case_means(number, plan.cases, rng)
        setting = deploy(plan, means, rng)
        now = dropped(means, amount)
        if judge is not None:
            setting, now = judge_today(setting, judge, rates, rng), seen(now, rates)
        settings.append(setting)
        parts.append(decide(setting, now, start(weeks=(number,)), rng))
    fired = np.concatenate([part.state.fired for part in parts])
    clear = np.concatenate([part.state.clear for part in parts])
    return Outcome(
        drop=drop,
        weeks=weeks,
        investigate=int(fired[:, INVESTIGATE].sum()),
        pending=int(fired[:, ROLLBACK].sum()),
        confirmed=sum(int(part.confirmed.sum()) for part in parts),
        passed=int((clear.all(axis=-1) & ~fired.any(axis=-1)).sum()),
        repeated=sum(int(part.repeated.sum()) for part in parts),
        answers=float(np.concatenate([part.answers for part in parts]).mean()),
        extra_answers=float(np.concatenate([part.extra_answers for part in parts]).mean()),
        baseline_repeats=float(np.concatenate([here.baseline.n[:, 0] for here in settings]).mean()),
        cap=float(np.concatenate([here.cap for here in settings]).mean()),
    )


def delay(plan: WeekPlan, path: Sequence[float], histories: int, seed: int) -> Delay:
    """When models whose true drop follows `path`, a value a week, are first alerted; each keeps its one baseline.

    Once a model is under investigation, only the rollback question is asked of it.
    """
    rng = np.random.default_rng(seed)
    amounts = [_amount(plan, drop) for drop in path]
    found: list[FloatArray] = []
    for number in _chunks(plan, histories):
        first = np.full((number, 2), np.inf)
        means = plan.world.case_means(number, plan.cases, rng)
        setting = deploy(plan, means, rng)
        for week, amount in enumerate(amounts, start=1):
            state = start(investigate=np.isinf(first[:, INVESTIGATE]), weeks=(number,))
            ended = decide(setting, dropped(means, amount), state, rng)
            alerted = np.stack([ended.state.fired[:, INVESTIGATE], ended.confirmed], axis=-1)
            first = np.where(alerted, np.minimum(first, week), first)
        found.append(first)
    together = np.concatenate(found)
    return Delay(investigate=together[:, INVESTIGATE], rollback=together[:, ROLLBACK])


def decide(setting: Setting, means: FloatArray, state: Questions, rng: np.random.Generator) -> Weeks:
    """Weeks with expected scores `means` (weeks, cases), from the first stage to what stands in the end.

    The stages; for an inconclusive week the next day's look; and for a rollback that has fired its confirmation.
    """
    state, answers, setting = stages(setting, means, state, rng)
    stage_answers = answers.n[:, 0].astype(np.float64)
    extra = np.zeros_like(stage_answers)

    repeated = np.asarray(state.asked.all(axis=-1) & ~state.fired.any(axis=-1) & ~state.clear.all(axis=-1))
    for cap in np.unique(setting.cap[repeated]):
        again = repeated & (setting.cap == cap)
        here, before = setting.rows(again), answers.rows(again)
        more = 2 * cap - before.n
        both = before.more(means[again], more, setting.ratio, rng)
        value = here.estimate(both.moments, int(2 * cap))
        state = state.with_rows(again, last_look(state.rows(again), value, setting.spec))
        extra[again] += more[:, 0]

    pending = state.fired[:, ROLLBACK]
    confirmed = np.zeros_like(pending)
    if pending.any():
        here = replace(setting.rows(pending), spec=setting.spec.confirmation())
        alone = start(investigate=False, weeks=(int(pending.sum()),))
        second, new, _ = stages(here, means[pending], alone, rng)
        confirmed[pending] = second.fired[:, ROLLBACK]
        extra[pending] += new.n[:, 0]
    return Weeks(state, confirmed, repeated, stage_answers, extra)


def stages(
    setting: Setting, means: FloatArray, state: Questions, rng: np.random.Generator
) -> tuple[Questions, Answers, Setting]:
    """All stages of weeks with expected scores `means` (weeks, cases).

    Where the questions stand then, the answers, and what later looks are measured against: with all anchors in weeks
    that have asked for them, as `monitor.decide.week.wants_all_anchors` does.
    """
    answers = Answers.none(means.shape)
    repeats, before = FIRST_STAGE, 0
    while not state.finished.all():
        active = ~state.finished
        here = setting.rows(active)
        each = np.full((int(active.sum()), 1), repeats - before, dtype=np.int64)
        now = answers.rows(active).more(means[active], each, setting.ratio, rng)
        at_first = state.rows(active)
        decided = look(at_first, here.estimate(now.moments, repeats), setting.spec)
        unsettled = decided.fired.any(axis=-1) | (decided.finished & ~decided.clear.all(axis=-1))
        wanting = unsettled & here.judged_in_part
        if wanting.any():
            here = here.judge_rest(wanting)
            these = active.copy()
            these[active] = wanting
            setting = setting.judge_rest(these)
            decided = look(at_first, here.estimate(now.moments, repeats), setting.spec)
        state = state.with_rows(active, decided)
        answers = answers.with_rows(active, now)
        # Caps are powers of two, or one that the user set, which the last stage does not pass.
        repeats, before = min(2 * repeats, int(setting.cap.max())), repeats
    return state, answers, setting


def _amount(plan: WeekPlan, drop: float, shown: float = 1.0) -> float:
    """`drop` on the 0-1 scale, of which a judge shows the share `shown`."""
    amount = drop / plan.spec.scale / shown
    if not 0.0 <= amount <= plan.world.mean:
        raise ValueError(f"a score of {plan.world.mean * plan.spec.scale:g} cannot drop by {drop / shown:g}")
    return amount


def _chunks(plan: WeekPlan, weeks: int) -> list[int]:
    """Weeks to hold at once, so that memory stays bounded whatever is asked for."""
    most = max(1, CHUNK_SCORES // plan.cases)
    return [min(most, weeks - done) for done in range(0, weeks, most)]
