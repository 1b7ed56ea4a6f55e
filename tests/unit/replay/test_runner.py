"""Asking many questions at once: how many at a time, and what ends it early."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case
from monitor.domain.run import HaltKind
from monitor.replay.ask import Asked
from monitor.replay.budget import Budget, BudgetExhaustedError, Call, Caps, Month, Pricer
from monitor.replay.plan import Question
from monitor.replay.runner import GRACE, OUTAGE_AFTER, REFUSED_AT_FIRST, Replay, RunInterruptedError
from tests.fakes.simulated_time import run_simulated

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
GOOD = Asked(Reply("yes"), None, 1, 1.0, NOON, NOON)


def lost(kind: ErrorKind = ErrorKind.OVERLOADED, **how: bool) -> Asked:
    return Asked(None, TargetError(kind, "nothing came", **how), 1, 1.0, NOON, NOON)


class Desk:
    """Questions, a clock of their own, and what was stored."""

    def __init__(self, count: int, answer: Callable[[int], Asked | Awaitable[Asked]], concurrency: int = 4) -> None:
        self.answer = answer
        self.concurrency = concurrency
        self.questions = [Question(Case(f"c{i}", "?"), 0) for i in range(count)]
        self.stored: list[str] = []
        self.asked = 0
        self.at_once = self.most_at_once = 0
        self.stop = asyncio.Event()

    async def ask(self, question: Question) -> Asked:
        number, self.asked = self.asked, self.asked + 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(1.0)
            found = self.answer(number)
            return found if isinstance(found, Asked) else await found
        finally:
            self.at_once -= 1

    async def store(self, question: Question, asked: Asked) -> None:
        await asyncio.sleep(0.1)
        self.stored.append(question.case.id)

    def replay(self, *, fresh: bool = False) -> Replay:
        return Replay(self.questions, self.ask, self.store, self.concurrency, self.stop, fresh)


def test_every_question_is_asked_once_and_stored_so_many_at_a_time():
    desk = Desk(10, lambda n: GOOD, concurrency=3)
    replay = desk.replay()
    assert run_simulated(replay.run()) is None
    assert sorted(desk.stored) == sorted(q.case.id for q in desk.questions)
    assert (desk.most_at_once, replay.tally.answered, replay.tally.failed) == (3, 10, 0)


@pytest.mark.parametrize("count", [0, 1])
def test_few_questions_need_few_workers(count):
    desk = Desk(count, lambda n: GOOD, concurrency=8)
    assert run_simulated(desk.replay().run()) is None
    assert len(desk.stored) == count


def test_a_fatal_error_ends_it_with_what_was_under_way():
    desk = Desk(100, lambda n: lost(ErrorKind.AUTHENTICATION, fatal=True) if n == 5 else GOOD)
    halt = run_simulated(desk.replay().run())
    assert (halt.kind, halt.message) == (HaltKind.FATAL, "nothing came")
    assert desk.asked <= 5 + 1 + desk.concurrency
    assert len(desk.stored) == desk.asked


@pytest.mark.parametrize(("concurrency", "limit"), [(1, OUTAGE_AFTER), (4, OUTAGE_AFTER), (20, 20)])
def test_so_many_in_a_row_without_an_answer_are_an_outage(concurrency, limit):
    desk = Desk(200, lambda n: lost(), concurrency)
    halt = run_simulated(desk.replay().run())
    assert halt.kind is HaltKind.OUTAGE
    assert f"{limit} questions in a row got no answer; the last one: nothing came" in halt.message
    assert limit <= desk.asked < limit + concurrency


def test_an_answer_in_between_is_no_outage_and_neither_are_questions_that_are_refused_one_by_one():
    some = Desk(100, lambda n: GOOD if n % OUTAGE_AFTER == 0 else lost(), concurrency=1)
    assert run_simulated(some.replay().run()) is None
    refused = Desk(100, lambda n: lost(ErrorKind.REFUSED_REQUEST, permanent=True))
    replay = refused.replay()
    assert run_simulated(replay.run()) is None
    assert (replay.tally.failed, len(refused.stored)) == (100, 100)


def test_a_run_whose_first_questions_are_all_refused_is_told_why_and_ends():
    refused = Desk(100, lambda n: lost(ErrorKind.REFUSED_REQUEST, permanent=True))
    halt = run_simulated(refused.replay(fresh=True).run())
    assert halt.kind is HaltKind.FATAL
    assert f"The first {REFUSED_AT_FIRST} questions were all refused; the last one: nothing came" in halt.message
    assert refused.asked < REFUSED_AT_FIRST + refused.concurrency


@pytest.mark.parametrize("concurrency", [1, 7, 64])
def test_a_cap_on_money_is_never_passed_however_many_are_under_way(concurrency):
    budget = Budget(Caps(usd=1.0, calls=10_000), Month(cap=100.0, spent=0.0))
    pricer = Pricer(1_000.0, 1_000.0, most_output=40)
    highest = 0.0

    async def answer(number: int) -> Asked:
        return GOOD

    desk = Desk(500, answer, concurrency)

    async def ask(question: Question) -> Asked:
        nonlocal highest
        call = Call(budget, pricer, question.case)
        call.reserve()
        highest = max(highest, budget.usd + budget.reserved_usd)
        found = await desk.ask(question)
        call.settle(Reply("yes", input_tokens=10, output_tokens=number_of_tokens(question)))
        return found

    replay = Replay(desk.questions, ask, desk.store, concurrency, desk.stop)
    halt = run_simulated(replay.run())
    assert halt.kind is HaltKind.BUDGET
    assert "The run stopped, because the next call could pass the cap of 1.00 USD" in halt.message
    assert budget.usd <= highest <= 1.0
    # What is left could not have paid for the dearest call.
    assert budget.usd > 1.0 - pricer.most(desk.questions[0].case)
    assert (budget.reserved_calls, budget.reserved_usd) == (0, pytest.approx(0.0))
    assert len(desk.stored) == budget.calls


def number_of_tokens(question: Question) -> int:
    return 10 + int(question.case.id[1:]) % 30


def test_a_cap_on_calls_is_never_passed_either():
    budget = Budget(Caps(usd=1.0, calls=25), Month(cap=100.0, spent=0.0), calls=5)

    async def ask(question: Question) -> Asked:
        budget.reserve(0.0)
        found = await desk.ask(question)
        budget.settle(0.0, 0.0)
        return found

    desk = Desk(500, lambda n: GOOD, concurrency=9)
    halt = run_simulated(Replay(desk.questions, ask, desk.store, 9, desk.stop).run())
    assert (halt.kind, desk.asked, budget.calls) == (HaltKind.BUDGET, 20, 25)


def test_who_stops_it_still_gets_the_answers_under_way():
    desk = Desk(100, lambda n: desk.stop.set() or GOOD if n == 9 else GOOD)
    with pytest.raises(RunInterruptedError):
        run_simulated(desk.replay().run())
    assert desk.asked < 20
    assert len(desk.stored) == desk.asked


def test_an_answer_that_takes_longer_than_the_grace_is_given_up():
    async def slow() -> Asked:
        await asyncio.sleep(10 * GRACE)
        pytest.fail("it was waited for")

    def answer(number: int) -> Asked | Awaitable[Asked]:
        if number == 2:
            return slow()
        if number == 3:
            desk.stop.set()
        return GOOD

    desk = Desk(100, answer)
    with pytest.raises(RunInterruptedError):
        run_simulated(desk.replay().run())
    assert len(desk.stored) == desk.asked - 1


def test_stopping_when_everything_has_been_asked_interrupts_nothing():
    desk = Desk(4, lambda n: desk.stop.set() or GOOD)
    assert run_simulated(desk.replay().run()) is None
    assert len(desk.stored) == 4


def test_a_halt_says_more_than_the_stop_that_followed():
    def answer(number: int) -> Asked:
        if number == 0:
            return lost(ErrorKind.AUTHENTICATION, fatal=True)
        desk.stop.set()
        return GOOD

    desk = Desk(100, answer)
    assert run_simulated(desk.replay().run()).kind is HaltKind.FATAL


def test_an_error_of_the_store_ends_it_and_leaves_no_task_behind():
    class Full(Desk):
        async def store(self, question: Question, asked: Asked) -> None:
            raise OSError("the disk is full")

    desk = Full(100, lambda n: GOOD)

    async def main() -> int:
        with pytest.raises(OSError, match="the disk is full"):
            await desk.replay().run()
        return len(asyncio.all_tasks())

    assert run_simulated(main()) == 1
    assert desk.asked <= desk.concurrency


def test_a_budget_that_is_spent_before_the_first_question_asks_nothing():
    async def ask(question: Question) -> Asked:
        raise BudgetExhaustedError("the cap is reached.")

    desk = Desk(10, lambda n: GOOD)
    halt = run_simulated(Replay(desk.questions, ask, desk.store, 4, desk.stop).run())
    assert (halt.kind, desk.stored) == (HaltKind.BUDGET, [])
