"""`heldout incident`: what people read about an incident, what they do about it, what is refused, and exit codes."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alerts.alert import Action, Alert, Cause, Drop, Kind
from alerts.hooks.event import Occasion, Shortfall, retrain_requested
from alerts.incident import Approval, Event, What
from monitor.domain.run import RunKind, RunState
from monitor.domain.verdict import Level, Stage, Thresholds, Verdict
from monitor.exits import FAILED, USAGE
from monitor.store import audit, hooks, incidents, outbox, runs, verdicts
from monitor.store.database import Database, open_database
from monitor.store.hooks import HookRow, HookState
from monitor.store.tables import outbox as messages
from tests.fakes import databases
from tests.fakes.command import Command
from tests.unit.store.rows import run

CONFIG = """
[database]
url = "{url}"
[suites.support]
cases = "support.jsonl"
metrics = ["exact_match"]
[targets.ft]
provider = "command"
command = ["never-started"]
suites = ["support"]
[targets.rag]
provider = "command"
command = ["never-started"]
suites = ["support"]
role = "reference"
[hooks.deploy]
on = "rollback"
command = ["never-started"]
[hooks.retrain]
on = "retrain"
command = ["true"]
"""
ME = getpass.getuser()
# The verbs read the real clock.
NOW = datetime.now(UTC).replace(microsecond=0)
ID = "0193a5c2-0000-7000-8000-000000000001"
NONCE, TOKEN = "nonce-0123456789", "token-0123456789"
EVIL = "a\x1b[31m\u202eb\nforged line"


def request(name: str, action: str, **changes: Any) -> HookRow:
    values: dict[str, Any] = {
        "id": f"hook-{name}",
        "name": name,
        "action": action,
        "mode": "approve",
        "state": HookState.OFFERED,
        "target": "ft",
        "suite": "support",
        "verdict_id": 1,
        "requested_at": NOW,
        "expires_at": NOW + timedelta(hours=24),
        "incident_id": ID,
        "fallback": "rag" if action == "rollback" else None,
        "nonce": f"{NONCE}-{name}",
        "token": f"{TOKEN}-{name}",
        "event": retrain_requested(
            Occasion(f"hook-{name}", "ft", NOW, NOW + timedelta(hours=24)),
            Shortfall("support", "rollback", "run-1", 0.833, 0.889, Drop(5.6), cases=200, failing=12),
        ),
    }
    return HookRow(**values | changes)


def alert() -> Alert:
    return Alert(
        "alert-1",
        Kind.WORSE,
        "ft",
        "support",
        "rollback",
        score=0.833,
        baseline_score=0.889,
        drop=Drop(5.6, 5.1, 6.7),
        confirmation=Drop(5.3, 5.0, 6.4),
        reasons=("It fell by more than 5 points.", EVIL),
        causes=(Cause("model", "the fingerprint changed"),),
        actions=(Action("See the answers", "heldout run --target ft"),),
        cases=200,
        answers=3200,
        run="run-1",
    )


class Scene:
    """One incident, opened by a rollback; hooks wait for an approval."""

    def __init__(self, database: Database) -> None:
        self.database = database
        slot = NOW - timedelta(hours=2)
        with database.write() as connection:
            assert runs.begin(connection, run(kind=RunKind.WEEK, slot=slot, state=RunState.DONE))
            said = Verdict(
                "ft", "support", Level.ROLLBACK, Stage.CONFIRMED, ("x",), Thresholds(), run="run-1", slot=slot
            )
            verdict_id = verdicts.add(connection, said, clear=False, now=NOW)
            event = Event(What.OPENED, NOW, "heldout", "It fell.", level="rollback")
            incidents.begin(connection, ID, "ft", "support", slot, event)
            outbox.enqueue(connection, alert().to_json(), verdict_id, [], NOW, incident_id=ID)
            incidents.shown_by(connection, ID, "alert-1")

    def offer(self, name: str, action: str, **changes: Any) -> HookRow:
        row = request(name, action, **changes)
        offered = Approval(row.id, name, action, str(row.nonce), row.expires_at)
        event = Event(What.OFFERED, NOW, "heldout", EVIL, approval=offered, hook=row.id, action=action)
        with self.database.write() as connection:
            hooks.add(connection, row)
            incidents.record(connection, ID, event)
        return row

    def taken(self, name: str, action: str) -> HookRow:
        """A request that was asked for, and that the other side has."""
        row = request(name, action, state=HookState.ACCEPTED, decided_at=NOW, decided_by="ada", accepted_at=NOW)
        with self.database.write() as connection:
            hooks.add(connection, row)
            incidents.record(connection, ID, Event(What.ASKED, NOW, "ada", "go", hook=row.id, action=action))
        return row

    def now(self) -> Any:
        with self.database.read() as connection:
            return incidents.get(connection, ID)

    def log(self) -> list[audit.Entry]:
        with self.database.read() as connection:
            assert audit.verify(connection).fault is None
            return audit.entries(connection, 10)


@pytest.fixture
def heldout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    (tmp_path / "support.jsonl").write_text('{"id": "a", "input": "Refunds?", "expected": "14 days"}\n')
    (tmp_path / "config.toml").write_text(CONFIG.format(url=databases.filled(tmp_path)))
    return Command(tmp_path, capsys)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(databases.filled(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


def test_an_incident_is_one_line_with_its_state_and_what_it_waits_for(heldout, scene):
    scene.offer("deploy", "rollback")
    (line,) = heldout("incident", "list").out.splitlines()
    assert line.startswith("✗ rollback     ft · support  open, since ")
    assert "; waits for approval: rollback" in line
    assert line.endswith(f"by deploy until {NOW + timedelta(hours=24):%a %Y-%m-%d %H:%M} UTC  {ID}")


def test_the_story_is_told_to_the_end_and_no_text_moves_the_terminal_or_tells_a_secret(heldout, scene):
    scene.offer("deploy", "rollback")
    heldout("incident", "ack", ID, "--why", EVIL)
    told = heldout("incident", "show", ID[:8])
    for part in (
        "✗ ROLLBACK ft · support",
        f"acknowledged by {ME}",
        "Score 83.3, 88.9 at deployment: drop 5.6 points, 95% interval 5.1 to 6.7.",
        "Measured again to confirm it: drop 5.3 points (5.0 to 6.4).",
        # Of the verdict, not of what was done about it since.
        "It fell by more than 5 points.",
        "Likely cause: model. the fingerprint changed",
        "3,200 answers to 200 cases, run run-1.",
        "opened (rollback), heldout: It fell.",
        f"acknowledged, {ME}: ",
        "deploy: rollback to rag, offered",
        f"Let deploy ask for the rollback: heldout incident approve {ID}",
        "See the answers: heldout run --target ft",
    ):
        assert part in told.said, part
    assert "Say that you see to it" not in told.said
    assert "\x1b" not in told.out
    assert "\u202e" not in told.out
    assert "\nforged line" not in told.out
    shown = heldout("incident", "show", ID, "--json")
    assert [one["what"] for one in shown.json["incident"]["events"]] == ["opened", "offered", "acknowledged"]
    assert [(one["id"], one["state"]) for one in shown.json["incident"]["hooks"]] == [("hook-deploy", "offered")]
    assert NONCE not in told.out + shown.out
    assert TOKEN not in told.out + shown.out


def test_who_acts_and_why_stands_in_the_incident_and_in_the_audit_log(heldout, scene):
    told = heldout("incident", "ack", ID[:6], "--why", "I look", "--json").json
    assert (told["incident"]["acknowledged_by"], told["incident"]["state"]) == (ME, "open")
    before = datetime.now(UTC).replace(microsecond=0)
    until = heldout("incident", "silence", ID, "--for", "12h", "--json").json["incident"]["silenced_until"]
    assert timedelta(hours=12) <= datetime.fromisoformat(until) - before < timedelta(hours=12, minutes=5)
    resolved = heldout("incident", "resolve", ID, "--why", "the index was rebuilt").said
    assert "the index was rebuilt" in resolved
    log = scene.log()
    assert [one.action for one in log] == ["incident resolve", "incident silence", "incident acknowledge"]
    assert {(one.who, one.via) for one in log} == {(ME, "command")}
    assert (log[0].detail["why"], log[2].detail["why"]) == ("the index was rebuilt", "I look")
    # It is over: nothing more can be done, and only --all shows it.
    assert "is over since" in heldout("incident", "ack", ID, code=FAILED).err
    assert len(scene.log()) == 3
    assert heldout("incident", "list").said == "\nNo incident is open."
    assert "resolved" in heldout("incident", "list", "--all").out


def test_an_approval_shows_what_will_happen_and_goes_out_only_when_somebody_says_yes(heldout, scene):
    row = scene.offer("retrain", "retrain")
    asked = heldout("incident", "approve", ID, code=FAILED)
    assert "retrain by retrain until" in asked.err
    assert "drop 5.6 points" in asked.said
    assert "add --yes. Nothing was approved." in asked.said
    assert (asked.out, scene.now().approvals[0].hook, scene.log()) == ("", row.id, [])
    told = heldout("incident", "approve", ID, "--yes", "--why", "go", "--json").json
    assert told["incident"]["approvals"] == []
    with scene.database.read() as connection:
        assert hooks.get(connection, row.id).state is HookState.DONE
        assert [sent.hook_id for sent in connection.execute(messages.select())] == [row.id]
    (entry,) = scene.log()
    assert (entry.action, entry.who, entry.detail["allowed"]) == ("incident approve retrain", ME, True)
    assert "waits for no approval" in heldout("incident", "approve", ID, "--yes", code=FAILED).err


@pytest.mark.parametrize(("answer", "state"), [("y", HookState.DONE), ("n", HookState.OFFERED)])
def test_somebody_at_a_terminal_is_asked(heldout, scene, answer, state):
    row = scene.offer("retrain", "retrain")
    person, terminal = os.openpty()
    try:
        os.write(person, f"{answer}\n".encode())
        command = [Path(sys.executable).with_name("heldout"), "incident", "approve", ID]
        done = subprocess.run(
            command, cwd=heldout.folder, stdin=terminal, stdout=subprocess.PIPE, stderr=terminal, timeout=60
        )
    finally:
        os.close(person)
        os.close(terminal)
    assert done.returncode == (0 if answer == "y" else FAILED)
    with scene.database.read() as connection:
        assert hooks.get(connection, row.id).state is state


def test_what_the_guard_refuses_is_exit_1_with_its_reason_and_stays_in_the_log(heldout, scene):
    scene.offer("deploy", "rollback")
    refused = heldout("incident", "approve", ID, "--yes", code=FAILED)
    assert "No fallback is configured for ft" in refused.said
    assert scene.now().approvals != ()
    (entry,) = scene.log()
    assert (entry.detail["allowed"], entry.detail["hook"]) == (False, "hook-deploy")


def test_of_several_that_wait_one_has_to_be_named(heldout, scene):
    scene.offer("deploy", "rollback")
    scene.offer("retrain", "retrain")
    assert "deploy, retrain" in heldout("incident", "approve", ID, "--yes", code=USAGE).said
    assert 'of a hook "other"' in heldout("incident", "approve", ID, "--hook", "other", code=FAILED).said
    assert "name the hook" in heldout("incident", "reject", ID, code=FAILED).said
    heldout("incident", "reject", ID, "--hook", "deploy", "--why", "no")
    heldout("incident", "approve", ID, "--hook", "hook-retrain", "--yes")
    assert scene.now().approvals == ()
    assert [one.action for one in scene.log()] == ["incident approve retrain", "incident reject rollback"]


def test_a_result_by_command_is_taken_once(heldout, scene):
    scene.taken("retrain", "retrain")
    assert "heldout incident result hook-retrain done" in heldout("incident", "show", ID).out
    told = heldout("incident", "result", "hook-re", "failed", "--json").json
    assert told["again"] is False
    assert told["incident"]["id"] == ID
    assert "nothing has changed" in heldout("incident", "result", "hook-re", "failed").said
    # What a tool could not do, somebody has done by hand; what was done is not undone by a word.
    assert heldout("incident", "result", "hook-re", "done", "--json").json["again"] is False
    assert "already known" in heldout("incident", "result", "hook-re", "failed", code=FAILED).said
    assert [one.action for one in scene.log()] == ["incident result"] * 2


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["show", "0000"], "no incident's id begins"),
        (["ack", "%"], "heldout incident list --all"),
        (["silence", ID, "--for", "soon"], "--for"),
        (["silence", ID, "--for", "0s"], "--for"),
        (["resolve", ID], "--why"),
        (["resolve", ID, "--why", " "], "--why"),
        (["result", "nothing", "done"], "heldout incident show"),
        (["result", "hook", "perhaps"], "neither done nor failed"),
        (["result", "hook", "done", "--now-serving", "rga"], 'did you mean "rag"'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_exit_2_names_its_place_and_changes_nothing(heldout, scene, arguments, place):
    refused = heldout("incident", *arguments, code=USAGE)
    # An option's fault comes in a frame, wrapped.
    assert place in " ".join(refused.err.replace("│", " ").split())
    assert (refused.out, scene.log(), scene.now().acknowledged_by) == ("", [], None)


def test_a_beginning_that_two_incidents_share_is_refused(heldout, scene):
    with scene.database.write() as connection:
        event = Event(What.OPENED, NOW, "heldout", "It fell.", level="investigate")
        incidents.begin(connection, f"{ID[:-1]}2", "rag", "support", NOW, event)
    assert "2 incidents' ids begin" in heldout("incident", "ack", ID[:8], code=USAGE).err
    assert [one["target"] for one in heldout("incident", "list", "--json").json["incidents"]] == ["rag", "ft"]


@pytest.mark.sqlite_only("on PostgreSQL the database is there")
def test_where_nothing_was_measured_there_is_no_incident_and_no_database_is_made(heldout):
    assert heldout("incident", "list", "--json").json == {"schema": 1, "incidents": []}
    assert heldout("incident", "list").said == "\nNo incident is open."
    assert "no such database yet" in heldout("incident", "ack", ID, code=FAILED).err
    assert not (heldout.folder / "heldout.db").exists()
