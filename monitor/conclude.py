"""The end of a look: the verdict, who is told of it, and how the run goes on, written at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from alerts.alert import Alert
from alerts.channel import Picture
from alerts.failpoint import reached
from monitor import fallen, grading, notify
from monitor.app import App
from monitor.decide import words
from monitor.decide.state import Evidence, Step, Wait
from monitor.decide.transition import BAD, Decided, silent, transition
from monitor.decide.verdict import Facts, Seen, verdict
from monitor.decide.week import missing_share
from monitor.domain.judging import Judged
from monitor.domain.run import Phase, Run, RunKind, RunState
from monitor.domain.verdict import Level, Stage, Verdict
from monitor.incidents import hooks, opening, verification
from monitor.incidents.office import Office
from monitor.incidents.telling import send
from monitor.judging import telling
from monitor.logs import events
from monitor.setting import Setting, decided
from monitor.site import Site
from monitor.stats.paired import new_case_se
from monitor.stats.spec import POINTS
from monitor.store import answers, runs, verdicts

# Decisions that are looked through for what people were told of a judge before.
WEEKS = 20


def conclude(
    app: App, site: Site, run: Run, setting: Setting, evidence: Evidence, taken: Step, judged: Judged | None = None
) -> tuple[Run, Verdict]:
    """Write the verdict, who is told of it, and how the run goes on, all in one transaction.

    `judged`: what is known of the judges; where one of the headline cannot be trusted, no score of theirs is shown.
    """
    now = app.place.now()
    taken = _advised(setting, _with_new_cases(setting, evidence, taken))
    said = verdict(_facts(app, site, run, setting, evidence, judged, now), taken)
    following = _following(app, run, taken, now)
    cause = said.causes[0].cause.value if said.causes else None
    new = Decided(run.slot or now, said.level, said.stage, taken.clear, cause)
    alerts: list[Alert] = []
    drawn = _trend(app, run, setting, said, taken)
    with app.place.database.write() as connection:
        earlier = [decided(one) for one in verdicts.of_run(connection, run.id)]
        before = [
            one.payload for one in verdicts.newest_weeks(connection, run.target, run.suite, run.slot or now, WEEKS)
        ]
        verdict_id = verdicts.add(connection, said, taken.clear, now)
        told = transition(setting.past, earlier, new) if run.kind is RunKind.WEEK else None
        previous = notify.previous_level(setting.past, earlier)
        office = Office(app.config, app.channels, now, app.new_id)
        if told is not None:
            cases = fallen.examples(app, connection, run, setting, evidence) if said.level in BAD else ()
            alert = notify.alert(app.new_id(now), said, told, setting.alert, previous, following.due_at, cases)
            lacks = fallen.shortfall(app, setting, evidence, said)
            news = opening.News(alert, verdict_id, told.reason, told.eases, lacks, drawn)
            alerts.append(opening.tell(connection, office, news))
        if run.kind is RunKind.WEEK and judged is not None:
            about_judges = telling.of_judges(app.new_id, said, judged, before, now)
            alerts += [send(connection, office, alert, verdict_id=verdict_id)[0] for alert in about_judges]
        if run.kind is RunKind.WEEK and said.stage is not Stage.WAITING:
            hooks.changed(connection, office, verdicts.get(connection, verdict_id), previous)
        runs.save(connection, following)
        if run.kind is RunKind.VERIFY and following.state is RunState.DONE:
            verification.conclude(connection, office, run, said)
    reached("verdict.committed" if run.kind is not RunKind.VERIFY else "verification.committed")
    events.decided(following, said, alerts)
    return following, said


def _trend(app: App, run: Run, setting: Setting, said: Verdict, taken: Step) -> Picture | None:
    """The weeks until now as a picture, where people may be told of this one.

    Drawn before anything is written: it takes a while, and a verdict does not wait for a picture that cannot be drawn.
    """
    matters = said.level in BAD or setting.alert is not None
    if run.kind is not RunKind.WEEK or taken.stage is Stage.WAITING or not app.channels or not matters:
        return None
    from monitor.picture import WEEKS, point, trend

    with app.place.database.read() as connection:
        weeks = verdicts.weekly(connection, run.target, run.suite, run.slot or app.place.now(), run.baseline_id)
    points = [point(week.slot, week.payload) for week in weeks[1 - WEEKS :] if week.slot is not None]
    points.append(point(run.slot or app.place.now(), said.as_json()))
    limits = (said.thresholds.investigate, said.thresholds.rollback)
    if said.thresholds.unit == "percent":
        limits = (limits[0] * (said.baseline_score or 0.0), limits[1] * (said.baseline_score or 0.0))
    try:
        return trend(f"{run.target} · {run.suite}", points, limits)
    except (OSError, RuntimeError, ValueError) as error:
        events.no_picture(run, error)
        return None


def _following(app: App, run: Run, taken: Step, now: datetime) -> Run:
    """How the run goes on: done, waiting until its time has come, or at once."""
    if taken.next is None:
        return replace(run, state=RunState.DONE, due_at=None, finished_at=now)
    progress = taken.next.as_json()
    if taken.wait is None:
        return replace(run, state=RunState.RUNNING, due_at=None, progress=progress)
    table = app.config.decision
    gaps = {Wait.STAGE: table.stage_gap, Wait.CONFIRM: table.confirm_gap, Wait.DAY: timedelta(days=1)}
    return replace(run, state=RunState.WAITING, due_at=now + gaps[taken.wait], progress=progress)


def _facts(
    app: App, site: Site, run: Run, setting: Setting, evidence: Evidence, judged: Judged | None, now: datetime
) -> Facts:
    unusable = judged is not None and not judged.usable
    score, baseline_score, coverage = _scores(setting, evidence)
    scores = grading.scorer_means(app.place.database, site.grader, run.id, setting.cases)
    if judged is not None:
        scores |= dict.fromkeys(judged.untrusted_rubrics)
    with app.place.database.read() as connection:
        seen = Seen(
            now=answers.models(connection, run.id),
            at_baseline=answers.models(connection, setting.baseline.run_id) if setting.baseline else [],
        )
        spend = answers.spend(connection, run.id)
        failures = answers.failures(connection, run.id)
        judge_failures = answers.failures(connection, run.id, of_judges=True)
        same = (
            setting.baseline is not None
            and not site.local
            and identical(answers.distinct_texts(connection, setting.baseline.run_id, Phase.MAIN))
        )
    return Facts(
        run=run,
        baseline=setting.baseline,
        compared_with=site.compared_with,
        thresholds=app.thresholds,
        smallest_confirmable=setting.prospect.smallest if setting.prospect else {},
        score=None if unusable else score,
        baseline_score=None if unusable else baseline_score,
        scores=scores,
        coverage=coverage,
        cases=len(setting.cases),
        changed_cases=setting.changed_cases,
        gone_cases=setting.gone_cases,
        spend=spend,
        failures=failures,
        seen=seen,
        identical_pilot=same,
        finished_at=now,
        judged=judged,
        judge_failures=judge_failures,
    )


def _scores(setting: Setting, evidence: Evidence) -> tuple[float | None, float | None, float | None]:
    """Score now, score at deployment (both over the cases answered in both), and the share of cases answered now.

    With a judge in the headline both are today's judge's, so that their difference is the drop.
    """
    current = evidence.main
    answered = current.n > 0
    if not answered.any():
        return None, None, 0.0 if len(setting.cases) else None
    now = float(current.mean[answered].mean())
    if setting.moments is None:
        return now, None, float(answered.mean())
    moved = evidence.correction.shift if evidence.correction is not None else 0.0
    then = float((evidence.baseline.mean + moved)[answered].mean())
    return now, min(1.0, max(0.0, then)), 1.0 - missing_share(evidence.baseline, current)


def _with_new_cases(setting: Setting, evidence: Evidence, taken: Step) -> Step:
    """Beside the interval for these cases, the uncertainty for new ones like them, by cluster."""
    if taken.drop is None or setting.moments is None or setting.prospect is None:
        return taken
    import numpy as np

    labels: dict[str, int] = {}
    own = (case.cluster or f"\x00{case.id}" for case in setting.cases)
    clusters = np.array([labels.setdefault(label, len(labels)) for label in own], dtype=np.int64)
    error = new_case_se(evidence.baseline, evidence.main, clusters) * POINTS
    return replace(taken, drop=replace(taken.drop, new_case_se=error))


def _advised(setting: Setting, taken: Step) -> Step:
    """After two weeks in a row that settled nothing, what would: a user cannot act on "inconclusive" alone."""
    undecided = taken.level is Level.INCONCLUSIVE and taken.stage is Stage.FINAL and not taken.causes
    if not undecided or setting.prospect is None or not silent(setting.past, weeks=1):
        return taken
    return replace(taken, reasons=(*taken.reasons, words.would_do(setting.prospect.cap, setting.prospect.cases)))


def identical(texts: Mapping[str, tuple[int, int]]) -> bool:
    """Whether every case that was answered several times was answered with the same text each time."""
    several = [different for total, different in texts.values() if total > 1]
    return bool(several) and all(different == 1 for different in several)
