"""`heldout baseline`: collect, pin and show the answers of deployment."""

from __future__ import annotations

from typing import Annotated

import typer

from monitor import process, session
from monitor.exits import INCONCLUSIVE, PASS
from monitor.options import CONFIG, AsJson, ConfigPath

app = typer.Typer(no_args_is_help=True, help="Collect, pin and show the answers of deployment.")


@app.command("collect", epilog="Example: heldout baseline collect support-ft support")
def collect_baseline(
    target: str,
    suite: str,
    config: ConfigPath = CONFIG,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before spending.")] = False,
    spread: Annotated[
        bool, typer.Option("--spread", help="The pilot now, the rest on the next three days, by `heldout run --due`.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Collect the answers of deployment, and pin them as the baseline."""
    from monitor import show
    from monitor.progress import progress

    loaded = session.load(config)
    session.known(loaded, target, suite)

    async def work(desk: session.Desk) -> int:
        from monitor import collect

        with progress() as watch:
            built = session.build(loaded, desk, watch, only=(target, suite))
            agree = session.agreement(loaded, yes, watch.pause, show.offer)
            done = await collect.collect(built, built.sites[target, suite], session.user(), agree, spread=spread)
        with process.result_stands():
            show.collected(done, as_json=json)
        return PASS

    raise typer.Exit(session.work_on(loaded, work, paying=True))


@app.command("pin", epilog="Example: heldout baseline pin 0193a5c2")
def pin_baseline(
    run: Annotated[str, typer.Argument(help="The run's id, or how it begins.")],
    config: ConfigPath = CONFIG,
    json: AsJson = False,
) -> None:
    """Make the answers of a run the baseline of its target and suite."""
    from monitor import show

    loaded = session.load(config)

    async def work(desk: session.Desk) -> int:
        from monitor import collect

        found = session.find_run(desk.database, run)
        session.known(loaded, found.target, found.suite)
        built = session.build(loaded, desk, only=(found.target, found.suite))
        site = built.sites[found.target, found.suite]
        pinned, outlook = collect.pin(built, site, found, session.user())
        with process.result_stands():
            if json:
                show.json_out(show.baseline_json(pinned, outlook))
            else:
                show.baseline(site, pinned, outlook)
        return PASS

    raise typer.Exit(session.work_on(loaded, work))


@app.command("show", epilog="Example: heldout baseline show support-ft support")
def show_baseline(
    target: str,
    suite: Annotated[str | None, typer.Argument()] = None,
    config: ConfigPath = CONFIG,
    json: AsJson = False,
) -> None:
    """Show what is pinned, and what it can confirm."""
    from monitor import show

    loaded = session.load(config)
    session.known(loaded, target, suite)

    async def work(desk: session.Desk) -> int:
        from monitor import collect, grading
        from monitor.store import runs

        built = session.build(loaded, desk, only=(target, suite))
        found: list[dict[str, object]] = []
        for site in built.sites.values():
            with desk.database.read() as connection:
                pinned = runs.current_baseline(connection, site.target, site.suite.name)
            if pinned is None:
                if not json:
                    show.no_baseline(site)
                continue
            outlook = collect.outlook_of(built, site, pinned.run_id)
            means = grading.scorer_means(desk.database, site.grader, pinned.run_id, site.suite.cases)
            found.append(show.baseline_json(pinned, outlook, means))
            if not json:
                show.baseline(site, pinned, outlook, means)
        if json:
            show.json_out({"schema": 1, "baselines": found})
        return PASS if len(found) == len(built.sites) else INCONCLUSIVE

    raise typer.Exit(session.work_on(loaded, work))
