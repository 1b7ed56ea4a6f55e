"""Answers: never stored twice, read as a stream, scored later, and what they cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.domain.run import Phase, Spend
from monitor.domain.score import Score
from monitor.store import answers, runs
from monitor.store.database import DatabaseError
from tests.unit.store.rows import NOW, answer, failure, run

RIGHT, NONE = Score(1.0), Score.unscored("no number in it")


def add(database, *stored, scores=None):
    with database.write() as connection:
        answers.add(connection, stored, scores or [{"exact": RIGHT}] * len(stored))


def test_answers_come_back_by_case_and_repeat_with_the_scores_that_were_asked_for(begun):
    add(
        begun,
        answer("b", 1),
        answer("a"),
        answer("b", 0),
        scores=[{"exact": RIGHT, "f1": Score(0.5)}, {"exact": NONE}, {}],
    )
    with begun.read() as connection:
        found = list(answers.scored(connection, "run-1", Phase.MAIN, ["exact", "unknown"]))
    assert [(one.case_id, one.repeat, one.scores) for one in found] == [
        ("a", 0, {"exact": NONE}),
        ("b", 0, {}),
        ("b", 1, {"exact": RIGHT}),
    ]


def test_the_mean_of_a_cases_answers_by_scorer_leaves_out_what_is_unscored(begun):
    add(
        begun,
        answer("a", 0),
        answer("a", 1),
        answer("a", 2),
        answer("b", 0),
        answer("b", 1, case_fingerprint="edited"),
        answer("a", 0, phase=Phase.CONFIRM),
        scores=[
            {"exact": RIGHT, "f1": Score(0.5)},
            {"exact": Score(0.0), "f1": NONE},
            {"exact": NONE},
            {"exact": RIGHT},
            {"exact": Score(0.0)},
            {"exact": Score(0.0)},
        ],
    )
    with begun.read() as connection:
        found = answers.case_means(connection, "run-1", Phase.MAIN, ["exact", "f1"])
        assert answers.case_means(connection, "run-2", Phase.MAIN, ["exact"]) == []
    assert sorted(found) == [
        ("a", "print-a", "exact", 0.5),
        ("a", "print-a", "f1", 0.5),
        ("b", "edited", "exact", 0.0),
        ("b", "print-b", "exact", 1.0),
    ]


def test_an_answer_is_not_stored_twice(begun):
    add(begun, answer("a"))
    with pytest.raises(DatabaseError, match="contradicts what is stored"):
        add(begun, answer("b"), answer("a"))
    add(begun, answer("a", phase=Phase.CONFIRM), answer("a", 1))
    with begun.read() as connection:
        assert answers.stored(connection, "run-1", Phase.MAIN) == {"a": {0, 1}}
        assert answers.stored(connection, "run-1", Phase.CONFIRM) == {"a": {0}}
        assert answers.stored(connection, "run-2", Phase.MAIN) == {}


def test_an_answer_needs_its_run(database):
    with pytest.raises(DatabaseError, match="contradicts what is stored"):
        add(database, answer("a"))


def test_nothing_may_be_stored_too(begun):
    add(begun)
    with begun.write() as connection:
        answers.add_failures(connection, [])
        answers.add_scores(connection, [(1, {})])


def test_thousands_are_read_as_a_stream_and_what_is_read_so_far_is_whole(begun):
    many = [answer(f"case-{i:04}", repeat) for i in range(700) for repeat in range(2)]
    add(begun, *many, scores=[{"exact": RIGHT, "f1": Score(0.5)}] * len(many))
    with begun.read() as connection:
        stream = answers.scored(connection, "run-1", Phase.MAIN, ["exact", "f1"])
        first = next(stream)
        assert (first.case_id, first.scores) == ("case-0000", {"exact": RIGHT, "f1": Score(0.5)})
        rest = list(stream)
    assert len(rest) == len(many) - 1
    assert all(len(one.scores) == 2 for one in rest)


def test_what_a_new_scorer_has_not_seen(begun):
    add(begun, answer("a"), answer("b"), scores=[{"exact": RIGHT}, {}])
    with begun.write() as connection:
        left = answers.texts(connection, "run-1", Phase.MAIN, "exact", after=0, limit=10)
        assert [(case, print_, text) for _, case, print_, text in left] == [("b", "print-b", "b/0")]
        answers.add_scores(connection, [(left[0][0], {"exact": NONE})])
        assert answers.texts(connection, "run-1", Phase.MAIN, "exact", after=0, limit=10) == []
        ids = [row[0] for row in answers.texts(connection, "run-1", Phase.MAIN, "f1", after=0, limit=1)]
        assert ids == [min(ids)]
        assert answers.texts(connection, "run-1", Phase.MAIN, "f1", after=ids[0], limit=1)[0][0] > ids[0]


def test_texts_models_and_reasons_are_counted(begun):
    add(
        begun,
        answer("a", 0, text="yes", model="m-1", finish_reason="stop"),
        answer("a", 1, text="yes", model="m-1", finish_reason="length"),
        answer("b", 0, text="yes", model="m-2", fingerprint="fp"),
        answer("b", 1, text="no", model="m-1", finish_reason="stop"),
    )
    with begun.read() as connection:
        assert answers.distinct_texts(connection, "run-1", Phase.MAIN) == {"a": (2, 1), "b": (2, 2)}
        assert answers.models(connection, "run-1") == [("m-1", None, 3), ("m-2", "fp", 1)]
        assert answers.finish_reasons(connection, "run-1") == {"stop": 2, "length": 1}
        assert answers.one_text(connection, "run-1", "b") == "no"
        assert answers.one_text(connection, "run-1", "c") is None


def test_failures_are_counted_by_kind(begun):
    with begun.write() as connection:
        answers.add_failures(connection, [failure("a"), failure("b"), failure("c", kind="overloaded", message="busy")])
    with begun.read() as connection:
        assert answers.failures(connection, "run-1") == [("timeout", 2, "too slow"), ("overloaded", 1, "busy")]


def test_what_a_run_has_cost_counts_failed_calls_too(begun):
    add(
        begun,
        answer("a", attempts=2, usd=0.5, input_tokens=10, output_tokens=4),
        answer("b", usd=0.25, input_tokens=20, output_tokens=6),
        answer("c"),
    )
    with begun.write() as connection:
        answers.add_failures(connection, [failure("d", attempts=3)])
        assert answers.spend(connection, "run-1") == Spend(3, 7, 0.75, 30, 10)
        assert answers.spend(connection, "run-2") == Spend()
        assert answers.mean_usage(connection, "ft") == (15.0, 5.0)
        assert answers.mean_usage(connection, "other") is None


def test_without_a_price_the_sum_is_unknown_and_not_0(begun):
    add(begun, answer("a"))
    with begun.read() as connection:
        assert answers.spend(connection, "run-1").usd is None


def test_the_month_is_added_up_over_all_runs(begun):
    with begun.write() as connection:
        assert runs.begin(connection, run(2, target="other"))
    add(begun, answer("a", usd=1.0, answered_at=NOW - timedelta(days=40)), answer("b", usd=2.0))
    add(begun, answer("a", usd=4.0, run_id="run-2"))
    with begun.write() as connection:
        answers.add_failures(connection, [failure("c", failed_at=NOW - timedelta(days=40))])
        assert answers.spend_since(connection, NOW) == Spend(2, 2, 6.0, 0, 0)


def test_what_a_lost_call_may_have_cost_counts_towards_the_spend(begun):
    with begun.write() as connection:
        answers.add_failures(connection, [replace(failure("a"), attempts=2, usd=0.25)])
    with begun.read() as connection:
        found = answers.spend(connection, failure("a").run_id)
    assert (found.usd, found.calls) == (0.25, 2)
