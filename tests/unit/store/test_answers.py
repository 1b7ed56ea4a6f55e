"""Answers: never stored twice, read as a stream, scored later, and what they cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.domain.run import Phase, Spend
from monitor.domain.score import Score
from monitor.store import answers, judgements, runs
from monitor.store.database import DatabaseError
from tests.unit.store.rows import NOW, answer, failure, judgement, run

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


def test_failures_of_judges_are_told_apart_from_those_of_the_target(begun):
    lost = [failure("a", kind="judge_timeout", message="[judges.strict] too slow"), failure("b", kind="judge_timeout")]
    # Not a judge's: an underscore stands for itself.
    with begun.write() as connection:
        answers.add_failures(connection, [*lost, failure("a"), failure("c", kind="judgeXother")])
    with begun.read() as connection:
        of_judges = answers.failures(connection, "run-1", of_judges=True)
        assert [(kind, count) for kind, count, _ in of_judges] == [("judge_timeout", 2)]
        assert [kind for kind, _, _ in answers.failures(connection, "run-1")] == ["judgeXother", "timeout"]


def test_the_spend_counts_judges_and_says_what_they_cost(begun):
    add(begun, answer("a", usd=0.5, input_tokens=10, output_tokens=4))
    with begun.write() as connection:
        runs.begin(connection, run(2))
        answers.add_failures(connection, [failure("b", kind="judge_timeout", attempts=2, usd=0.125)])
        assert answers.spend(connection, "run-1") == Spend(1, 3, 0.625, 10, 4)
        paid = [judgement("m-1", usd=0.25, attempts=2, input_tokens=900), judgement("m-2", usd=None)]
        judgements.add(connection, [*paid, judgement("m-3", occasion="run-2", usd=1.0)])
        judgements.add(connection, [judgement("m-3", run_id="run-2", usd=8.0, judged_at=NOW - timedelta(days=40))])
        assert answers.spend(connection, "run-1") == Spend(1, 7, 1.875, 10, 4, judgements=3, judged_usd=1.25)
        # By the time of each call, whatever run it was for.
        assert answers.spend_since(connection, NOW) == Spend(1, 7, 1.875, 10, 4, judgements=3, judged_usd=1.25)
        assert answers.spend(connection, "run-2") == Spend(0, 1, 8.0, 0, 0, judgements=1, judged_usd=8.0)


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
