"""Baseline answers that are judged again: which, in turn over the weeks, and what flips say of the headline."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.judgement import Marked
from monitor.domain.run import RunKind
from monitor.domain.score import Score
from monitor.judging.anchors import Anchor, Anchors, flips
from tests.fakes.house import MONDAY
from tests.unit.judging.conftest import Court


def load(court: Court) -> Anchors:
    (run,) = [run for run in court.house.runs if run.kind is RunKind.BASELINE]
    return Anchors.load(court.house.database, court.site.grader, court.scorer, run.id, court.house.cases)


async def test_they_are_the_answers_of_the_baseline_with_the_scores_of_then(court):
    await court.house.collect()
    found = load(court)
    assert (len(found.answers), len(found.items), found.cases) == (160, 160, 40)
    assert Counter(one.case for one in found.answers) == dict.fromkeys(range(40), 4)
    assert {court.site.grader.headline(one.scores) for one in found.answers} == {1.0}
    assert found.items[found.answers[0].key].material.answer == "yes then 1"


async def test_equal_answers_are_one_item_and_count_as_often_as_they_were_given(court):
    court.house.model.reply = lambda case: replace(type(court.house.model).reply(court.house.model, case), text="yes")
    await court.house.collect()
    found = load(court)
    assert (len(found.answers), len(found.items)) == (160, 40)
    assert len({one.key for one in found.answers if one.case == 7}) == 1


async def test_those_to_a_case_that_changed_are_left_out(court):
    await court.house.collect()
    court.house.cases[0] = replace(court.house.cases[0], input="Is 0 a letter?")
    del court.house.cases[1]
    found = load(court)
    assert len(found.answers) == 38 * 4
    assert 0 not in {one.case for one in found.answers}


async def test_what_had_no_score_then_is_judged_again_in_every_run(court):
    await court.house.collect()
    found = load(court)
    unscored = replace(found.answers[6], scores={court.scorer.key: Score.unscored("the judge refused")})
    anchors = replace(found, answers=(*found.answers[:6], unscored, *found.answers[7:]))
    for week in range(4):
        chosen = anchors.chosen(1, MONDAY + timedelta(weeks=week))
        assert unscored in chosen
        assert len(chosen) == (40 if week == 2 - MONDAY.toordinal() // 7 % 4 else 41)


def answers(sizes: list[int]) -> Anchors:
    all_of_them = [Anchor(case, i, f"{case}/{i}", {}) for case, size in enumerate(sizes) for i in range(size)]
    return Anchors(tuple(all_of_them), {}, len(sizes))


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6), repeats=st.integers(1, 12), start=st.integers(0, 400)
)
def test_over_the_weeks_every_answer_has_its_turn_and_none_twice_before_all(sizes, repeats, start):
    anchors = answers(sizes)
    first = MONDAY + timedelta(weeks=start)
    seen: Counter[str] = Counter()
    for week in range(-(-max(sizes) // repeats)):
        chosen = [one.key for one in anchors.chosen(repeats, first + timedelta(weeks=week))]
        assert len(chosen) == len(set(chosen)) == sum(min(size, repeats) for size in sizes)
        # The whole week through they are the same.
        assert chosen == [one.key for one in anchors.chosen(repeats, first + timedelta(weeks=week, hours=5))]
        seen.update(chosen)
    assert set(seen) == {one.key for one in anchors.answers}
    largest = [times for key, times in seen.items() if key.startswith(f"{sizes.index(max(sizes))}/")]
    assert max(largest) <= 2


SCORER = "support_answer"


async def grader(court: Court, headline: str = "{ support_answer = 1.0 }"):
    court.house.judged_by("strict", headline=headline)
    court.begin()
    return court.site.grader


async def test_flips_are_the_headline_then_less_the_headline_now(court):
    graded = await grader(court, "{ exact_match = 0.5, support_answer = 0.5 }")
    key, metric = court.scorer.key, court.site.grader.metrics["exact_match"].key
    then = {metric: Score(1.0), key: Score(1.0)}
    chosen = [Anchor(0, 0, "a", then), Anchor(0, 1, "b", then), Anchor(1, 0, "c", {**then, key: Score(0.0)})]
    today = {key: {"a": Marked(1.0), "b": Marked(0.0), "c": Marked(1.0)}}
    found = flips(graded, chosen, today, 3)
    again = found.rejudged
    assert again.m.tolist() == [2, 1, 0]
    assert again.flip_mean.tolist() == [0.25, -0.5, 0.0]
    assert again.flip_var.tolist() == [pytest.approx(0.125), 0.0, 0.0]
    assert again.today_var.tolist() == [pytest.approx(0.125), 0.0, 0.0]
    assert sorted(found.distinct) == [-0.5, 0.0, 0.5]


async def test_what_has_no_score_then_or_now_or_was_not_judged_again_is_no_flip(court):
    graded = await grader(court)
    key = court.scorer.key
    chosen = [
        Anchor(0, 0, "unscored then", {key: Score.unscored("refused")}),
        Anchor(1, 0, "unscored now", {key: Score(1.0)}),
        Anchor(2, 0, "not judged", {key: Score(1.0)}),
        Anchor(3, 0, "both", {key: Score(1.0)}),
    ]
    today = {key: {"unscored then": Marked(1.0), "unscored now": Marked(None, "cut off"), "both": Marked(1.0)}}
    assert flips(graded, chosen, today, 4).rejudged.m.tolist() == [0, 0, 0, 1]


async def test_a_text_that_was_given_often_is_one_flip_of_its_own(court):
    graded = await grader(court)
    key = court.scorer.key
    chosen = [Anchor(0, i, "a", {key: Score(1.0)}) for i in range(4)]
    found = flips(graded, chosen, {key: {"a": Marked(0.0)}}, 1)
    assert (found.rejudged.m.tolist(), found.distinct) == ([4], (1.0,))
