"""Labels and calibrations: what somebody says again replaces what they said, and the newest calibration counts."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from monitor.store import calibrations
from monitor.store.database import DatabaseError
from tests.unit.store.rows import NOW, calibration, label

DAY = timedelta(days=1)


def add_labels(database, *labels):
    with database.write() as connection:
        calibrations.add_labels(connection, labels)


def labels(database, suite="support", rubric="tone"):
    with database.read() as connection:
        return calibrations.labels(connection, suite, rubric)


def add(database, *found):
    with database.write() as connection:
        calibrations.add(connection, found)


def newest(database, judge=calibrations.PANEL, suite="support", scorer="tone@1"):
    with database.read() as connection:
        return calibrations.newest(connection, suite, scorer, judge)


def test_labels_come_back_by_suite_and_rubric_in_their_order(database):
    mine = [label("b"), label("a"), label("a", criterion="", verdict=None, value=0.25), label("a", labelled_by="bob")]
    others = [label(suite="general"), label(rubric="summary")]
    add_labels(database)
    add_labels(database, *mine, *others)
    assert labels(database) == mine
    assert labels(database, "general") == others[:1]
    assert labels(database, "support", "groundedness") == []


def test_who_labels_again_replaces_their_own_label_alone(database):
    add_labels(database, label(), label(labelled_by="bob"), label(criterion="clear"), label(answer_hash="other"))
    again = label(verdict="not_met", labelled_at=NOW + DAY)
    add_labels(database, again)
    found = labels(database)
    assert len(found) == 4
    assert [one.verdict for one in found if one.labelled_by == "ada"] == ["met", "met", "not_met"]
    # Also twice within one file: the last line holds.
    add_labels(database, label("z"), label("z", verdict="cannot_tell"))
    assert [one.verdict for one in labels(database) if one.case_id == "z"] == ["cannot_tell"]


def test_labels_are_all_stored_or_none(database):
    with pytest.raises(DatabaseError, match="contradicts what is stored"):
        add_labels(database, label(), label("b", labelled_by=None))
    assert labels(database) == []


def test_the_newest_calibration_of_a_scorer_on_a_suite_counts(database):
    whole = calibration(payload={"alpha": 0.6, "table": {"met": [1, 2]}, "odd": "Größe", "none": None})
    add(database)
    add(database, whole, calibration(0.9, calibrated_at=NOW - DAY))
    assert newest(database) == whole
    # Of one moment, the one that was written last.
    add(database, calibration(0.5), calibration(None, calibrated_at=NOW - 2 * DAY))
    assert newest(database).kappa == 0.5
    add(
        database, calibration(0.1, judge="strict"), calibration(0.2, suite="general"), calibration(0.3, scorer="tone@2")
    )
    assert newest(database).kappa == 0.5
    assert (newest(database, "strict").kappa, newest(database, suite="general").kappa) == (0.1, 0.2)
    assert (newest(database, scorer="tone@2").kappa, newest(database, "nobody")) == (0.3, None)


def test_every_newest_one_at_once(database):
    assert every(database) == {}
    add(
        database,
        calibration(0.9, calibrated_at=NOW + DAY),
        calibration(0.7),
        calibration(0.6, judge="strict"),
        calibration(None, suite="general"),
        calibration(0.4, suite="general", calibrated_at=NOW - DAY),
        calibration(0.3, scorer="tone@2"),
    )
    assert every(database) == {
        ("support", "tone@1", ""): 0.9,
        ("support", "tone@1", "strict"): 0.6,
        ("general", "tone@1", ""): None,
        ("support", "tone@2", ""): 0.3,
    }
    for suite, scorer, judge in every(database):
        assert newest(database, judge, suite, scorer).kappa == every(database)[suite, scorer, judge]


def every(database):
    with database.read() as connection:
        return calibrations.kappas(connection)


@pytest.mark.parametrize("kappa", [math.nan, math.inf])
def test_a_kappa_that_is_no_number_is_unknown(database, kappa):
    add(database, calibration(kappa))
    assert newest(database).kappa is None
