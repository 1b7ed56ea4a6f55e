"""Several daemons on one database: one leads, another follows when it dies, and no slot is run twice."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tests.acceptance.harness import FAILED, Case, Fake, Home
from tests.acceptance.serving import Daemon, eventually, port_of, serving
from tests.fakes.ports import free_port

TAKEOVER = 30.0


def configure(home: Home, known: Sequence[Case], server: Fake, chat: Fake | None = None, **schedule: str) -> None:
    home.configure(
        known,
        server,
        chat,
        web={"listen": f'"127.0.0.1:{free_port()}"'},
        schedule=schedule,
        decision={"baseline_repeats": 4},
    )


@pytest.fixture
def home(home: Home, known: list[Case], server: Fake, chat: Fake) -> Home:
    configure(home, known, server, chat)
    return home


@pytest.mark.sqlite_only(reason="PostgreSQL takes several")
def test_on_sqlite_a_second_one_refuses_and_says_why(pinned: Home) -> None:
    with serving(pinned) as first:
        first.ready()
        text = (pinned.folder / "config.toml").read_text()
        (pinned.folder / "second.toml").write_text(text.replace(str(port_of(pinned)), str(free_port())))
        refused = pinned.run("serve", "--config", "second.toml", code=FAILED)
        assert f"another `heldout serve` (process {first.process.pid}) serves this database already" in refused.said
        assert "PostgreSQL" in refused.said
        assert first.get("/readyz")[0] == 200
        assert first.stop() == 0
    # Nothing of the first one keeps the next from starting, not even where it was killed.
    with serving(pinned, "second") as second:
        second.ready()
        second.kill()
    with serving(pinned, "third") as third:
        third.ready()
        assert third.stop() == 0


class House:
    """Several daemons on one database, each on a port of its own; one that was killed is started again."""

    def __init__(self, home: Home, count: int) -> None:
        self.home = home
        self.daemons: list[Daemon] = []
        text = (home.folder / "config.toml").read_text()
        for number in range(count):
            port = free_port()
            path = home.folder / f"config-{number}.toml"
            path.write_text(text.replace(str(port_of(home)), str(port)))
            self.daemons.append(Daemon(home, port, home.folder / f"serve-{number}.log"))

    def begin(self, number: int) -> Daemon:
        daemon = self.daemons[number]
        path = self.home.folder / f"config-{number}.toml"
        program = str(Path(sys.executable).with_name("heldout"))
        daemon.begin(program, "serve", "--config", str(path))
        return daemon

    def leaders(self) -> list[Daemon]:
        return [one for one in self.daemons if one.process.poll() is None and _role(one) == "leader"]

    def leader(self, within: float = TAKEOVER) -> Daemon:
        return eventually(lambda: (self.leaders() or [None])[0], within=within, every=0.05)


def _role(daemon: Daemon) -> str:
    try:
        return str(daemon.get("/readyz")[1]["role"])
    except OSError:
        return "gone"


@pytest.fixture
def house(pinned: Home) -> Iterator[House]:
    built = House(pinned, 3)
    with ExitStack() as stack:
        for number, daemon in enumerate(built.daemons):
            stack.enter_context(serving(pinned, f"serve-{number}", port=daemon.port, begin=False))
            built.daemons[number].log.touch()
        try:
            yield built
        finally:
            for daemon in built.daemons:
                if hasattr(daemon, "process") and daemon.process.poll() is None:
                    daemon.kill()


@pytest.mark.postgresql_only(reason="SQLite takes one daemon")
def test_one_leads_the_others_stand_by_and_answer(house: House, server: Fake) -> None:
    for number in range(3):
        house.begin(number)
    for daemon in house.daemons:
        daemon.ready()
    leader = house.leader()
    eventually(lambda: house.home.rows("SELECT state FROM run WHERE kind = 'week'") == [("done",)], within=60)
    others = [daemon for daemon in house.daemons if daemon is not leader]
    assert [_role(daemon) for daemon in others] == ["standby", "standby"]
    assert [daemon.get("/api/v1/verdicts/bot")[1]["verdict"] for daemon in house.daemons] == ["pass"] * 3
    assert server.tell()["answered"] == 200
    # One that ends when it is told to hands over at once.
    began = time.monotonic()
    assert leader.stop() == 0
    house.leader(within=10)
    assert time.monotonic() - began < 10


def _killed(house: House, server: Fake, rng: random.Random, kills: int) -> list[float]:
    """Kill the leader at random moments; returns how long each takeover took, in seconds."""
    took = []
    for number in range(3):
        house.begin(number)
    for daemon in house.daemons:
        daemon.ready()
    for _ in range(kills):
        leader = house.leader()
        time.sleep(rng.uniform(0.0, 12.0))
        leader.signal(signal.SIGKILL)
        leader.process.wait(30)
        began = time.monotonic()
        house.leader()
        took.append(time.monotonic() - began)
        house.begin(house.daemons.index(leader)).ready()
    return took


def _every_slot_once(house: House, server: Fake, cases: int) -> None:
    """Each slot since the first has one row, done, or missed and said; nothing was asked more than it had to be."""
    server.control(delay=0.0)
    home = house.home
    query = "SELECT count(*) FROM run WHERE kind = 'week' AND state NOT IN ('done', 'missed') AND slot < ?"
    latest = datetime.now().astimezone()
    eventually(lambda: home.count(query, latest) == 0, within=90, every=1.0)
    rows = home.rows("SELECT slot, state, id FROM run WHERE kind = 'week' ORDER BY slot")
    slots = [slot for slot, _, _ in rows]
    minutes = [(later - earlier).total_seconds() / 60 for earlier, later in pairwise(slots)]
    assert minutes == [1.0] * len(minutes), "a slot was passed over in silence"
    for _, state, run in rows:
        if state == "done":
            assert home.count("SELECT count(*) FROM answer WHERE run_id = ?", run) == cases
    twice = "SELECT 1 FROM answer GROUP BY run_id, phase, case_id, repeat HAVING count(*) > 1"
    assert home.rows(twice) == []
    missed = sum(state == "missed" for _, state, _ in rows)
    said = home.count("SELECT count(*) FROM alert WHERE kind = 'missed'")
    assert (said > 0) == (missed > 0)
    # At most what a killed child had under way is asked again.
    kills = sum(len(daemon.events("this daemon leads")) for daemon in house.daemons)
    asked = server.tell()["answered"]
    stored = home.count("SELECT count(*) FROM answer")
    assert stored <= asked <= stored + 16 * kills


@pytest.mark.postgresql_only(reason="SQLite takes one daemon")
@pytest.mark.timeout(400)
@pytest.mark.long(75)
def test_leaders_that_are_killed_are_followed_within_half_a_minute(
    house: House, server: Fake, known: list[Case], capsys: pytest.CaptureFixture[str]
) -> None:
    _with_a_slot_each_minute(house)
    server.control(delay=0.2)
    took = _killed(house, server, random.Random(3), kills=4)
    with capsys.disabled():
        print(f"\ntakeover after SIGKILL: {', '.join(f'{t:.1f}' for t in took)} s")
    assert max(took) < TAKEOVER
    _every_slot_once(house, server, len(known))


@pytest.mark.soak
@pytest.mark.postgresql_only(reason="SQLite takes one daemon")
@pytest.mark.timeout(3600)
def test_leaders_that_are_killed_again_and_again(house: House, server: Fake, known: list[Case]) -> None:
    _with_a_slot_each_minute(house)
    server.control(delay=0.2)
    took = _killed(house, server, random.Random(5), kills=60)
    print(f"takeover after SIGKILL, {len(took)} times: at most {max(took):.1f} s")
    assert max(took) < TAKEOVER
    _every_slot_once(house, server, len(known))


def _with_a_slot_each_minute(house: House) -> None:
    for number in range(3):
        path = house.home.folder / f"config-{number}.toml"
        path.write_text(path.read_text().replace("[schedule]", '[schedule]\ncron = "* * * * *"'))
