"""The page's words and its little picture."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.domain.verdict import Interval, Level, Stage, Thresholds
from monitor.web import words
from monitor.web.chart import drop_chart
from tests.fakes.scenes import run_row, verdict_of

NOW = datetime(2026, 11, 16, 6, 0, tzinfo=UTC)


def payload(**changes):
    return verdict_of(run_row("run-1"), **changes).as_json()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (-44, "just now"),
        (46, "1 minute ago"),
        (89 * 60, "89 minutes ago"),
        (90 * 60, "2 hours ago"),
        (47 * 3600, "47 hours ago"),
        (50 * 3600, "2 days ago"),
        (-5 * 3600, "in 5 hours"),
    ],
)
def test_how_long_ago(seconds, text):
    assert words.ago(NOW - timedelta(seconds=seconds), NOW) == text


def test_a_drop_with_its_interval():
    assert words.drop(payload()) == "0.4 points (95% interval −0.5 to 1.3)"
    assert words.drop(payload(drop=Interval(-0.04, float("nan"), 1.0))) == "0.0 points"
    assert words.drop(payload(drop=None)) == "not measured"
    assert words.drop(payload(drop=Interval(float("nan"), 0.0, 1.0))) == "not measured"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, ""),
        ({"stage": Stage.PENDING, "level": Level.INVESTIGATE}, "a rollback awaits its confirmation"),
        ({"stale": True}, "stale"),
        ({"run": None, "stale": True}, "never measured"),
    ],
)
def test_what_is_still_to_come(changes, text):
    assert words.stage(payload(**changes)) == text


def test_times_of_verdicts_are_read_or_are_none():
    assert words.moment("2026-11-16T06:00:00Z") == NOW
    assert words.moment(None) is None
    assert words.moment("yesterday") is None
    assert words.moment("2026-11-16T06:00:00") == NOW
    assert words.stamp(NOW) == "Mon 2026-11-16 06:00 UTC"


def test_the_picture_has_one_scale_and_keeps_everything_in_it():
    chart = drop_chart(payload(drop=Interval(5.0, -50.0, 50.0)))
    assert (chart.low, chart.high) == (6.0, 194.0)
    assert chart.middle == chart.rollback
    assert chart.low < chart.zero < chart.investigate < chart.rollback < chart.high


def test_thresholds_in_percent_are_of_the_baseline():
    in_percent = {"thresholds": Thresholds(3, 5, "percent"), "baseline_score": 0.8}
    chart = drop_chart(payload(drop=Interval(4.0, 3.0, 5.0), **in_percent))
    assert chart.middle == chart.rollback
    assert words.threshold(payload(**in_percent)["thresholds"], "rollback") == "5%"
    assert words.threshold(payload()["thresholds"], "investigate") == "3 points"


@pytest.mark.parametrize(
    "changes",
    [
        {"drop": None},
        {"drop": Interval(1.0, float("nan"), 2.0)},
        {"thresholds": Thresholds(3, 5, "percent"), "baseline_score": None},
        {"thresholds": Thresholds(3, 5, "percent"), "baseline_score": 0.0},
    ],
)
def test_no_picture_of_what_was_not_measured(changes):
    assert drop_chart(payload(**changes)) is None


def test_a_bad_verdict_says_what_to_do():
    bad = payload(level=Level.ROLLBACK, stage=Stage.CONFIRMED)
    assert "`heldout baseline collect ft support`" in words.to_do(bad)
    assert "comes by itself" in words.to_do(payload(level=Level.INVESTIGATE, stage=Stage.PENDING))
    assert "`heldout run --target ft --suite support`" in words.to_do(payload(level=Level.INVESTIGATE))
    assert words.to_do(payload()) == ""


@pytest.mark.parametrize(
    ("note", "said"),
    [
        ("main ×2", "the week's answers, up to 2 answers to each question"),
        ("confirm ×1", "the second replay, up to 1 answer to each question"),
        ("of a later version", "of a later version"),
        ("main ×many", "main ×many"),
    ],
)
def test_a_stage_in_words(note, said):
    assert words.phase(note) == said


def test_commands_are_told_from_text():
    assert words.parts("see `heldout check`.") == [("see ", False), ("heldout check", True), (".", False)]
    assert words.parts("a ` alone") == [("a ` alone", False)]


def test_one_is_no_plural():
    assert words.threshold({"investigate": 1.0, "unit": "points"}, "investigate") == "1 point"


SHIFT = {"points": 0.0, "low": -0.4, "high": 0.4, "confidence": 0.95, "judged": 1600, "up": 3, "down": 4}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "it gives the answers of deployment the same scores now as then (1,600 answers judged again)"),
        ({"shift": SHIFT | {"points": -0.04, "judged": 1}}, "the same scores now as then (1 answer judged again)"),
        ({"shift": SHIFT | {"points": -2.64}}, "2.6 points fewer now"),
        ({"shift": SHIFT | {"points": 2.64}}, "2.6 points more now"),
        ({"shift": SHIFT | {"points": None}}, "not compared with itself at deployment; kappa with people 0.55."),
        ({"shift": None, "kappa": None}, "not compared with itself at deployment; agreement with people unknown."),
        ({"untrusted": "it failed"}, "Judge strict by tone cannot be trusted now: it failed; kappa with people 0.55."),
    ],
)
def test_what_is_known_of_a_judge(changes, said):
    one = {"judge": "strict", "rubric": "tone", "shift": SHIFT, "untrusted": None, "kappa": 0.55}
    assert said in words.judge(one | changes)


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({}, ""),
        ({"judge": None}, ""),
        ({"judge": {"calls": 2400, "usd": None}}, ", of them 2,400 to judges"),
        ({"judge": {"calls": 0, "usd": 0.806}}, ", of them 0 to judges (0.81 USD)"),
    ],
)
def test_what_judges_had_a_part_in(payload, said):
    assert words.judges_part(payload) == said
