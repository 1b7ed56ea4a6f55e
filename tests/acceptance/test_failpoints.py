"""Killed at each boundary between what is committed and what is sent: nothing is lost or told under two ids."""

from __future__ import annotations

import pytest

from tests.acceptance.harness import PASS, Case, Fake, Home, alert_ids, fallen, headlines, slot

KILLED = -9
# After how many of these somebody may have read a message twice: only where it was sent and that is not written down.
TWICE = {"verdict.committed": 0, "outbox.leased": 0, "outbox.sent": 1, "outbox.settled": 0}


@pytest.mark.parametrize("name", TWICE)
def test_killed_there_it_tells_everything_in_the_end(
    pinned: Home, server: Fake, chat: Fake, known: list[Case], name: str
) -> None:
    server.control(cases=fallen(known, 8))
    died = pinned.run("run", "--slot", slot(0), HELDOUT_FAILPOINT=name)
    assert died.code == KILLED, died.err
    pinned.let_silence_pass("runner")
    pinned.let_an_hour_pass()
    pinned.run("run", "--slot", slot(0), code=PASS)
    pinned.let_an_hour_pass()
    pinned.run("run", "--due", code=PASS)
    told = alert_ids(chat)
    assert set(told) == {alert for (alert,) in pinned.rows("SELECT id FROM alert")}
    assert len(told) - len(set(told)) == TWICE[name]
    assert [line.split(":")[0] for line in dict.fromkeys(headlines(chat))] == [
        "🟠 INVESTIGATE, rollback pending",
        "🔴 ROLLBACK",
    ]
    assert pinned.count("SELECT count(*) FROM outbox WHERE state != 'sent'") == 0
