"""Who hears of an alert, and why."""

from dataclasses import replace

import pytest

from alerts.alert import Kind
from alerts.route import route
from tests.unit.alerts.samples import INVESTIGATE, ROLLBACK


def test_every_configured_channel_in_a_stable_order():
    assert route(INVESTIGATE, {"slack", "email"}).channels == ("email", "slack")


@pytest.mark.parametrize(
    ("alert", "urgent", "reason"),
    [
        (ROLLBACK, True, "worse with the verdict rollback: every channel, and somebody is called"),
        (INVESTIGATE, False, "worse with the verdict investigate: every channel"),
        (replace(ROLLBACK, kind=Kind.RECOVERED), False, "recovered with the verdict rollback: every channel"),
        (replace(ROLLBACK, kind=Kind.JUDGE), False, "judge with the verdict rollback: every channel"),
        (replace(ROLLBACK, kind=Kind.NOTE), False, "note is of low priority: every channel, nobody is called"),
    ],
)
def test_the_reason_says_who_is_called(alert, urgent, reason):
    decided = route(alert, ["slack"])
    assert (decided.urgent, decided.reason) == (urgent, reason)


def test_without_a_channel_the_reason_says_what_to_configure():
    decided = route(ROLLBACK, [])
    assert decided.channels == ()
    assert "[alerts.slack]" in decided.reason
