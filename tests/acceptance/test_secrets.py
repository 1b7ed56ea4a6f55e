"""Secrets that a server says back in every way it can: no output, no message and no byte of the database holds them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.acceptance.harness import PASS, USAGE, Case, Home, Result, fallen, provider, slack, slot

BYTES = pytest.mark.sqlite_only("it reads the bytes of the database's file")

KEY = "sk-canary/Zm9v+YmFy=key-5f1d0e"
TOKEN = "xoxb-canary-7a9c3b2e1f"

ECHOES: dict[str, dict[str, Any]] = {
    "401": {"status": 401, "body": '{"error": {"message": "bad key {authorization}", "code": "x {authorization}"}}'},
    "400": {"status": 400, "body": '{"error": {"message": "bad request from {authorization}"}}'},
    "404": {"status": 404, "body": "<html>no route for {authorization}</html>"},
    "429": {"status": 429, "body": '{"error": {"message": "slow down, {authorization}"}}'},
    "500": {"status": 500, "body": '{"error": "{authorization}", "detail": "{authorization}"}'},
    "no json": {"status": 200, "body": "hello {authorization}"},
    "inside": {"status": 200, "body": '{"error": {"message": "{authorization}"}}'},
    "redirect": {"status": 302, "body": "{authorization}", "headers": {"Location": "/elsewhere?key={authorization}"}},
}
SLACK_ECHOES: list[dict[str, Any]] = [
    {"body": {"ok": False, "error": "{authorization}"}},
    {"status": 500, "body": "{authorization}", "content_type": "text/plain"},
    {"status": 403, "body": {"ok": False, "error": "invalid_auth", "detail": "{authorization}"}},
    {"body": "not json: {authorization}"},
]


def traces(secret: str) -> list[bytes]:
    """The ways in which a secret may have been written down."""
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    spellings = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], encoded, secret[:16]}
    return [spelling.encode() for spelling in spellings]


def written(home: Home) -> bytes:
    """Every byte beside the configuration and the fakes' own logs: the database, its journal, its lock."""
    return b"".join(path.read_bytes() for path in home.folder.iterdir() if path.name.startswith("heldout"))


def hold_nothing(home: Home, said: list[Result], told: str = "") -> None:
    """No trace of any secret in what was said, told and written."""
    kept = written(home)
    for secret in (KEY, TOKEN):
        for trace in traces(secret):
            assert trace not in kept
            assert trace not in told.encode()
            assert all(trace not in (one.out + one.err).encode() for one in said)


@BYTES
@pytest.mark.long(25)
def test_no_key_that_a_provider_repeats_is_kept_or_shown(tmp_path: Path, known: list[Case]) -> None:
    home = Home(tmp_path, secrets={"API_KEY": KEY, "SLACK_TOKEN": TOKEN})
    with provider(tmp_path, known) as server, slack(tmp_path, token=TOKEN) as chat:
        home.configure(known, server, chat, bot={"timeout": '"2s"', "retry_for": '"1s"'})
        home.run("baseline", "collect", "bot", "support", "--yes", code=PASS)
        said = []
        for week, (name, echo) in enumerate(ECHOES.items()):
            server.control(always=echo)
            said.append(home.run("run", "--slot", slot(week)))
            assert home.rows("SELECT cause FROM verdict ORDER BY id DESC LIMIT 1") == [("provider",)], name
            assert len(chat.tell()["messages"]) == week + 1, name  # people are told that it was not measured
        for verb, *more in (["check"], ["check", "--json"], ["status"], ["status", "--json"], ["gate", "bot"]):
            said.append(home.run(verb, *more))
        hold_nothing(home, said, json.dumps(chat.tell()["messages"]))


@pytest.mark.sqlite_only("that messages wait, and arrive, is seen on both in test_slack_down.py")
@pytest.mark.long(12)
def test_a_token_that_cannot_be_one_keeps_no_week_from_being_measured(tmp_path: Path, known: list[Case]) -> None:
    home = Home(tmp_path, secrets={"API_KEY": KEY, "SLACK_TOKEN": f"{TOKEN} and a note"})
    with provider(tmp_path, known) as server, slack(tmp_path, token=TOKEN) as chat:
        home.configure(known, server, chat)
        home.run("baseline", "collect", "bot", "support", "--yes", code=PASS)
        assert "token holds a space" in home.run("check", code=USAGE).said
        server.control(cases=fallen(known, 8))
        for missing in (False, True):
            if missing:
                del home.secrets["SLACK_TOKEN"]
            done = home.run("run", "--slot", slot(int(missing)), code=PASS)
            assert "ROLLBACK" in done.said
            assert "Alerts wait in the database" in done.said
            assert TOKEN not in done.out + done.err
        home.secrets["SLACK_TOKEN"] = TOKEN
        home.run("run", "--due", code=PASS)
        # The drop, its confirmation, the week after it, and the week that was due now.
        assert len(chat.tell()["messages"]) >= 3


@BYTES
@pytest.mark.long(12)
def test_no_token_that_slack_repeats_is_kept_or_shown(tmp_path: Path, known: list[Case]) -> None:
    home = Home(tmp_path, secrets={"API_KEY": KEY, "SLACK_TOKEN": TOKEN})
    with provider(tmp_path, known) as server, slack(tmp_path, token=TOKEN) as chat:
        home.configure(known, server, chat)
        home.run("baseline", "collect", "bot", "support", "--yes", code=PASS)
        server.control(cases=fallen(known, 8))
        said = []
        for echo in SLACK_ECHOES:
            chat.control(always=echo)
            before = chat.tell()["requests"]
            said.append(home.run("run", "--slot", slot(0)))
            assert chat.tell()["requests"] > before
            said.append(home.run("status"))
            home.let_an_hour_pass()
        said += [home.run("check"), home.run("status", "--json")]
        hold_nothing(home, said)
