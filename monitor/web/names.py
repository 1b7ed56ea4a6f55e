"""The names in a request: of targets and suites that are configured, of runs that are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.config.faults import did_you_mean
from monitor.store import history, runs
from monitor.web.errors import RefusedError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from monitor.config.models import Config
    from monitor.domain.run import Run

Pair = tuple[str, str]


def pairs_of(config: Config, target: str, suite: str | None, *, status: int = 404) -> list[Pair]:
    """The (target, suite) that are meant; refuses with `status` what is not configured, and suggests the nearest."""
    if target not in config.targets:
        raise RefusedError(status, f"There is no target {shown(target)}{did_you_mean(target, config.targets) or '.'}")
    suites = config.targets[target].suites
    if suite is None:
        if not suites:
            raise RefusedError(status, f'The target "{target}" has no suite: it only answers for others.')
        return [(target, name) for name in suites]
    if suite not in suites:
        hint = did_you_mean(suite, suites) or "."
        raise RefusedError(status, f'The target "{target}" has no suite {shown(suite)}{hint}')
    return [(target, suite)]


def requested(config: Config, target: str | None, suite: str | None) -> list[Pair]:
    """What a request for runs means: without a target, all production targets."""
    if target is not None:
        return pairs_of(config, target, suite, status=422)
    if suite is not None and suite not in config.suites:
        raise RefusedError(422, f"There is no suite {shown(suite)}{did_you_mean(suite, config.suites) or '.'}")
    chosen = [pair for pair in config.production if suite in (None, pair[1])]
    if not chosen:
        raise RefusedError(422, "No production target has that suite; name a target.")
    return chosen


def known_or_stored(config: Config, target: str | None, suite: str | None) -> None:
    """Refuse names that are in no configuration; asked where no run of them is stored either."""
    for name, known, what in ((target, config.targets, "target"), (suite, config.suites, "suite")):
        if name is not None and name not in known:
            raise RefusedError(404, f"There is no {what} {shown(name)}{did_you_mean(name, known)}")


def one_run(connection: Connection, prefix: str) -> Run:
    """The one run whose id begins so."""
    found = runs.find(connection, prefix)
    exact = [run for run in found if run.id == prefix]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if not found:
        raise RefusedError(404, f"No run's id begins with {shown(prefix)}.")
    raise RefusedError(404, f"{len(found)} runs' ids begin with {shown(prefix)}: give more of it.")


def page_after(
    connection: Connection, run_id: str | None, limit: int, target: str | None, suite: str | None
) -> list[Run]:
    """A page of runs, the newest first, and one more where there is one."""
    before = None if run_id is None else runs.get(connection, run_id)
    if run_id is not None and before is None:
        raise RefusedError(404, f"There is no run {shown(run_id)} to go on before.")
    return history.page(connection, limit + 1, target=target, suite=suite, before=before)


def shown(name: str) -> str:
    """What somebody sent, in quotes, on one line and not too long."""
    return '"' + name[:100].encode("unicode_escape").decode() + '"'
