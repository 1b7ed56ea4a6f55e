"""Verdicts: the newest counts, and of each earlier slot its last."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.domain.run import RunKind
from monitor.domain.verdict import Level, Stage
from monitor.store import runs, verdicts
from tests.unit.store.rows import NOW, decided, provider, run

WEEK = timedelta(days=7)


def test_a_verdict_comes_back_with_its_run(begun):
    said = decided(level=Level.INVESTIGATE, causes=(provider(),))
    with begun.write() as connection:
        verdict_id = verdicts.add(connection, said, True, NOW)
        found = verdicts.newest(connection, "ft", "support")
    assert (found.id, found.level, found.stage, found.clear) == (verdict_id, Level.INVESTIGATE, Stage.FINAL, True)
    assert (found.cause, found.kind, found.baseline_id, found.decided_at) == ("provider", RunKind.WEEK, None, NOW)
    assert found.payload == said.as_json()


def test_a_verdict_needs_its_run(begun):
    with pytest.raises(ValueError, match="without a run"), begun.write() as connection:
        verdicts.add(connection, decided(run=None), False, NOW)


def test_the_newest_of_one_target_and_suite(begun):
    with begun.write() as connection:
        verdicts.add(connection, decided(level=Level.PASS), True, NOW)
        verdicts.add(connection, decided(level=Level.INCONCLUSIVE), False, NOW)
        verdicts.add(connection, decided(level=Level.ROLLBACK, suite="general"), False, NOW + WEEK)
        assert verdicts.newest(connection, "ft", "support").level is Level.INCONCLUSIVE
        assert verdicts.newest(connection, "ft", "other") is None
        assert [one.level for one in verdicts.of_run(connection, "run-1")] == [
            Level.PASS,
            Level.INCONCLUSIVE,
            Level.ROLLBACK,
        ]


def test_the_last_decisions_of_weeks_whatever_runs_on_demand_said(database):
    with database.write() as connection:
        for number in (1, 3, 2):
            slot = NOW + number * WEEK
            assert runs.begin(connection, run(number, slot=slot))
            for level in (Level.INCONCLUSIVE, Level.PASS):
                verdicts.add(connection, decided(f"run-{number}", level, slot=slot), True, slot)
        assert runs.begin(connection, run(9, slot=None, kind=RunKind.AD_HOC))
        verdicts.add(connection, decided("run-9", Level.ROLLBACK, slot=None), False, NOW + 2 * WEEK)
        verdicts.add(connection, decided("run-1", Level.ROLLBACK, suite="general", slot=NOW + WEEK), False, NOW)

        def newest(until: int, limit: int) -> list[tuple[str, Level]]:
            found = verdicts.newest_weeks(connection, "ft", "support", NOW + until * WEEK, limit)
            return [(one.run_id, one.level) for one in found]

        assert newest(2, 3) == [
            ("run-2", Level.PASS),
            ("run-2", Level.INCONCLUSIVE),
            ("run-1", Level.PASS),
        ]
        assert len(newest(3, 20)) == 6
        assert newest(0, 20) == []


def test_of_each_earlier_slot_against_the_same_baseline_the_last_decision(database):
    with database.write() as connection:
        for number, baseline in ((1, 1), (2, 1), (3, 2), (4, None), (5, 1)):
            slot = NOW + number * WEEK
            assert runs.begin(connection, run(number, slot=slot, baseline_id=baseline))
            for level in (Level.INCONCLUSIVE, Level.PASS):
                verdicts.add(connection, decided(f"run-{number}", level, slot=slot), True, slot)
        # A run on demand has no slot and is no week.
        assert runs.begin(connection, run(9, kind=RunKind.AD_HOC, baseline_id=1))
        verdicts.add(connection, decided("run-9", Level.ROLLBACK, slot=None), False, NOW)

        def weeks(before: int, baseline: int | None) -> list[tuple[str, Level]]:
            found = verdicts.weekly(connection, "ft", "support", NOW + before * WEEK, baseline)
            return [(one.run_id, one.level) for one in found]

        assert weeks(5, 1) == [("run-1", Level.PASS), ("run-2", Level.PASS)]
        assert weeks(6, 2) == [("run-3", Level.PASS)]
        assert weeks(6, None) == [("run-4", Level.PASS)]
        assert weeks(1, 1) == []
