"""A Slack that fails: the run is not touched by it, and every message arrives later, in order, none lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.harness import (
    FAILED,
    PASS,
    ROLLBACK,
    Case,
    Fake,
    Home,
    alert_ids,
    fallen,
    headlines,
    posts,
    provider,
    slack,
    slot,
)

PENDING = "🟠 INVESTIGATE, rollback pending: bot on support"
CONFIRMED = "🔴 ROLLBACK: bot on support"

FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "500": ({"status": 500, "body": "<html>oops</html>", "content_type": "text/html"}, "will be tried again"),
    "closed": ({"close": True}, "will be tried again"),
    "limited": (
        {"status": 429, "body": {"ok": False, "error": "ratelimited"}, "headers": {"Retry-After": "40"}},
        "will be tried again",
    ),
    "channel": ({"body": {"ok": False, "error": "channel_not_found"}}, "invite the app to the channel"),
    "token": ({"body": {"ok": False, "error": "invalid_auth"}}, "put a valid bot token"),
}


# That messages wait, and arrive, is seen on both; how each fault is told from others is Slack's matter.
ONCE = pytest.mark.sqlite_only("another answer of Slack's, and the same rows")


@pytest.mark.parametrize(
    ("fault", "why"),
    [pytest.param(*fault, id=name, marks=[ONCE] if name != "limited" else []) for name, fault in FAULTS.items()],
)
def test_messages_wait_for_slack_and_then_arrive_in_order(
    pinned: Home, server: Fake, chat: Fake, known: list[Case], fault: dict[str, Any], why: str
) -> None:
    chat.control(always=fault)
    server.control(cases=fallen(known, 8))
    done = pinned.run("run", "--slot", slot(0), code=PASS)
    assert "Not delivered yet" in done.said
    assert why in done.said
    assert pinned.count("SELECT count(*) FROM outbox WHERE state != 'sent'") == 2
    assert headlines(chat) == []
    assert chat.tell()["requests"] <= 4  # a channel that is down is not hammered

    status = pinned.run("status", code=PASS)
    assert "undelivered" in status.said
    assert why in status.said
    chat.control(always=None)
    pinned.let_an_hour_pass()
    pinned.run("run", "--due", code=PASS)
    assert headlines(chat)[:2] == [PENDING, CONFIRMED]
    assert pinned.count("SELECT count(*) FROM outbox WHERE state != 'sent'") == 0
    assert len(alert_ids(chat)) == len(set(alert_ids(chat)))


@ONCE
def test_a_message_that_slack_refuses_for_its_form_goes_out_as_plain_text(
    pinned: Home, server: Fake, chat: Fake, known: list[Case]
) -> None:
    chat.control(script=[{"body": {"ok": False, "error": "invalid_blocks"}}])
    server.control(cases=fallen(known, 8))
    pinned.run("run", "--slot", slot(0), code=PASS)
    assert headlines(chat) == [PENDING, CONFIRMED]
    assert ["blocks" in message for message in posts(chat)] == [False, True]


@ONCE
@pytest.mark.long(20)
def test_nothing_listens_where_slack_should_be(tmp_path: Path, known: list[Case]) -> None:
    home = Home(tmp_path)
    with provider(tmp_path, known) as server:
        with slack(tmp_path) as gone:
            home.configure(known, server, gone)
            home.run("baseline", "collect", "bot", "support", "--yes", code=PASS)
        server.control(cases=fallen(known, 8))
        done = home.run("run", "--slot", slot(0), code=PASS)
        assert "127.0.0.1 cannot be reached" in done.said
        home.run("gate", "bot", code=ROLLBACK)
        assert "cannot be reached" in " ".join(home.run("status", "--json", code=PASS).json["undelivered"])
        checked = home.run("check", code=FAILED).said
        assert "2 alerts for slack undelivered" in checked
        assert "cannot be reached" in checked
        home.let_an_hour_pass()
        with slack(tmp_path, port=gone.port) as chat:
            home.run("run", "--due", code=PASS)
            assert headlines(chat)[:2] == [PENDING, CONFIRMED]
        assert "undelivered" not in home.run("status", code=PASS).said
