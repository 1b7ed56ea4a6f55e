"""Asking judges: who is asked what, in which waves, what is stored, and what a judge that is away means."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from judges.vote import Verdict
from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.judgement import Purpose
from monitor.domain.run import HaltKind
from monitor.judging.hearing import opinions_of
from monitor.judging.seat import Item
from monitor.replay.budget import Budget, Caps, Month
from monitor.replay.runner import RunInterruptedError
from monitor.store.tables import failure, judgement
from tests.fakes.house import CrashError
from tests.unit.judging.conftest import Court


def many(court: Court, count: int = 20, text: str = "yes") -> list[Item]:
    return [court.item(i, text) for i in range(count)]


async def test_each_answer_is_judged_once_and_everything_about_it_is_stored(court):
    items = [court.item(0, "yes"), court.item(0, "no"), court.item(1, "yes")]
    heard = await court.hear(items)
    assert sorted(court.asked()) == [("case-000", "no"), ("case-000", "yes"), ("case-001", "yes")]
    assert (heard.halt, heard.away, heard.undecided) == (None, {}, False)
    (one,) = court.stored(items)[items[1].key]
    assert (one.run_id, one.occasion, one.juror) == (court.run.id, court.run.id, court.scorer.panel[0])
    assert (one.rubric, one.case_id, one.purpose, one.value) == ("support_answer", "case-000", Purpose.ANSWER, 0.0)
    assert one.votes is not None
    assert set(one.votes.values()) == {("not_met", "as it stands")}
    assert (one.position, one.length, one.attempts, one.latency) == (0, 2, 1, 0.25)
    assert (one.model, one.input_tokens, one.cached_input_tokens, one.output_tokens) == ("judge-1", 1000, 800, 50)
    assert one.usd == pytest.approx((200 * 1.0 + 800 * 0.1 + 50 * 4.0) / 1e6)
    assert one.judged_at == court.house.clock.now
    assert heard.said == court.stored(items)
    again = await court.hear(items)
    assert again.said == heard.said
    assert len(court.asked()) == 3


async def test_stored_judgements_are_opinions_again(court):
    heard = await court.hear([court.item(0, "yes")])
    ((said,),) = heard.said.values()
    (opinion,) = opinions_of([said])
    assert {vote.verdict for vote in opinion.votes.values()} == {Verdict.MET}
    assert list(opinion.votes) == [one.id for one in court.scorer.rubric.criteria]


# Panels.


async def test_as_many_as_a_majority_takes_are_asked_and_the_third_only_where_they_disagree(panel):
    panel.house.judges["c"].passes = lambda answer, case: False
    items = many(panel, 30)
    heard = await panel.hear(items)
    asked = {name: set(panel.asked(name)) for name in "abc"}
    # Whom c came before: there the first two disagreed, and the third decided.
    without_c = [case for case, _ in asked["a"] & asked["b"] - asked["c"]]
    assert 0 < len(without_c) < 30
    for item in items:
        said = {one.juror.name: one for one in heard.said[item.key]}
        assert len(said) == (2 if item.case_id in without_c else 3)
        assert sorted(one.position for one in said.values()) == list(range(len(said)))
    assert not heard.undecided


async def test_each_judge_is_first_about_as_often_as_the_others(panel):
    heard = await panel.hear(many(panel, 40))
    first = Counter(one.juror.name for said in heard.said.values() for one in said if one.position == 0)
    assert set(first) == set("abc")
    assert max(first.values()) - min(first.values()) < 15


async def test_everyone_is_asked_where_that_is_wanted(panel):
    items = many(panel)
    heard = await panel.hear(items, everyone=True)
    assert all(len(said) == 3 for said in heard.said.values())
    assert [len(panel.asked(name)) for name in "abc"] == [20, 20, 20]
    # Whoever is asked later about the same needs nobody.
    await panel.hear(items)
    assert [len(panel.asked(name)) for name in "abc"] == [20, 20, 20]


# Judges that are away.


async def test_a_judge_that_is_down_leaves_it_to_the_others(panel):
    panel.house.judges["c"].down = lambda case: True
    heard = await panel.hear(many(panel, 40))
    assert (list(heard.away), heard.halt, heard.undecided) == (["c"], None, False)
    assert heard.away["c"].kind is HaltKind.OUTAGE
    assert heard.away["c"].message.startswith("[judges.c]: ")
    assert all({one.juror.name for one in said} == {"a", "b"} for said in heard.said.values())
    # It is not asked about everything before it is believed to be down.
    assert len(panel.asked("c")) < 40


async def test_a_judge_without_a_seat_is_not_asked(panel):
    async with panel.judging.convene(panel.budget) as jury:
        seated = {key: seat for key, seat in jury.items() if key[0] != "b"}
        from monitor.judging.hearing import hear

        heard = await hear(panel.app.place, panel.sitting(), seated, panel.scorer, many(panel))
    assert panel.asked("b") == []
    assert (heard.undecided, heard.halt) == (False, None)


async def test_without_a_majority_it_is_undecided_and_says_whose_fault_it_is(panel):
    for name in "bc":
        panel.house.judges[name].down = lambda case: True
    heard = await panel.hear(many(panel))
    assert heard.undecided
    assert heard.halt is not None
    assert heard.halt.kind is HaltKind.OUTAGE


async def test_a_refused_key_ends_it_at_once(court):
    court.house.judges["strict"].down = lambda case: True
    court.house.judges["strict"].error = TargetError(ErrorKind.AUTHENTICATION, "refused", fatal=True)
    heard = await court.hear(many(court))
    assert heard.halt is not None
    assert (heard.halt.kind, heard.halt.message) == (HaltKind.FATAL, "[judges.strict]: refused")
    assert len(court.asked()) == 1


async def test_none_of_fewer_answers_than_are_asked_at_once_is_an_outage_too(court):
    court.house.concurrency = 64
    court.begin()
    court.house.judges["strict"].down = lambda case: True
    heard = await court.hear(many(court, 12))
    assert heard.halt is not None
    assert heard.halt.kind is HaltKind.OUTAGE
    assert heard.halt.message.startswith("[judges.strict]: none of its 12 questions got an answer; the last one: ")
    assert "overloaded" in heard.halt.message


async def test_a_call_that_failed_is_stored_as_that_and_asked_again_later(court):
    judge = court.house.judges["strict"]
    judge.down = lambda case: case == "case-003"
    items = many(court)
    heard = await court.hear(items)
    assert (heard.halt, heard.undecided) == (None, True)
    assert items[3].key not in heard.said
    (lost,) = court.house.rows(failure)
    assert (lost.run_id, lost.case_id, lost.kind) == (court.run.id, "case-003", "judge_overloaded")
    assert lost.message == "[judges.strict] overloaded"
    judge.down = lambda case: False
    heard = await court.hear(items)
    assert not heard.undecided
    assert [case for case, _ in court.asked()].count("case-003") == 2
    assert len(court.asked()) == 21


async def test_the_budget_ends_it_before_it_is_passed(court):
    court.budget = Budget(Caps(100.0, 7), Month(1000.0, 0.0))
    heard = await court.hear(many(court))
    assert heard.halt is not None
    assert heard.halt.kind is HaltKind.BUDGET
    assert len(court.asked()) == len(court.house.rows(judgement)) == 7
    assert (court.budget.calls, court.budget.reserved_calls) == (7, 0)


# Replies that are none.


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("I refuse", "judge-1", finish_reason="refusal"), "the judge refused"),
        (Reply("", "judge-1", finish_reason="content_filter"), "the judge refused"),
        (Reply('{"correct', "judge-1", finish_reason="length"), "the judge's reply was cut off at its limit of tokens"),
        (Reply('{"correct', "judge-1", finish_reason="max_tokens"), "cut off"),
        (Reply("all is well", "judge-1"), "the judge's reply cannot be read: "),
    ],
)
async def test_what_is_no_verdict_is_stored_with_its_reason_and_is_no_zero(court, reply, reason):
    court.house.judges["strict"].says = lambda answer, case: reply
    items = many(court, 1)
    heard = await court.hear(items)
    ((one,),) = heard.said.values()
    assert (one.votes, one.value) == (None, None)
    assert one.reason is not None
    assert reason in one.reason
    # It was paid for, and would be said again: it is not asked again on this occasion.
    await court.hear(items)
    assert len(court.asked()) == 1


async def test_evidence_that_no_database_takes_is_stored_as_far_as_it_can_be(court):
    from json import dumps

    vote = {"evidence": "a\x00b \ud800 c", "verdict": "met"}
    text = dumps({one.id: vote for one in court.scorer.rubric.criteria})
    court.house.judges["strict"].says = lambda answer, case: Reply(text, "judge-1")
    heard = await court.hear(many(court, 1))
    ((one,),) = heard.said.values()
    assert one.value == 1.0
    ((stored,),) = court.stored(many(court, 1)).values()
    assert stored.votes == one.votes


# Caches: the provider's, and ours.


async def test_the_first_question_goes_alone_so_that_the_others_find_the_prompt_in_the_cache(court):
    judge, under_way, most = court.house.judges["strict"], 0, []
    real = court.judging

    async with real.convene(court.budget) as jury:
        seat = jury["strict", "support_answer"]

        async def counted(case):
            nonlocal under_way
            under_way += 1
            most.append(under_way)
            await asyncio.sleep(0.001)
            try:
                return await seat.ask(case)
            finally:
                under_way -= 1

        court.seats["strict"] = counted
        await court.hear(many(court, 20))
    assert most[:2] == [1, 1]
    assert max(most) == 19
    assert len(judge.asked) == 20


async def test_what_was_said_in_a_sitting_is_not_asked_again_in_it_and_is_in_any_other(court):
    items = many(court)
    await court.hear(items)
    await court.hear(items)
    assert len(court.asked()) == 20
    heard = await court.hear(items, court.sitting("main+2"))
    assert len(court.asked()) == 40
    assert {one.sitting for said in heard.said.values() for one in said} == {"main+2"}
    # What another run was told serves this one no more than what was said at the baseline.
    court.begin()
    await court.hear(items)
    assert len(court.asked()) == 60


async def test_what_another_model_of_that_name_said_is_not_what_this_one_says(court):
    items = many(court)
    await court.hear(items)
    run = court.run
    court.house.judges["strict"].model = "judge-2"
    court.house.judged_by("strict")
    court.begin()
    court.run = run
    heard = await court.hear(items)
    assert len(court.asked()) == 40
    assert {one.model for said in heard.said.values() for one in said} == {"judge-2"}


# Ends.


async def test_a_person_who_stops_a_panel_loses_nothing_that_was_answered(panel):
    judges = panel.house.judges
    panel.house.concurrency = 4
    panel.begin()

    def stop(answer: str, case: str) -> bool:
        if len(judges["a"].asked) >= 10:
            panel.house.stop.set()
        return True

    judges["a"].passes = stop
    with pytest.raises(RunInterruptedError):
        await panel.hear(many(panel, 40))
    answered = sum(len(judge.answered) for judge in judges.values())
    assert 10 <= answered < 80
    assert len(panel.house.rows(judgement)) == answered


async def test_when_one_judge_breaks_the_others_are_ended_before_it_is_known(panel):
    panel.house.judges["a"].dies_at = 3
    with pytest.raises(CrashError):
        await panel.hear(many(panel, 40))
    asked = [len(panel.asked(name)) for name in "abc"]
    await asyncio.sleep(0.05)
    assert [len(panel.asked(name)) for name in "abc"] == asked
    assert panel.budget.reserved_calls >= 0
