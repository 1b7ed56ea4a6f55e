"""What `heldout check` says of judges: their calls apart, what they cannot show, and that each was asked once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from monitor import check, check_judges
from monitor.app import App
from monitor.check import look
from monitor.check_judges import Week
from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.store import calibrations
from monitor.store.calibrations import Calibration
from tests.fakes.house import House
from tests.fakes.judged_house import judged_house, pinned

CASES = 24
WEEK = Week(expected=2 * CASES, most=24 * CASES, repeats=4)


@pytest.fixture
def house(tmp_path: Path):
    built = judged_house(tmp_path, cases=CASES)
    yield built
    built.close()


def of_model(app: App, model: str | None) -> App:
    """The same, with a target of that model."""
    sites = {key: replace(site, requested_model=model) for key, site in app.sites.items()}
    return replace(app, sites=sites)


def warnings(house: House, model: str | None = None, week: Week = WEEK) -> list[str]:
    app = of_model(house.app(), model)
    return list(check_judges.warnings(app, app.sites["ft", "support"], None, week))


def test_calls_of_judges_are_told_apart(house):
    app = house.app()
    expected = check_judges.expected(app, app.sites["ft", "support"], None, WEEK)
    assert expected is not None
    assert (expected.judgements.calls, expected.anchors.calls, expected.canaries.calls) == (2 * CASES, 4 * CASES, 80)
    assert expected.baseline.calls == 4 * CASES + 80
    assert expected.week.calls == 6 * CASES + 80
    assert expected.most_calls == 32 * CASES + 3 * (4 * CASES + 80)
    assert expected.week.usd is not None
    assert expected.week.usd > 0


async def test_equal_answers_are_judged_once(house):
    house.model.word = ""
    house.model.reply = lambda case: Reply("yes", "model-1")  # type: ignore[method-assign]
    await house.collect()
    app = house.app()
    site = app.sites["ft", "support"]
    baseline = check._pinned(app, site)
    expected = check_judges.expected(app, site, baseline, WEEK)
    assert expected is not None
    assert (expected.judgements.calls, expected.anchors.calls) == (CASES // 2, CASES)


def test_a_panel_takes_as_many_calls_as_it_has_judges(house):
    house.judged_by("a", "b", "c")
    app = house.app()
    expected = check_judges.expected(app, app.sites["ft", "support"], None, WEEK)
    assert expected is not None
    assert (expected.judgements.answers, expected.judgements.calls) == (2 * CASES, 6 * CASES)


def test_a_week_without_judges_has_no_calls_of_theirs(tmp_path):
    house = House(tmp_path, CASES)
    app = house.app()
    assert check_judges.expected(app, app.sites["ft", "support"], None, WEEK) is None
    assert list(check_judges.warnings(app, app.sites["ft", "support"], None, WEEK)) == []
    house.close()


def test_too_few_anchors_and_a_judge_without_labels_are_warned_of(house):
    anchors, labels = warnings(house)
    assert "is seen from about 939 anchors" in anchors
    assert f"there are {4 * CASES}: collect more answers of deployment, or add cases" in anchors
    assert "never compared with people's labels; see `heldout judge calibrate --help`" in labels
    assert "raise [judging] anchors" in warnings(house, week=replace(WEEK, repeats=33))[0]


def test_enough_of_both_are_not(house):
    site = house.app().sites["ft", "support"]
    assert site.judging is not None
    (scorer,) = site.judging.deciding
    known = Calibration("support", scorer.key, scorer.name, calibrations.PANEL, 60, 0.7, {}, "ada", house.clock())
    with house.database.write() as connection:
        calibrations.add(connection, [known])
    house.keys["judges"] += "anchors = 100\n"
    assert warnings(house, week=replace(WEEK, repeats=100)) == []


@pytest.mark.parametrize(("model", "said"), [("gpt-5", True), ("claude-haiku-4-5", False), ("my-own", False)])
def test_a_judge_of_the_targets_own_family_is_warned_of(house, model, said):
    house.judges["strict"].model = "gpt-5-mini"
    house.judged_by("strict")
    found = [warning for warning in warnings(house, model) if "family" in warning]
    assert [
        warning.startswith("[judges.strict] is of the same family of models as [targets.ft] (openai)")
        for warning in found
    ] == [True] * said


async def test_every_judge_is_asked_once_and_nothing_is_stored(house):
    house.judged_by("a", "b", "c")
    for judge in house.judges.values():
        judge.passes = lambda answer, case: True
    app = house.app()
    answered: dict[str, str] = {}
    failures: list[str] = []
    await check_judges.ask(app, answered, failures)
    assert failures == []
    assert sorted(answered) == ["judges.a", "judges.b", "judges.c"]
    assert answered["judges.a"].startswith("judged an expected output (case-000) by support_answer by judge-1 in ")
    assert answered["judges.a"].endswith("(score 100)")
    assert [len(house.judges[name].asked) for name in "abc"] == [1, 1, 1]
    assert house.runs == []


async def test_what_is_wrong_with_a_judge_names_its_table(house):
    house.judged_by("a", "b", "c")
    house.judges["a"].down = lambda case: True
    house.judges["a"].error = TargetError(ErrorKind.AUTHENTICATION, "the key is refused", fatal=True)
    house.judges["b"].says = lambda answer, case: Reply("I would rather talk.", "judge-1")
    answered: dict[str, str] = {}
    failures: list[str] = []
    await check_judges.ask(house.app(), answered, failures)
    assert list(answered) == ["judges.c"]
    assert failures[0] == "[judges.a]: the key is refused"
    assert failures[1].startswith("[judges.b]: answered, but not in the form of a judgement: the judge's reply cannot")


async def test_the_whole_check_counts_judges_money(house):
    await pinned(house)
    report = check.look(house.app())
    expected = report.expectations["ft · support"]
    assert expected.judging is not None
    assert expected.answers_usd_a_week is None
    assert expected.usd_a_week is None
    assert any("never compared" in warning for warning in report.warnings)
    json.dumps(report.as_json(), allow_nan=False)


def test_a_cap_that_would_end_a_bad_week_is_warned_of(house):
    house.keys["budget"] = "calls_per_run = 900"
    warned = [one for one in look(house.app()).warnings if "calls_per_run" in one]
    assert len(warned) == 1
    assert "[budget] calls_per_run ends it at 900, inconclusive" in warned[0]
    house.keys["budget"] = "calls_per_run = 90000"
    assert [one for one in look(house.app()).warnings if "calls_per_run" in one] == []
