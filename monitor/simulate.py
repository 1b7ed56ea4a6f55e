"""Whole weeks on synthetic models, decided by the real code: what a configuration would alarm, find and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.stats.baseline import MOST_BASELINE_REPEATS, PILOT_REPEATS, cap_repeats, repeats_needed, variation
from monitor.stats.moments import Moments
from monitor.stats.paired import estimate
from monitor.stats.proportion import Share
from monitor.stats.quantiles import BoolArray, FloatArray, IntArray
from monitor.stats.sequential import FIRST_STAGE, Questions, last_look, look, start
from monitor.stats.spec import INVESTIGATE, ROLLBACK, Spec
from monitor.stats.synthetic import Answers, World, dropped

WEEKS_A_YEAR = 52
CHUNK_SCORES = 400_000
"""Weeks times cases that are held at once: the arrays of this size together stay below 100 MB."""


@dataclass(frozen=True, slots=True)
class WeekPlan:
    """What is to be simulated: `cases` of a `world`, decided by `spec`.

    `baseline_repeats` (K0) and `max_repeats` (K_cap): None derives them from each week's own pilot and baseline.
    """

    cases: int
    world: World = field(default_factory=World)
    spec: Spec = field(default_factory=lambda: Spec.from_thresholds(3.0, 5.0))
    baseline_repeats: int | None = None
    max_repeats: int | None = None

    def __post_init__(self) -> None:
        if self.cases < 2:
            raise ValueError(f"a test set to simulate has at least 2 cases, not {self.cases}")


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
class Setting:
    """What weeks are measured against, one row a week: the baseline with its variance, the cap, and the questions."""

    baseline: Moments
    within: FloatArray
    cap: IntArray
    spec: Spec
    ratio: float

    def rows(self, chosen: BoolArray) -> Setting:
        """The weeks that a mask chooses."""
        return replace(self, baseline=self.baseline.rows(chosen), within=self.within[chosen], cap=self.cap[chosen])


@dataclass(frozen=True, slots=True)
class Weeks:
    """How weeks ended: the questions, which rollbacks were confirmed, which weeks were repeated, and answers a case."""

    state: Questions
    confirmed: BoolArray
    repeated: BoolArray
    answers: FloatArray
    extra_answers: FloatArray


def simulate(plan: WeekPlan, drop: float, weeks: int, seed: int) -> Outcome:
    """`weeks` independent weeks at a true drop of `drop`, each with a model, a pilot and a baseline of its own.

    `drop` is in the unit of the thresholds. The same seed gives the same outcome. `ValueError` where no score can drop
    so far, or no week is asked for.
    """
    amount = _amount(plan, drop)
    if weeks < 1:
        raise ValueError(f"at least one week is to be simulated, not {weeks}")
    rng = np.random.default_rng(seed)
    settings, parts = [], []
    for number in _chunks(plan, weeks):
        means = plan.world.case_means(number, plan.cases, rng)
        settings.append(deploy(plan, means, rng))
        parts.append(decide(settings[-1], dropped(means, amount), start(weeks=(number,)), rng))
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


def deploy(plan: WeekPlan, means: FloatArray, rng: np.random.Generator) -> Setting:
    """Collect the baseline of models with expected scores `means` (weeks, cases): pilot, K0, the rest, cap."""
    ratio, weeks = plan.world.ratio, means.shape[0]
    answers = Answers.none(means.shape)
    if plan.baseline_repeats is None:
        pilot = np.full((weeks, 1), PILOT_REPEATS, dtype=np.int64)
        answers = answers.more(means, pilot, ratio, rng)
        needed = repeats_needed(variation(answers.moments).within, plan.cases, plan.spec)
        rest = np.minimum(needed, MOST_BASELINE_REPEATS)[:, np.newaxis] - pilot
    else:
        rest = np.full((weeks, 1), plan.baseline_repeats, dtype=np.int64)
    answers = answers.more(means, rest, ratio, rng)
    varied = variation(answers.moments)
    if plan.max_repeats is None:
        cap = cap_repeats(varied, plan.cases, answers.n[:, 0], plan.spec)
    else:
        cap = np.full(weeks, plan.max_repeats, dtype=np.int64)
    return Setting(answers.moments, np.asarray(varied.within), cap, plan.spec, ratio)


def decide(setting: Setting, means: FloatArray, state: Questions, rng: np.random.Generator) -> Weeks:
    """Weeks with expected scores `means` (weeks, cases), from the first stage to what stands in the end.

    The stages; for an inconclusive week the next day's look; and for a rollback that has fired its confirmation.
    """
    state, answers = replay(setting, means, state, rng)
    stage_answers = answers.n[:, 0].astype(np.float64)
    extra = np.zeros_like(stage_answers)

    repeated = np.asarray(state.asked.all(axis=-1) & ~state.fired.any(axis=-1) & ~state.clear.all(axis=-1))
    for cap in np.unique(setting.cap[repeated]):
        again = repeated & (setting.cap == cap)
        here, before = setting.rows(again), answers.rows(again)
        more = 2 * cap - before.n
        both = before.more(means[again], more, setting.ratio, rng)
        value = estimate(here.baseline, both.moments, repeats=int(2 * cap), cap=here.cap, v0_hat=here.within)
        state = state.with_rows(again, last_look(state.rows(again), value, setting.spec))
        extra[again] += more[:, 0]

    pending = state.fired[:, ROLLBACK]
    confirmed = np.zeros_like(pending)
    if pending.any():
        here = replace(setting.rows(pending), spec=setting.spec.confirmation())
        alone = start(investigate=False, weeks=(int(pending.sum()),))
        second, new = replay(here, means[pending], alone, rng)
        confirmed[pending] = second.fired[:, ROLLBACK]
        extra[pending] += new.n[:, 0]
    return Weeks(state, confirmed, repeated, stage_answers, extra)


def replay(
    setting: Setting, means: FloatArray, state: Questions, rng: np.random.Generator
) -> tuple[Questions, Answers]:
    """All stages of weeks with expected scores `means` (weeks, cases): where the questions stand, and the answers."""
    answers = Answers.none(means.shape)
    repeats, before = FIRST_STAGE, 0
    while not state.finished.all():
        active = ~state.finished
        here = setting.rows(active)
        each = np.full((int(active.sum()), 1), repeats - before, dtype=np.int64)
        now = answers.rows(active).more(means[active], each, setting.ratio, rng)
        value = estimate(here.baseline, now.moments, repeats=repeats, cap=here.cap, v0_hat=here.within)
        state = state.with_rows(active, look(state.rows(active), value, setting.spec))
        answers = answers.with_rows(active, now)
        # Caps are powers of two, or one that the user set, which the last stage does not pass.
        repeats, before = min(2 * repeats, int(setting.cap.max())), repeats
    return state, answers


def _amount(plan: WeekPlan, drop: float) -> float:
    """`drop` on the 0-1 scale."""
    amount = drop / plan.spec.scale
    if not 0.0 <= amount <= plan.world.mean:
        raise ValueError(f"a score of {plan.world.mean * plan.spec.scale:g} cannot drop by {drop:g}")
    return amount


def _chunks(plan: WeekPlan, weeks: int) -> list[int]:
    """Weeks to hold at once, so that memory stays bounded whatever is asked for."""
    most = max(1, CHUNK_SCORES // plan.cases)
    return [min(most, weeks - done) for done in range(0, weeks, most)]
