"""The real daemon with a port that hangs, once: what a scheduler that has stopped looks like from outside.

`--hang loop`: the clock does not come back when the tick asks it in the event loop, once the file `hang` is there; with
it stops all that is done in the loop. `--hang tick`: no id comes back for the slot that the first tick records, in a
thread of the tick's own; everything else goes on. The file `hung` in the state directory says that it has happened.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from monitor import logs, wiring
from monitor.daemon.pace import Pace
from monitor.daemon.serve import Options, serve

STATE = Path(os.environ["STATE_DIRECTORY"])


def hang() -> None:
    if not (STATE / "hung").exists():
        (STATE / "hung").touch()
        while True:
            time.sleep(3600.0)


def clock() -> datetime:
    if (STATE / "hang").exists() and threading.current_thread() is threading.main_thread():
        hang()
    return wiring.clock()


def new_id(now: datetime) -> str:
    hang()
    return wiring.new_id(now)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--hang", choices=["loop", "tick"], required=True)
    parser.add_argument("--stale-after", type=float, required=True)
    given = parser.parse_args()
    logs.setup(os.environ)
    port = {"clock": clock} if given.hang == "loop" else {"new_id": new_id}
    return asyncio.run(serve(Options(given.config, os.environ, pace=Pace(stale=given.stale_after), **port)))


if __name__ == "__main__":
    sys.exit(main())
