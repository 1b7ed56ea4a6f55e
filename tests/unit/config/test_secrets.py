"""Secrets by reference: found where they are, and never told."""

from __future__ import annotations

import os

import pytest

from monitor import wiring
from monitor.config.fields import Secret
from monitor.config.secrets import SecretError, missing_secrets, references, resolve

CONFIG = """
[database]
url = { env = "DATABASE" }
[suites.support]
cases = "support.jsonl"
metrics = ["f1"]
[targets.bot]
provider = "openai"
model = "m"
api_key = { env = "KEY" }
suites = ["support"]
[targets.web]
provider = "http"
url = "http://localhost:1/"
body = '{"q": {{ question | tojson }}}'
answer = "a"
headers = { Accept = "application/json", Authorization = { file = "token" }, X-Key = { credential = "web-key" } }
suites = ["support"]
[alerts.slack]
webhook_url = { env = "WEBHOOK" }
"""


def test_an_environment_variable_loses_one_newline_at_its_end():
    assert resolve(Secret(env="KEY"), {"KEY": "hunter2\n"}) == "hunter2"
    assert resolve(Secret(env="KEY"), {"KEY": " hunter2 "}) == " hunter2 "


def test_a_file_loses_one_newline_at_its_end_also_a_windows_one(tmp_path):
    path = tmp_path / "key"
    for content in (b"hunter2", b"hunter2\n", b"hunter2\r\n"):
        path.write_bytes(content)
        assert resolve(Secret(file=path), {}) == "hunter2"


def test_a_credential_is_read_from_the_folder_that_systemd_names(tmp_path):
    (tmp_path / "key").write_text("hunter2\n", "utf-8")
    assert resolve(Secret(credential="key"), {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "hunter2"


@pytest.mark.parametrize(
    ("secret", "environ", "message"),
    [
        ({"env": "KEY"}, {}, "environment variable KEY is not set: set it where heldout runs"),
        ({"env": "KEY"}, {"KEY": ""}, "environment variable KEY is empty: it must hold the secret"),
        ({"env": "KEY"}, {"KEY": " \n"}, "environment variable KEY is empty: it must hold the secret"),
        (
            {"env": "KEY"},
            {"KEY": "hunter2\nhunter2"},
            "environment variable KEY holds a line break or another unprintable character: it must hold one line",
        ),
        (
            {"env": "KEY"},
            {"KEY": "hunter2\udcff"},
            "environment variable KEY holds a line break or another unprintable character: it must hold one line",
        ),
        ({"file": "none"}, {}, "file none does not exist: write the secret into it"),
        ({"file": "."}, {}, "file . cannot be read: Is a directory"),
        (
            {"credential": "key"},
            {},
            "systemd credential key is not here, because CREDENTIALS_DIRECTORY is not set: start heldout as a systemd "
            "service with LoadCredential=key:PATH",
        ),
        (
            {"credential": "key"},
            {"CREDENTIALS_DIRECTORY": "none"},
            "systemd credential key does not exist: add LoadCredential=key:PATH to the service",
        ),
    ],
)
def test_what_cannot_be_had_is_told_with_its_remedy(tmp_path, monkeypatch, secret, environ, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SecretError) as caught:
        resolve(Secret.model_validate(secret), environ)
    assert str(caught.value) == message
    assert caught.value.permanent


def test_a_file_that_cannot_be_a_key_is_refused_without_repeating_it(tmp_path):
    path = tmp_path / "key"
    for content, reason in ((b"hunter2\xff", "is not UTF-8 text"), (b"hunter2" * 10_000, "is larger than 65536 bytes")):
        path.write_bytes(content)
        with pytest.raises(SecretError) as caught:
            resolve(Secret(file=path), {})
        assert str(caught.value) == f"file {path} {reason}: it must hold the secret and nothing else"


def test_every_reference_of_a_configuration_is_found(load):
    assert [
        (".".join(map(str, place)), str(secret).split()[-1].split("/")[-1])
        for place, secret in references(load(CONFIG))
    ] == [
        ("database.url", "DATABASE"),
        ("targets.bot.api_key", "KEY"),
        ("targets.web.headers.Authorization", "token"),
        ("targets.web.headers.X-Key", "web-key"),
        ("alerts.slack.webhook_url", "WEBHOOK"),
    ]


def test_all_that_are_missing_are_listed_with_their_places(load, folder):
    faults = missing_secrets(load(CONFIG), {"WEBHOOK": "https://example.com/", "KEY": "hunter2"})
    assert [str(fault).replace(f"{folder}/", "") for fault in faults] == [
        "config.toml: [database] url: environment variable DATABASE is not set: set it where heldout runs",
        "config.toml: [targets.web] headers.Authorization: file token does not exist: write the secret into it",
        "config.toml: [targets.web] headers.X-Key: systemd credential web-key is not here, because "
        "CREDENTIALS_DIRECTORY is not set: start heldout as a systemd service with LoadCredential=web-key:PATH",
    ]


def test_a_configuration_never_holds_what_its_references_give(load, folder):
    (folder / "token").write_text("hunter2", "utf-8")
    config = load(CONFIG, {**os.environ, "KEY": "hunter2", "DATABASE": "sqlite:///hunter2.db", "WEBHOOK": "hunter2"})
    assert "hunter2" not in f"{config!r} {config} {config.model_dump()} {config.model_dump_json()}"


def test_a_secret_that_is_wanted_somewhere_says_where(load):
    config = load(CONFIG + '[web.tokens.ops]\nsecret = { env = "NOPE" }\nrole = "act"\n')
    with pytest.raises(
        SecretError, match=r"config\.toml: \[web\] tokens\.ops\.secret: environment variable NOPE is not"
    ):
        wiring.tokens(config, {})
