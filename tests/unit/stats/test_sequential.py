"""When a question is clear, fires, stays open, and when a week stops."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from monitor.stats.paired import Estimate
from monitor.stats.sequential import last_look, look, spending, start
from monitor.stats.spec import INVESTIGATE, ROLLBACK, Spec

SPEC = Spec.from_thresholds(3, 5)


def seen(points: float, se: float, information: float = 1.0, **changed: object) -> Estimate:
    """An estimate in points, with so many degrees of freedom that t is the normal."""
    value = Estimate(
        drop=np.asarray(points / 100),
        se=np.asarray(se / 100),
        se_cap=np.asarray(se / 100),
        df=np.asarray(1e9),
        cases=np.asarray(200.0),
        information=np.asarray(information),
        at_cap=np.asarray(False),
        floored=np.asarray(False),
        single_baseline=np.asarray(False),
        repeats=4,
    )
    return replace(value, **{name: np.asarray(new) for name, new in changed.items()})


def test_spending_follows_o_brien_and_fleming() -> None:
    for time in (0.1, 0.4, 0.9):
        wanted = 2 * stats.norm.sf(stats.norm.isf(0.0025) / np.sqrt(time))
        assert float(spending(0.005, time)) == pytest.approx(wanted, rel=1e-12)
    assert float(spending(0.005, 1.0)) == pytest.approx(0.005, rel=1e-12)
    assert float(spending(0.005, 0.0)) == 0.0


@pytest.mark.parametrize(("points", "clear"), [(0.75, True), (0.77, False)])
def test_clear_ends_where_the_threshold_is_2_24_errors_away(points: float, clear: bool) -> None:
    state = look(start(), seen(points, 1.0, 0.01), SPEC)
    assert bool(state.clear[INVESTIGATE]) is clear
    assert bool(state.clear[ROLLBACK])
    assert bool(state.finished) is clear


@pytest.mark.parametrize(("points", "fires"), [(1 + 2.5758 + 0.01, True), (1 + 2.5758 - 0.01, False)])
def test_investigate_fires_beyond_its_null_edge_by_its_error(points: float, fires: bool) -> None:
    state = look(start(), seen(points, 1.0), SPEC)
    assert bool(state.fired[INVESTIGATE]) is fires
    assert not state.fired[ROLLBACK]


@pytest.mark.parametrize(("points", "fires"), [(3 + 3.0902 * 0.5 + 0.01, True), (3 + 3.0902 * 0.5 - 0.01, False)])
def test_rollback_fires_beyond_the_lower_threshold_by_its_error(points: float, fires: bool) -> None:
    assert bool(look(start(), seen(points, 0.5), SPEC).fired[ROLLBACK]) is fires


def test_an_early_look_may_spend_next_to_nothing() -> None:
    early = look(start(), seen(1 + 4, 1.0, 0.1), SPEC)
    assert not early.fired.any()
    assert early.open.all()
    assert not early.finished
    assert look(early, seen(1 + 4, 1.0), SPEC).fired[INVESTIGATE]


def test_only_what_was_not_spent_before_may_be_spent() -> None:
    first = look(start(), seen(2.9, 1.0, 0.7), SPEC)
    left = 0.005 - float(spending(0.005, 0.7))
    bound = 1 + stats.norm.isf(left)
    assert not look(first, seen(bound - 0.01, 1.0), SPEC).fired[INVESTIGATE]
    assert look(first, seen(bound + 0.01, 1.0), SPEC).fired[INVESTIGATE]


def test_no_new_information_fires_nothing_however_large_the_drop() -> None:
    first = look(start(), seen(2.9, 1.0, 0.7), SPEC)
    again = look(first, seen(80.0, 1.0, 0.6), SPEC)
    assert not again.fired.any()
    assert again.time == 0.7


def test_clear_goes_before_fire() -> None:
    # With so small an error a drop of 2.9 is both well beyond 1 and well below 3.
    state = look(start(), seen(2.9, 0.01), SPEC)
    assert state.clear.all()
    assert not state.fired.any()


def test_fired_stays_fired_and_clear_is_asked_anew() -> None:
    fired = look(start(), seen(4.0, 0.9, 0.95), SPEC)
    assert fired.fired.tolist() == [True, False]
    later = look(fired, seen(0.0, 0.3), SPEC)
    assert later.fired.tolist() == [True, False]
    assert later.clear.tolist() == [True, True]
    cleared = look(start(), seen(0.5, 1.0, 0.1), SPEC)
    assert look(cleared, seen(2.0, 1.0, 0.2), SPEC).clear.tolist() == [False, True]


def test_a_rollback_fires_the_investigation() -> None:
    wide = replace(SPEC, investigate=replace(SPEC.investigate, alpha=1e-12))
    assert look(start(), seen(6.2, 1.0), wide).fired.tolist() == [True, True]


def test_the_cap_ends_a_week_with_a_question_open() -> None:
    state = look(start(), seen(2.9, 1.0, at_cap=True), SPEC)
    assert state.open[INVESTIGATE]
    assert state.finished


def test_a_question_that_is_not_asked_never_fires_but_can_be_seen_clear() -> None:
    alone = start(investigate=False)
    assert look(alone, seen(3.9, 0.3), SPEC).fired.tolist() == [False, False]
    assert look(alone, seen(0.0, 0.3), SPEC).clear.tolist() == [True, True]
    assert look(alone, seen(0.0, 0.3), SPEC).finished


def test_the_confirmation_has_an_error_of_one_in_twenty() -> None:
    alone, spec = start(investigate=False), SPEC.confirmation()
    assert not look(alone, seen(3 + 1.63, 1.0), spec).fired[ROLLBACK]
    assert look(alone, seen(3 + 1.66, 1.0), spec).fired[ROLLBACK]


def test_one_baseline_answer_fires_no_rollback_and_an_investigation_ends_the_week() -> None:
    state = look(start(), seen(30.0, 2.0, single_baseline=True), SPEC)
    assert state.fired.tolist() == [True, False]
    assert state.finished
    assert not look(start(), seen(3.0, 2.0, 0.1, single_baseline=True), SPEC).finished


def test_the_last_look_has_half_the_error_whatever_was_spent() -> None:
    spent = look(start(), seen(2.9, 1.0, at_cap=True), SPEC)
    bound = 1 + stats.norm.isf(0.0025) * 0.7
    below, above = (last_look(spent, seen(bound + by, 0.7), SPEC) for by in (-0.01, 0.01))
    assert (bool(below.fired[INVESTIGATE]), bool(above.fired[INVESTIGATE])) == (False, True)
    assert below.finished
    assert above.finished


def test_what_is_not_a_number_decides_nothing() -> None:
    state = look(start(), seen(np.nan, np.nan, np.nan), SPEC)
    assert not state.fired.any()
    assert not state.clear.any()
    assert state.time == 0.0


def test_percent_of_the_baseline() -> None:
    percent = Spec.from_thresholds(3, 5, scale=100 / 0.5)
    # 2.3 points of 50 are 4.6 percent: beyond 1 by 2.58 errors of 1.2 percent, which are 0.6 points.
    assert look(start(), seen(2.3, 0.6), percent).fired[INVESTIGATE]
    assert not look(start(), seen(2.3, 0.6), SPEC).fired[INVESTIGATE]


def test_many_weeks_at_once_and_a_part_of_them() -> None:
    state = start(investigate=np.array([True, False]), weeks=(2,))
    values = replace(
        seen(0, 0), drop=np.array([0.05, 0.05]), se=np.array([0.01, 0.01]), information=np.ones(2), df=np.full(2, 1e9)
    )
    both = look(state, values, SPEC)
    assert both.fired.tolist() == [[True, False], [False, False]]
    first = np.array([True, False])
    assert state.with_rows(first, both.rows(first)).fired.tolist() == [[True, False], [False, False]]
    assert not state.fired.any()
