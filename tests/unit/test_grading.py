"""From answers to scores: the weighted headline, moments by case, and scoring again by a scorer that came later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from monitor import grading
from monitor.domain.case import Case
from monitor.domain.run import Phase
from monitor.domain.score import Score
from monitor.grading import Grader
from monitor.metrics import build_metric
from monitor.store import answers, runs
from monitor.store.answers import Scored
from monitor.store.database import Database, open_database
from tests.fakes import databases
from tests.unit.store.rows import answer, run

CASES = [Case("a", "?", expected="yes"), Case("b", "?", expected="the long answer")]
BOTH = Grader(
    {"exact_match": build_metric("exact_match", {}), "f1": build_metric("f1", {})}, {"exact_match": 0.25, "f1": 0.75}
)
EXACT = Grader({"exact_match": build_metric("exact_match", {})}, {"exact_match": 1.0})


@pytest.fixture
def database(tmp_path) -> Iterator[Database]:
    opened = open_database(databases.filled(tmp_path))
    with opened.write() as connection:
        assert runs.begin(connection, run())
    yield opened
    opened.close()


def store(database: Database, texts: dict[str, list[str]], grader: Grader = EXACT) -> None:
    by_id = {case.id: case for case in CASES}
    rows = [
        answer(name, repeat, text=text, case_fingerprint=by_id[name].fingerprint)
        for name, said in texts.items()
        for repeat, text in enumerate(said)
    ]
    with database.write() as connection:
        answers.add(connection, rows, [grader.grade(row.text, by_id[row.case_id]) for row in rows])


def regrade(database: Database, grader: Grader, cases=CASES) -> int:
    return grading.regrade(database, grader, "run-1", Phase.MAIN, {case.id: case for case in cases})


@pytest.mark.parametrize(
    ("scores", "headline"),
    [
        ({"exact_match": Score(1.0), "f1": Score(1.0)}, 1.0),
        ({"exact_match": Score(0.0), "f1": Score(1.0)}, 0.75),
        ({"exact_match": Score(1.0)}, None),
        ({"exact_match": Score(1.0), "f1": Score.unscored("no")}, None),
        ({}, None),
    ],
)
def test_a_headline_needs_all_of_its_scorers(scores, headline):
    assert BOTH.headline(scores) == headline


def test_moments_count_scored_answers_of_the_cases_as_they_stand():
    def scored(case: Case, value: float | None) -> Scored:
        score = Score.unscored("no") if value is None else Score(value)
        return Scored(1, case.id, case.fingerprint, 0, {"exact_match": score})

    stream = [scored(CASES[0], 1.0), scored(CASES[0], 0.0), scored(CASES[1], None), scored(Case("gone", "?"), 1.0)]
    stream.append(scored(replace(CASES[1], input="another question"), 1.0))
    found = grading.moments(EXACT, stream, CASES)
    assert (found.n.tolist(), found.mean.tolist(), found.var.tolist()) == ([2.0, 0.0], [0.5, 0.0], [0.5, 0.0])


def test_a_scorer_that_came_later_scores_what_is_stored_once(database):
    store(database, {"a": ["yes", "no"], "b": ["the answer"]})
    assert regrade(database, BOTH) == 3
    assert regrade(database, BOTH) == 0
    found = grading.load_moments(database, BOTH, "run-1", Phase.MAIN, CASES)
    assert found.n.tolist() == [2.0, 1.0]
    assert found.mean.tolist() == pytest.approx([0.5, 0.75 * 2 * (2 / 2) * (2 / 3) / (1 + 2 / 3)], abs=0.16)


def test_very_many_answers_are_scored_in_parts(database):
    store(database, {"a": ["yes"] * 1203})
    assert regrade(database, BOTH) == 1203
    assert regrade(database, BOTH) == 0


def test_answers_to_a_case_that_changed_wait_until_it_changes_back(database):
    store(database, {"a": ["yes"] * 700, "b": ["no"]})
    edited = [replace(CASES[0], input="Really?"), CASES[1]]
    assert regrade(database, BOTH, edited) == 1
    assert grading.load_moments(database, BOTH, "run-1", Phase.MAIN, edited).n.tolist() == [0.0, 1.0]
    assert regrade(database, BOTH, []) == 0
    assert regrade(database, BOTH) == 700


def test_the_mean_of_every_scorer_counts_each_case_once(database):
    store(database, {"a": ["yes", "yes", "yes"], "b": ["wrong"]}, BOTH)
    assert grading.scorer_means(database, BOTH, "run-1", CASES) == {"exact_match": 0.5, "f1": 0.5}
    assert grading.scorer_means(database, BOTH, "run-2", CASES) == {"exact_match": None, "f1": None}
