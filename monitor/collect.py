"""Collecting a baseline: a pilot tells how much the answers vary, that tells how many it takes, and people say yes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy.engine import Connection

from monitor import cycle, grading
from monitor.app import App
from monitor.conclude import identical
from monitor.decide.plan import Prospect, prospect, repeats_for, typical
from monitor.decide.transition import BAD
from monitor.decide.week import MISSING_SHARE
from monitor.domain.run import Baseline, Halt, HaltKind, Phase, Run, RunKind, RunState
from monitor.incidents import opening
from monitor.incidents.office import Office
from monitor.judging import forecast, watching
from monitor.judging.forecast import NOTHING, Cost
from monitor.judging.marking import score_answers
from monitor.judging.seat import Sitting
from monitor.judging.setup import Judging
from monitor.logs import events
from monitor.replay.budget import Budget, Caps
from monitor.replay.stage import Stage, replay_stage
from monitor.site import Site
from monitor.stats.baseline import PILOT_REPEATS, UnknownVariationError
from monitor.stats.moments import Moments
from monitor.stats.spec import POINTS, GapTooSmallError
from monitor.store import answers, audit, judgements, runs, verdicts

# The provider has a state of the day; the baseline should not rest on a single one.
BATCHES = 4


class CollectError(Exception):
    """The baseline was not pinned; the message says why, and what to do. What was answered is stored."""


class DeclinedError(Exception):
    """Someone said no to the cost."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What is about to be spent: calls, and USD where there is a price. `final`: the pilot has told how many it takes.

    `judging`: what the judges take beside the target's `calls`; `usd` is for both. `stored`, `spent`: answers and USD
    so far. `open_alert`: the level of the newest verdict where it is bad. `outlook` is what the baseline will be able
    to confirm, where that can be known yet.
    """

    site: Site
    answers_a_case: int
    calls: int
    usd: float | None
    final: bool
    stored: int
    spent: float = 0.0
    open_alert: str | None = None
    outlook: Prospect | None = None
    judging: Cost = NOTHING

    @property
    def free(self) -> bool:
        """Whether nobody is paid for it."""
        return self.site.free and self.judging.calls == 0


@dataclass(frozen=True, slots=True)
class Collected:
    """A baseline that is pinned, or that goes on with its next batch at `run.due_at`.

    `weak_judges`: what canaries could not show of a judge, in words.
    """

    site: Site
    run: Run
    baseline: Baseline | None
    outlook: Prospect | None
    answers_a_case: int
    at_once: bool
    identical: bool
    weak_judges: tuple[str, ...] = ()


async def collect(app: App, site: Site, by: str, agree: Callable[[Offer], bool], *, spread: bool) -> Collected:
    """Collect and pin; an interrupted collection is gone on with.

    `agree` is asked before anything is spent, and again when the pilot has told the whole. `spread`: the pilot now, the
    rest in batches on the following days, taken up by `run_due`. Raises CollectError, DeclinedError and
    RunInterruptedError.
    """
    run = _resume(app, site) or _begin(app, site)
    configured = app.config.decision.baseline_repeats
    pilot = PILOT_REPEATS if configured == "auto" else min(PILOT_REPEATS, configured)
    _ask(app, agree, _offer(app, site, run, pilot if configured == "auto" else configured, final=configured != "auto"))
    await _answers(app, site, run, pilot)
    goal = _goal(app, site, run) if configured == "auto" else configured
    if goal > pilot and configured == "auto":
        _ask(app, agree, _offer(app, site, run, goal, final=True))
    batches = _batches(pilot, goal, BATCHES) if spread else [goal]
    run = replace(run, progress={"goals": batches, "by": by, "spread": spread})
    return await _next(app, site, run)


async def go_on(app: App, site: Site, run: Run) -> Collected:
    """The next batch of a baseline that is collected over several days; raises CollectError as `collect` does."""
    if not _is_of(site, run):
        with app.place.database.write() as connection:
            runs.finish(connection, run, app.place.now())
        raise CollectError(
            f"{site.name}: its configuration or test set changed while its baseline was collected, and answers of both "
            f"make no baseline; nothing was pinned. Begin again with `heldout baseline collect {site.target} "
            f"{site.suite.name}`."
        )
    return await _next(app, site, run)


def pin(app: App, site: Site, run: Run, by: str) -> tuple[Baseline, Prospect]:
    """Make a run's answers the baseline; raises CollectError where they cannot serve as one."""
    if run.state is not RunState.DONE:
        raise CollectError(
            f"{site.name}: run {run.id} is not over, and a baseline must not grow; `heldout run --due` goes on with it"
        )
    outlook = _checked(app, site, run)
    with app.place.database.write() as connection:
        if site.judging is not None:
            # The first run against it has them judged.
            watching.pin(connection, run.id, site.scorable, site.judging.canaries)
        return _pinned(app, connection, run, by, "baseline pin"), outlook


def outlook_of(app: App, site: Site, run_id: str) -> Prospect | None:
    """What the answers of a run can confirm as a baseline; None without any."""
    moments = _moments(app, site, run_id)
    return prospect(moments, app.thresholds, app.max_repeats) if (moments.n > 0).any() else None


async def _next(app: App, site: Site, run: Run) -> Collected:
    goals = [int(goal) for goal in run.progress["goals"]]
    by, spread = str(run.progress["by"]), bool(run.progress["spread"])
    await _answers(app, site, run, goals[0])
    rest = goals[1:]
    if rest:
        tomorrow = app.place.now() + timedelta(days=1)
        progress = {**run.progress, "goals": rest}
        run = replace(run, state=RunState.WAITING, due_at=tomorrow, progress=progress)
        with app.place.database.write() as connection:
            runs.save(connection, run)
        events.collected(run, pinned=False)
        return Collected(site, run, None, outlook_of(app, site, run.id), goals[0], not spread, identical=False)
    outlook = _checked(app, site, run)
    weak = await _watch(app, site, run)
    now = app.place.now()
    with app.place.database.write() as connection:
        run = runs.finish(connection, run, now)
        texts = answers.distinct_texts(connection, run.id, Phase.MAIN)
        baseline = _pinned(app, connection, run, by, "baseline collect")
    events.collected(run, pinned=True)
    same = not site.local and identical(texts)
    return Collected(site, run, baseline, outlook, goals[0], not spread, same, weak)


def _pinned(app: App, connection: Connection, run: Run, by: str, action: str) -> Baseline:
    """Make a run the baseline, and note in the audit log which one it takes the place of."""
    now = app.place.now()
    earlier = runs.current_baseline(connection, run.target, run.suite)
    baseline = runs.pin(connection, run, now, by)
    _replace(app, connection, baseline)
    audit.append(
        connection,
        who=by,
        via="command",
        action=action,
        subject=f"{run.target} · {run.suite}",
        detail={"run": run.id, "instead_of": earlier.run_id if earlier is not None else None},
        now=now,
    )
    return baseline


async def _answers(app: App, site: Site, run: Run, repeats: int) -> None:
    """Up to `repeats` scored answers to each case.

    Raises CollectError where the target, a judge or the budget ended it early.
    """
    budget = _budget(app, run)
    stage = Stage(run.id, Phase.MAIN, site.scorable, repeats, f"{site.name} baseline ×{repeats}")
    events.taken_up(app.place.database, run)
    with events.within(run):
        async with site.connect(budget) as ask:
            halt = await replay_stage(app.place, stage, site.grader, ask, site.pricer, site.concurrency)
        if halt is None and site.judging is not None:
            halt = await _judged(app, site, site.judging, run, budget)
    _refuse_halted(site, halt)


async def _judged(app: App, site: Site, judging: Judging, run: Run, budget: Budget) -> Halt | None:
    """Have the answers judged; returns why it ended early, if it did."""
    here = Sitting(run.id, run.id, site.name)
    by_id = {case.id: case for case in site.scorable}
    async with judging.convene(budget) as jury:
        for scorer in judging.scorers.values():
            halt = await score_answers(app.place, here, jury, scorer, (run.id, Phase.MAIN), by_id)
            if halt is not None:
                return halt
    return None


async def _watch(app: App, site: Site, run: Run) -> tuple[str, ...]:
    """Pin canaries with what each judge makes of them, by which it is held later on; what they cannot show of it."""
    if site.judging is None:
        return ()
    with app.place.database.write() as connection:
        watching.pin(connection, run.id, site.scorable, site.judging.canaries)
    here = Sitting(run.id, run.id, site.name)
    by_id = {case.id: case for case in site.scorable}
    weak = []
    async with site.judging.convene(_budget(app, run)) as jury:
        for scorer in site.judging.scorers.values():
            pinned, halt = await watching.first_look(app.place, here, jury, scorer, by_id)
            _refuse_halted(site, halt)
            weak += [f"[judges.{name}] with {scorer.name}: {one.reason}" for name, one in pinned.items() if one.reason]
    return tuple(weak)


def _budget(app: App, run: Run) -> Budget:
    table = app.config.budget
    with app.place.database.read() as connection:
        spent = answers.spend(connection, run.id)
    caps = Caps(table.baseline_usd, table.calls_per_run, "baseline_usd")
    return Budget(caps, app.month, calls=spent.calls, usd=spent.usd or 0.0)


def _refuse_halted(site: Site, halt: Halt | None) -> None:
    if halt is not None:
        first = "raise the cap, and " if halt.kind is HaltKind.BUDGET else ""
        raise CollectError(
            f"{site.name}: {halt.message} Nothing was pinned; what was answered is stored: "
            f"{first}the same command goes on with it."
        )


def _resume(app: App, site: Site) -> Run | None:
    """A collection that was begun with this very target and suite; one of another configuration is closed."""
    with app.place.database.write() as connection:
        run = runs.collecting(connection, site.target, site.suite.name)
        if run is None:
            return None
        if _is_of(site, run):
            return run
        runs.finish(connection, run, app.place.now())
    return None


def _is_of(site: Site, run: Run) -> bool:
    """Whether a run was begun with the target and suite as they are now."""
    return (run.suite_fingerprint, run.target_fingerprint) == (site.suite.fingerprint, site.fingerprint)


def _begin(app: App, site: Site) -> Run:
    run = cycle.begin(app, site, RunKind.BASELINE, None)
    if run is None:
        raise CollectError(f"{site.name}: the collection could not be begun")
    return run


def _ask(app: App, agree: Callable[[Offer], bool], offer: Offer) -> None:
    _refuse_over_cap(app, offer)
    if offer.calls > 0 and not agree(offer):
        raise DeclinedError


def _refuse_over_cap(app: App, offer: Offer) -> None:
    """Nothing is spent on a collection that its cap would end before it can be pinned."""
    table = app.config.budget
    calls = offer.calls + offer.stored + offer.judging.calls
    if calls > table.calls_per_run:
        raise CollectError(
            f"{offer.site.name}: {offer.answers_a_case} answers a case take {calls} calls, more than [budget] "
            f"calls_per_run = {table.calls_per_run}; raise it, or set [decision] baseline_repeats lower."
        )
    if offer.usd is not None and offer.usd + offer.spent > table.baseline_usd:
        raise CollectError(
            f"{offer.site.name}: {offer.answers_a_case} answers a case cost about {offer.usd + offer.spent:.2f} USD, "
            f"more than [budget] baseline_usd = {table.baseline_usd:.2f}; raise it, or set [decision] baseline_repeats "
            "lower."
        )


def _offer(app: App, site: Site, run: Run, repeats: int, *, final: bool) -> Offer:
    with app.place.database.read() as connection:
        stored = answers.stored(connection, run.id, Phase.MAIN)
        usage = answers.mean_usage(connection, site.target)
        spent = answers.spend(connection, run.id).usd or 0.0
        newest = verdicts.newest(connection, site.target, site.suite.name)
    bad = newest.level.value if newest is not None and newest.level in BAD else None
    have = sum(min(len(repeats_), repeats) for repeats_ in stored.values())
    calls = repeats * len(site.scorable) - have
    each = 0.0 if site.free else site.pricer.expected(site.scorable, usage)
    outlook = _outlook_with(app, site, run, repeats) if final else None
    judging = _judging(app, site, run, calls)
    usd = None if each is None or judging.usd is None else calls * each + judging.usd
    return Offer(site, repeats, calls, usd, final, have, spent, bad, outlook, judging)


def _judging(app: App, site: Site, run: Run, new: int) -> Cost:
    """What judging takes beside `new` answers; where some are stored, as many of the new ones differ as of these."""
    if site.judging is None:
        return NOTHING
    database = app.place.database
    with database.read() as connection:
        texts = answers.distinct_texts(connection, run.id, Phase.MAIN)
        pinned = bool(judgements.canaries(connection, run.id))
    total, different = (sum(column) for column in zip(*texts.values(), strict=True)) if texts else (1, 1)
    cost = forecast.of_answers(database, site.judging, math.ceil(new * different / total), site.scorable)
    for scorer in site.judging.scorers.values():
        cost += forecast.outstanding(database, scorer, site.judging, run.id, site.scorable)
    return cost if pinned else cost + forecast.of_canaries(database, site.judging, site.scorable)


def _outlook_with(app: App, site: Site, run: Run, repeats: int) -> Prospect | None:
    """What `repeats` answers a case will confirm, if the others vary as those so far, or as is typical before any."""
    import numpy as np

    moments = _moments(app, site, run.id)
    if not (moments.n > 1).any():
        return typical(len(site.scorable), repeats, app.thresholds, app.max_repeats) if site.scorable else None
    assumed = Moments(np.where(moments.n > 0, float(repeats), 0.0), moments.mean, moments.var)
    return prospect(assumed, app.thresholds, app.max_repeats)


def _goal(app: App, site: Site, run: Run) -> int:
    """K0 by the pilot, and again by all answers where more are stored already."""
    pilot = _moments(app, site, run.id)
    _refuse_missing(site, pilot)
    try:
        return repeats_for(pilot, app.thresholds)
    except GapTooSmallError as error:
        raise CollectError(f"{site.name}: {error}; or set [decision] baseline_repeats to a number") from error
    except UnknownVariationError as error:
        raise CollectError(f"{site.name}: {error}") from error


def _checked(app: App, site: Site, run: Run) -> Prospect:
    moments = _moments(app, site, run.id)
    _refuse_missing(site, moments)
    _refuse_hopeless(app, site, moments)
    return prospect(moments, app.thresholds, app.max_repeats)


def _refuse_missing(site: Site, moments: Moments) -> None:
    # Counted, not subtracted from 1: two of forty are 5%, and not a rounding error more.
    missing = float((moments.n == 0).sum()) / len(site.scorable) if site.scorable else 1.0
    if missing > MISSING_SHARE:
        raise CollectError(
            f"{site.name}: {100 * missing:.0f}% of the cases have no scored answer (5% are allowed), so nothing was "
            "pinned; see that the target answers (`heldout check`) and run the same command again."
        )


def _refuse_hopeless(app: App, site: Site, moments: Moments) -> None:
    """A score that cannot fall by the rollback threshold would pass for ever, whatever happens to the model."""
    score = POINTS * float(moments.mean[moments.n > 0].mean())
    limit = app.thresholds.rollback if app.thresholds.unit == "points" else 0.0
    if score <= limit:
        raise CollectError(
            f"{site.name}: the answers score {score:.1f}, from where no drop could be seen, so nothing was pinned; "
            "look at the answers (empty or cut short?), the metrics and the headline, and collect again."
        )


def _moments(app: App, site: Site, run_id: str) -> Moments:
    by_id = {case.id: case for case in site.suite.cases}
    grading.regrade(app.place.database, site.grader, run_id, Phase.MAIN, by_id)
    return grading.load_moments(app.place.database, site.grader, run_id, Phase.MAIN, site.scorable)


def _batches(pilot: int, goal: int, count: int) -> list[int]:
    """Answers a case after each day: the pilot's day first, then equal steps up to the goal."""
    if goal <= pilot:
        return [goal]
    steps = [pilot + round((goal - pilot) * i / (count - 1)) for i in range(count)]
    return sorted(set(steps))


def _replace(app: App, connection: Connection, pinned: Baseline) -> None:
    """What was open against an earlier baseline is over."""
    office = Office(app.config, app.channels, pinned.pinned_at, app.new_id)
    opening.replaced(connection, office, pinned.target, pinned.suite, pinned.pinned_by)
