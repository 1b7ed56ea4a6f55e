"""Which rounds the dead-man hears of: what begins, what ends well, what ends badly, and what goes on elsewhere."""

from __future__ import annotations

import asyncio

import pytest

from monitor.collect import CollectError
from monitor.pings import Pings, body
from monitor.replay.runner import RunInterruptedError, Tally
from monitor.rounds import Broken, Round
from monitor.store.leases import LeaseLostError
from tests.fakes.house import House


class Recorded:
    """A switch that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def started(self, body: str) -> None:
        self.told.append(("started", body))

    async def ended(self, ok: bool, body: str) -> None:
        self.told.append(("worked" if ok else "failed", body))

    async def abandoned(self) -> None:
        self.told.append(("abandoned", ""))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.told]


@pytest.fixture
async def house(tmp_path):
    built = House(tmp_path)
    await built.collect()
    yield built
    built.close()


async def around(house: House, pings: Pings, outcome: Round | BaseException, *, worked: bool = True) -> int:
    async def work(desk: House) -> int:
        if isinstance(outcome, BaseException):
            raise outcome
        pings.over(outcome, worked=worked)
        return 7

    return await pings.around(work, house)


async def test_the_first_question_is_the_start_and_the_watch_sees_all(house):
    switch, seen = Recorded(), []
    pings = Pings(switch)
    watch = pings.watching(lambda label, tally: seen.append(label))
    for label in ("a · s main ×1", "a · s main ×1", "b · s main ×1"):
        watch(label, Tally(40))
    assert switch.told == [("started", "heldout run --due begins with a · s main ×1: 40 questions\n")]
    assert len(seen) == 3
    assert await around(house, pings, Round(())) == 7
    assert switch.kinds == ["started", "worked"]


@pytest.mark.parametrize("worked", [True, False])
async def test_a_run_that_had_nothing_left_to_ask_is_told_as_well(house, worked):
    done = await house.due()
    switch = Recorded()
    await around(house, Pings(switch), done, worked=worked)
    assert switch.told == [("worked" if worked else "failed", "measured ft · support: 40 answers\n")]


async def test_an_idle_look_is_nothing_also_where_a_site_is_broken(house):
    switch = Recorded()
    idle = Round((), idle=("ft · support: waits",), broken=(Broken("b · s", KeyError("x")),))
    await around(house, Pings(switch), idle, worked=False)
    assert switch.told == []


async def test_what_was_due_and_could_not_begin_is_a_failure(house):
    switch = Recorded()
    stuck = Round((), broken=(Broken("b · s", KeyError("x")),), unstarted=("b · s",))
    await around(house, Pings(switch), stuck, worked=False)
    assert switch.told == [("failed", "failed b · s: KeyError\n")]


@pytest.mark.parametrize("error", [RunInterruptedError(), LeaseLostError("gone"), asyncio.CancelledError()])
async def test_what_goes_on_elsewhere_or_later_is_neither(house, error):
    switch = Recorded()
    with pytest.raises(type(error)):
        await around(house, Pings(switch), error)
    assert switch.kinds == ["abandoned"]


async def test_a_crash_is_a_failure_without_its_words(house):
    switch = Recorded()
    with pytest.raises(KeyError):
        await around(house, Pings(switch), KeyError("words of a case"))
    assert switch.told == [("failed", "heldout run --due ended with an error: KeyError\n")]


def test_what_failed_is_named_and_counted_without_words():
    broken = (Broken("b · s", CollectError("words")), Broken("c · s", KeyError("words")))
    assert body(Round((), failed=("words", "more words"), broken=broken)) == (
        "failed b · s: CollectError\nfailed c · s: KeyError\nfailed besides: 2\n"
    )
