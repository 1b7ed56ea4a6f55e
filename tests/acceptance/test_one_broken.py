"""One target that is broken: the others are measured and told of, and the exit code says that there is work to do."""

from __future__ import annotations

from typing import Any

from tests.acceptance.harness import FAILED, PASS, USAGE, Case, Fake, Home, fallen, headlines
from tests.fakes import databases

SUITE = {"cases": '"broken.jsonl"', "metrics": '["exact_match"]'}
EMPTY = {"provider": '"rag"', "documents": '"handbook"', "suites": '["support"]'}


def with_another(home: Home, known: list[Case], server: Fake, chat: Fake, **tables: dict[str, Any]) -> None:
    other = {"provider": '"command"', "command": '["true"]', "suites": '["second"]'}
    home.configure(known, server, chat, **{"suites.second": SUITE, "targets.other": other, **tables})


def test_a_suite_that_cannot_be_read_keeps_no_other_target_from_being_measured(
    pinned: Home, server: Fake, chat: Fake, known: list[Case]
) -> None:
    (pinned.folder / "broken.jsonl").write_text('{"id": "a", "input": "one", "expected": "1"}\nnot json\n{"id": "b"}\n')
    with_another(pinned, known, server, chat)
    server.control(cases=fallen(known, 8))
    done = pinned.run("run", "--due", "--json", code=USAGE)
    assert [(one["target"], one["verdict"]) for one in done.json["verdicts"]] == [("bot", "inconclusive")]
    assert len(done.json["failed"]) == 1
    assert "other · second: " in done.said
    for number in (2, 3):
        assert f"broken.jsonl:{number}" in done.err
    # Nothing is due any more, and what is to be mended is said until it is.
    assert "broken.jsonl:2" in pinned.run("run", "--due", code=USAGE).err
    # By hand, one is told before anything is asked.
    asked = server.tell()["count"]
    assert pinned.run("run", code=USAGE).out == ""
    assert server.tell()["count"] == asked
    # A target that is named is built alone.
    pinned.run("run", "--target", "bot", code=PASS)


def test_documents_that_are_gone_keep_no_other_target_from_being_measured(
    pinned: Home, server: Fake, chat: Fake, known: list[Case]
) -> None:
    (pinned.folder / "handbook").mkdir()
    pinned.configure(known, server, chat, **{"targets.local": EMPTY})
    done = pinned.run("run", "--due", code=USAGE)
    assert "[targets.local] documents" in done.said
    assert "PASS" in done.out


REFUSE_OTHER = {
    "sqlite": [
        "CREATE TRIGGER no BEFORE INSERT ON verdict WHEN new.target = 'other' BEGIN SELECT RAISE(ABORT, 'refused'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$",
        "CREATE TRIGGER no BEFORE INSERT ON verdict FOR EACH ROW WHEN (new.target = 'other') EXECUTE FUNCTION refuse()",
    ],
}


def test_a_database_that_refuses_one_target_lets_the_alerts_of_the_others_out(
    pinned: Home, server: Fake, chat: Fake, known: list[Case]
) -> None:
    (pinned.folder / "broken.jsonl").write_text('{"id": "a", "input": "one", "expected": "1"}\n')
    with_another(pinned, known, server, chat)
    for statement in REFUSE_OTHER[databases.KIND]:
        pinned.change(statement)
    server.control(always={"status": 401, "body": '{"error": {"message": "no"}}'})
    done = pinned.run("run", "--due", code=FAILED)
    assert "other · second: " in done.said
    assert "refused" in done.said
    assert len(headlines(chat)) == 1
