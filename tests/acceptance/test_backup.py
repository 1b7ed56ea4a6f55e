"""The restore drill: what was backed up during a run is restored elsewhere, stands the same there, and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.harness import FAILED, PASS, Case, Fake, Home, provider, slack, slot


@pytest.mark.timeout(240)
@pytest.mark.long(15)
def test_a_backup_during_a_run_is_restored_in_another_place_and_goes_on(
    pinned: Home, server: Fake, chat: Fake, known: list[Case], tmp_path: Path
) -> None:
    pinned.run("run", "--slot", slot(0), code=PASS)
    before = pinned.run("gate", "bot", "--json", code=PASS).json
    pinned.configure(known, server, chat, bot={"timeout": '"90s"', "concurrency": 4})
    server.control(script=[{}] * 20, always={"action": "hold"})
    process = pinned.start("run", "--slot", slot(1))
    server.received(224, process)
    backup = tmp_path / "all.backup"
    made = pinned.run("db", "backup", str(backup), "--json", code=PASS).json
    assert process.poll() is None
    server.control(release=True)
    pinned.end(process, PASS)
    assert made["rows"]["baseline"] == 1
    assert made["rows"]["answer"] == 220
    refused = pinned.run("db", "restore", str(backup), code=FAILED)
    assert "a restore never overwrites" in refused.said

    (tmp_path / "elsewhere").mkdir()
    with provider(tmp_path / "elsewhere", known) as other, slack(tmp_path / "elsewhere") as inbox:
        home = Home(tmp_path / "elsewhere")
        home.configure(known, other, inbox, bot={"timeout": '"90s"', "concurrency": 4})
        restored = home.run("db", "restore", str(backup), "--json", code=PASS).json
        assert restored == made
        assert home.is_sound()
        log = home.run("audit", "show", "--json", code=PASS).json["entries"]
        assert [one["action"] for one in log] == ["db restore", "baseline collect"]
        assert log[0]["detail"]["rows"] == made["rows"]
        home.run("audit", "verify", code=PASS)
        assert home.run("gate", "bot", "--json", code=PASS).json == before
        # The run that was under way is gone on with: what was stored is not asked again.
        home.run("run", "--slot", slot(1), code=PASS)
        assert home.count("SELECT count(*) FROM answer") == 240
        assert other.tell()["answered"] == 20


def test_a_backup_says_what_is_in_it_and_never_overwrites(pinned: Home) -> None:
    done = pinned.run("db", "backup", "all.backup", code=PASS)
    assert "is backed up in all.backup: 1 runs, 160 answers" in done.said
    before = (pinned.folder / "all.backup").read_bytes()
    again = pinned.run("db", "backup", "all.backup", code=FAILED)
    assert "all.backup: it exists, and a backup never overwrites" in again.said
    assert (pinned.folder / "all.backup").read_bytes() == before


def test_where_nothing_was_measured_there_is_nothing_to_back_up(home: Home) -> None:
    home.run("db", "backup", "all.backup", code=FAILED)
    assert not (home.folder / "all.backup").exists()
    (home.folder / "diary.txt").write_text("my diary\n" * 1000)
    done = home.run("db", "restore", "diary.txt", code=FAILED)
    assert "diary.txt: it is no backup" in done.said
    assert home.tables() == set()
