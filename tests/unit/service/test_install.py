"""A unit that somebody has changed is never lost; one that nobody has changed is brought up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.faults import FaultsError
from monitor.service.install import ChangedError, marked, plan, write

NAME = "heldout.service"
TEXT = "[Service]\nExecStart=/opt/heldout/bin/heldout serve\n"
REMEDY = "say sudo"


def put(folder: Path, text: str, *, force: bool = False) -> list[str]:
    """Write `text` as this version would, and tell what there was before."""
    files = plan(folder, {NAME: text})
    write(folder, files, force=force, remedy=REMEDY)
    return [file.state for file in files]


def test_it_is_written_for_all_to_read_and_then_left_alone(tmp_path: Path) -> None:
    path = tmp_path / NAME
    assert put(tmp_path, marked(TEXT, "1.0")) == ["new"]
    assert path.read_text() == marked(TEXT, "1.0")
    assert path.stat().st_mode & 0o777 == 0o644
    before = path.stat()
    assert put(tmp_path, marked(TEXT, "1.0")) == ["same"]
    assert path.stat().st_ino == before.st_ino
    assert [entry.name for entry in tmp_path.iterdir()] == [NAME]


def test_what_an_older_version_wrote_is_brought_up_to_date(tmp_path: Path) -> None:
    put(tmp_path, marked(TEXT, "1.0"))
    assert put(tmp_path, marked(TEXT + "UMask=0077\n", "1.1")) == ["update"]
    assert (tmp_path / NAME).read_text().endswith("UMask=0077\n")


@pytest.mark.parametrize(
    "there",
    [
        marked(TEXT, "1.0").replace("serve", "serve --verbose"),
        marked(TEXT, "1.0") + "Nice=5\n",
        TEXT,
        "",
        "# Written by heldout install-service, version 1.0, checksum 0000000000000000: x.\n" + TEXT,
    ],
    ids=["edited", "appended", "not ours", "empty", "another checksum"],
)
def test_what_somebody_has_changed_stays_unless_forced(tmp_path: Path, there: str) -> None:
    path = tmp_path / NAME
    path.write_text(there)
    files = plan(tmp_path, {"heldout-run.timer": marked("x\n", "1.1"), NAME: marked(TEXT + "UMask=0077\n", "1.1")})
    with pytest.raises(ChangedError) as caught:
        write(tmp_path, files, force=False, remedy=REMEDY)
    assert path.read_text() == there
    assert not (tmp_path / "heldout-run.timer").exists()
    said = str(caught.value)
    assert str(path) in said
    assert "--force" in said
    assert "+UMask=0077" in said
    write(tmp_path, files, force=True, remedy=REMEDY)
    assert path.read_text() == marked(TEXT + "UMask=0077\n", "1.1")


def test_a_masked_unit_counts_as_changed(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to("/dev/null")
    with pytest.raises(ChangedError, match="is a link to /dev/null"):
        put(tmp_path, marked(TEXT, "1.0"))
    assert put(tmp_path, marked(TEXT, "1.0"), force=True) == ["changed"]
    assert not (tmp_path / NAME).is_symlink()


def test_the_difference_shows_no_value_that_may_be_secret(tmp_path: Path) -> None:
    secret = "hunter2-and-more"
    (tmp_path / NAME).write_text(f"{TEXT}Environment=OPENAI_API_KEY={secret}\nSetCredential=a:{secret}\n")
    with pytest.raises(ChangedError) as caught:
        put(tmp_path, marked(TEXT, "1.0"))
    assert "-Environment=…" in str(caught.value)
    assert secret not in str(caught.value)


def test_a_folder_that_is_not_there_or_a_unit_that_is_one_is_said(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="no such folder"):
        put(tmp_path / "nowhere", TEXT)
    (tmp_path / NAME).mkdir()
    with pytest.raises(FaultsError, match="cannot be read"):
        put(tmp_path, TEXT)
