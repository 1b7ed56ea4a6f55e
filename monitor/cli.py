"""The `heldout` command: one thin function a verb; what a verb needs is imported when it runs."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from monitor import audit_verbs, baseline_verbs, db_verbs, incident_verbs, judge_verbs, process, service_verbs, session
from monitor.exits import FAILED, OF_VERDICT, PASS, ROLLBACK, USAGE
from monitor.options import CONFIG, AsJson, ConfigPath

app = typer.Typer(
    name="heldout",
    help="Replays a held-out test set against production LLMs, and says how far each has dropped, and how sure it is.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(baseline_verbs.app, name="baseline")
app.add_typer(judge_verbs.app, name="judge")
app.add_typer(incident_verbs.app, name="incident")
app.add_typer(audit_verbs.app, name="audit")
app.add_typer(db_verbs.app, name="db")
app.command("install-service", epilog="Example: sudo heldout install-service --config /etc/heldout/config.toml")(
    service_verbs.install_service
)


def main() -> None:
    """The console script."""
    # Imports make many objects and next to no garbage: looking for it meanwhile takes a tenth of a short verb's time.
    gc.set_threshold(50_000, 20, 20)
    process.run(app)


def _version(wanted: bool) -> None:
    if wanted:
        from monitor import __version__

        typer.echo(f"heldout {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(epilog="Example: heldout init --from openai")
def init(
    source: Annotated[str, typer.Option("--from", help="openai, anthropic, http or sample.")] = "openai",
    folder: Annotated[Path, typer.Argument(help="Where to write.")] = Path(),
    json: AsJson = False,
) -> None:
    """Write a commented configuration, and a first suite to fill."""
    from monitor import show
    from monitor.config.init import KINDS, write_initial

    if source not in KINDS:
        raise typer.BadParameter(f"{source!r} is none of {', '.join(KINDS)}", param_hint="--from")
    written = write_initial(folder, source)
    if json:
        show.json_out({"schema": 1, "written": [str(path) for path in written]})
        return
    for path in written:
        typer.echo(f"wrote {path}")
    first = "read them" if source == "sample" else "fill them in"
    there = "" if folder.resolve() == Path.cwd() else f"cd {folder}, "
    typer.echo(f"Next: {there}{first}, then `heldout check`, then `heldout baseline collect TARGET SUITE`.")


@app.command(epilog="Example: heldout check --offline")
def check(
    config: ConfigPath = CONFIG,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody.")] = False,
    json: AsJson = False,
) -> None:
    """Say whether the configuration works, what it can find, and what it will cost; ask everyone once."""
    from monitor import show, show_check, ways, wiring
    from monitor.config.secrets import missing_secrets

    loaded = session.load(config)

    async def work(desk: session.Desk) -> int:
        from monitor import check as checks

        built = wiring.build(loaded, os.environ, desk.database, stop=desk.stop)
        report = checks.look(built)
        report.faults += [str(fault) for fault in missing_secrets(loaded, os.environ)]
        if not offline and not report.faults:
            await checks.ask(built, ways.channels(loaded, os.environ), report)
            await checks.ask_deadman(wiring.deadman(loaded, os.environ), report)
        with desk.database.read() as connection:
            report.warnings += show.undelivered(connection)
        show_check.report(report, as_json=json, offline=offline)
        return USAGE if report.faults else FAILED if report.failures else PASS

    raise typer.Exit(session.work_on(loaded, work))


@app.command(
    epilog="Examples: heldout run --target support-ft · heldout run --due · heldout run --slot 2026-11-16T06:00Z"
)
def run(
    config: ConfigPath = CONFIG,
    target: Annotated[
        list[str] | None, typer.Option("--target", "-t", help="Only this target; may be repeated.")
    ] = None,
    suite: Annotated[list[str] | None, typer.Option("--suite", "-s", help="Only this suite; may be repeated.")] = None,
    due: Annotated[bool, typer.Option("--due", help="What the schedule wants now; alerts.")] = False,
    slot: Annotated[
        str | None, typer.Option("--slot", help="That slot of the schedule (UTC, ISO 8601); alerts.")
    ] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with the verdict: 0, 3, 4 or 5.")] = False,
    as_child: Annotated[bool, typer.Option("--as-child", hidden=True)] = False,
    json: AsJson = False,
) -> None:
    """Replay suites against targets, decide, and say so. Without --due or --slot it raises no alert."""
    from monitor import parent, running

    if due:
        session.log_if_wanted(always=as_child)
    # The daemon hands its child the configuration that was good when it was read, whatever the file holds by now.
    loaded = parent.configuration(config) if as_child else session.load(config)
    if due and slot:
        raise typer.BadParameter("--due and --slot exclude each other", param_hint="--slot")
    when = session.moment(slot) if slot else None
    session.known(loaded, target, suite)
    wanted = running.Wanted(due=due, slot=when, targets=target, suites=suite)
    raise typer.Exit(running.run(loaded, wanted, as_json=json, exit_code=exit_code, as_child=as_child))


@app.command(epilog="Example: heldout serve")
def serve(config: ConfigPath = CONFIG) -> None:
    """Be the daemon: measure on schedule, deliver alerts, and show how things stand on a page and at /metrics."""
    import asyncio

    from monitor import logs
    from monitor.daemon.serve import Options, serve

    logs.setup(os.environ)
    told = (
        (lambda where: typer.echo(f"heldout serves; its page is {where} (Ctrl-C ends it)"))
        if sys.stdout.isatty()
        else None
    )
    raise typer.Exit(asyncio.run(serve(Options(config, os.environ), told or (lambda where: None))))


@app.command(epilog="Example: heldout demo")
def demo(
    folder: Annotated[Path | None, typer.Argument(help="A new folder for its files; else a temporary one.")] = None,
) -> None:
    """A tour in a scratch folder: twelve weeks of a target that loses documents. No key, no network."""
    import tempfile

    from monitor.demo import tour

    tour(folder or Path(tempfile.mkdtemp(prefix="heldout-demo-")), stay=sys.stdout.isatty())


@app.command(epilog="Example: heldout gate support-ft --max-age 8d && deploy")
def gate(
    target: str,
    suite: Annotated[str | None, typer.Option("--suite", "-s", help="Only this suite; else the worst of all.")] = None,
    max_age: Annotated[str, typer.Option("--max-age", help="An older verdict is stale, and so inconclusive.")] = "8d",
    fail_on: Annotated[str, typer.Option("--fail-on", help="rollback: exit 0 below that.")] = "",
    config: ConfigPath = CONFIG,
    json: AsJson = False,
) -> None:
    """Say the verdict as an exit code: 0 pass, 3 investigate, 4 inconclusive or stale or none, 5 rollback."""
    from monitor import show, standing, wiring
    from monitor.config.fields import parse_duration

    if fail_on not in ("", "rollback"):
        raise typer.BadParameter('only "rollback" is known', param_hint="--fail-on")
    try:
        age = parse_duration(max_age)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--max-age") from None
    loaded = session.load(config)
    session.known(loaded, target, suite)
    suites = [suite] if suite else list(loaded.targets[target].suites)
    if suite and suite not in loaded.targets[target].suites:
        raise typer.BadParameter(f"{loaded.path}: [targets.{target}] does not have the suite {suite!r}")
    database = session.open_existing(loaded)
    verdicts = standing.of(database, loaded, [(target, name) for name in suites], wiring.clock(), age)
    found = max(verdicts, key=lambda one: one.level.rank) if verdicts else standing.never(loaded, target, suite or "")
    with process.result_stands():
        show.gate(found, as_json=json)
    code = OF_VERDICT[found.level.value]
    raise typer.Exit(PASS if fail_on == "rollback" and code != ROLLBACK else code)


@app.command(epilog="Example: heldout status")
def status(config: ConfigPath = CONFIG, json: AsJson = False) -> None:
    """One line a target and suite: how it stands."""
    from monitor import show, standing, wiring
    from monitor.incidents import retiring

    loaded = session.load(config)
    database = session.open_existing(loaded)
    now = wiring.clock()
    verdicts = standing.of(database, loaded, loaded.pairs, now, standing.STALE_AFTER)
    waiting: list[str] = []
    if database is not None:
        with database.read() as connection:
            waiting = show.undelivered(connection)
            waiting += [] if json else retiring.retired(connection, list(loaded.targets))
    where = f"Read from {database.describe()}." if database else "There is no database yet."
    following = loaded.schedule.timetable.following(now)
    show.status(verdicts, waiting, following, as_json=json, database=where)
