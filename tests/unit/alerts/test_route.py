"""Where an alert goes, whom it calls, and why: one sentence a case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alerts.alert import Kind
from alerts.incident import Event, What, opened, step
from alerts.route import Known, Way, route
from tests.unit.alerts.samples import INVESTIGATE, ROLLBACK

NOW = datetime(2026, 11, 16, 7, 0, tzinfo=UTC)
FALLEN = opened("i-1", "ft", "s", NOW, Event(What.OPENED, NOW, "heldout", "…", level="rollback"))
FALLING = opened("i-1", "ft", "s", NOW, Event(What.OPENED, NOW, "heldout", "…", level="investigate"))
NOTED = step(FALLEN, Event(What.ACKNOWLEDGED, NOW, "ada", "…"))


def silenced(incident):
    return step(incident, Event(What.SILENCED, NOW, "ada", "…", until=NOW + timedelta(days=7)))


def of_kind(alert, kind, **more):
    return replace(alert, kind=kind, **more)


STEP = of_kind(ROLLBACK, Kind.STEP)


@pytest.mark.parametrize(
    ("sentence", "alert", "known", "way", "mention", "broadcast"),
    [
        ("a first rollback calls", ROLLBACK, Known(), Way.FIRST, True, True),
        ("a first investigation does not", INVESTIGATE, Known(), Way.FIRST, False, True),
        ("what became a rollback calls", ROLLBACK, Known(FALLING), Way.WORSE, True, True),
        ("the second of one provider does not", ROLLBACK, Known(None, "other"), Way.FIRST, False, True),
        ("a rollback again calls", of_kind(ROLLBACK, Kind.AGAIN), Known(FALLEN), Way.REPEAT, True, True),
        ("not one that somebody saw", of_kind(ROLLBACK, Kind.AGAIN), Known(NOTED), Way.REPEAT, False, True),
        ("an investigation again is quiet", of_kind(INVESTIGATE, Kind.AGAIN), Known(FALLING), Way.REPEAT, False, False),
        ("clear once is quiet", of_kind(ROLLBACK, Kind.RECOVERING), Known(FALLEN), Way.BETTER, False, False),
        (
            "less bad is quiet",
            of_kind(INVESTIGATE, Kind.NOTE, incident=FALLING),
            Known(FALLEN),
            Way.BETTER,
            False,
            False,
        ),
        ("over is for all", of_kind(ROLLBACK, Kind.RECOVERED), Known(FALLEN), Way.RECOVERED, False, True),
        ("also in a silence", of_kind(ROLLBACK, Kind.RECOVERED), Known(silenced(FALLEN)), Way.RECOVERED, False, True),
        ("a silence is kept", of_kind(ROLLBACK, Kind.AGAIN), Known(silenced(FALLEN)), Way.SILENCED, False, False),
        ("what is worse than it breaks it", ROLLBACK, Known(silenced(FALLING)), Way.WORSE, True, True),
        ("what is not does not", INVESTIGATE, Known(silenced(FALLING)), Way.SILENCED, False, False),
        ("a judge is another matter", of_kind(ROLLBACK, Kind.JUDGE), Known(silenced(FALLEN)), Way.APART, False, False),
        ("so is what was not measured", of_kind(ROLLBACK, Kind.UNMEASURED), Known(FALLEN), Way.APART, False, False),
        ("a note without an incident too", of_kind(ROLLBACK, Kind.NOTE), Known(), Way.APART, False, False),
        ("taking note of it is quiet", replace(STEP, step="acknowledged"), Known(FALLEN), Way.STEP, False, False),
        ("that nothing helped calls", replace(STEP, step="escalated"), Known(FALLEN), Way.STEP, True, True),
        ("so does an expiry", replace(STEP, step="expired"), Known(FALLEN), Way.STEP, True, True),
        ("so does the end of a silence", replace(STEP, step="silence ended"), Known(FALLEN), Way.STEP, True, True),
        ("that it came back is for all", replace(STEP, step="verified"), Known(FALLEN), Way.STEP, False, True),
    ],
)
def test_where_it_goes(sentence, alert, known, way, mention, broadcast):
    found = route(alert, {"slack", "email"}, NOW, known)
    assert (found.way, found.mention, found.broadcast) == (way, mention, broadcast), sentence
    assert found.channels == (() if way is Way.SILENCED else ("email", "slack"))
    assert len(found.reason) > 10


def test_a_silence_is_over_when_its_time_is():
    after = route(of_kind(ROLLBACK, Kind.AGAIN), ["slack"], NOW + timedelta(days=7), Known(silenced(FALLEN)))
    assert after.way is Way.REPEAT


def test_the_reasons_name_who_and_until_when():
    again = of_kind(ROLLBACK, Kind.AGAIN)
    assert route(again, ["slack"], NOW, Known(silenced(FALLEN))).reason == "silenced by ada until 2026-11-23 07:00 UTC"
    assert "ada has acknowledged it" in route(again, ["slack"], NOW, Known(NOTED)).reason
    assert "people were called for other" in route(ROLLBACK, ["slack"], NOW, Known(None, "other")).reason


def test_without_a_channel_the_reason_says_what_to_configure():
    decided = route(ROLLBACK, [], NOW)
    assert (decided.way, decided.channels) == (Way.NONE, ())
    assert "[alerts.slack]" in decided.reason
