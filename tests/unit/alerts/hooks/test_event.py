"""The events' shapes, their size whatever stands in them, and that a retraining is told nothing of the test set."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.alert import Drop
from alerts.hooks.event import (
    LARGEST,
    CaseScore,
    Failing,
    Occasion,
    Shortfall,
    by_cluster,
    by_tag,
    encode,
    retrain_requested,
    rollback_requested,
    verdict_changed,
)

AT = datetime(2026, 11, 16, 14, 58, 7, tzinfo=timezone(timedelta(hours=1)))
OCCASION = Occasion("deploy", "support-ft", AT, AT + timedelta(hours=24), "https://heldout.internal/r?token=abc")
VERDICT = {
    "schema": 1,
    "target": "support-ft",
    "suite": "support",
    "verdict": "rollback",
    "stage": "confirmed",
    "reasons": ["the interval lies above 5.0 points", "größer · 漢字"],
    "cause": "model",
    "causes": [{"cause": "model", "evidence": "31 of 200 answers changed"}],
    "score": 0.833,
    "drop": {"points": 5.6, "low": 4.5, "high": 6.7, "confidence": 0.95, "new_case_se": math.nan},
    "usd": math.inf,
    "slot": datetime(2026, 11, 16, 6, tzinfo=UTC),
}
SHORTFALL = Shortfall(
    suite="support",
    verdict="rollback",
    run="0193a7c1",
    score=0.833,
    baseline_score=0.889,
    drop=Drop(5.6, 4.5, 6.7),
    cases=200,
    failing=31,
    tags=(Failing("refunds", 40, 20, 0.9, 0.5), Failing("edge", 12, 3, 1.0, None)),
    clusters=(Failing("policy-12", 6, 6, 1.0, 0.0),),
    causes=("model", "model", "The answer 'No. Gift cards are final sale.' is wrong", "retrieval"),
)
COMMON = {
    "hook": "deploy",
    "target": "support-ft",
    "expires_at": "2026-11-17T13:58:07Z",
    "result_url": "https://heldout.internal/r?token=abc",
}


def sent(event):
    """What a receiver reads: strict JSON."""

    def no_such_number(text):
        raise ValueError(text)

    return json.loads(encode(event).decode("utf-8"), parse_constant=no_such_number)


def test_a_rollback_has_the_contracts_shape():
    got = sent(rollback_requested(OCCASION, "support-rag", VERDICT))
    assert list(got) == ["type", "timestamp", "data"]
    assert (got["type"], got["timestamp"]) == ("heldout.rollback.requested", "2026-11-16T13:58:07Z")
    told = got["data"].pop("verdict")
    assert got["data"] == COMMON | {"action": "rollback", "fallback": "support-rag"}
    drop = VERDICT["drop"] | {"new_case_se": None}
    assert told == VERDICT | {"drop": drop, "usd": None, "slot": "2026-11-16T06:00:00Z"}


def test_a_changed_verdict_says_what_it_was():
    got = sent(verdict_changed(replace(OCCASION, result_url=None), VERDICT, "investigate"))
    assert got["type"] == "heldout.verdict.changed"
    assert got["data"].pop("verdict")["verdict"] == "rollback"
    assert got["data"] == COMMON | {
        "action": "verdict",
        "fallback": None,
        "result_url": None,
        "previous": "investigate",
    }


def test_a_retraining_says_what_fails_in_names_and_numbers():
    got = sent(retrain_requested(OCCASION, SHORTFALL))
    assert got["type"] == "heldout.retrain.requested"
    ask = got["data"].pop("ask")
    assert ask.startswith("31 of 200 cases fail, worst under the tags refunds, edge and in the clusters policy-12.")
    assert "NEW sibling examples" in ask
    assert "Never copy" in ask
    assert got["data"] == COMMON | {
        "action": "retrain",
        "fallback": None,
        "verdict": {
            "target": "support-ft",
            "suite": "support",
            "verdict": "rollback",
            "run": "0193a7c1",
            "score": 0.833,
            "baseline_score": 0.889,
            "drop": {"points": 5.6, "low": 4.5, "high": 6.7, "confidence": 0.95},
        },
        "cases": 200,
        "failing": 31,
        "causes": ["model", "retrieval"],
        "tags": [
            {"name": "refunds", "cases": 40, "failing": 20, "mean_before": 0.9, "mean_now": 0.5},
            {"name": "edge", "cases": 12, "failing": 3, "mean_before": 1.0, "mean_now": None},
        ],
        "clusters": [{"name": "policy-12", "cases": 6, "failing": 6, "mean_before": 1.0, "mean_now": 0.0}],
    }


def test_what_fails_is_counted_by_tag_and_cluster_the_worst_first():
    cases = [
        CaseScore(("a", "a", "b"), "x", True, 1.0, 0.0),
        CaseScore(("a",), "y", True, 0.5, 0.25),
        CaseScore(("b", "c"), None, False, 1.0, None),
        CaseScore((), "x", False, None, 1.0),
    ]
    assert by_tag(cases) == (Failing("a", 2, 2, 0.75, 0.125), Failing("b", 2, 1, 1.0, 0.0))
    assert by_cluster(cases) == (Failing("y", 1, 1, 0.5, 0.25), Failing("x", 2, 1, 1.0, 0.5))
    assert by_tag([]) == ()


SAMPLE = Path(__file__).parents[4] / "monitor" / "sample"


def all_texts(value):
    """Every text in it, however deep; of a turn its content alone."""
    if isinstance(value, dict):
        return [text for key, part in value.items() if key != "role" for text in all_texts(part)]
    return [text for part in value for text in all_texts(part)] if isinstance(value, list) else [str(value)]


@pytest.mark.parametrize("suite", ["support", "general"])
def test_a_retraining_after_a_whole_run_holds_no_text_of_a_case(suite):
    cases = [json.loads(line) for line in (SAMPLE / f"{suite}.jsonl").read_text("utf-8").splitlines()]
    texts = {
        text for case in cases for text in all_texts({key: case.get(key) for key in ("input", "expected", "choices")})
    }
    scores = [
        CaseScore(tuple(case.get("tags", ())), case.get("cluster"), i % 3 == 0, 1.0, 0.1)
        for i, case in enumerate(cases)
    ]
    shortfall = replace(
        SHORTFALL,
        cases=len(cases),
        failing=sum(one.failing for one in scores),
        tags=by_tag(scores),
        clusters=by_cluster(scores),
        causes=("model", *(text for text in texts if " " in text)),  # as a judge's words might quote them
    )
    assert shortfall.tags
    body = encode(retrain_requested(OCCASION, shortfall)).decode()
    names = " ".join(one.name for one in (*shortfall.tags, *shortfall.clusters))
    # A letter of a choice, or a word that a tag is named by, stands in the body for another reason.
    telling = {text for text in texts if len(text) > 3 and text not in names}
    assert len(telling) > len(cases)
    assert [text for text in telling if text in body] == []


TEXTS = st.text(st.characters(codec=None), max_size=40)  # lone surrogates too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=40)
@given(st.dictionaries(TEXTS, JSON, max_size=8), st.integers(1, 120))
def test_an_event_is_valid_and_short_whatever_a_verdict_holds(verdict, times):
    verdict = VERDICT | {"reasons": list(verdict.values()) * times, "more": "".join(verdict) * times} | verdict
    event = rollback_requested(OCCASION, "support-rag", verdict)
    assert len(encode(event)) < 20_000
    got = sent(event)
    assert {key: got["data"][key] for key in COMMON} == COMMON
    assert got["data"]["fallback"] == "support-rag"


def test_what_is_cut_is_counted():
    many = VERDICT | {"reasons": [f"reason {i} " + "why " * 500 for i in range(300)]}
    got = sent(rollback_requested(OCCASION, "support-rag", many))
    kept = got["data"]["verdict"]["reasons"]
    assert len(kept) + got["data"]["left_out"]["verdict.reasons"] == 300
    assert len(kept) >= 5
    assert all(" … [cut: 2,0" in reason for reason in kept)
    assert got["data"]["verdict"]["drop"]["points"] == 5.6


def test_many_tags_and_clusters_are_cut_from_their_end():
    rows = tuple(Failing(f"tag-{i:04}", 9, 8, 0.9, 0.1) for i in range(900))
    got = sent(retrain_requested(OCCASION, replace(SHORTFALL, tags=rows, clusters=rows)))
    kept = [one["name"] for one in got["data"]["tags"]]
    assert kept == [f"tag-{i:04}" for i in range(len(kept))]
    assert len(kept) + got["data"]["left_out"]["tags"] == 900
    assert len(kept) >= 15


def test_what_nothing_can_be_cut_from_is_left_out_as_a_whole():
    wide = VERDICT | {f"key-{i}": i for i in range(5000)}
    got = sent(rollback_requested(OCCASION, "support-rag", wide))
    assert got["data"]["verdict"] == {
        "target": "support-ft",
        "suite": "support",
        "verdict": "rollback",
        "stage": "confirmed",
    }
    assert got["data"]["left_out"] == {"verdict.fields": len(wide) - 4}


def test_names_that_are_too_long_by_themselves_are_refused():
    with pytest.raises(ValueError, match="more than 19,999 bytes"):
        encode(rollback_requested(replace(OCCASION, result_url="https://a/" + "x" * LARGEST), "b", VERDICT))


def test_a_value_that_json_has_no_form_for_is_named():
    with pytest.raises(TypeError, match=r"verdict\.odd: an event cannot hold a set"):
        encode(rollback_requested(OCCASION, "b", {"odd": {1}}))
    with pytest.raises(TypeError, match="data"):
        encode({"type": "x"})


@pytest.mark.parametrize("name", ["at", "expires_at"])
def test_a_time_without_its_zone_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must say its time zone"):
        replace(OCCASION, **{name: AT.replace(tzinfo=None)})
