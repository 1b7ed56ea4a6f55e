"""What `heldout check` finds: weak suites, what can be confirmed, what it will cost, and whether everything answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta

from alerts.channel import Channel
from monitor import check_fallback, check_judges, collect
from monitor.app import App
from monitor.check_fallback import FallbackExpected
from monitor.check_judges import JudgesExpected, Week
from monitor.deadman import Deadman, Silent
from monitor.decide.plan import TYPICAL, specification, typical
from monitor.domain.run import Baseline
from monitor.replay.budget import Budget, BudgetExhaustedError, Caps
from monitor.simulate import WEEKS_A_YEAR, WeekPlan, simulate
from monitor.site import Site
from monitor.stats.baseline import baseline_repeats
from monitor.stats.spec import GapTooSmallError
from monitor.stats.synthetic import World
from monitor.store import answers, runs
from monitor.suites.health import warnings as weaknesses

SIMULATED_WEEKS = 500
NEXT_DAY = timedelta(days=1)
WEEKS_A_MONTH = WEEKS_A_YEAR / 12
# Characters of an answer that are shown: enough to see that it is one.
EXCERPT = 60
SEED = 20
# Calls to one target, where the first ones fail in a way that passes.
MOST_TRIES = 3
# The week's stages up to the cap, the next day's look at twice that, and the confirming replay up to the cap.
MOST_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a week of one site is expected to find and cost; drops in the thresholds' unit, money in USD.

    `assumed`: no baseline is pinned, so a typical one stands in. `smallest`: the smallest drop that is found 95 times
    in 100. `false_investigations_a_year`: simulated with the code that decides, at a true drop of 0; at most `bound`.
    Calls are the target's; `judging` has those of judges. `usd_a_week` and `baseline_usd` are for both.
    `fallback`: what measuring its fallback takes, which is not among them.
    """

    assumed: bool
    unit: str
    cases: int
    baseline_repeats: int
    baseline_calls: int
    baseline_usd: float | None
    cap: int
    cap_reachable: bool
    baseline_that_would_do: int | None
    cases_that_would_do: int | None
    smallest: dict[str, float | None]
    answers_a_case: float
    calls_a_week: float
    most_calls_a_week: int
    usd_a_week: float | None
    false_investigations_a_year: float
    bound: float
    answers_usd_a_week: float | None = None
    judging: JudgesExpected | None = None
    fallback: FallbackExpected | None = None


@dataclass
class Report:
    """Everything that was found; `faults` make the exit code 2 (configuration) or 1 (something does not answer)."""

    suites: dict[str, list[str]] = field(default_factory=dict)
    expectations: dict[str, Expectation] = field(default_factory=dict)
    answered: dict[str, str] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {"schema": 1, **asdict(self)}


def look(app: App) -> Report:
    """Everything that can be said without asking anybody."""
    report = Report()
    for name, suite in {site.suite.name: site.suite for site in app.sites.values()}.items():
        scorers = next(s.grader.scorers for s in app.sites.values() if s.suite.name == name)
        report.suites[name] = list(weaknesses(suite, list(scorers.values())))
    for site in app.sites.values():
        if not site.scorable:
            report.faults.append(f"{site.name}: the headline can score none of the suite's cases")
            continue
        # References and candidates are not on the schedule, so no week of theirs costs anything.
        if site.role == "production":
            try:
                expected = expectation(app, site)
                report.expectations[site.name] = expected
                report.warnings += check_judges.warnings(app, site, _pinned(app, site), _week(expected))
                report.warnings += _too_dear(app, site, expected)
            except GapTooSmallError as error:
                # No fault: how much its answers really vary is known after the pilot, and a steady model passes.
                report.warnings.append(
                    f"{site.name}: if its answers vary as a typical model's do, {error}; a larger test set helps too, "
                    "or [decision] baseline_repeats as a number"
                )
        if site.pricer.input_price is None and not site.free and not site.local:
            report.warnings.append(
                f"[targets.{site.target}] has no price: its calls cost an unknown sum, and only the cap on calls holds"
            )
    weekly = sum(expected.usd_a_week or 0.0 for expected in report.expectations.values())
    weekly += check_fallback.usd_a_week(expected.fallback for expected in report.expectations.values())
    monthly = WEEKS_A_MONTH * weekly
    if monthly > app.config.budget.usd_per_month:
        report.warnings.append(
            f"weeks without a change cost about {monthly:.2f} USD a month, more than [budget] usd_per_month allows"
        )
    report.warnings += _too_often(app)
    return report


def _too_dear(app: App, site: Site, expected: Expectation) -> list[str]:
    """Where judges make a week of every look dearer than the cap on calls: it would end without a verdict."""
    cap = app.config.budget.calls_per_run
    most = expected.most_calls_a_week + (expected.judging.most_calls if expected.judging is not None else 0)
    if expected.judging is None or most <= cap:
        return []
    return [
        f"{site.name}: a week with every stage, the next day's look and a confirmation takes up to {most:,} calls with "
        f"those of judges, and [budget] calls_per_run ends it at {cap:,}, inconclusive: raise it, with usd_per_run, if "
        "a bad week is to come to its end"
    ]


def _too_often(app: App) -> list[str]:
    """Where a slot comes before a week with its next day and its confirmation can be over, it cuts the week short."""
    timetable, decision = app.config.schedule.timetable, app.config.decision
    first = timetable.following(app.place.now())
    second = timetable.following(first) if first else None
    needed = NEXT_DAY + decision.confirm_gap
    if first is None or second is None or second - first > needed:
        return []
    return [
        f"[schedule] cron: slots come every {second - first}, and a run that has to wait takes up to {needed} and "
        "more; the next slot then cuts it short, before the next day's look or a confirmation"
    ]


def expectation(app: App, site: Site) -> Expectation:
    """What a week of `site` is expected to find and cost, by its baseline or, without one, by a typical one."""
    baseline = _pinned(app, site)
    known = collect.outlook_of(app, site, baseline.run_id) if baseline else None
    configured = app.config.decision.baseline_repeats
    wanted = known.plan.baseline_repeats if known else (None if configured == "auto" else configured)
    world = World.like(known.varied) if known and known.plan.baseline_repeats > 1 else TYPICAL
    spec = specification(app.thresholds, known.baseline_score if known else world.mean)
    cases = max(2, known.cases if known else len(site.scorable))
    if wanted is None:
        # Said here as it would be after the pilot, which costs money.
        baseline_repeats(world.within, cases, spec)
    outcome = simulate(WeekPlan(cases, world, spec, wanted, app.max_repeats), 0.0, SIMULATED_WEEKS, SEED)
    repeats = wanted or round(outcome.baseline_repeats)
    outlook = known or typical(cases, repeats, app.thresholds, app.max_repeats)
    each = _each(app, site)
    calls = (outcome.answers + outcome.extra_answers) * cases
    usd = None if each is None else round(calls * each, 4)
    expected = Expectation(
        assumed=known is None,
        unit=app.thresholds.unit,
        cases=cases,
        baseline_repeats=repeats,
        baseline_calls=repeats * len(site.scorable),
        baseline_usd=None if each is None else round(repeats * len(site.scorable) * each, 2),
        cap=outlook.plan.cap,
        cap_reachable=outlook.cap.reachable,
        baseline_that_would_do=outlook.cap.baseline_that_would_do,
        cases_that_would_do=outlook.cap.cases_that_would_do,
        smallest=outlook.smallest,
        answers_a_case=round(calls / cases, 2),
        calls_a_week=round(calls),
        most_calls_a_week=MOST_LOOKS * outlook.plan.cap * cases,
        usd_a_week=usd,
        false_investigations_a_year=round(outcome.a_year(outcome.investigate), 3),
        bound=round(spec.investigate.alpha * WEEKS_A_YEAR, 3),
        answers_usd_a_week=usd,
        fallback=check_fallback.expected(app, site, round(calls), outlook.plan.cap),
    )
    return _with_judges(app, site, baseline, expected)


async def ask(app: App, channels: Mapping[str, Channel], report: Report) -> None:
    """Ask every target and judge once, with a suite's first case, and verify every channel without posting."""
    by_target = {site.target: site for site in app.sites.values()}
    await asyncio.gather(
        check_judges.ask(app, report.answered, report.failures),
        *(_ask_target(app, site, report) for site in by_target.values()),
    )
    for name, channel in channels.items():
        health = await channel.verify()
        if health.working is False:
            report.failures.append(f"{name}: {health.detail}")
        else:
            report.channels[name] = health.detail


async def ask_deadman(deadman: Deadman | Silent, report: Report) -> None:
    """Have the dead-man take a note, which it counts neither as a start nor as an end."""
    if isinstance(deadman, Silent):
        return
    fault = await deadman.noted("heldout check: the address is configured\n")
    if fault is None:
        report.channels["dead-man"] = f"{deadman.place} takes notes of each round"
    else:
        report.failures.append(f"[deadman] url, at {deadman.place}: {fault}")


async def _ask_target(app: App, site: Site, report: Report) -> None:
    budget = Budget(Caps(app.config.budget.usd_per_run, MOST_TRIES), app.month)
    case = site.scorable[0] if site.scorable else site.suite.cases[0]
    async with site.connect(budget) as one:
        try:
            asked = await one(case)
        except BudgetExhaustedError as error:
            report.failures.append(f"[targets.{site.target}]: was not asked, because {error}")
            return
    if asked.reply is None:
        report.failures.append(f"[targets.{site.target}]: {asked.error.message if asked.error else 'no answer'}")
        return
    reply = asked.reply
    if not reply.text.strip():
        ended = f" (it ended with {reply.finish_reason!r})" if reply.finish_reason else ""
        report.failures.append(f"[targets.{site.target}]: the answer to {case.id} is empty{ended}")
        return
    model = f" by {reply.model}" if reply.model else ""
    score = site.grader.headline(site.grader.grade(reply.text, case))
    said = " ".join(reply.text.split())
    excerpt = f"“{said[:EXCERPT]}{'…' if len(said) > EXCERPT else ''}”"
    unscored = "to be judged" if site.grader.judged else "unscored"
    points = unscored if score is None else f"score {100 * score:.0f}"
    report.answered[site.target] = f"answered {case.id}{model} in {asked.latency:.2f} s: {excerpt} ({points})"


def _with_judges(app: App, site: Site, baseline: Baseline | None, expected: Expectation) -> Expectation:
    """The same, with what judges take beside the answers."""
    judging = check_judges.expected(app, site, baseline, _week(expected))
    if judging is None:
        return expected
    return replace(
        expected,
        judging=judging,
        baseline_usd=_sum(expected.baseline_usd, judging.baseline.usd, 2),
        usd_a_week=_sum(expected.usd_a_week, judging.week.usd, 4),
    )


def _each(app: App, site: Site) -> float | None:
    """USD of an answer."""
    with app.place.database.read() as connection:
        return site.pricer.expected(site.scorable, answers.mean_usage(connection, site.target))


def _pinned(app: App, site: Site) -> Baseline | None:
    with app.place.database.read() as connection:
        return runs.current_baseline(connection, site.compared_with, site.suite.name)


def _week(expected: Expectation) -> Week:
    return Week(expected.calls_a_week, expected.most_calls_a_week, expected.baseline_repeats)


def _sum(of_answers: float | None, of_judges: float | None, digits: int) -> float | None:
    return None if of_answers is None or of_judges is None else round(of_answers + of_judges, digits)
