"""What a week says of its fallback: measured on the same slot and cases as often as production, and compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

from monitor import references
from monitor.app import App
from monitor.decide import fallback
from monitor.decide.state import Evidence, Step
from monitor.domain.run import Phase, Run, RunKind
from monitor.domain.verdict import FallbackSeen
from monitor.judging.session import Session
from monitor.setting import Setting
from monitor.site import Site, Unbuilt
from monitor.store import answers


@dataclass(frozen=True)
class Look:
    """A look at production: what was found, and what its judges have done (None: nothing is judged).

    `cut_short`: it was not measured to the end, so nobody else is asked now.
    """

    run: Run
    setting: Setting
    found: Evidence
    session: Session | None = None
    cut_short: bool = False


async def beside(app: App, site: Site, look: Look, taken: Step) -> Step:
    """`taken` with how the fallback compares, which is asked for it; it changes nothing else of it."""
    there = _comparable(site, look)
    repeats = _most_repeats(app, look.run)
    if not isinstance(there, Site) or look.cut_short or not repeats or look.run.slot is None:
        return recalled(app, site, look, taken)
    wanted = references.Wanted(
        cases=look.setting.cases,
        repeats=fallback.repeats_needed(repeats) if taken.wants_rollback else repeats,
        away=look.session.away if look.session is not None else {},
    )
    measured = await references.measure(app, there, look.run.slot, wanted)
    found = fallback.compared(measured.moments, look.found.main, measured.lacking)
    return replace(taken, fallback=fallback.seen(there.target, found))


def recalled(app: App, site: Site, look: Look, taken: Step) -> Step:
    """`taken` with how the fallback compares by what is stored; asks nobody."""
    there = _comparable(site, look)
    if there is None:
        return taken
    if isinstance(there, Unbuilt):
        return replace(taken, fallback=FallbackSeen(there.target, ready=False, why=there.why))
    slot = look.run.slot
    measured = references.recall(app, there, slot, look.setting.cases) if slot is not None else None
    if measured is None:
        why = "it was not asked, because production could not be measured."
        return replace(taken, fallback=FallbackSeen(there.target, ready=False, why=why))
    found = fallback.compared(measured.moments, look.found.main, measured.lacking)
    return replace(taken, fallback=fallback.seen(there.target, found))


def unmeasured(site: Site, run: Run, taken: Step, why: str) -> Step:
    """`taken` where nothing of production can be compared with anything, and why."""
    if site.fallback is None or run.kind is not RunKind.WEEK:
        return taken
    return replace(taken, fallback=FallbackSeen(site.fallback.target, ready=False, why=why))


def _comparable(site: Site, look: Look) -> Site | Unbuilt | None:
    """The fallback, where it can be compared in this look, or why not; None where the run has none."""
    if site.fallback is None or look.run.kind is not RunKind.WEEK:
        return None
    name = site.fallback.target
    if look.setting.prospect is None:
        return Unbuilt(name, "production has no baseline to be measured by, so nothing is compared.")
    if look.session is not None and not look.session.usable:
        return Unbuilt(name, f"what it says cannot be judged now. {look.session.why_unusable}")
    return site.fallback


def _most_repeats(app: App, run: Run) -> int:
    """How many answers a case production has, where it has most."""
    with app.place.database.read() as connection:
        return max((len(repeats) for repeats in answers.stored(connection, run.id, Phase.MAIN).values()), default=0)
