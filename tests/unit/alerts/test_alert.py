"""The alert keeps its values over JSON, and says where stored JSON is wrong."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from alerts.alert import Alert, Drop, Kind
from alerts.codec import FormatError
from tests.unit.alerts.samples import INVESTIGATE, ROLLBACK


def stored(alert):
    return json.loads(json.dumps(alert.to_json(), allow_nan=False))


@pytest.mark.parametrize(
    "alert",
    [
        ROLLBACK,
        INVESTIGATE,
        Alert("a", Kind.NOTE, "t", "s", "inconclusive"),
        Alert("a", Kind.JUDGE, "t", "s", "pass", event="JUDGE CHANGED"),
    ],
)
def test_json_gives_an_equal_alert_back(alert):
    assert Alert.from_json(stored(alert)) == alert


def test_json_is_readable_by_others():
    payload = stored(ROLLBACK)
    assert payload["schema"] == 1
    assert payload["since"] == "2026-11-16T06:41:00Z"
    assert payload["kind"] == "worse"
    assert payload["drop"] == {"points": 5.6, "low": 4.5, "high": 6.7, "confidence": 0.95}
    assert payload["causes"][0]["cause"] == "model"


def test_times_are_kept_in_utc_and_a_naive_one_is_refused():
    summer = datetime(2026, 7, 1, 8, 0, tzinfo=timezone(timedelta(hours=2)))
    assert replace(ROLLBACK, since=summer).since == datetime(2026, 7, 1, 6, 0, tzinfo=UTC)
    assert replace(ROLLBACK, since=summer).since.tzinfo is UTC
    with pytest.raises(ValueError, match="since must say its time zone"):
        replace(ROLLBACK, since=datetime(2026, 7, 1, 8, 0))  # noqa: DTZ001  # a naive one is the point


def test_numbers_that_are_none_become_unknown():
    drop = Drop(5.0, -math.inf, math.nan)
    assert (drop.points, drop.low, drop.high) == (5.0, None, None)
    alert = replace(ROLLBACK, score=math.nan, drop=drop)
    assert alert.score is None
    assert Alert.from_json(stored(alert)) == alert


def test_a_lone_surrogate_survives_storage():
    alert = replace(ROLLBACK, meaning="half a pair: \ud83d")
    assert Alert.from_json(stored(alert)).meaning == "half a pair: \ud83d"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "dance"}, "kind: must be one of worse, again"),
        ({"target": 7}, "target: str is expected, not int"),
        ({"cases": True}, "cases: int is expected, not bool"),
        ({"score": "high"}, "score: float is expected, not str"),
        ({"reasons": "one"}, "reasons: a list is expected, not str"),
        ({"reasons": ["fine", 2]}, r"reasons\[1\]: str is expected, not int"),
        ({"causes": [{"cause": "model"}]}, r"causes\[0\].evidence: is missing"),
        ({"drop": {"points": 1.0, "confidence": 2.0}}, "drop: confidence must lie between 0 and 1"),
        ({"since": "yesterday"}, "since: an instant in ISO 8601 is expected"),
        ({"since": "2026-11-16T06:41:00"}, "since: an instant needs its offset"),
        ({"schema": 2}, "upgrade heldout"),
    ],
)
def test_a_fault_in_stored_json_names_its_place(change, said):
    with pytest.raises(FormatError, match=said):
        Alert.from_json({**stored(ROLLBACK), **change})


@pytest.mark.parametrize("payload", [None, [], "text", 3])
def test_what_is_no_object_is_refused(payload):
    with pytest.raises(FormatError, match="an object is expected"):
        Alert.from_json(payload)


def test_a_missing_field_is_named_and_an_unknown_one_passed_over():
    payload = stored(ROLLBACK)
    assert Alert.from_json({**payload, "invented_later": 1}) == ROLLBACK
    # One that an earlier version wrote has no event.
    assert Alert.from_json({name: value for name, value in payload.items() if name != "event"}) == ROLLBACK
    del payload["suite"]
    with pytest.raises(FormatError, match="suite: is missing"):
        Alert.from_json(payload)


def test_only_a_standing_or_new_rollback_is_urgent():
    assert ROLLBACK.urgent
    assert replace(ROLLBACK, kind=Kind.AGAIN).urgent
    assert not replace(ROLLBACK, kind=Kind.RECOVERED).urgent
    assert not INVESTIGATE.urgent
    assert not replace(ROLLBACK, kind=Kind.JUDGE).urgent
    assert [kind for kind in Kind if kind.low_priority] == [Kind.RECOVERING, Kind.NOTE]
