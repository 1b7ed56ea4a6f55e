"""The `heldout` command: one thin function a verb; what a verb needs is imported when it runs."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    import asyncio

    from monitor.collect import Offer
    from monitor.config.models import Config
    from monitor.cycle import App
    from monitor.domain.run import Run
    from monitor.rounds import Round
    from monitor.store.database import Database

T = TypeVar("T")

PASS, FAILED, USAGE, INVESTIGATE, INCONCLUSIVE, ROLLBACK = range(6)
EXIT = {"pass": PASS, "investigate": INVESTIGATE, "inconclusive": INCONCLUSIVE, "rollback": ROLLBACK}
# Delivery before the end of a run, in seconds: a timer without the daemon alerts too.
DELIVER_FOR = 30.0

ConfigPath = Annotated[Path, typer.Option("--config", "-c", envvar="HELDOUT_CONFIG", help="The configuration file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]
CONFIG = Path("config.toml")

app = typer.Typer(
    name="heldout",
    help="Replays a held-out test set against production LLMs, and says how far each has dropped, and how sure it is.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
baseline_app = typer.Typer(no_args_is_help=True, help="Collect, pin and show the answers of deployment.")
db_app = typer.Typer(no_args_is_help=True, help="Look after the database.")
app.add_typer(baseline_app, name="baseline")
app.add_typer(db_app, name="db")


def main() -> None:
    """The console script: errors that a person can mend become a message and an exit code, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character shows another; it does not change a verdict's exit code.
            stream.reconfigure(errors="replace")
    try:
        app()
    except SystemExit:
        # Every verb ends so; without this clause the last one would import what it needs to explain errors.
        raise
    except BrokenPipeError:
        # The reader went away (`heldout status | head`); Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except _expected() as error:
        from monitor.errors import exit_code, message

        typer.echo(message(error), err=True)
        sys.exit(exit_code(error))


def _expected() -> tuple[type[BaseException], ...]:
    # Python evaluates this only when an error was raised, so a verb that ends well imports none of it.
    from monitor.errors import expected

    return expected()


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
    typer.echo("Next: fill them in, then `heldout check`, then `heldout baseline collect TARGET SUITE`.")


@app.command(epilog="Example: heldout check --offline")
def check(
    config: ConfigPath = CONFIG,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody.")] = False,
    json: AsJson = False,
) -> None:
    """Say whether the configuration works, what it can find, and what it will cost; ask everyone once."""
    from monitor import show, show_check, wiring
    from monitor.config.secrets import missing_secrets

    loaded = _load(config)

    async def work(database: Database, stop: asyncio.Event) -> int:
        from monitor import check as checks

        built = wiring.build(loaded, os.environ, database, stop=stop)
        report = checks.look(built)
        report.faults += [str(fault) for fault in missing_secrets(loaded, os.environ)]
        if not offline and not report.faults:
            await checks.ask(built, wiring.channels(loaded, os.environ), report)
        with database.read() as connection:
            report.warnings += show.undelivered(connection)
        show_check.report(report, as_json=json, offline=offline)
        return USAGE if report.faults else FAILED if report.failures else PASS

    raise typer.Exit(_work(loaded, work))


@baseline_app.command("collect", epilog="Example: heldout baseline collect support-ft support")
def baseline_collect(
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

    loaded = _load(config)
    _known(loaded, target, suite)

    async def work(database: Database, stop: asyncio.Event) -> int:
        from monitor import collect

        with progress() as watch:
            built = _build(loaded, database, stop, watch, only=(target, suite))
            agree = _agreement(loaded, yes, watch.pause)
            done = await collect.collect(built, built.sites[target, suite], _user(), agree, spread=spread)
        show.collected(done, as_json=json)
        return PASS

    raise typer.Exit(_work(loaded, work, paying=True))


@baseline_app.command("pin", epilog="Example: heldout baseline pin 0193a5c2")
def baseline_pin(
    run: Annotated[str, typer.Argument(help="The run's id, or how it begins.")],
    config: ConfigPath = CONFIG,
    json: AsJson = False,
) -> None:
    """Make the answers of a run the baseline of its target and suite."""
    from monitor import show

    loaded = _load(config)

    async def work(database: Database, stop: asyncio.Event) -> int:
        from monitor import collect

        found = _find_run(database, run)
        _known(loaded, found.target, found.suite)
        built = _build(loaded, database, stop, only=(found.target, found.suite))
        site = built.sites[found.target, found.suite]
        pinned, outlook = collect.pin(built, site, found, _user())
        if json:
            show.json_out(show.baseline_json(pinned, outlook))
        else:
            show.baseline(site, pinned, outlook)
        return PASS

    raise typer.Exit(_work(loaded, work))


@baseline_app.command("show", epilog="Example: heldout baseline show support-ft support")
def baseline_show(
    target: str,
    suite: Annotated[str | None, typer.Argument()] = None,
    config: ConfigPath = CONFIG,
    json: AsJson = False,
) -> None:
    """Show what is pinned, and what it can confirm."""
    from monitor import show

    loaded = _load(config)
    _known(loaded, target, suite)

    async def work(database: Database, stop: asyncio.Event) -> int:
        from monitor import collect, grading
        from monitor.store import runs

        built = _build(loaded, database, stop, only=(target, suite))
        found: list[dict[str, object]] = []
        for site in built.sites.values():
            with database.read() as connection:
                pinned = runs.current_baseline(connection, site.target, site.suite.name)
            if pinned is None:
                if not json:
                    show.no_baseline(site)
                continue
            outlook = collect.outlook_of(built, site, pinned.run_id)
            means = grading.scorer_means(database, site.grader, pinned.run_id, site.suite.cases)
            found.append(show.baseline_json(pinned, outlook, means))
            if not json:
                show.baseline(site, pinned, outlook, means)
        if json:
            show.json_out({"schema": 1, "baselines": found})
        return PASS if len(found) == len(built.sites) else INCONCLUSIVE

    raise typer.Exit(_work(loaded, work))


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
    json: AsJson = False,
) -> None:
    """Replay suites against targets, decide, and say so. Without --due or --slot it raises no alert."""
    from monitor import show
    from monitor.progress import progress
    from monitor.store.lock import LockedError

    loaded = _load(config)
    if due and slot:
        raise typer.BadParameter("--due and --slot exclude each other", param_hint="--slot")
    when = _moment(slot) if slot else None
    _known(loaded, target, suite)

    async def work(database: Database, stop: asyncio.Event) -> int:
        from monitor import rounds, wiring
        from monitor.config.secrets import SecretError
        from monitor.delivery import deliver_due

        with progress() as watch:
            built = _build(loaded, database, stop, watch, only=(target, suite))
            timetable = wiring.timetable(loaded)
            scheduled = [site for site in built.sites.values() if site.role == "production"]
            if due:
                done = await rounds.run_due(built, timetable)
            elif when is not None:
                done = await rounds.run_slot(built, scheduled, timetable, when)
            else:
                done = await rounds.run_now(built, list(built.sites.values()))
        # Shown first: whoever looks on need not wait for a Slack that is down.
        show.round_(done, as_json=json, following=timetable.following(wiring.clock()) if due else None)
        try:
            ways = wiring.channels(loaded, os.environ)
        except SecretError as error:
            # What was measured is stored and counts; the alerts wait until the secret is there.
            show.line(f"Alerts wait in the database: {error}", colour="yellow", err=True)
        else:
            show.delivered(await deliver_due(database, ways, wiring.clock, DELIVER_FOR))
        return _code(done, exit_code)

    try:
        raise typer.Exit(_work(loaded, work, paying=True))
    except LockedError as error:
        # An hourly timer that meets a long run has nothing to complain of.
        typer.echo(f"{error}; nothing was done", err=True)
        raise typer.Exit(PASS if due else FAILED) from None


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
    loaded = _load(config)
    _known(loaded, target, suite)
    suites = [suite] if suite else list(loaded.targets[target].suites)
    if suite and suite not in loaded.targets[target].suites:
        raise typer.BadParameter(f"{loaded.path}: [targets.{target}] does not have the suite {suite!r}")
    database = _open_existing(loaded)
    verdicts = standing.of(database, loaded, [(target, name) for name in suites], wiring.clock(), age)
    found = max(verdicts, key=lambda one: one.level.rank) if verdicts else standing.never(loaded, target, suite or "")
    show.gate(found, as_json=json)
    code = EXIT[found.level.value]
    raise typer.Exit(PASS if fail_on == "rollback" and code != ROLLBACK else code)


@app.command(epilog="Example: heldout status")
def status(config: ConfigPath = CONFIG, json: AsJson = False) -> None:
    """One line a target and suite: how it stands."""
    from monitor import show, standing, wiring

    loaded = _load(config)
    pairs = [(name, suite) for name, table in loaded.targets.items() for suite in table.suites]
    database = _open_existing(loaded)
    now = wiring.clock()
    verdicts = standing.of(database, loaded, pairs, now, timedelta(days=8))
    waiting: list[str] = []
    if database is not None:
        with database.read() as connection:
            waiting = show.undelivered(connection)
    where = f"Read from {database.describe()}." if database else "There is no database yet."
    following = wiring.timetable(loaded).following(now)
    show.status(verdicts, waiting, following, as_json=json, database=where)


@db_app.command("upgrade", epilog="Example: heldout db upgrade")
def db_upgrade(config: ConfigPath = CONFIG, json: AsJson = False) -> None:
    """Bring the database to the schema of this version."""
    from monitor import show
    from monitor.config.outputs import database_url
    from monitor.store.database import connect
    from monitor.store.migrate import upgrade

    database = connect(database_url(_load(config), os.environ))
    before, after = upgrade(database)
    if json:
        show.json_out({"schema": 1, "before": before, "after": after})
        return
    change = "already at" if before == after else f"{before or 'empty'} →"
    typer.echo(f"{database.describe()}: {change} {after}")


def _load(path: Path) -> Config:
    from monitor.config.load import load_config

    return load_config(path, os.environ)


def _open_existing(config: Config) -> Database | None:
    """The database, or None where nothing was ever measured: asking how things stand creates nothing."""
    from monitor import wiring
    from monitor.store.database import NoDatabaseError

    try:
        return wiring.open_store(config, os.environ, create=False)
    except NoDatabaseError:
        return None


def _build(
    config: Config,
    database: Database,
    stop: asyncio.Event,
    watch: Any = None,
    *,
    only: tuple[str | list[str] | None, str | list[str] | None],
) -> App:
    from monitor import wiring

    def chosen(wanted: str | list[str] | None, name: str) -> bool:
        return not wanted or (name == wanted if isinstance(wanted, str) else name in wanted)

    built = wiring.build(
        config,
        os.environ,
        database,
        only=lambda target, suite: chosen(only[0], target) and chosen(only[1], suite),
        watch=watch or (lambda label, tally: None),
        stop=stop,
    )
    if not built.sites:
        raise typer.BadParameter(f"{config.path}: no such target has such a suite; see `suites` under [targets.…]")
    return built


def _work(
    config: Config, work: Callable[[Database, asyncio.Event], Coroutine[Any, Any, T]], *, paying: bool = False
) -> T:
    """Run `work` on the database; Ctrl-C and SIGTERM set its stop event, a second Ctrl-C ends it at once."""
    import asyncio
    import signal
    from contextlib import nullcontext

    from monitor import wiring
    from monitor.config.outputs import database_url
    from monitor.store.lock import sole_runner

    database = wiring.open_store(config, os.environ)

    async def guarded() -> T:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        main = asyncio.current_task()

        def interrupt() -> None:
            if stop.is_set() and main is not None:
                main.cancel()
            elif sys.stderr.isatty():
                typer.echo("\nStopping: waiting for the answers under way (Ctrl-C again: at once) …", err=True)
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, interrupt)
        return await work(database, stop)

    lock = sole_runner(database_url(config, os.environ)) if paying else nullcontext()
    with lock:
        try:
            return asyncio.run(guarded())
        finally:
            database.close()


def _known(config: Config, targets: str | list[str] | None, suites: str | list[str] | None) -> None:
    """Refuse names that are not in the configuration, and suggest the nearest."""
    from monitor.config.faults import did_you_mean

    for names, known, what in ((targets, config.targets, "target"), (suites, config.suites, "suite")):
        for name in [names] if isinstance(names, str) else names or []:
            if name not in known:
                raise typer.BadParameter(f"{config.path}: there is no {what} {name!r}{did_you_mean(name, list(known))}")


def _find_run(database: Database, prefix: str) -> Run:
    from monitor.store import runs

    with database.read() as connection:
        found = runs.find(connection, prefix)
    if len(found) != 1:
        which = "no run's id begins" if not found else f"{len(found)} runs' ids begin"
        raise typer.BadParameter(f"{which} with {prefix!r}; `heldout status --json` tells the ids", param_hint="RUN")
    return found[0]


def _agreement(config: Config, yes: bool, pause: Callable[[], Any]) -> Callable[[Offer], bool]:
    """How the cost is agreed to: said first; then asked on a terminal, elsewhere --yes or a price under the cap."""
    from monitor import show

    def agree(offer: Offer) -> bool:
        with pause():
            show.offer(offer)
            if yes or offer.site.free:
                return True
            if sys.stdin.isatty() and sys.stderr.isatty():
                return typer.confirm("Go on?", err=True)
            if offer.usd is not None and offer.usd <= config.budget.baseline_usd:
                return True
            typer.echo("Nobody can be asked here: add --yes, or a price and [budget] baseline_usd.", err=True)
            return False

    return agree


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except OSError:
        return f"uid {os.getuid()}"


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time in ISO 8601, such as 2026-11-16T06:00Z", param_hint="--slot"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _code(done: Round, as_verdict: bool) -> int:
    from monitor.domain.run import HaltKind
    from monitor.domain.verdict import worst

    if as_verdict and done.done:
        return EXIT[worst(one.verdict.level for one in done.done).value]
    failed = bool(done.failed) or any(one.halt is not None and one.halt.kind is HaltKind.FATAL for one in done.done)
    return FAILED if failed else PASS
