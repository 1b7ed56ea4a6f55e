"""A run that asks judges alone: what it will cost is said first, it is accounted for, and it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from monitor import cycle
from monitor.app import App
from monitor.collect import DeclinedError
from monitor.domain.run import Baseline, Halt, HaltKind, Run, RunKind
from monitor.judging.bridging import over
from monitor.judging.forecast import NOTHING, Cost
from monitor.judging.seat import Jury
from monitor.judging.setup import Judging
from monitor.logs import events
from monitor.replay.budget import Budget, Caps
from monitor.rounds import TAKEN_UP_WITHIN
from monitor.site import Site
from monitor.store import answers, runs


class JudgeError(Exception):
    """The judges could not do what was wanted; the message says why, and what to do. What they said is stored."""


@dataclass(frozen=True, slots=True)
class JudgeOffer:
    """What judges are about to be asked: `what` in words, and its parts with the cost of each."""

    what: str
    parts: tuple[tuple[str, Cost], ...]

    @property
    def cost(self) -> Cost:
        """All parts together."""
        return sum((cost for _, cost in self.parts), NOTHING)

    @property
    def usd(self) -> float | None:
        """About how much; None without a price."""
        return self.cost.usd

    @property
    def free(self) -> bool:
        """Whether nobody has to be asked."""
        return self.cost.calls == 0


Agree = Callable[[JudgeOffer], bool]


def judging_of(site: Site) -> Judging:
    """How a site is judged; raises JudgeError where it has no rubric."""
    if site.judging is None:
        raise JudgeError(
            f"{site.name}: no rubric is judged there; name some under [suites.{site.suite.name}] rubrics, and the "
            "judges under [judging] panel."
        )
    return site.judging


def pinned(app: App, site: Site) -> Baseline | None:
    """The baseline that the site is compared with."""
    with app.place.database.read() as connection:
        return runs.current_baseline(connection, site.compared_with, site.suite.name)


def left_open(app: App, site: Site, purpose: str) -> Run | None:
    """The run for `purpose` that was interrupted lately, to be gone on with; others of judges alone are closed."""
    with app.place.database.read() as connection:
        mine = [
            run
            for run in runs.unfinished(connection)
            if (run.target, run.suite, run.kind) == (site.target, site.suite.name, RunKind.JUDGE)
        ]
    baseline = pinned(app, site)
    wanted = (site.suite.fingerprint, baseline.id if baseline else None, purpose)
    found = None
    for run in mine:
        same = (run.suite_fingerprint, run.baseline_id, run.progress.get("for")) == wanted
        if same and app.place.now() - run.created_at <= TAKEN_UP_WITHIN:
            found = run
        else:
            finish(app, run)
    return found


def agreed(app: App, run: Run | None, offer: JudgeOffer, agree: Agree, cap: str = "usd_per_run") -> Budget:
    """The budget of a run whose cost was agreed to; `cap` is the key of [budget] that bounds its USD.

    Raises DeclinedError where it was not, and JudgeError where it would pass a cap.
    """
    table = app.config.budget
    budget = Budget(Caps(getattr(table, cap), table.calls_per_run, cap), app.month)
    if run is not None:
        with app.place.database.read() as connection:
            spent = answers.spend(connection, run.id)
        budget.calls, budget.usd = spent.calls, spent.usd or 0.0
    too_much = over(offer.cost, budget)
    if too_much is not None:
        raise JudgeError(f"{offer.what}: {too_much} Raise it there to go on.")
    if not offer.free and not agree(offer):
        raise DeclinedError
    return budget


def begun(app: App, site: Site, purpose: str) -> Run:
    """A new run of judges alone."""
    run = cycle.begin(app, site, RunKind.JUDGE, None)
    if run is None:
        raise JudgeError(f"{site.name}: its run could not be begun")
    run = replace(run, progress={"for": purpose})
    with app.place.database.write() as connection:
        runs.save(connection, run)
    return run


@asynccontextmanager
async def convened(app: App, judging: Judging, run: Run, budget: Budget) -> AsyncIterator[Jury]:
    """The judges of a run. Left by an error the run stays open: the same command goes on with it."""
    events.taken_up(app.place.database, run)
    with events.within(run):
        async with judging.convene(budget) as jury:
            yield jury


def finish(app: App, run: Run) -> Run:
    """The run is over."""
    with app.place.database.write() as connection:
        return runs.finish(connection, run, app.place.now())


def refuse_halted(site: Site, halt: Halt | None) -> None:
    """Raise JudgeError where judges could not all be asked."""
    if halt is not None:
        first = "raise the cap, and " if halt.kind is HaltKind.BUDGET else ""
        raise JudgeError(
            f"{site.name}: {halt.message} What was judged is stored: {first}the same command goes on with it."
        )
