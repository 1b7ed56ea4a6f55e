"""Cases, scores and verdicts as values: fingerprints, bounds, and JSON without NaN."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from monitor.domain.answer import ErrorKind, TargetError
from monitor.domain.case import Case, Message, Suite
from monitor.domain.score import Score
from monitor.domain.verdict import (
    Cause,
    CauseKind,
    Interval,
    Level,
    ModelSeen,
    Stage,
    Thresholds,
    Verdict,
    instant,
    number,
    worst,
)

CASE = Case("geo", "Which river?", expected="A", choices=("Danube", "Elbe"), tags=frozenset({"edge", "b"}), cluster="g")


def test_choices_come_lettered_after_the_last_turn():
    assert CASE.question == "Which river?\n\nA. Danube\nB. Elbe"
    talk = replace(CASE, input=(Message("system", "Be brief."), Message("user", "Which?")))
    assert [m.content for m in talk.messages] == ["Be brief.", "Which?\n\nA. Danube\nB. Elbe"]
    assert Case("a", "Hi?").messages == (Message("user", "Hi?"),)


@pytest.mark.parametrize(
    ("expected", "acceptable"),
    [
        (None, ()),
        ("yes", ("yes",)),
        (["yes", "yep"], ("yes", "yep")),
        ([], ("[]",)),
        ([1, 2], ("[1,2]",)),
        ({"b": 1, "a": "ü"}, ('{"a":"ü","b":1}',)),
        (0, ("0",)),
        (False, ("false",)),
    ],
)
def test_what_is_acceptable(expected, acceptable):
    assert Case("a", "?", expected=expected).acceptable == acceptable


def test_a_case_as_json_has_no_empty_fields():
    assert CASE.as_json() == {
        "id": "geo",
        "input": "Which river?",
        "expected": "A",
        "choices": ["Danube", "Elbe"],
        "tags": ["b", "edge"],
        "cluster": "g",
    }
    assert Case("a", "Hi?").as_json() == {"id": "a", "input": "Hi?"}
    assert (CASE.is_edge, Case("a", "Hi?").is_edge) == (True, False)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"tags": frozenset()}, True),
        ({"cluster": None}, True),
        ({"input": "Which river!"}, False),
        ({"expected": "B"}, False),
        ({"choices": ("Danube", "Rhine")}, False),
        ({"context": "Vienna"}, False),
        ({"id": "geo-2"}, False),
    ],
)
def test_a_fingerprint_follows_what_is_asked_and_expected(change, same):
    assert (replace(CASE, **change).fingerprint == CASE.fingerprint) is same


def test_a_suites_fingerprint_does_not_follow_the_order_and_survives_any_text():
    other = Case("odd", "\ud800 \x00 ü")
    one, two = Suite("s", (CASE, other)), Suite("s", (other, CASE))
    assert one.fingerprint == two.fingerprint != Suite("s", (CASE,)).fingerprint


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf])
def test_a_score_lies_in_0_to_1(value):
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        Score(value)


def test_what_is_not_scored_says_why():
    with pytest.raises(ValueError, match="needs its reason"):
        Score(None)
    assert Score.unscored("no number") == Score(None, "no number")


def test_a_fatal_error_is_permanent():
    error = TargetError(ErrorKind.AUTHENTICATION, "refused", fatal=True)
    assert (error.permanent, str(error)) == (True, "refused")


def test_the_worst_of_nothing_is_inconclusive():
    assert worst([]) is Level.INCONCLUSIVE
    assert worst([Level.PASS, Level.INVESTIGATE, Level.INCONCLUSIVE]) is Level.INVESTIGATE


@pytest.mark.parametrize(
    ("value", "shown"), [(None, None), (math.nan, None), (math.inf, None), (-math.inf, None), (1.2345, 1.23), (0, 0.0)]
)
def test_an_unknown_number_is_null(value, shown):
    assert number(value, 2) == shown


def test_a_verdict_is_the_contracts_object_whatever_is_unknown():
    empty = Verdict("t", "s", Level.PASS, Stage.FINAL, (), Thresholds())
    assert set(empty.as_json()) == {
        "schema", "target", "suite", "verdict", "stage", "reasons", "cause", "causes", "score", "baseline_score",
        "scores", "drop", "confirmation", "thresholds", "smallest_confirmable", "cases", "answers", "coverage", "calls",
        "usd", "model", "configuration_changed", "fallback", "judge", "run", "slot", "finished_at", "stale",
    }  # fmt: skip
    full = replace(
        empty,
        causes=(Cause(CauseKind.PROVIDER, "down"), Cause(CauseKind.BUDGET, "spent")),
        score=math.nan,
        scores={"f1": 0.123456, "bleu": None},
        drop=Interval(5.6, math.nan, math.inf, new_case_se=math.nan),
        smallest_confirmable={"investigate": 2.44, "rollback": math.inf},
        usd=math.inf,
        model=ModelSeen("m", None, None),
        slot=datetime(2026, 11, 16, 6, 0, 0, 900, tzinfo=UTC),
    )
    said = json.loads(json.dumps(full.as_json(), allow_nan=False))
    assert said["cause"] == "provider"
    assert said["drop"] == {"points": 5.6, "low": None, "high": None, "confidence": 0.95, "new_case_se": None}
    assert said["smallest_confirmable"] == {"investigate": 2.4, "rollback": None}
    assert said["scores"] == {"f1": 0.1235, "bleu": None}
    assert (said["score"], said["usd"], said["slot"]) == (None, None, "2026-11-16T06:00:00Z")
    assert instant(None) is None
