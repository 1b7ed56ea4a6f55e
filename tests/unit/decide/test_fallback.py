"""When a fallback may be rolled back to: every reason why not, in the order in which they are said."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from monitor.decide.fallback import Compared, answers_a_case, compared, readiness, repeats_needed, seen
from monitor.domain.verdict import Interval
from monitor.stats.moments import Moments

GOOD = Compared(Interval(3.9, 2.7, 5.1, 0.99), coverage=0.95, repeats=16, needed=16)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (GOOD, None),
        (replace(GOOD, better_by=Interval(0.2, 0.01, 0.4, 0.99), repeats=99), None),
        (replace(GOOD, hindered="The key was refused.", coverage=0.1, repeats=1), "The key was refused."),
        (replace(GOOD, better_by=None, coverage=0.0), "none of its answers can be compared with production's."),
        (replace(GOOD, coverage=0.94, repeats=1), "only 94% of the cases have a score of it; 95% is needed."),
        (replace(GOOD, repeats=15), "it has 15 answers a case; 16 are needed."),
        (replace(GOOD, repeats=1, better_by=Interval(-1.0, -2.0, 0.0)), "it has 1 answer a case; 16 are needed."),
        (replace(GOOD, better_by=Interval(1.0, 0.0, 2.0)), "that it is better than production is not shown"),
        (replace(GOOD, better_by=Interval(-3.0, -4.0, -2.0)), "that it is better than production is not shown"),
        (replace(GOOD, better_by=Interval(5.0, math.nan, math.nan)), "that it is better than production is not shown"),
    ],
)
def test_it_is_ready_or_the_first_reason_why_not_is_said(found, why):
    ready, said = readiness(found)
    assert ready is (why is None)
    assert said is None if why is None else said is not None and said.startswith(why)
    assert seen("rag", found).as_json()["why"] == said


@pytest.mark.parametrize(("production", "needed"), [(0, 8), (1, 8), (8, 8), (32, 32)])
def test_it_takes_as_many_answers_as_production_and_eight_at_the_least(production, needed):
    assert repeats_needed(production) == needed


def test_both_are_compared_by_case_and_counted_by_their_median():
    fallback = Moments.of([[1.0] * 8] * 19 + [[1.0] * 7] + [[]])
    production = Moments.of([[0.0] * 16] * 21)
    found = compared(fallback, production, None)
    assert found.better_by is not None
    assert (found.better_by.points, found.better_by.confidence) == (100.0, 0.99)
    assert (found.repeats, found.needed, found.coverage) == (8, 16, pytest.approx(20 / 21))
    assert (answers_a_case(Moments.of([[], []])), answers_a_case(Moments.of([]))) == (0, 0)


def test_with_no_case_in_common_there_is_no_interval():
    found = compared(Moments.of([[1.0], []]), Moments.of([[], [1.0]]), None)
    assert (found.better_by, found.coverage) == (None, 0.5)
