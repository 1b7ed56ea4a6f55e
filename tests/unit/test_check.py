"""What `heldout check` says before money is spent, and what it finds when it asks everyone once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from alerts.channel import Health
from monitor import check, show_check
from monitor.config.models import Schedule
from monitor.domain.answer import ErrorKind, TargetError
from monitor.domain.case import Case
from monitor.replay.budget import Pricer
from tests.fakes.house import House
from tests.fakes.outbox import Clock, ScriptedChannel


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    built = House(tmp_path)
    yield built
    built.close()


async def test_without_a_baseline_a_typical_one_is_assumed(house):
    report = check.look(house.app())
    expected = report.expectations["ft · support"]
    assert (expected.assumed, expected.cases, expected.baseline_repeats) == (True, 40, 4)
    assert expected.baseline_calls == 160
    assert expected.most_calls_a_week >= 3 * 8 * 40
    assert 0 < expected.calls_a_week <= expected.most_calls_a_week
    assert house.model.asked == []
    json.dumps(report.as_json(), allow_nan=False)


async def test_with_a_baseline_its_own_figures_are_said(house):
    await house.collect()
    expected = check.look(house.app()).expectations["ft · support"]
    assert (expected.assumed, expected.cases, expected.baseline_repeats, expected.cap) == (False, 40, 4, 8)
    assert expected.answers_a_case == pytest.approx(1.0, abs=0.6)


async def test_a_price_makes_a_cost_and_no_price_a_warning(house):
    house.local = False
    report = check.look(house.app())
    assert report.expectations["ft · support"].usd_a_week is None
    assert any("has no price" in warning for warning in report.warnings)
    house.pricer = lambda: Pricer(1.0, 2.0)
    report = check.look(house.app())
    assert report.expectations["ft · support"].usd_a_week > 0
    assert not any("has no price" in warning for warning in report.warnings)


async def test_a_suite_that_nothing_can_score_is_a_fault(house):
    house.cases = [Case("a", "Anything?")]
    report = check.look(house.app())
    assert report.faults == ["ft · support: the headline can score none of the suite's cases"]
    assert report.expectations == {}


@pytest.mark.parametrize(("cron", "warned"), [("0 6 * * mon", False), ("0 * * * *", True), ("0 6 * * *", True)])
def test_a_schedule_that_cuts_its_own_weeks_short_is_warned_of(house, cron, warned):
    app = house.app()
    scheduled = replace(app, config=app.config.model_copy(update={"schedule": Schedule(cron=cron)}))
    assert any("cuts it short" in warning for warning in check.look(scheduled).warnings) is warned


def test_thresholds_that_a_typical_baseline_does_not_tell_apart_are_warned_of_before_anything_is_spent(house):
    house.keys |= {"thresholds": "investigate = 3.0\nrollback = 3.01", "baseline": '"auto"'}
    report = check.look(house.app())
    assert report.faults == []
    assert any("the smallest gap that works is" in warning for warning in report.warnings)


async def test_everyone_is_asked_once(house):
    app, report = house.app(), check.Report()
    channel = ScriptedChannel(Clock())
    await check.ask(app, {"slack": channel}, report)
    assert report.answered == {"ft": "answered case-000 by model-1 in 0.25 s: “yes” (score 100)"}
    assert report.channels == {"slack": "scripted"}
    assert (report.failures, len(house.model.asked)) == ([], 1)


async def test_what_does_not_answer_is_said_with_the_table_to_look_at(house):
    class Shut(ScriptedChannel):
        async def verify(self) -> Health:
            return Health(False, "invalid_auth: put a valid token")

    house.model.down = lambda case: True
    house.model.error = TargetError(ErrorKind.AUTHENTICATION, "the key was refused", fatal=True)
    report = check.Report()
    await check.ask(house.app(), {"slack": Shut(Clock())}, report)
    assert report.failures == ["[targets.ft]: the key was refused", "slack: invalid_auth: put a valid token"]


async def test_a_budget_that_is_spent_asks_nobody(house):
    house.keys["budget"] = "usd_per_month = 0.0"
    house.pricer = lambda: Pricer(1.0, 1.0, 100)
    report = check.Report()
    await check.ask(house.app(), {}, report)
    assert "was not asked, because the next call could pass the month's cap" in report.failures[0]
    assert house.model.asked == []


async def test_a_target_of_several_suites_is_asked_once(house):
    app = house.app()
    (site,) = app.sites.values()
    other = replace(site, suite=replace(site.suite, name="general"))
    await check.ask(replace(app, sites={**app.sites, ("ft", "general"): other}), {}, check.Report())
    assert len(house.model.asked) == 1


async def test_what_a_fallback_takes_is_said_apart_and_counts_in_the_month(house, capsys):
    house.falls_back_to("rag", also="other")
    house.prices["rag"] = Pricer(100.0, 100.0)
    house.keys["budget"] = "usd_per_month = 5.0"
    report = check.look(house.app())
    expected = report.expectations["ft · support"]
    assert expected.fallback is not None
    assert (expected.fallback.target, expected.fallback.calls_a_week) == ("rag", expected.calls_a_week)
    assert expected.fallback.most_calls_a_week == 2 * expected.cap * 40
    assert expected.usd_a_week is None
    # Both production targets share its run.
    both = [one.fallback.usd_a_week for one in report.expectations.values() if one.fallback]
    assert len(both) == 2
    monthly = check.WEEKS_A_MONTH * max(both)
    assert any(f"cost about {monthly:.2f} USD a month" in warning for warning in report.warnings)
    show_check.report(report, as_json=False, offline=True)
    assert f"its fallback rag is asked as often beside it: {expected.calls_a_week} calls, " in capsys.readouterr().out
    json.dumps(report.as_json(), allow_nan=False)
