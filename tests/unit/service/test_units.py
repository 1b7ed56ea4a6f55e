"""A unit as it ships is fitted in its own places, and nowhere else; what a path holds does not matter."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.service.shipped import UNITS, shipped
from monitor.service.units import Service, argument, executable, fit, place

PLAIN = Service(Path("/opt/heldout/bin/heldout"), Path("/etc/heldout/config.toml"))
OTHER = Service(
    Path("/srv/venv/bin/heldout"),
    Path("/srv/my config/config.toml"),
    credentials=("openai", "slack"),
    shown=(Path("/home/ada/venv"), Path("/root/a:b")),
)


def lines(text: str) -> list[str]:
    """What systemd reads."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("name", UNITS)
def test_an_installation_where_the_unit_expects_it_changes_nothing(name: str) -> None:
    assert fit(shipped(name), PLAIN) == shipped(name)


@pytest.mark.parametrize(
    ("name", "words"), [("heldout.service", "serve"), ("heldout-run.service", "run --due")], ids=["serve", "run"]
)
def test_what_differs_is_put_in_its_place(name: str, words: str) -> None:
    before, after = lines(shipped(name)), lines(fit(shipped(name), OTHER))
    assert [line for line in before if line not in after] == [
        f"ExecStart=/opt/heldout/bin/heldout {words} --config /etc/heldout/config.toml",
        "ProtectHome=yes",
    ]
    assert [line for line in after if line not in before] == [
        f'ExecStart=/srv/venv/bin/heldout {words} --config "/srv/my config/config.toml"',
        "LoadCredential=openai:/etc/heldout/credentials/openai",
        "LoadCredential=slack:/etc/heldout/credentials/slack",
        "ProtectHome=tmpfs",
        "BindReadOnlyPaths=/home/ada/venv",
        'BindReadOnlyPaths="/root/a:b"',
    ]
    assert "#LoadCredential" not in fit(shipped(name), OTHER)


def test_both_services_run_as_one_user_in_one_sandbox() -> None:
    daemon, one_pass = lines(shipped("heldout.service")), lines(shipped("heldout-run.service"))
    shared = [line for line in daemon if line in one_pass and "=" in line]
    assert {"User=heldout", "DynamicUser=yes", "StateDirectory=heldout", "UMask=0077"} <= set(shared)
    begins, ends = daemon.index("NoNewPrivileges=yes"), daemon.index("SystemCallErrorNumber=EPERM")
    assert daemon[begins : ends + 1] == one_pass[one_pass.index("NoNewPrivileges=yes") :]


@pytest.mark.parametrize("char", ['"', "'", "\\", "\n", "\x1b"])
def test_a_program_that_systemd_would_not_start_is_refused(char: str) -> None:
    with pytest.raises(ValueError, match="systemd starts no program"):
        executable(f"/opt/{char}/heldout")


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1))
def test_quoting_can_be_undone_by_systemds_rules(text: str) -> None:
    assert _read(place(text)) == text
    assert _read(argument(text)).replace("$$", "$") == text.replace("$$", "$")
    assert argument(text).count("$") == 2 * text.count("$")


def _read(quoted: str) -> str:
    """One word as systemd.syntax(7) has it: quotes go away, a backslash protects what follows, %% is %."""
    if not quoted.startswith('"'):
        assert not set(quoted) & set(" \t:;'\"\\$")
        return quoted.replace("%%", "%")
    inner, read = iter(quoted[1:-1]), ""
    for char in inner:
        assert char != '"'
        read += next(inner) if char == "\\" else char
    assert "%" not in read.replace("%%", "")
    return read.replace("%%", "%")
