"""`heldout audit`: who did what on one line each, and the exit code of a log that is whole or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.exits import FAILED, USAGE
from monitor.store import audit
from monitor.store.audit import NOTHING
from monitor.store.database import Database, open_database
from tests.fakes import databases
from tests.fakes.command import Command
from tests.unit.store.rows import NOW

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
"""


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
def three(database: Database) -> Database:
    with database.write() as connection:
        for who, via, action in (
            ("ada", "command", "baseline pin"),
            ("ci", "api", "run"),
            ("ada", "page", "incident x"),
        ):
            detail = {"why": f"Grüße\nfrom \x1b[31m{who}"}
            audit.append(connection, who=who, via=via, action=action, subject="ft · s", detail=detail, now=NOW)
    return database


def test_the_newest_is_first_on_one_line_each_and_moves_no_terminal(heldout, three):
    lines = heldout("audit", "show").out.splitlines()
    assert [line.split()[0] for line in lines] == ["3", "2", "1"]
    assert lines[1].startswith("    2  Mon 2026-11-16 06:00 UTC  ci (api)  run  ft · s  {")
    assert "Grüße\\nfrom \\u001b[31mci" in lines[1]


def test_json_has_all_that_is_stored(heldout, three):
    entries = heldout("audit", "show", "--json", "--limit", "1").json["entries"]
    with three.read() as connection:
        (newest,) = audit.entries(connection, 1)
    assert entries == [
        {"id": 3, "at": "2026-11-16T06:00:00.000000Z", "who": "ada", "via": "page", "action": "incident x"}
        | {"subject": "ft · s", "detail": {"why": "Grüße\nfrom \x1b[31mada"}}
        | {"previous": newest.previous, "hash": newest.hash}
    ]


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (["--who", "ada"], [3, 1]),
        (["--action", "incident"], [3]),
        (["--before", "3", "-n", "1"], [2]),
        (["--who", "eve"], []),
    ],
    ids=lambda value: "-".join(map(str, value)),
)
def test_rows_are_chosen_by_who_what_and_number(heldout, three, filters, ids):
    assert [one["id"] for one in heldout("audit", "show", "--json", *filters).json["entries"]] == ids


def test_a_whole_log_tells_the_hash_by_which_it_is_known_later(heldout, three):
    told = heldout("audit", "verify", "--json").json
    assert told == {"schema": 1, "rows": 3, "newest": told["newest"], "fault": None}
    said = heldout("audit", "verify", "--expect", told["newest"])
    assert f"The log is whole. Rows: 3. The newest hash: {told['newest']}" in said.said


def test_a_log_that_is_not_whole_is_exit_1_and_says_where(heldout, three):
    newest = heldout("audit", "verify", "--json").json["newest"]
    with three.write() as connection:
        for verb in ("update", "delete") if connection.dialect.name == "sqlite" else ():
            connection.execute(sa.text(f"DROP TRIGGER audit_no_{verb}"))
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("DROP TRIGGER audit_only_grows ON audit"))
        connection.execute(sa.text("DELETE FROM audit WHERE id = 3"))
    heldout("audit", "verify")
    cut = heldout("audit", "verify", "--expect", newest, code=FAILED)
    assert "rows at the end were removed" in cut.said
    with three.write() as connection:
        connection.execute(sa.text("UPDATE audit SET who = 'eve' WHERE id = 1"))
    assert "The log is not whole: row 1 was changed" in heldout("audit", "verify", code=FAILED).said
    told = heldout("audit", "verify", "--json", code=FAILED).json
    assert (told["rows"], told["newest"]) == (0, NOTHING)
    assert told["fault"].startswith("row 1 was changed")


@pytest.mark.parametrize("wrong", ["abc", "g" * 64, "A" * 64, "0" * 63])
def test_what_is_no_hash_is_refused(heldout, wrong):
    assert "--expect" in heldout("audit", "verify", "--expect", wrong, code=USAGE).err


@pytest.mark.sqlite_only("on PostgreSQL the database is there")
def test_where_there_is_no_database_nothing_is_shown_nothing_is_whole_and_none_is_made(heldout):
    assert heldout("audit", "show", "--json").json == {"schema": 1, "entries": []}
    assert "no such database yet" in heldout("audit", "verify", code=FAILED).said
    assert not (heldout.folder / "heldout.db").exists()
