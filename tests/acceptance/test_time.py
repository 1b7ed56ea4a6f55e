"""Real processes in a time that runs fast, by libfaketime: each slot is done, under way, or missed and said."""

from __future__ import annotations

import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from monitor.decide.due import Timetable
from tests.acceptance.harness import FAKES, PASS, REPOSITORY, Home
from tests.acceptance.serving import Daemon, serving
from tests.fakes.ports import free_port
from tests.fakes.programs import installed

SIMULATED = Path(__file__).with_name("simulated.py")
CONFIG = """
[schedule]
cron = "{cron}"
timezone = "Europe/Berlin"
[decision]
baseline_repeats = 4
[suites.support]
cases = "support.jsonl"
metrics = ["contains"]
[targets.bot]
provider = "rag"
documents = "handbook"
suites = ["support"]
[web]
listen = "127.0.0.1:{port}"
"""


pytestmark = pytest.mark.sqlite_only("in a time that runs so fast, a connection's ten seconds are over at once")


def faketime() -> str:
    (found,) = installed("faketime", package="faketime")
    return found


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The sample's retrieval on its first forty questions: a target that needs no server and no time."""
    sample = REPOSITORY / "monitor" / "sample"
    shutil.copytree(sample / "handbook", tmp_path / "handbook")
    lines = (sample / "support.jsonl").read_text("utf-8").splitlines()[:40]
    (tmp_path / "support.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    assert FAKES.is_dir()
    return Home(tmp_path)


def lives(home: Home, begin: str, end: datetime, speed: int, cron: str) -> Daemon:
    """Let a daemon live from `begin` (UTC) to `end` in a time that runs `speed` times as fast."""
    (home.folder / "config.toml").write_text(CONFIG.format(cron=cron, port=free_port()), encoding="utf-8")
    fake = [faketime(), "-f", f"@{begin} x{speed}"]
    here = {"FAKETIME_DONT_RESET": "1", "PYTHONPATH": str(REPOSITORY)}
    config = str(home.folder / "config.toml")
    home.run("baseline", "collect", "bot", "support", "--yes", code=PASS)
    # As if the baseline had been pinned, and the slot before been run, when the tale begins.
    with serving(home, begin=False) as daemon:
        daemon.begin(*fake, sys.executable, str(SIMULATED), "serve", config, "-", **here)
        real = (end - datetime.fromisoformat(begin).replace(tzinfo=UTC)).total_seconds() / speed
        until = time.monotonic() + real
        while time.monotonic() < until:
            assert daemon.process.poll() is None, daemon.text[-3000:]
            time.sleep(0.2)
        daemon.kill()
    return daemon


def check(home: Home, cron: str, begin: str, least: int) -> list[str]:
    """Every slot from the first to the last has one row; returns their states."""
    rows = home.rows("SELECT slot, state FROM run WHERE kind = 'week' ORDER BY slot")
    slots = [slot if isinstance(slot, datetime) else datetime.fromisoformat(slot) for slot, _ in rows]
    slots = [slot.replace(tzinfo=UTC) if slot.tzinfo is None else slot.astimezone(UTC) for slot in slots]
    expected = Timetable(cron, "Europe/Berlin").slots(slots[0], slots[-1])
    assert slots[1:] == expected, "a slot was passed over, or run that is none"
    assert len(set(slots)) == len(slots) >= least
    states = [state for _, state in rows]
    assert set(states) <= {"done", "waiting", "running", "missed"}
    said = home.count("SELECT count(*) FROM alert WHERE kind = 'missed'")
    assert (said > 0) == ("missed" in states)
    return states


@pytest.mark.timeout(200)
@pytest.mark.long(45)
def test_the_night_in_which_two_oclock_comes_twice(home: Home) -> None:
    # In Berlin the 31st of October 2027 has 25 hours; 02:30 is there twice, and one slot.
    begin, cron = "2027-10-30 20:00:00", "30 0,2,4,6,8,10,12,14,16,18,20,22 * * *"
    lives(home, begin, datetime(2027, 10, 31, 7, tzinfo=UTC), 1000, cron)
    states = check(home, cron, begin, least=5)
    assert states.count("done") >= 4
    berlin = ZoneInfo("Europe/Berlin")
    rows = home.rows("SELECT slot FROM run WHERE kind = 'week'")
    hours = [str(datetime.fromisoformat(str(slot)).replace(tzinfo=UTC).astimezone(berlin))[:16] for (slot,) in rows]
    assert hours.count("2027-10-31 02:30") == 1


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_week_of_a_daemon(home: Home) -> None:
    # A week with a change of clocks in it, ten minutes long.
    begin, cron = "2027-03-24 05:00:00", "30 2,8,14,20 * * *"
    daemon = lives(home, begin, datetime(2027, 3, 31, 6, tzinfo=UTC), 1000, cron)
    states = check(home, cron, begin, least=27)
    print(f"a week in ten minutes: {len(states)} slots, {states.count('done')} done")
    assert states.count("done") >= len(states) - 2
    assert not daemon.events("a tick failed")
