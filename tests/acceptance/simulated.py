"""`heldout serve` and its child with a clock of the test's own: the real time, moved by what a file says.

    simulated.py serve CONFIG CLOCK      the daemon
    simulated.py child CONFIG CLOCK      what it starts, instead of `heldout run --due`

CLOCK is a file with the seconds to add. Without one ("-") the clock is the machine's, which may itself be a fake one
that runs fast: then nobody is ended for being silent, because all of heldout's limits are over in an instant.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor import logs, parent, process, running, session
from monitor.daemon.pace import Pace
from monitor.daemon.serve import Options, serve

FOR_EVER = 1e9
IN_FAST_TIME = Pace(silent=FOR_EVER, besides=FOR_EVER)
# Nobody waits for a quarter of a minute here.
HASTY = Pace(tick=1.0, again=(1.0, 2.0), after_failure=(1.0, 2.0))


def clock(path: str) -> Callable[[], datetime]:
    """The time of day as the file has it."""
    if path == "-":
        return lambda: datetime.now(UTC)
    return lambda: datetime.now(UTC) + timedelta(seconds=float(Path(path).read_text(encoding="ascii")))


def main(what: str, config: str, moved: str) -> int:
    """Be the one or the other."""
    if what == "serve":
        logs.setup(os.environ)
        child = (sys.executable, __file__, "child", config, moved)
        pace = IN_FAST_TIME if moved == "-" else HASTY
        return asyncio.run(serve(Options(Path(config), os.environ, clock(moved), child=child, pace=pace)))
    session.log_if_wanted(always=True)
    loaded = parent.configuration(Path(config))
    wanted = running.Wanted(due=True)
    limit = FOR_EVER if moved == "-" else 180.0
    options = {"as_json": True, "exit_code": False, "as_child": True, "ends_after": limit}
    return running.run(loaded, wanted, clock=clock(moved), **options)


if __name__ == "__main__":
    process.run(lambda: sys.exit(main(*sys.argv[1:])))
