"""Collecting a baseline: pilot, agreement, the rest, and what keeps one from being pinned."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from monitor import collect
from monitor.domain.answer import ErrorKind, TargetError
from monitor.domain.run import RunKind, RunState
from monitor.replay.budget import Pricer
from monitor.rounds import run_now
from monitor.store import audit
from monitor.store.tables import baseline
from tests.fakes.house import MONDAY, CrashError, FakeModel, House


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    built = House(tmp_path)
    built.keys["baseline"] = '"auto"'
    built.keys["cap"] = '"auto"'
    yield built
    built.close()


class Asked:
    """Says yes to offers until `no` of them have been made, and keeps them."""

    def __init__(self, no: int = 99) -> None:
        self.no = no
        self.offers: list[collect.Offer] = []

    def __call__(self, offer: collect.Offer) -> bool:
        self.offers.append(offer)
        return len(self.offers) < self.no


async def test_a_model_that_never_varies_needs_no_more_than_the_pilot(house):
    agree = Asked()
    done = await house.collect(agree=agree)
    assert (done.answers_a_case, done.baseline.run_id, done.baseline.pinned_by) == (4, done.run.id, "ada")
    assert (done.run.state, done.run.kind, done.at_once) == (RunState.DONE, RunKind.BASELINE, True)
    assert [(o.answers_a_case, o.calls, o.final, o.stored) for o in agree.offers] == [(4, 160, False, 0)]
    assert len(house.model.asked) == 160


async def test_the_pilot_tells_how_many_answers_it_takes_and_people_are_asked_again(house):
    # With 40 cases and answers that vary this much, K0 = 4·v̂0 / (40·SE*²).
    house.keys["thresholds"] = "investigate = 10.0\nrollback = 20.0"
    house.model.share = 0.9
    house.pricer = lambda: Pricer(1.0, 1.0, 100)
    house.model.tokens = 100
    agree = Asked()
    done = await house.collect(agree=agree)
    pilot, whole = agree.offers
    assert (pilot.final, pilot.outlook) == (False, None)
    assert (whole.final, whole.stored, whole.answers_a_case) == (True, 160, done.answers_a_case)
    assert whole.calls == 40 * (whole.answers_a_case - 4) > 0
    assert whole.usd == pytest.approx(whole.calls * 0.0002)
    assert whole.outlook.plan.baseline_repeats == whole.answers_a_case
    assert len(house.model.asked) == 40 * done.answers_a_case
    assert done.outlook.plan.baseline_repeats == done.answers_a_case


async def test_a_number_that_is_configured_is_offered_whole_and_once(house):
    house.keys["baseline"] = "6"
    agree = Asked()
    done = await house.collect(agree=agree)
    assert [(o.answers_a_case, o.calls, o.final) for o in agree.offers] == [(6, 240, True)]
    assert done.answers_a_case == 6


@pytest.mark.parametrize(("no", "asked"), [(1, 0), (2, 160)])
async def test_who_says_no_pays_for_no_more(house, no, asked):
    house.keys["thresholds"] = "investigate = 10.0\nrollback = 20.0"
    house.model.share = 0.9
    with pytest.raises(collect.DeclinedError):
        await house.collect(agree=Asked(no))
    assert len(house.model.asked) == asked
    assert house.rows(baseline) == []
    # Who says yes later is only asked for the rest.
    agree = Asked()
    await house.collect(agree=agree)
    assert sum(offer.calls for offer in agree.offers) == len(house.model.asked) - asked
    assert len([run for run in house.runs if run.kind is RunKind.BASELINE]) == 1


async def test_what_was_interrupted_goes_on_with_what_is_stored(house):
    house.model.dies_at = 100
    with pytest.raises(CrashError):
        await house.collect()
    (run,) = house.runs
    stored = house.stored(run.id)
    assert 95 <= stored <= 100
    agree = Asked()
    done = await house.collect(agree=agree)
    assert done.run.id == run.id
    assert (agree.offers[0].stored, agree.offers[0].calls) == (stored, 160 - stored)
    assert house.stored(run.id) == 160
    assert len(house.rows(baseline)) == 1


async def test_what_was_interrupted_with_another_configuration_begins_anew(house):
    house.model.dies_at = 100
    with pytest.raises(CrashError):
        await house.collect()
    house.fingerprint = "configuration-b"
    done = await house.collect()
    assert [run.state for run in house.runs] == [RunState.DONE, RunState.DONE]
    assert house.stored(done.run.id) == 160


async def test_a_gap_that_would_take_too_much_is_refused_with_the_one_that_works(house):
    house.model.share = 0.5
    with pytest.raises(collect.CollectError, match=r"the smallest gap that works is .*; or set \[decision\] basel"):
        await house.collect()
    assert house.rows(baseline) == []
    house.keys["baseline"] = "5"
    assert (await house.collect()).answers_a_case == 5


@pytest.mark.parametrize(("missing", "works"), [(2, True), (3, False)])
async def test_more_than_one_case_in_twenty_without_an_answer_is_no_baseline(house, missing, works):
    down = frozenset(f"case-{i:03}" for i in range(missing))
    house.model.down = down.__contains__
    house.model.error = TargetError(ErrorKind.REFUSED_REQUEST, "refused", permanent=True)
    if works:
        done = await house.collect()
        assert done.outlook.cases == 40 - missing
        return
    with pytest.raises(collect.CollectError, match=r"8% of the cases have no scored answer .* nothing was pinned"):
        await house.collect()
    assert house.rows(baseline) == []


async def test_a_target_that_does_not_answer_is_no_baseline_and_costs_no_second_time(house):
    house.model.down = lambda case: len(house.model.asked) > 60
    house.model.error = TargetError(ErrorKind.AUTHENTICATION, "the key was refused.", fatal=True)
    with pytest.raises(collect.CollectError, match=r"the key was refused\. Nothing was pinned; what was answered is"):
        await house.collect()
    house.model.down = lambda case: False
    (run,) = house.runs
    agree = Asked()
    await house.collect(agree=agree)
    assert agree.offers[0].stored > 50
    assert house.stored(run.id) == 160


async def test_the_budget_of_a_baseline_is_its_own(house):
    house.keys["budget"] = "baseline_usd = 0.01"
    # The answers turn out dearer than their texts and `max_tokens` let expect.
    house.pricer = lambda: Pricer(1.0, 1.0, 10)
    house.model.tokens = 100
    with pytest.raises(collect.CollectError, match=r"cap of 0\.01 USD \(\[budget\] baseline_usd\)"):
        await house.collect()
    assert 0 < len(house.model.asked) <= 51


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ("calls_per_run = 100", "take 160 calls, more than [budget] calls_per_run = 100"),
        ("baseline_usd = 0.01", "cost about 0.02 USD, more than [budget] baseline_usd = 0.01"),
    ],
)
async def test_a_collection_that_its_cap_would_end_is_not_begun(house, budget, said):
    house.keys["budget"] = budget
    house.pricer = lambda: Pricer(1.0, 1.0, 100)
    with pytest.raises(collect.CollectError, match=re.escape(said)):
        await house.collect()
    assert house.model.asked == []


async def test_answers_that_cannot_fall_make_no_baseline(house):
    house.model.wrong = frozenset(case.id for case in house.cases)
    with pytest.raises(collect.CollectError, match=r"score 0\.0, from where no drop could be seen"):
        await house.collect()


async def test_a_run_that_is_not_over_makes_no_baseline(house):
    await house.collect()
    house.clock.now = MONDAY
    house.model.wrong = frozenset(case.id for case in house.cases[:20])
    await house.due()
    app = house.app()
    waiting = next(run for run in house.runs if run.state is RunState.WAITING)
    with pytest.raises(collect.CollectError, match="is not over, and a baseline must not grow"):
        collect.pin(app, app.sites["ft", "support"], waiting, "ada")


# Spread over days.


@pytest.fixture
def varying(house) -> House:
    house.keys["thresholds"] = "investigate = 10.0\nrollback = 20.0"
    house.keys["schedule"] = 'catch_up = "1h"'
    house.model.share = 0.9
    return house


async def days(house: House, count: int) -> list[tuple[int, int, bool]]:
    """An hourly timer for `count` days: (day, answers so far, pinned)."""
    found = []
    for hour in range(24 * count):
        round_ = await house.due()
        found += [(hour // 24, house.stored(c.run.id), c.baseline is not None) for c in round_.collected]
        house.clock.move(hours=1)
    return found


async def test_a_spread_baseline_is_collected_on_four_days_and_then_pinned(varying):
    # From Thursday on, with Monday's slot among the days.
    first = await varying.collect(spread=True)
    assert (first.baseline, first.answers_a_case, first.run.state) == (None, 4, RunState.WAITING)
    assert first.run.due_at == varying.clock.now + timedelta(days=1)
    collected = await days(varying, 5)
    assert [day for day, _, _ in collected] == [1, 2, 3]
    assert [done for _, _, done in collected] == [False, False, True]
    answers = [160, *(count for _, count, _ in collected)]
    steps = [later - sooner for sooner, later in pairwise(answers)]
    assert max(steps) - min(steps) <= 40
    (pinned,) = varying.rows(baseline)
    assert pinned.pinned_by == "ada"
    # The week that came after it is measured against it.
    assert varying.said[0]["baseline_score"] is not None


async def test_a_batch_that_fails_is_tried_again_and_keeps_nobody_from_being_measured(varying):
    await varying.collect(spread=True)
    varying.clock.move(days=1)
    varying.model.down = lambda case: True
    varying.model.error = TargetError(ErrorKind.AUTHENTICATION, "the key was refused.", fatal=True)
    found = await varying.due()
    assert found.collected == ()
    assert any("the key was refused." in why for why in found.failed)
    varying.model.down = lambda case: False
    varying.clock.move(hours=1)
    assert len((await varying.due()).collected) == 1


async def test_a_batch_that_died_is_gone_on_with(varying):
    first = await varying.collect(spread=True)
    varying.clock.move(days=1)
    before = varying.stored(first.run.id)
    varying.model.dies_at = len(varying.model.asked) + 10
    with pytest.raises(CrashError):
        await varying.due()
    varying.model.dies_at = None
    assert varying.stored(first.run.id) > before
    (done,) = (await varying.due()).collected
    assert done.run.id == first.run.id


@pytest.mark.parametrize("change", ["configuration", "suite"])
async def test_answers_of_two_configurations_make_no_baseline(varying, change):
    await varying.collect(spread=True)
    varying.clock.move(days=1)
    if change == "suite":
        varying.cases[0] = replace(varying.cases[0], input="Another question?")
    else:
        varying.fingerprint = "configuration-b"
    asked = len(varying.model.asked)
    found = await varying.due()
    assert any("answers of both make no baseline" in why for why in found.failed)
    (run,) = [run for run in varying.runs if run.kind is RunKind.BASELINE]
    assert (run.state, varying.stored(run.id)) == (RunState.DONE, 160)
    assert len(varying.model.asked) == asked
    # It is said once, and a new collection begins anew.
    assert all("make no baseline" not in why for why in (await varying.due()).failed)
    assert (await varying.collect()).run.id != run.id


# Pinning a run.


async def test_a_run_that_answered_enough_can_be_pinned(house):
    app = house.app()
    site = app.sites["ft", "support"]
    (done,) = (await run_now(app, [site])).done
    pinned, outlook = collect.pin(app, site, done.run, "grace")
    assert (pinned.run_id, pinned.pinned_by) == (done.run.id, "grace")
    # One answer a case: what can be confirmed with it is said, and a rollback cannot.
    assert (outlook.plan.baseline_repeats, outlook.smallest["rollback"]) == (1, None)


async def test_who_pins_what_in_place_of_what_stands_in_the_audit_log(house):
    first = await house.collect()
    app = house.app()
    site = app.sites["ft", "support"]
    (done,) = (await run_now(app, [site])).done
    collect.pin(app, site, done.run, "grace")
    with house.database.read() as connection:
        later, sooner = audit.entries(connection, 10)
        assert audit.verify(connection).fault is None
    assert (sooner.who, sooner.via, sooner.action) == ("ada", "command", "baseline collect")
    assert sooner.detail == {"run": first.run.id, "instead_of": None}
    assert (later.who, later.action, later.subject) == ("grace", "baseline pin", "ft · support")
    assert later.detail == {"run": done.run.id, "instead_of": first.run.id}


async def test_a_run_with_too_few_answers_cannot(house):
    house.model.down = lambda case: case != "case-000"
    app = house.app()
    site = app.sites["ft", "support"]
    (done,) = (await run_now(app, [site])).done
    with pytest.raises(collect.CollectError, match="98% of the cases have no scored answer"):
        collect.pin(app, site, done.run, "grace")


async def test_identical_answers_from_afar_are_doubted_once_they_are_pinned(house):
    assert not (await house.collect()).identical
    house.local, house.fingerprint = False, "configuration-b"
    house.model = FakeModel()
    assert (await house.collect()).identical
