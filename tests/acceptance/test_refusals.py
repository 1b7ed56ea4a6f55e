"""What is wrong is refused with all its faults at once, by exit code 2, without a traceback and without a change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.harness import FAILED, PASS, USAGE, Case, Fake, Home

WRONG = """
[thresholds]
investigate = 6.0
rollback = 5.0

[schedule]
cron = "0 6 * * 1"

[suites.support]
cases = "nowhere.jsonl"
metrics = ["exact_mach"]

[targets.bot]
provider = "openai"
model = "fake-1"
api_key = "sk-in-plain-sight-0123456789"
suites = ["suport"]
concurency = 8

[web]
listen = "nowhere"
"""

NO_DATABASE = pytest.mark.sqlite_only("it comes to no database")
VERBS = [
    ["check"],
    ["check", "--offline", "--json"],
    ["run"],
    ["run", "--due"],
    ["gate", "bot"],
    ["status"],
    ["baseline", "collect", "bot", "support", "--yes"],
    ["baseline", "show", "bot"],
    ["judge", "check"],
    ["incident", "list"],
    ["audit", "verify"],
    ["db", "upgrade"],
    ["db", "backup", "all.backup"],
    ["db", "restore", "all.backup"],
]


@NO_DATABASE
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_fault_of_a_configuration_is_told_at_once(tmp_path: Path, verb: list[str]) -> None:
    home = Home(tmp_path, secrets={})
    (tmp_path / "config.toml").write_text(WRONG)
    done = home.run(*verb, code=USAGE)
    for place in ("rollback", "cron", "cases", "exact_match", "api_key", "support", "concurrency", "[web]"):
        assert place in done.err, place
    assert "sk-in-plain-sight" not in done.out + done.err
    assert done.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


@NO_DATABASE
@pytest.mark.parametrize("text", ["", "[", "[suites]\n", "\x00", "a = 1\na = 2\n"], ids=repr)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str) -> None:
    home = Home(tmp_path, secrets={})
    (tmp_path / "config.toml").write_text(text)
    assert "config.toml" in home.run("run", code=USAGE).err


@NO_DATABASE
def test_no_configuration_says_how_to_get_one(tmp_path: Path) -> None:
    done = Home(tmp_path, secrets={}).run("run", code=USAGE)
    assert "`heldout init`" in done.said
    assert "--config" in done.said


@NO_DATABASE
def test_every_fault_of_a_suite_is_told_at_once(home: Home, server: Fake) -> None:
    lines = [
        '{"id": "a", "input": "one", "expected": "1"}',
        '{"id": "a", "input": "two", "expected": "2"}',
        '{"id": "b", "expected": "3"}',
        "not json",
        '{"id": "c", "input": "four", "choices": ["x", "y"], "expected": "Z"}',
    ]
    (home.folder / "support.jsonl").write_text("\n".join(lines))
    for verb in (["check"], ["run", "--due"], ["baseline", "collect", "bot", "support", "--yes"]):
        done = home.run(*verb, code=USAGE)
        for number in (2, 3, 4, 5):
            assert f"support.jsonl:{number}" in done.err.replace(", line ", ":"), number
        assert done.out == ""
    assert server.tell()["count"] == 0


def test_names_that_are_not_configured_are_refused_with_the_nearest(home: Home) -> None:
    for verb in (["run", "--target", "bt"], ["gate", "bt"], ["baseline", "collect", "bt", "support"]):
        assert "bot" in home.run(*verb, code=USAGE).said.replace("'bt'", "")
    assert "support" in home.run("run", "--suite", "suport", code=USAGE).said.replace("'suport'", "")
    assert "no run's id begins" in home.run("baseline", "pin", "0193", code=USAGE).said


@NO_DATABASE
def test_a_missing_secret_is_named_before_anything_is_asked(home: Home, server: Fake) -> None:
    home.secrets = {"SLACK_TOKEN": home.secrets["SLACK_TOKEN"]}
    done = home.run("baseline", "collect", "bot", "support", "--yes", code=USAGE)
    assert "API_KEY" in done.said
    assert "API_KEY" in home.run("check", code=USAGE).said
    assert server.tell()["count"] == 0


@NO_DATABASE
@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("2025-01-07T06:00Z", "is not a slot of the schedule"),
        ("2999-01-07T06:00Z", "has not come yet"),
        ("tomorrow", "is no time in ISO 8601"),
    ],
)
def test_a_slot_that_is_none_is_refused(home: Home, wanted: str, why: str) -> None:
    assert why in home.run("run", "--slot", wanted, code=USAGE).said


@NO_DATABASE
def test_due_and_slot_exclude_each_other(home: Home) -> None:
    assert "exclude each other" in home.run("run", "--due", "--slot", "2025-01-06T06:00Z", code=USAGE).said


def test_a_database_from_the_future_is_left_alone(pinned: Home, server: Fake) -> None:
    pinned.change("UPDATE alembic_version SET version_num = '9999'")
    before, asked = pinned.content(), server.tell()["count"]
    for verb in (["run", "--due"], ["gate", "bot"], ["status"], ["check", "--offline"], ["db", "upgrade"]):
        done = pinned.run(*verb, code=FAILED)
        assert "9999" in done.said
        assert "newer" in done.said
    assert pinned.content() == before
    assert server.tell()["count"] == asked


def test_a_database_of_something_else_is_left_alone(home: Home) -> None:
    home.change("CREATE TABLE bookmarks (url TEXT)")
    before = home.content()
    assert "not a heldout database" in home.run("run", "--due", code=FAILED).said
    assert home.content() == before


@pytest.mark.sqlite_only("it is about the file")
def test_a_file_that_is_no_database_is_left_alone(home: Home) -> None:
    home.database.write_text("my diary\n" * 1000)
    assert "heldout.db" in home.run("run", "--due", code=FAILED).said
    assert home.database.read_text() == "my diary\n" * 1000


@pytest.mark.sqlite_only("it is about the file")
def test_a_folder_that_does_not_exist_is_named(home: Home, known: list[Case], server: Fake) -> None:
    home.configure(known, server, database={"url": '"sqlite:///nowhere/heldout.db"'})
    done = home.run("run", "--due", code=FAILED)
    assert "does not exist; create it" in done.said


def test_json_errors_leave_standard_output_empty(home: Home) -> None:
    done = home.run("gate", "nobody", "--json", code=USAGE)
    assert done.out == ""
    found = home.run("gate", "bot", "--json")
    assert json.loads(found.out)["verdict"] == "inconclusive"


HELP = [
    ["init"],
    ["check"],
    ["baseline", "collect"],
    ["baseline", "pin"],
    ["baseline", "show"],
    ["run"],
    ["gate"],
    ["status"],
    ["db", "upgrade"],
    ["db", "backup"],
    ["db", "restore"],
]


@NO_DATABASE
def test_help_lists_every_verb_and_each_has_an_example(tmp_path: Path) -> None:
    home = Home(tmp_path, secrets={})
    listed = home.run("--help", code=PASS).out
    for verb in HELP:
        assert verb[0] in listed
        shown = home.run(*verb, "--help", code=PASS).said
        assert f"heldout {' '.join(verb)}" in shown.split("Example", 1)[1]
    assert home.run("--version", code=PASS).out.startswith("heldout ")


@NO_DATABASE
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(tmp_path: Path, shell: str) -> None:
    home = Home(tmp_path, secrets={})
    # What `--show-completion` prints, for a named shell instead of the one that a test happens to be run from.
    script = home.run(code=PASS, _HELDOUT_COMPLETE=f"source_{shell}")
    assert "_HELDOUT_COMPLETE" in script.out
