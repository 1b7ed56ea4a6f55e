"""What a run is measured against: the baseline it was begun with, the cases that still stand, and the open alert."""

from __future__ import annotations

from dataclasses import dataclass, replace

from monitor import grading
from monitor.app import App
from monitor.decide.plan import Prospect, prospect
from monitor.decide.transition import Decided, Opened, opened
from monitor.domain.case import Case
from monitor.domain.run import Baseline, Phase, Run, RunKind
from monitor.site import Site
from monitor.stats.moments import Moments
from monitor.store import answers, calibrations, incidents, runs, verdicts

# With fewer cases in common a comparison would be about another test set.
LEAST_COMMON_SHARE = 0.5


@dataclass(frozen=True)
class Setting:
    """What a week is measured against: the baseline with its moments over `cases`, and the alert that is open."""

    baseline: Baseline | None
    moments: Moments | None
    prospect: Prospect | None
    cases: tuple[Case, ...]
    changed_cases: int
    gone_cases: int
    past: tuple[Decided, ...]
    alert: Opened | None


def set_up(app: App, site: Site, run: Run) -> Setting:
    """Read the baseline a run was begun against, and what earlier weeks have left open."""
    with app.place.database.read() as connection:
        baseline = runs.baseline_by_id(connection, run.baseline_id) if run.baseline_id is not None else None
        weeks: list[verdicts.StoredVerdict] = []
        if run.kind is RunKind.WEEK and run.slot is not None:
            weeks = verdicts.weekly(connection, run.target, run.suite, run.slot, run.baseline_id)
            # What was decided before an incident came to its end is settled.
            settled = incidents.last_closed(connection, run.target, run.suite)
            weeks = [week for week in weeks if settled is None or week.decided_at > settled]
    past = tuple(decided(week) for week in weeks)
    alert = opened(past)
    if baseline is None:
        return Setting(None, None, None, site.scorable, 0, 0, past, alert)
    by_id = {case.id: case for case in site.suite.cases}
    # The suite may have got a new scorer since the baseline was collected, or while this run waited.
    for run_id, phase in ((baseline.run_id, Phase.MAIN), *((run.id, phase) for phase in Phase)):
        grading.regrade(app.place.database, site.grader, run_id, phase, by_id)
    scores = grading.load_moments(app.place.database, site.grader, baseline.run_id, Phase.MAIN, site.scorable)
    common = scores.n > 0
    cases = tuple(case for case, known in zip(site.scorable, common, strict=True) if known)
    with app.place.database.read() as connection:
        asked_then = answers.cases(connection, baseline.run_id)
    # A case that merely had no scored answer at deployment has not changed.
    edited = baseline.suite_fingerprint != site.suite.fingerprint
    changed = len(site.scorable) - len(cases) if edited else 0
    gone = len(asked_then - {case.id for case in site.suite.cases})
    moments = scores.rows(common)
    outlook = None
    if cases and len(cases) >= LEAST_COMMON_SHARE * max(len(site.scorable), len(asked_then)):
        standing = (alert.level, alert.clear_weeks) if alert else (None, 0)
        outlook = prospect(moments, app.thresholds, app.max_repeats, *standing)
        outlook = replace(outlook, plan=replace(outlook.plan, barred=barred(app, site)))
    return Setting(baseline, moments, outlook, cases, changed, gone, past, alert)


def barred(app: App, site: Site) -> str | None:
    """Why a rollback may not rest on the headline's judges; None where it may, or where there are none."""
    if site.judging is None:
        return None
    least = site.judging.min_kappa
    for scorer in site.judging.deciding:
        with app.place.database.read() as connection:
            known = calibrations.newest(connection, site.suite.name, scorer.key)
        if known is None:
            return f"its judges ({scorer.name}) were never compared with people's labels"
        if known.kappa is None or known.kappa < least:
            kappa = "is unknown" if known.kappa is None else f"is {known.kappa:.2f}"
            return (
                f"the agreement of its judges ({scorer.name}) with people {kappa} (kappa over {known.labels} labels; "
                f"[judging] min_kappa_for_rollback is {least:g})"
            )
    return None


def decided(stored: verdicts.StoredVerdict) -> Decided:
    """A stored verdict as `transition` reads it."""
    return Decided(stored.slot or stored.decided_at, stored.level, stored.stage, stored.clear, stored.cause)
