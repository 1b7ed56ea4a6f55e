"""Several judges, one verdict a criterion."""

from __future__ import annotations

from collections import Counter

import pytest

from judges.judge import Opinion
from judges.panel import certain, decide, order
from judges.rubric import Criterion, Mark, Rubric
from judges.vote import Verdict, Vote

RUBRIC = Rubric("r", "1", "d", (Criterion("a", "Is it?", 3.0), Criterion("b", "Is it?")))
MET, NOT, NA, CT = Verdict
REFUSED = Opinion(reason="the judge refused")


def said(a, b):
    return Opinion({"a": Vote(a), "b": Vote(b)})


def test_the_majority_of_each_criterion_binds():
    found = decide(RUBRIC, [said(MET, NOT), said(NOT, NOT), said(MET, MET)], 3)
    assert found.mark == Mark(0.75)
    assert found.verdicts == {"a": MET, "b": NOT}
    assert found.split == ("a", "b")


def test_two_who_agree_are_certain_and_enough():
    two = [said(MET, NA), said(MET, NA)]
    assert certain(RUBRIC, two, 3)
    assert decide(RUBRIC, two, 3).mark == Mark(1.0)
    assert decide(RUBRIC, two, 3).split == ()
    assert not certain(RUBRIC, two, 5)


def test_one_criterion_that_is_open_is_not_certain():
    assert not certain(RUBRIC, [said(MET, NOT), said(MET, MET)], 3)
    assert not certain(RUBRIC, [], 1)


def test_a_panel_that_can_no_longer_agree_is_certain():
    three_ways = [said(MET, MET), said(NOT, MET), said(NA, MET)]
    assert not certain(RUBRIC, three_ways[:2], 3)
    assert decide(RUBRIC, three_ways, 3).mark == Mark(None, "the panel was divided on a")
    assert certain(RUBRIC, [REFUSED, REFUSED], 3)


def test_where_most_have_no_verdict_their_reasons_are_told():
    unclear = Opinion(reason="the judge's reply cannot be read: the reply is empty")
    mark = decide(RUBRIC, [REFUSED, said(MET, MET), unclear], 3).mark
    assert mark.score is None
    assert mark.reason.startswith("only 1 of 3 judges gave a verdict: the judge refused; the judge's reply cannot")
    assert decide(RUBRIC, [REFUSED], 1).mark == Mark(None, "the judge refused")


def test_one_that_refused_leaves_a_majority_of_two():
    assert decide(RUBRIC, [said(MET, MET), REFUSED, said(MET, MET)], 3).mark == Mark(1.0)
    assert decide(RUBRIC, [said(MET, MET), REFUSED, said(NOT, MET)], 3).mark.reason == "the panel was divided on a"


def test_cannot_tell_is_a_verdict_of_its_own():
    assert decide(RUBRIC, [said(CT, MET)], 1).mark == Mark(None, "the judge could not tell on a")
    assert decide(RUBRIC, [said(CT, MET)] * 2, 3).mark == Mark(None, "most judges could not tell on a")
    assert decide(RUBRIC, [said(NA, NA)], 1).mark == Mark(None, "no criterion applies")


def test_a_required_criterion_that_fails_is_0_whatever_is_open():
    rubric = Rubric("r", "1", "d", (Criterion("a", "Is it?", required=True), Criterion("b", "Is it?")))
    assert decide(rubric, [said(NOT, CT)] * 2, 3).mark == Mark(0.0)


@pytest.mark.parametrize(("count", "size"), [(0, 0), (0, 2), (2, 1), (4, 3)])
def test_a_panel_is_odd(count, size):
    for what in (certain, decide):
        with pytest.raises(ValueError, match="odd number"):
            what(RUBRIC, [said(MET, MET)] * count, size)


def test_each_judge_is_first_equally_often():
    names = ("x", "y", "z")
    firsts = Counter(order(names, f"case-{number}")[0] for number in range(3000))
    assert all(900 < firsts[name] < 1100 for name in names)
    assert order(names, "s") == order(names, "s")
    assert sorted(order(names, "s")) == list(names)
    assert order((), "s") == ()
