"""From a verdict to an alert: what it means and what to do, for every kind of message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from alerts.alert import Alert
from alerts.message import render
from monitor import notify
from monitor.decide.transition import Decided, Opened, Tell, Told
from monitor.domain.run import Run, RunKind, RunState
from monitor.domain.verdict import Cause, CauseKind, Interval, Level, Stage, Thresholds, Verdict

SLOT = datetime(2026, 11, 16, 6, tzinfo=UTC)
EARLIER = datetime(2026, 11, 9, 6, tzinfo=UTC)


def alert(kind: Tell, level: Level, stage: Stage = Stage.FINAL, cause: CauseKind | None = None, **more) -> Alert:
    causes = (Cause(cause, "it did not work"),) if cause else ()
    said = Verdict("my target", "it's", level, stage, ("because",), Thresholds(), causes, slot=SLOT, run="r", **more)
    goes_on = datetime(2026, 11, 16, 12, tzinfo=UTC) if stage in (Stage.PENDING, Stage.WAITING) else None
    return notify.alert("id", said, Told(kind, "because"), None, None, goes_on)


@pytest.mark.parametrize(
    ("kind", "level", "stage", "cause", "meaning", "action"),
    [
        (
            "worse",
            "investigate",
            "pending",
            None,
            "if a second replay confirms it. The run goes on by itself on Mon 16 Nov 2026",
            "See what",
        ),
        ("worse", "investigate", "final", None, "that it is enough for a rollback is not shown", "See what changed"),
        ("worse", "rollback", "confirmed", None, "a second replay has confirmed it", "Roll my target back"),
        ("worse", "investigate", "final", "budget", "was found before, and stands", "Raise the cap under [budget]"),
        ("again", "rollback", "final", None, "neither show a drop nor rule one out", "two clear weeks in a row"),
        (
            "note",
            "investigate",
            "final",
            "provider",
            "was found before, and stands",
            "See whether the provider answers",
        ),
        (
            "unmeasured",
            "inconclusive",
            "waiting",
            "provider",
            "neither good nor bad. The run goes on by itself",
            "See whether",
        ),
        ("unmeasured", "inconclusive", "final", None, "could not tell a drop from noise", "a larger baseline"),
        ("note", "inconclusive", "final", None, "cannot tell a drop from noise", "a larger test set"),
        ("note", "inconclusive", "final", "budget", "neither good nor bad", "Raise the cap"),
        ("note", "inconclusive", "final", "no-baseline", "neither good nor bad", "Collect a baseline"),
        ("note", "inconclusive", "final", "test-set", "neither good nor bad", "Collect a baseline"),
        ("recovering", "pass", "final", None, "closes if the next week", None),
        ("recovered", "pass", "final", None, "the alert is closed", None),
    ],
)
def test_what_it_means_and_what_to_do(kind, level, stage, cause, meaning, action):
    told = alert(Tell(kind), Level(level), Stage(stage), CauseKind(cause) if cause else None)
    assert meaning in told.meaning
    assert (told.actions[0].do if told.actions else None) == action or action in told.actions[0].do


def test_a_standing_rollback_is_urged_only_where_the_week_shows_a_drop():
    down = alert(Tell.AGAIN, Level.ROLLBACK, drop=Interval(6.0, 4.0, 8.0))
    assert "still down" in down.meaning
    assert "Roll my target back" in down.actions[0].do
    unclear = alert(Tell.AGAIN, Level.ROLLBACK, drop=Interval(1.5, -0.3, 3.4))
    assert "Roll" not in unclear.actions[0].do


def test_commands_are_quoted_for_a_shell():
    told = alert(Tell.WORSE, Level.INVESTIGATE)
    assert told.actions[1].command == "heldout run --target 'my target' --suite 'it'\"'\"'s'"


def test_an_alert_survives_the_outbox_with_every_number_that_is_unknown():
    told = alert(Tell.WORSE, Level.INVESTIGATE, drop=Interval(5.0, float("nan"), float("inf")))
    assert Alert.from_json(told.to_json()) == told
    assert (told.drop.points, told.drop.low, told.drop.high) == (5.0, None, None)


@pytest.mark.parametrize(
    ("level", "opened", "since"),
    [
        (Level.INVESTIGATE, None, SLOT),
        (Level.INVESTIGATE, Opened(Level.INVESTIGATE, EARLIER, 0), EARLIER),
        (Level.PASS, Opened(Level.INVESTIGATE, EARLIER, 1), EARLIER),
        (Level.INCONCLUSIVE, None, None),
    ],
)
def test_since_when_it_is_bad(level, opened, since):
    said = Verdict("t", "s", level, Stage.FINAL, (), Thresholds(), slot=SLOT)
    assert notify.alert("id", said, Told(Tell.AGAIN, ""), opened, None, None).since == since


def decided(level: Level, stage: Stage = Stage.FINAL) -> Decided:
    return Decided(SLOT, level, stage)


@pytest.mark.parametrize(
    ("past", "earlier", "previous"),
    [
        ([], [], None),
        ([decided(Level.PASS)], [], Level.PASS),
        ([decided(Level.PASS)], [decided(Level.INVESTIGATE, Stage.WAITING)], Level.PASS),
        ([decided(Level.PASS)], [decided(Level.INVESTIGATE, Stage.PENDING)], Level.INVESTIGATE),
    ],
)
def test_the_verdict_before(past, earlier, previous):
    assert notify.previous_level(past, earlier) is previous


def test_missed_slots_say_where_to_look_and_how_to_measure_now():
    slots = {("ft", "support"): [SLOT, SLOT - timedelta(days=7)], ("a b", "support"): [SLOT]}
    text = render(notify.missed("alert-1", slots, SLOT + timedelta(days=8))).text
    assert "journalctl -u heldout -u heldout-run --since 2026-11-09" in text
    assert "heldout run --target ft --target 'a b'" in text.replace("‘", "'")
    assert "Noticed: Tue 24 Nov 2026, 06:00 UTC" in text
    assert "\n\n\n" not in text


def test_what_was_never_asked_was_noticed_and_not_measured():
    run = Run(
        id="run-1",
        target="ft",
        suite="support",
        kind=RunKind.WEEK,
        state=RunState.RUNNING,
        suite_fingerprint="",
        target_fingerprint="",
        created_at=SLOT,
        slot=SLOT,
    )
    text = render(notify.unstarted("alert-1", run, "support.jsonl: there is no such file", SLOT)).text
    assert "Noticed: " in text
    assert "Measured: " not in text
