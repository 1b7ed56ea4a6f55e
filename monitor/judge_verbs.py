"""`heldout judge`: lint rubrics, look at the judges, bring in new ones, and set them beside people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor import judge_work, process, session
from monitor.exits import FAILED, INCONCLUSIVE, INVESTIGATE, PASS
from monitor.options import CONFIG, AsJson, ConfigPath

if TYPE_CHECKING:
    from monitor.app import App

app = typer.Typer(no_args_is_help=True, help="Lint rubrics, check judges, and compare them with people.")

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before spending.")]
OneTarget = Annotated[str | None, typer.Option("--target", "-t", help="Answers of this target only.")]
OneSuite = Annotated[str | None, typer.Option("--suite", "-s", help="The suite that the cases belong to.")]
OneRubric = Annotated[str | None, typer.Option("--rubric", "-r", help="The rubric, where the labels do not name one.")]


@app.command("lint", epilog="Examples: heldout judge lint · heldout judge lint rubrics/returns.toml --suite support")
def lint_rubrics(
    rubrics: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUBRIC", help="Bundled names or paths; without any, those of the configuration."),
    ] = None,
    suite: Annotated[
        str | None, typer.Option("--suite", "-s", help="Also look whether its expected outputs meet the criteria.")
    ] = None,
    config: ConfigPath = CONFIG,
    json: AsJson = False,
) -> None:
    """Say what makes rubrics hard to judge by, with a better wording; asks nobody.

    Exit code 1 where a criterion is refused, 0 where there are warnings at most.
    """
    from monitor import judge_lint, show_judge

    if rubrics and suite is None:
        found = [judge_lint.look(name, written) for name, written in judge_lint.find(rubrics)]
    else:
        loaded = session.load(config)
        session.known(loaded, None, suite)
        found = judge_work.lint(loaded, rubrics or [], [suite] if suite else list(loaded.suites))
    show_judge.linted(found, as_json=json)
    raise typer.Exit(FAILED if any(one.refused for one in found) else PASS)


@app.command("check", epilog="Example: heldout judge check support-ft support")
def check_judges(
    target: Annotated[str | None, typer.Argument()] = None,
    suite: Annotated[str | None, typer.Argument()] = None,
    config: ConfigPath = CONFIG,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """See whether judges still say what they said: of known answers, and of all answers of deployment, judged again.

    Says the cost and asks first. Exit code 0: they do; 3: one has changed; 4: one cannot be trusted, or not be asked.
    """
    from monitor import show_judge

    async def look(built: App, pause: judge_work.Pause) -> int:
        from monitor import judge_check

        agree = session.agreement(built.config, yes, pause, show_judge.offer, cap="usd_per_run")
        sites = list(judge_work.judged(built))
        found = [
            await judge_check.check(built, site, baseline, agree) for site, baseline in sites if baseline is not None
        ]
        with process.result_stands():
            show_judge.checked(found, as_json=json)
        if len(found) < len(sites) or any(one.unusable for one in found):
            return INCONCLUSIVE
        return INVESTIGATE if any(one.changed for one in found) else PASS

    raise typer.Exit(judge_work.asking(session.load(config), (target, suite), look))


@app.command("bridge", epilog="Example: heldout judge bridge support-ft support")
def bridge_judges(
    target: str,
    suite: str,
    config: ConfigPath = CONFIG,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Have new judges, or a new rubric, judge the answers of deployment, so that later weeks can be compared.

    Says the cost and asks first; within [budget] baseline_usd.
    """
    from monitor import show_judge

    async def look(built: App, pause: judge_work.Pause) -> int:
        from monitor import judge_bridge

        agree = session.agreement(built.config, yes, pause, show_judge.offer)
        for site, baseline in judge_work.judged(built):
            if baseline is None:
                return INCONCLUSIVE
            found = await judge_bridge.bridge(built, site, baseline, agree)
            with process.result_stands():
                show_judge.bridged(found, as_json=json)
        return PASS

    raise typer.Exit(judge_work.asking(session.load(config), (target, suite), look))


@app.command(
    "calibrate",
    epilog="Examples: heldout judge calibrate --export label-me.csv -t support-ft · heldout judge calibrate labels.csv",
)
def calibrate_judges(
    labels: Annotated[Path | None, typer.Argument(help="What people said of answers: .csv, or JSON Lines.")] = None,
    config: ConfigPath = CONFIG,
    target: OneTarget = None,
    suite: OneSuite = None,
    rubric: OneRubric = None,
    export: Annotated[
        Path | None, typer.Option("--export", help="Write stored answers to label into this new .csv or .jsonl file.")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=2, max=10_000, help="With --export: how many answers.")] = 60,
    criteria: Annotated[
        bool, typer.Option("--criteria", help="With --export: a row for each criterion, not for the whole answer.")
    ] = False,
    show_cases: Annotated[bool, typer.Option("--show-cases", help="Show the answers that they disagree on.")] = False,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Compare judges with people, by answers that people labelled; or write answers for people to label.

    What no judge has judged yet is judged now: says the cost and asks first.
    """
    if (labels is None) is (export is None):
        raise typer.BadParameter("name a file of labels, or --export a new one", param_hint="LABELS")
    loaded = session.load(config)
    judge_work.known_rubric(loaded, rubric)
    only = (target, suite)
    if labels is not None:
        from monitor.judge_calibrate import Labels

        given = Labels(labels, rubric, target)
        code = judge_work.calibrate(loaded, only, given, yes=yes, as_json=json, show_cases=show_cases)
        raise typer.Exit(code)
    if export is not None:
        from monitor.judge_export import Wanted

        wanted = Wanted(count, rubric, criteria)
        raise typer.Exit(judge_work.export(loaded, only, export, wanted, as_json=json))


@app.command("bias", epilog="Example: heldout judge bias support-ft support")
def judges_bias(
    target: Annotated[str | None, typer.Argument()] = None,
    suite: Annotated[str | None, typer.Argument()] = None,
    config: ConfigPath = CONFIG,
    json: AsJson = False,
) -> None:
    """Say whether stored scores follow an answer's length, the order of the panel, or a judge's own family."""
    from monitor import show_judge

    loaded = session.load(config)
    session.known(loaded, target, suite)

    async def work(desk: session.Desk) -> int:
        from monitor import judge_bias

        built = session.build(loaded, desk, only=(target, suite))
        judge_work.refuse_unjudged(built)
        found = judge_bias.look(built, list(built.sites.values()))
        show_judge.biases(found, as_json=json)
        return PASS if found else INCONCLUSIVE

    raise typer.Exit(session.work_on(loaded, work))
