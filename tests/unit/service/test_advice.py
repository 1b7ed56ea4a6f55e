"""What would not work under systemd is told with its remedy, and every command can be copied."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from monitor.config.load import load_config
from monitor.service import advice
from monitor.service.units import Service

CONFIG = """
{more}
[suites.s]
cases = "suite.jsonl"
metrics = ["contains"]
[targets.bot]
provider = "openai"
model = "m"
suites = ["s"]
{key}
"""


def service(folder: Path, *, more: str = "", key: str = "") -> tuple[list[str], list[advice.Step], Service]:
    """Warnings and steps for a configuration in `folder`."""
    folder.chmod(0o755)
    (folder / "suite.jsonl").write_text('{"id": "a", "input": "x", "expected": "y"}\n')
    (folder / "config.toml").write_text(CONFIG.format(more=more, key=key))
    config = load_config(folder / "config.toml", {})
    # A program that everybody may read, so that warnings about it are not in the way.
    fitted = Service(Path("/usr/bin/env"), config.path, advice.credentials(config), shown=(folder,))
    directory = Path("/etc/systemd/system")
    return advice.warnings(config, fitted), advice.steps(config, fitted, directory), fitted


def commands(steps: list[advice.Step]) -> list[str]:
    return [command for step in steps for command in step.commands]


def only(warnings: list[str], about: str) -> str:
    (found,) = [warning for warning in warnings if about in warning]
    return found


def test_a_variable_is_warned_of_with_both_remedies(tmp_path: Path) -> None:
    warnings, _, _ = service(tmp_path, key='api_key = { env = "OPENAI_API_KEY" }')
    said = only(warnings, "OPENAI_API_KEY")
    assert "[targets.bot] api_key" in said
    assert '{ credential = "openai_api_key" }' in said
    assert "EnvironmentFile=" in said


def test_credentials_are_to_be_written_where_the_units_look_for_them(tmp_path: Path) -> None:
    warnings, steps, fitted = service(tmp_path, key='api_key = { credential = "openai" }')
    assert not [warning for warning in warnings if "openai" in warning]
    assert fitted.credentials == ("openai",)
    written = [command for command in commands(steps) if command.endswith("/etc/heldout/credentials/openai")]
    assert written == ["sudo install -D -m 600 /dev/stdin /etc/heldout/credentials/openai"]
    collect = next(command for command in commands(steps) if "baseline collect" in command)
    assert "LoadCredential=openai:/etc/heldout/credentials/openai" in collect


def test_a_secret_file_that_the_service_cannot_read_is_warned_of(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("x")
    key.chmod(0o600)
    warnings, _, _ = service(tmp_path, key='api_key = { file = "key" }')
    assert "the service cannot read it" in only(warnings, f"file {key}")
    key.chmod(0o644)
    warnings, _, _ = service(tmp_path, key='api_key = { file = "key" }')
    assert not [warning for warning in warnings if f"file {key}" in warning]


def test_a_configuration_that_its_user_cannot_read_is_warned_of(tmp_path: Path) -> None:
    service(tmp_path)
    (tmp_path / "suite.jsonl").chmod(0o600)
    warnings, _, _ = service(tmp_path)
    assert f"chmod a+r {tmp_path}/suite.jsonl" in only(warnings, "cannot be read by the service's user")


@pytest.mark.parametrize(
    ("more", "about", "expected"),
    [
        ('[database]\nurl = "sqlite:////srv/heldout.db"', "[database]", '"sqlite:///heldout.db"'),
        ('[web]\nlisten = "127.0.0.1:80"', "[web] listen", "may not open port 80"),
        (
            '[targets.own]\nprovider = "command"\ncommand = ["/home/ada/bot"]\nsuites = ["s"]',
            "[targets.own]",
            "does not see /home/ada/bot",
        ),
    ],
)
def test_what_the_sandbox_forbids_is_warned_of(tmp_path: Path, more: str, about: str, expected: str) -> None:
    warnings, _, _ = service(tmp_path, more=more)
    assert expected in only(warnings, about)


def test_a_database_that_is_there_already_is_not_forgotten(tmp_path: Path) -> None:
    (tmp_path / "heldout.db").write_text("")
    warnings, _, _ = service(tmp_path)
    assert f"sudo install -D -m 600 {tmp_path}/heldout.db /var/lib/heldout/heldout.db" in only(
        warnings, "there already"
    )


def test_commands_are_words_whatever_a_folder_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "it's a $(folder)"
    folder.mkdir()
    _, steps, _ = service(folder)
    status = next(command for command in commands(steps) if " status --config" in command)
    assert shlex.split(status) == [
        "sudo",
        "STATE_DIRECTORY=/var/lib/heldout",
        "/usr/bin/env",
        "status",
        "--config",
        str(folder / "config.toml"),
    ]
    assert "systemctl enable --now heldout.service heldout-run.timer" in " ".join(commands(steps))
