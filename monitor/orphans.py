"""Unfinished runs that no configured target owns any more: nobody goes on with them, so somebody has to be told."""

from __future__ import annotations

from monitor.app import App
from monitor.domain.run import Run, RunKind, RunState
from monitor.domain.verdict import Stage
from monitor.store import runs, verdicts


def unowned(app: App) -> tuple[list[str], list[str]]:
    """Sentences about what is idle, and about what failed: a rollback that was pending, and that nobody confirms.

    Nothing is concluded: a name or role that comes back by tomorrow finds its run as it was. What the configuration
    names is owned, also where this process was told to leave it out.
    """
    weeks = {site.name for site in app.scheduled}
    all_ = {site.name for site in app.sites.values()}
    for name, table in app.config.targets.items():
        names = {f"{name} · {suite}" for suite in table.suites}
        all_ |= names
        weeks |= names if table.role == "production" else set()
    idle, failed = [], []
    with app.place.database.read() as connection:
        for run in runs.unfinished(connection):
            site = f"{run.target} · {run.suite}"
            if run.kind is RunKind.WEEK and site not in weeks:
                before = verdicts.of_run(connection, run.id)
                if before and before[-1].stage is Stage.PENDING:
                    failed.append(_pending(app, site, run))
                else:
                    idle.append(f"{site}: its run of {run.slot:%Y-%m-%d %H:%M} UTC is unfinished, and {_why(app)}")
            elif run.kind is RunKind.BASELINE and run.state is RunState.WAITING and site not in all_:
                idle.append(
                    f"{site}: its baseline is half collected, and {app.config.path.name} has no such target and suite "
                    "any more; put them back to have it finished"
                )
    return idle, failed


def _pending(app: App, site: str, run: Run) -> str:
    return (
        f"{site}: a rollback is pending since its run of {run.slot:%Y-%m-%d %H:%M} UTC, and nobody will confirm it: "
        f"{_why(app)}"
    )


def _why(app: App) -> str:
    return (
        f"{app.config.path.name} has no production target and suite of these names any more; put them back to have it "
        "finished by `heldout run --due`"
    )
