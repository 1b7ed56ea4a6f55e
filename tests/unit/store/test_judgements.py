"""Judgements: each stored once, found again by occasion and sitting, with the panel's marks and the canaries."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from monitor.domain.judgement import Juror, Marked, Purpose, StoredCanary
from monitor.domain.run import Phase, RunKind, RunState
from monitor.domain.score import Score
from monitor.store import answers, judgements, runs
from monitor.store.database import Database, DatabaseError
from tests.unit.store.rows import NOW, STRICT, answer, judgement, run

HOUR = timedelta(hours=1)
KIND, OTHER_MODEL = Juror("kind", "model-b"), replace(STRICT, fingerprint="model-z")
ODD = "Grüße, 東京 \N{ROCKET}\n\"'\\ \x01 NULL"


@pytest.fixture
def several(database: Database) -> Database:
    """Runs of each kind: run-1 of a week, run-2 a baseline, run-3 on demand, run-4 a look at the judges."""
    kinds = {1: RunKind.WEEK, 2: RunKind.BASELINE, 3: RunKind.AD_HOC, 4: RunKind.JUDGE}
    with database.write() as connection:
        for number, kind in kinds.items():
            slot = NOW if kind is RunKind.WEEK else None
            assert runs.begin(connection, run(number, kind=kind, slot=slot, state=RunState.DONE))
    return database


def add(database, *said):
    with database.write() as connection:
        judgements.add(connection, said)


def opinions(database, occasion="run-1", materials: Iterable[str] = ("m-1",), rubric="tone-1", sitting="main"):
    with database.read() as connection:
        return judgements.opinions(connection, occasion, rubric, list(materials), sitting)


def test_a_judgement_comes_back_as_it_was(begun):
    whole = judgement(
        "m-1", case_id=ODD, votes={ODD: ("met", ODD), "b": ("cannot_tell", "")}, value=1 / 3, model=ODD,
        fingerprint="fp", input_tokens=1200, cached_input_tokens=1024, output_tokens=80, usd=1.5e-7, latency=0.25,
        attempts=3, position=2, purpose=Purpose.CANARY, judged_at=NOW + timedelta(microseconds=7),
    )  # fmt: skip
    unread = judgement("m-2", votes=None, value=None, reason="no JSON in it: <script>")
    add(begun, whole, unread)
    assert opinions(begun, materials=["m-2", "m-1", "m-3"]) == {"m-1": [whole], "m-2": [unread]}


def test_one_judge_says_one_thing_of_one_answer_on_one_occasion_whoever_is_faster(begun):
    first = judgement(value=1.0)
    add(begun, first)
    others = [
        judgement(juror=KIND, value=0.0),
        judgement(juror=OTHER_MODEL, value=0.0),
        judgement("m-2", value=0.0),
        judgement(rubric_fingerprint="tone-2", value=0.0),
    ]
    add(begun, judgement(value=0.0, usd=1.0), *others)
    found = opinions(begun)["m-1"]
    assert len(found) == 3
    assert first in found
    assert opinions(begun, rubric="tone-2") == {"m-1": [others[-1]]}


def test_nothing_may_be_stored_too_and_a_judgement_needs_its_runs(begun):
    add(begun)
    for unknown in ({"run_id": "run-9"}, {"occasion": "run-9"}):
        with pytest.raises(DatabaseError, match="contradicts what is stored"):
            add(begun, judgement("m-9", **unknown))
    assert opinions(begun, materials=["m-9"]) == {}
    assert opinions(begun, materials=[]) == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_refused(begun, value):
    with pytest.raises(ValueError, match="must be a finite number"):
        add(begun, judgement(value=value))


def test_each_sitting_stands_by_itself(several):
    add(several, judgement(value=0.9, judged_at=NOW))
    add(several, judgement(value=0.1, judged_at=NOW + 24 * HOUR, sitting="main+2"))
    add(several, judgement("m-2", judged_at=NOW + 25 * HOUR, sitting="main+2"))
    add(several, judgement(run_id="run-3", occasion="run-3", value=0.3, judged_at=NOW + HOUR))
    assert [one.value for one in opinions(several)["m-1"]] == [0.9]
    assert [one.value for one in opinions(several, sitting="main+2")["m-1"]] == [0.1]
    assert opinions(several, sitting="confirm") == {}
    with several.write() as connection:
        assert judgements.began(connection, "run-1") == {"main": NOW, "main+2": NOW + 24 * HOUR}
        judgements.add_marks(connection, "run-1", "tone@1", {"m-1": Marked(0.9)})
        judgements.add_marks(connection, "run-1", "tone@1", {"m-1": Marked(0.1)}, "main+2")
        assert judgements.marks(connection, "run-1", "tone@1") == {"m-1": Marked(0.9)}
        assert judgements.marks(connection, "run-1", "tone@1", "main+2") == {"m-1": Marked(0.1)}


def test_a_baselines_moment_may_be_judged_by_a_later_run(several):
    add(several, judgement(run_id="run-1", occasion="run-2"))
    assert opinions(several, "run-1") == {}
    (found,) = opinions(several, "run-2")["m-1"]
    assert (found.run_id, found.occasion) == ("run-1", "run-2")


def test_more_materials_than_fit_into_one_question(begun):
    many = [judgement(f"m-{i:04}") for i in range(1203)]
    add(begun, *many)
    found = opinions(begun, materials=[one.material for one in many])
    assert len(found) == 1203
    assert found["m-1202"] == [many[-1]]


def test_one_judge_alone_with_its_models_and_its_usage(several):
    add(
        several,
        judgement("m-1", value=1.0, model="m-a", input_tokens=100, output_tokens=10),
        judgement("m-2", value=None, votes=None, reason="cut", model="m-b", input_tokens=200, output_tokens=20),
        judgement("m-3", value=0.5),
        judgement("m-1", juror=KIND, value=0.0, model="m-c", input_tokens=900, output_tokens=90),
        judgement("m-1", juror=OTHER_MODEL, value=0.0, model="m-d"),
        judgement("m-1", occasion="run-2", value=0.0, model="m-e", input_tokens=300, output_tokens=30),
        judgement("m-4", rubric_fingerprint="tone-2", value=0.0, model="m-a"),
    )
    with several.read() as connection:
        said = judgements.of_occasion(connection, "run-1", "tone-1", STRICT)
        assert said == {"m-1": 1.0, "m-2": None, "m-3": 0.5}
        assert judgements.reported_models(connection, "run-1", STRICT) == {"m-a", "m-b"}
        assert judgements.reported_models(connection, "run-3", STRICT) == set()
        assert judgements.mean_usage(connection, STRICT, "tone-1") == (200.0, 20.0)
        assert judgements.mean_usage(connection, STRICT, "tone-2") is None
        assert judgements.mean_usage(connection, Juror("new", "model-n"), "tone-1") is None


def test_what_a_panel_decided_stays(several):
    first = {"m-1": Marked(0.75, None, ("polite", ODD)), "m-2": Marked(None, ODD), "m-3": Marked(0.0, "it is empty")}
    with several.write() as connection:
        judgements.add_marks(connection, "run-1", "tone@1", {})
        judgements.add_marks(connection, "run-1", "tone@1", first)
        judgements.add_marks(connection, "run-1", "tone@1", {"m-1": Marked(0.0), "m-4": Marked(1.0)})
        judgements.add_marks(connection, "run-2", "tone@1", {"m-1": Marked(0.25)})
        judgements.add_marks(connection, "run-1", "tone@2", {"m-1": Marked(0.5)})
    with several.read() as connection:
        assert judgements.marks(connection, "run-1", "tone@1") == first | {"m-4": Marked(1.0)}
        assert judgements.marks(connection, "run-2", "tone@1") == {"m-1": Marked(0.25)}
        assert judgements.marks(connection, "run-3", "tone@1") == {}


def test_answers_that_a_panel_has_not_scored(begun):
    stored = [answer("a", contexts=("page", ODD)), answer("b"), answer("c"), answer("d", phase=Phase.CONFIRM)]
    with begun.write() as connection:
        answers.add(connection, stored, [{"exact": Score(1.0)}, {"tone@1": Score.unscored("cut")}, {}, {}])
        left = judgements.unscored_answers(connection, "run-1", Phase.MAIN, "tone@1", limit=10)
        # One that has no score, with the reason, is done with.
        assert [row[1:] for row in left] == [("a", "print-a", "a/0", ("page", ODD)), ("c", "print-c", "c/0", ())]
        some = judgements.unscored_answers(connection, "run-1", Phase.MAIN, "tone@1", limit=1, after=left[0][0])
        assert [row[1] for row in some] == ["c"]
        answers.add_scores(connection, [(row[0], {"tone@1": Score(0.5)}) for row in left])
        answers.add_scores(connection, [(left[0][0], {"tone@1": Score(0.0)})])
        assert judgements.unscored_answers(connection, "run-1", Phase.MAIN, "tone@1", limit=10) == []
        kept = {one.case_id: one.scores for one in answers.scored(connection, "run-1", Phase.MAIN, ["tone@1"])}
        assert kept["a"] == {"tone@1": Score(0.5)}
        every = judgements.answers_with_contexts(connection, "run-1", Phase.MAIN)
        assert [(row[1], row[3], row[5]) for row in every] == [("a", 0, ("page", ODD)), ("b", 0, ()), ("c", 0, ())]


def test_canaries_keep_their_order(begun):
    pinned = [StoredCanary(kind, f"case-{i}", "print", ODD) for i, kind in enumerate(("null", "good", "bad", "null"))]
    with begun.write() as connection:
        judgements.pin_canaries(connection, "run-1", [])
        judgements.pin_canaries(connection, "run-1", iter(pinned))
        assert judgements.canaries(connection, "run-1") == pinned
        assert judgements.canaries(connection, "run-2") == []


@pytest.mark.sqlite_only("PostgreSQL's plans depend on what it knows of the tables")
def test_years_of_history_are_not_read_to_find_what_was_said(begun):
    asked: list[tuple[str, object]] = []

    def note(_connection, _cursor, statement, parameters, *_):
        asked.append((statement, parameters))

    sa.event.listen(begun.engine, "before_cursor_execute", note)
    opinions(begun, materials=[f"m-{i}" for i in range(500)])
    with begun.read() as connection:
        judgements.marks(connection, "run-1", "tone@1")
    sa.event.remove(begun.engine, "before_cursor_execute", note)
    asked_now = (one for one in asked if one[0].startswith("SELECT"))
    narrowed = "occasion=? AND material=? AND sitting=? AND rubric_fingerprint=?"
    with begun.read() as connection:
        for condition in (narrowed, "occasion=? AND sitting=? AND scorer=?"):
            statement, parameters = next(asked_now)
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            assert condition in "\n".join(str(row[-1]) for row in plan)
