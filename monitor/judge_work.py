"""What the verbs of `heldout judge` have in common: the sites that have judges, and the work on them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from monitor import process, session
from monitor.exits import INCONCLUSIVE, PASS

if TYPE_CHECKING:
    from monitor.app import App
    from monitor.config.models import Config
    from monitor.domain.run import Baseline
    from monitor.judge_calibrate import Labels
    from monitor.judge_export import Wanted
    from monitor.judge_lint import Linted
    from monitor.site import Site

# A target and a suite, each a name or None for all.
Names = tuple[str | None, str | None]
# Something that makes the progress bar stand aside while a person is asked.
Pause = Callable[[], Any]


def lint(config: Config, rubrics: list[str], suites: list[str]) -> list[Linted]:
    """The rubrics that are named, or those of `suites`, beside what these suites expect."""
    from monitor import judge_lint

    database = session.open_existing(config)
    references = {name: judge_lint.References.of(config, name, database) for name in suites}
    if rubrics:
        return [judge_lint.look(name, one, list(references.values())) for name, one in judge_lint.find(rubrics)]
    by_suite = judge_lint.configured(config, suites)
    if not any(by_suite.values()):
        raise typer.BadParameter(
            f"{config.path}: no rubric is named under [suites.…]; name one here", param_hint="RUBRIC"
        )
    # One that several suites have is looked at once, beside all of them.
    using: dict[str, list[str]] = {}
    for suite, found in by_suite.items():
        for name, _ in found:
            using.setdefault(name, []).append(suite)
    written = {name: one for found in by_suite.values() for name, one in found}
    return [judge_lint.look(name, one, [references[suite] for suite in using[name]]) for name, one in written.items()]


def asking(config: Config, only: Names, look: Callable[[App, Pause], Awaitable[int]]) -> int:
    """Do work that asks judges, as the one process that asks anybody; returns its exit code."""
    from monitor.progress import progress

    session.known(config, *only)

    async def work(desk: session.Desk) -> int:
        with progress() as watch:
            built = session.build(config, desk, watch, only=only)
            refuse_unjudged(built)
            return await look(built, watch.pause)

    return session.work_on(config, work, paying=True)


def judged(app: App) -> Iterator[tuple[Site, Baseline | None]]:
    """The sites that have rubrics, with the baseline; where there is none, it is said."""
    from monitor import judge_run, show

    for site in app.sites.values():
        if site.judging is None:
            continue
        baseline = judge_run.pinned(app, site)
        if baseline is None:
            show.no_baseline(site, err=True)
        yield site, baseline


def refuse_unjudged(app: App) -> None:
    """There is nothing to do where no suite has a rubric: say how to get one."""
    if not any(site.judging is not None for site in app.sites.values()):
        names = ", ".join(site.name for site in app.sites.values())
        raise typer.BadParameter(
            f"{app.config.path}: no rubric is judged for {names}; name some under [suites.…] rubrics, and the judges "
            "under [judging] panel"
        )


def known_rubric(config: Config, name: str | None) -> None:
    """Refuse a rubric that no suite has, and suggest the nearest."""
    from monitor.config.faults import did_you_mean

    names = {ref.name for suite in config.suites.values() for ref in suite.rubrics}
    if name is not None and name not in names:
        raise typer.BadParameter(f"{config.path}: no suite has the rubric {name!r}{did_you_mean(name, sorted(names))}")


def calibrate(config: Config, only: Names, given: Labels, *, yes: bool, as_json: bool, show_cases: bool) -> int:
    """Set judges beside people, by a file of labels."""
    from monitor import show_calibration, show_judge

    async def look(built: App, pause: Pause) -> int:
        from monitor import judge_calibrate

        agree = session.agreement(built.config, yes, pause, show_judge.offer, cap="usd_per_run")
        site = one_suite(built, given.rubric)
        found = await judge_calibrate.calibrate(built, site, given, agree, session.user())
        with process.result_stands():
            show_calibration.calibrated(found, as_json=as_json, show_cases=show_cases)
        return PASS

    return asking(config, only, look)


def export(config: Config, only: Names, path: Path, wanted: Wanted, *, as_json: bool) -> int:
    """Write stored answers for people to label."""
    from monitor import show_calibration

    session.known(config, *only)

    async def work(desk: session.Desk) -> int:
        from monitor import judge_export

        built = session.build(config, desk, only=only)
        refuse_unjudged(built)
        names = [site.name for site in built.sites.values() if site.judging is not None]
        if len(names) > 1:
            raise typer.BadParameter(f"answers of which? There are {', '.join(names)}: say with --target and --suite")
        ((site, baseline),) = judged(built)
        if baseline is None:
            return INCONCLUSIVE
        done = judge_export.export(built, site, baseline, path, wanted)
        with process.result_stands():
            show_calibration.exported(done, as_json=as_json)
        return PASS

    return session.work_on(config, work)


def one_suite(app: App, rubric: str | None) -> Site:
    """The site whose judges are meant: every target of a suite has the same ones."""
    sites = [
        site
        for site in app.sites.values()
        if site.judging is not None and (rubric is None or rubric in site.judging.scorers)
    ]
    suites = list(dict.fromkeys(site.suite.name for site in sites))
    if len(suites) != 1:
        which = f"several suites have rubrics ({', '.join(suites)})" if suites else f"none of them has {rubric}"
        raise typer.BadParameter(f"{app.config.path}: {which}: say which suite with --suite")
    return sites[0]
