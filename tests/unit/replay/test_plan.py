"""What is still to be asked: nothing that is stored, and every case once before any comes twice."""

from __future__ import annotations

import pytest

from monitor.domain.case import Case
from monitor.replay.plan import outstanding

CASES = [Case(name, "?") for name in "abc"]


@pytest.mark.parametrize(
    ("stored", "repeats", "wanted"),
    [
        ({}, 0, ""),
        ({}, 1, "a0 b0 c0"),
        ({}, 2, "a0 b0 c0 a1 b1 c1"),
        ({"a": {0}, "c": {0}}, 1, "b0"),
        ({"a": {0, 1}, "b": {1}}, 2, "b0 c0 c1"),
        ({"a": {0, 1, 2, 3}, "b": {0, 1}, "c": {0, 1}}, 2, ""),
        ({"gone": {0}}, 1, "a0 b0 c0"),
    ],
)
def test_what_is_missing_is_asked_in_rounds(stored, repeats, wanted):
    assert [f"{q.case.id}{q.repeat}" for q in outstanding(CASES, stored, repeats)] == wanted.split()
