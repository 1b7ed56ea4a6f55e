"""From judgements to scores: what no judge needs to see, what is judged once, and what has no score."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.domain.answer import Reply
from monitor.domain.case import Case
from monitor.domain.run import Phase, StoredAnswer
from monitor.domain.score import Score
from monitor.judging.marking import beforehand, score_answers
from monitor.judging.scorer import NO_CONTEXTS, RubricScorer
from monitor.store import answers
from monitor.store.tables import answer, mark, score
from tests.unit.judging.conftest import Court


def said(court: Court, number: int, text: str, repeat: int = 0) -> StoredAnswer:
    case = court.house.cases[number]
    return StoredAnswer(
        court.run.id,
        Phase.MAIN,
        case.id,
        case.fingerprint,
        repeat,
        text,
        answered_at=court.house.clock.now,
        latency=0.1,
        attempts=1,
    )


def store(court: Court, *given: StoredAnswer) -> None:
    with court.house.database.write() as connection:
        answers.add(connection, given, [{} for _ in given])


async def scored(court: Court) -> dict[tuple[str, int], Score]:
    """What scoring the run's answers came to, by (case, repeat)."""
    cases = {case.id: case for case in court.house.cases}
    async with court.judging.convene(court.budget) as jury:
        halt = await score_answers(
            court.app.place, court.sitting(), jury, court.scorer, (court.run.id, Phase.MAIN), cases
        )
    assert halt is None
    with court.house.database.read() as connection:
        rows = answers.scored(connection, court.run.id, Phase.MAIN, [court.scorer.key])
        return {(one.case_id, one.repeat): one.scores[court.scorer.key] for one in rows if one.scores}


@pytest.mark.parametrize("text", ["", " \n", ":", "Thought process:", "Is 0 a number?", "```\n```"])
async def test_what_needs_no_model_reaches_none(court, text):
    store(court, said(court, 0, text))
    found = await scored(court)
    assert found["case-000", 0].value == 0.0
    assert found["case-000", 0].reason
    assert court.asked() == []


async def test_equal_answers_to_a_case_are_judged_once_and_each_is_scored(court):
    store(
        court, *(said(court, 0, text, i) for i, text in enumerate(["yes", "no", "yes", "yes"])), said(court, 1, "yes")
    )
    found = await scored(court)
    assert sorted(court.asked()) == [("case-000", "no"), ("case-000", "yes"), ("case-001", "yes")]
    assert [found["case-000", i].value for i in range(4)] == [1.0, 0.0, 1.0, 1.0]
    assert len(court.house.rows(mark)) == 3


async def test_what_was_decided_stays_so_whatever_the_judge_would_say_now(court):
    items = [court.item(0, "yes")]
    first = await court.mark(items)
    court.house.judges["strict"].passes = lambda answer, case: False
    again = await court.mark([*items, court.item(1, "yes")])
    assert again.decided[items[0].key] == first.decided[items[0].key]
    assert [one.value for one in again.decided.values()] == [1.0, 0.0]
    assert len(court.asked()) == 2


async def test_answers_to_a_case_as_it_was_before_are_left_alone(court):
    store(court, said(court, 0, "yes"), said(court, 1, "yes"))
    court.house.cases[0] = replace(court.house.cases[0], input="Is 0 a letter?")
    assert list(await scored(court)) == [("case-001", 0)]
    assert len(court.asked()) == 1


async def test_an_answer_on_which_no_judge_replied_has_no_score_until_one_does(court):
    judge = court.house.judges["strict"]
    judge.down = lambda case: case == "case-001"
    store(court, *(said(court, i, "yes") for i in range(4)))
    assert len(await scored(court)) == 3
    judge.down = lambda case: False
    assert len(await scored(court)) == 4
    assert len(court.house.rows(score)) == len(court.house.rows(answer)) == 4


async def test_an_unreadable_reply_is_unscored_with_its_reason(court):
    court.house.judges["strict"].says = lambda answer, case: Reply("perhaps", "judge-1")
    store(court, said(court, 0, "yes"))
    (found,) = (await scored(court)).values()
    assert found.value is None
    assert found.reason is not None
    assert found.reason.startswith("the judge's reply cannot be read")


async def test_on_what_a_panel_did_not_agree_is_stored(panel):
    panel.house.judges["c"].passes = lambda answer, case: False
    items = [panel.item(i, "yes") for i in range(12)]
    found = await panel.mark(items)
    assert {one.value for one in found.decided.values()} == {1.0}
    splits = [one.split for one in found.decided.values()]
    criteria = tuple(one.id for one in panel.scorer.rubric.criteria)
    assert set(splits) == {(), criteria}
    again = await panel.mark(items)
    assert again.decided == found.decided


async def test_what_is_judged_by_contexts_alone_cannot_be_judged_without_any(court):
    from judges.rubric_file import bundled

    grounded = RubricScorer(bundled("groundedness"), court.scorer.panel)
    without, own = Case("a", "Why is that so?"), Case("b", "Why is that so?", context="Because.")
    item = court.item(0, "It is so because of that.")
    assert beforehand(grounded, replace(item, material=grounded.material(without, "It is so."))) is not None
    assert beforehand(grounded, replace(item, material=grounded.material(without, "It is so."))).reason == NO_CONTEXTS
    assert beforehand(grounded, replace(item, material=grounded.material(own, "It is so."))) is None
    # The contexts that an answer came with go before the case's own.
    assert grounded.material(own, "It is so.", ("Found.",)).contexts == ("Found.",)


def test_a_scorer_is_another_one_with_another_rubric_judge_or_panel(court, tmp_path):
    mine = court.scorer
    other_rubric = RubricScorer(replace(mine.rubric, version="2"), mine.panel)
    other_judge = RubricScorer(mine.rubric, (replace(mine.panel[0], fingerprint="f"),))
    three = RubricScorer(mine.rubric, tuple(replace(mine.panel[0], name=n, fingerprint=n) for n in "abc"))
    assert len({one.key for one in (mine, other_rubric, other_judge, three)}) == 4
    # In which order judges are named changes nothing.
    assert replace(three, panel=three.panel[::-1]).key == three.key
    assert other_judge.fingerprint == mine.fingerprint != other_rubric.fingerprint


def test_a_case_that_every_criterion_needs_a_reference_for_has_to_have_one(court):
    from judges.rubric import Sees

    strict = replace(
        court.scorer.rubric,
        criteria=tuple(replace(one, sees=frozenset({Sees.REFERENCE})) for one in court.scorer.rubric.criteria),
    )
    scorer = RubricScorer(strict, court.scorer.panel)
    assert scorer.fault(Case("a", "Why?")) is not None
    assert scorer.fault(Case("a", "Why?", expected="Because.")) is None
    assert court.scorer.fault(Case("a", "Why?")) is None
