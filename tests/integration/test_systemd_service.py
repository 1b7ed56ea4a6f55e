"""heldout.service as it ships, under a real systemd: started, reloaded, stopped, and restarted when it hangs or dies.

Nothing of its sandbox is lifted. A drop-in changes times alone, and for a scheduler that hangs, the program.
"""

from __future__ import annotations

import socket

import pytest

from tests.fakes.ports import free_port
from tests.integration.systemd_daemon import CONFIG, HELDOUT, PYTHON, Service
from tests.integration.systemd_harness import REPOSITORY, Machine, until

WAITS = r"^waits for the slot of 20\d\d-\d\d-\d\d \d\d:\d\d UTC"


@pytest.fixture
def service(machine: Machine) -> Service:
    """The sample's configuration, and the units for it; nothing is started."""
    made = Service(machine, free_port())
    machine.run(HELDOUT, "init", "--from", "sample", "/etc/heldout")
    write(made, read(made).replace("127.0.0.1:8787", f"127.0.0.1:{made.port}"))
    made.install()
    return made


def read(service: Service) -> str:
    return service.machine.run("cat", CONFIG)


def write(service: Service, text: str) -> None:
    service.machine.write(CONFIG, text)


def test_it_is_active_once_it_answers_and_says_what_it_does(service: Service) -> None:
    service.machine.run("systemctl", "start", "--no-block", "heldout")
    until(lambda: service.shows("SubState")["SubState"] == "start", 10.0, lambda: f"{service.shows('SubState')}")
    # Whoever waits for the start finds the page there: no second attempt is needed.
    service.start()
    status, health = service.get("/readyz")
    assert (status, health["role"]) in ((200, "leader"), (200, "standby")), health
    assert service.shows("ActiveState", "SubState", "NRestarts", "User") == {
        "ActiveState": "active",
        "SubState": "running",
        "NRestarts": "0",
        "User": "heldout",
    }
    service.says(WAITS)
    # The sample's slot of this week is due at the first start; each line of the log is JSON.
    service.logs("the child has ended")
    own = [line for line in service.journal.splitlines() if "heldout" not in line.split(" ")[0]]
    assert [line for line in own if not line.startswith(("{", "Starting ", "Started "))] == []


def test_it_lives_on_for_longer_than_the_watchdog_waits(service: Service) -> None:
    service.install(WatchdogSec="3s")
    service.start()

    def fed() -> int:
        return int(service.shows("WatchdogTimestampMonotonic")["WatchdogTimestampMonotonic"])

    before = fed()
    until(lambda: fed() > before + 7_000_000, 30.0, lambda: "the watchdog was not fed")
    assert service.shows("NRestarts", "ActiveState") == {"NRestarts": "0", "ActiveState": "active"}


def test_it_reloads_and_keeps_the_old_configuration_when_the_new_one_is_bad(service: Service) -> None:
    service.start()
    before = service.shows("MainPID", "NRestarts")
    good = read(service)
    assert "exact_mach" not in good
    for bad, said in ((good.replace('"f1"', '"exact_mach"'), "exact_mach"), ("", "suites"), ("\0", "config.toml")):
        write(service, bad)
        service.machine.run("systemctl", "reload", "heldout")
        assert said in service.says(rf"; the configuration was not reloaded: .*{said}")
        service.machine.until("heldout", {"ActiveState": "active", "SubState": "running"})
        assert service.get("/readyz")[0] == 200
    assert len(service.events("the configuration was not reloaded, the one before stays in force")) == 3
    write(service, good.replace('"0 6 * * mon"', '"30 4 * * tue"'))
    service.machine.run("systemctl", "reload", "heldout")
    service.logs("the configuration was reloaded")
    service.machine.until("heldout", {"ActiveState": "active", "SubState": "running"})
    assert service.says(rf"{WAITS}$").endswith("04:30 UTC")
    assert service.shows("MainPID", "NRestarts") == before


def test_many_reloads_at_once_come_to_an_end(service: Service) -> None:
    service.start()
    for _ in range(20):
        service.signal("SIGHUP")
    service.logs("the configuration was reloaded")
    service.machine.until("heldout", {"ActiveState": "active", "SubState": "running"})
    service.machine.run("systemctl", "reload", "heldout")
    service.machine.run("systemctl", "stop", "heldout")
    assert service.shows("Result", "ExecMainStatus") == {"Result": "success", "ExecMainStatus": "0"}


def test_stop_ends_well_and_start_begins_again(service: Service) -> None:
    for _ in range(2):
        service.start()
        service.machine.run("systemctl", "stop", "heldout", timeout=30.0)
        assert service.shows("ActiveState", "Result", "ExecMainCode", "ExecMainStatus", "NRestarts") == {
            "ActiveState": "inactive",
            "Result": "success",
            "ExecMainCode": "1",  # it exited, and was not killed
            "ExecMainStatus": "0",
            "NRestarts": "0",
        }
    assert len(service.events("heldout has ended")) == 2


@pytest.mark.parametrize("what", ["loop", "tick"])
@pytest.mark.long(25)
def test_a_scheduler_that_hangs_is_restarted_by_the_watchdog(service: Service, what: str) -> None:
    # A tick comes every 15 seconds at the latest; one that has not ended 5 seconds later hangs.
    stale, watchdog = 20.0, 6.0
    program = f"{PYTHON} {REPOSITORY}/tests/fakes/hanging_daemon.py"
    service.install(
        ExecStart=f"{program} --config {CONFIG} --hang {what} --stale-after {stale}", WatchdogSec=f"{watchdog:.0f}s"
    )
    service.start()
    main = service.shows("MainPID")
    if what == "loop":
        service.says(WAITS)
        service.machine.run("touch", "/var/lib/private/heldout/hang")
    else:
        # The rest goes on, and says what is wrong, until the watchdog loses its patience.
        until(lambda: service.get("/readyz")[0] == 503, stale + 5.0, lambda: service.journal)
        assert "has not ticked" in str(service.get("/readyz")[1])
        assert service.shows("NRestarts") == {"NRestarts": "0"}
    service.machine.until("heldout", {"NRestarts": "1", "ActiveState": "active"}, 15.0 + stale + watchdog)
    assert service.shows("MainPID") != main
    service.says(WAITS)
    assert service.get("/readyz")[0] == 200
    said = service.journal
    assert "Watchdog timeout" in said
    assert bool(service.events("the scheduler does not tick any more")) is (what == "tick")
    # Where it hung is in the log.
    assert "Fatal Python error: Aborted" in said
    assert ", line " in said
    assert " in hang\n" in said


def test_a_whole_process_that_hangs_is_restarted_too(service: Service) -> None:
    service.install(WatchdogSec="3s", TimeoutAbortSec="2s")
    service.start()
    service.signal("SIGSTOP")
    service.machine.until("heldout", {"NRestarts": "1", "ActiveState": "active"}, 30.0)
    service.is_ready()


def test_a_configuration_that_must_be_mended_is_not_tried_again(service: Service) -> None:
    good = read(service)
    write(service, good.replace('"f1"', '"exact_mach"'))
    service.machine.run("systemctl", "start", "heldout", code=1)
    assert service.shows("ActiveState", "Result", "ExecMainStatus", "NRestarts") == {
        "ActiveState": "failed",
        "Result": "exit-code",
        "ExecMainStatus": "2",
        "NRestarts": "0",
    }
    assert "exact_mach" in service.journal
    write(service, good)
    service.start()
    service.is_ready()


def test_while_another_process_has_its_port_it_tries_again(service: Service) -> None:
    listen = f"import socket, time; s = socket.create_server(('127.0.0.1', {service.port})); time.sleep(600)"
    service.machine.write("/run/systemd/system/other.service", f'[Service]\nExecStart={PYTHON} -c "{listen}"\n')
    service.machine.run("systemctl", "start", "other")
    until(lambda: listens(service.port), 10.0, lambda: "nobody listens")
    service.machine.run("systemctl", "start", "--no-block", "heldout")
    until(lambda: int(service.shows("NRestarts")["NRestarts"]) >= 2, 30.0, lambda: service.journal)
    service.machine.run("systemctl", "stop", "other")
    service.machine.until("heldout", {"ActiveState": "active"}, 20.0)
    assert "another program listens there already" in service.journal


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
