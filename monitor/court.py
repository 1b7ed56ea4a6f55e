"""The judges of one run: opened, made to have judged the baseline too, asked about what came, and accounted for."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from monitor.app import App
from monitor.config.secrets import SecretError
from monitor.decide import ending
from monitor.decide.plan import typical
from monitor.decide.state import Evidence, Progress, Step
from monitor.decide.week import first, untrusted
from monitor.domain.judging import Judged
from monitor.domain.run import Halt, HaltKind, Phase, Run
from monitor.judging import bridging
from monitor.judging.account import account
from monitor.judging.seat import Jury, Sitting
from monitor.judging.session import Session
from monitor.logs import events
from monitor.replay.budget import Budget
from monitor.setting import Setting
from monitor.site import Site
from monitor.store import answers, runs
from monitor.targets.build import TargetConfigError


@dataclass
class Court:
    """The judges of a run, and what they have come to. `absent`: why they could not be opened.

    `blocked`: why nothing can be compared by these judges, so that the run is over for now.
    """

    app: App
    site: Site
    jury: Jury
    session: Session | None = None
    absent: Halt | None = None
    blocked: bridging.Outcome | None = None
    bridged: tuple[bridging.Bridged, ...] = ()

    def begin(self, run: Run, setting: Setting) -> None:
        """From here on they sit, on a run against what it is measured by."""
        self.session = session_of(self.app, self.site, run, setting)
        if self.session is not None:
            self.session.halt = self.missing

    @property
    def missing(self) -> Halt | None:
        """Why there can be no headline at all: its judges could not be opened. What is only shown holds nothing up."""
        return self.absent if self.site.judging is not None and self.site.judging.headline else None

    async def judge(self, session: Session, phase: Phase, halt: Halt | None) -> Halt | None:
        """Have judged what came; why the look is not a measurement, if it is not: the target's reason goes first."""
        if self.absent is None and (
            halt is None or (halt.kind is not HaltKind.BUDGET and self._answered(session, phase))
        ):
            await session.attend(self.jury, phase)
        events.halted(session.run, session.halt)
        return halt or session.halt

    def _answered(self, session: Session, phase: Phase) -> bool:
        """Whether there is anything to judge: where the target is down, its judges need not be paid."""
        with self.app.place.database.read() as connection:
            return bool(answers.stored(connection, session.run.id, phase))

    def account(self, setting: Setting, found: Evidence | None = None, phase: Phase = Phase.MAIN) -> Judged | None:
        """What a verdict says of them, `found` being what was looked at."""
        if self.session is None:
            return None
        return account(self.app.place.database, self.session, self.bridged, found, phase, barred(setting))


async def convened(stack: AsyncExitStack, app: App, site: Site, run: Run, budget: Budget) -> Court | None:
    """The judges, opened; where others judged the baseline, these have judged it too, or the run is blocked."""
    if site.judging is None:
        return None
    try:
        court = Court(app, site, await stack.enter_async_context(site.judging.convene(budget)))
    except (SecretError, TargetConfigError) as error:
        return Court(app, site, {}, absent=Halt(HaltKind.FATAL, f"[judges]: {error}"))
    with app.place.database.read() as connection:
        baseline = runs.baseline_by_id(connection, run.baseline_id) if run.baseline_id is not None else None
    if baseline is None:
        return court
    for scorer in site.judging.deciding:
        came = await bridging.bridge(
            app.place,
            Sitting(run.id, run.id, site.name),
            court.jury,
            scorer,
            site.judging,
            budget,
            baseline,
            site.scorable,
        )
        if came.bridged is not None:
            court.bridged = (*court.bridged, came.bridged)
        if came.blocked is not None or came.halt is not None:
            court.blocked = came
            events.halted(run, came.halt)
            break
    return court


def concluded(app: App, site: Site, run: Run, setting: Setting, came: bridging.Outcome, patient: bool) -> Step:
    """What a run concludes whose baseline these judges have not judged: nothing can be compared."""
    # Without a baseline there is no plan either, and of one only the alert that is open matters here.
    opened = setting.alert.level if setting.alert is not None else None
    plan = replace(typical(max(1, len(site.scorable)), 1, app.thresholds).plan, opened=opened)
    progress = Progress.from_json(run.progress) if run.progress else first(plan)
    if came.halt is None:
        return untrusted(plan, progress, came.blocked or "")
    why = f"{came.halt.message} The baseline has to be judged by these judges before anything can be compared."
    return ending.halted(plan, progress, Halt(came.halt.kind, why), patient)


def session_of(app: App, site: Site, run: Run, setting: Setting) -> Session | None:
    """What judges have done in a run so far; None where nothing is judged."""
    if site.judging is None:
        return None
    # Where nothing can be compared, nothing of the baseline is judged again.
    baseline = setting.baseline if setting.prospect is not None else None
    return Session(app.place, site.judging, site.grader, run, baseline, setting.cases, site.name)


def barred(setting: Setting) -> str | None:
    """Why no rollback may rest on them."""
    return setting.prospect.plan.barred if setting.prospect is not None else None
