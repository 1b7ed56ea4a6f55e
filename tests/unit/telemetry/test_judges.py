"""What a scrape says of judges: what the verdicts that count now know, what people found, and what they cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.config.load import load_config
from monitor.domain.judging import Judged, JudgeSeen
from monitor.domain.run import RunKind, RunState
from monitor.domain.verdict import Cause, CauseKind, Level
from monitor.judging.configured import rubric_scorers
from monitor.store import answers, calibrations, judgements, runs
from monitor.store.tables import verdict
from tests.unit.store.rows import NOW, answer, calibration, failure, judgement, run
from tests.unit.telemetry.conftest import SUITES, TARGETS
from tests.unit.telemetry.test_metrics import FT, MEASURED, conclude, named

HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
JUDGES = """
[judging]
panel = ["strict"]
[judges.strict]
provider = "openai"
model = "judge-1"
[judges.kind]
provider = "anthropic"
model = "judge-2"
[judges.third]
provider = "openai"
model = "judge-3"
"""
STRICT = JudgeSeen("strict", "tone", judged=800, up=3, down=40, p=1e-9, moved=True, points=-2.5, low=-3.1, high=-1.9)


def panels(folder, rubrics=("support", "general"), text=JUDGES):
    """A configuration in which these suites have the rubrics tone and summary, which a panel judges."""
    folder = folder / "judged"
    folder.mkdir(exist_ok=True)
    path = folder / "config.toml"
    table = f"{SUITES.replace('UNIT', 'points')}{TARGETS}{text}"
    for suite in rubrics:
        head = f'[suites.{suite}]\ncases = "support.jsonl"\n'
        assert head in table
        table = table.replace(head, head + 'rubrics = ["tone", "summary"]\nheadline = { tone = 1.0 }\n')
    (folder / "support.jsonl").write_text("{}\n", encoding="utf-8")
    path.write_text(table, encoding="utf-8")
    return load_config(path, {})


@pytest.fixture
def judged(tmp_path):
    return panels(tmp_path)


def judged_by(*judges, **more):
    return replace(MEASURED, judged=Judged(judges=judges, watched=True, **more))


def of_judges(page):
    return {key.removeprefix("heldout_judge_"): value for key, value in page.items() if "heldout_judge_" in key}


def test_without_judges_nothing_is_said_of_them(database, scrape):
    conclude(database)
    assert of_judges(scrape(NOW + HOUR)) == {}


def test_before_a_verdict_knows_the_judges_nothing_is_claimed(database, scrape, judged):
    conclude(database)
    page = scrape(NOW + HOUR, judged)
    assert of_judges(page) == {}
    # But counters begin at 0; where nobody judges, there are none.
    assert page["heldout_calls_total{target=ft, outcome=judged}"] == 0.0
    assert page["heldout_tokens_total{target=ft, kind=judge_input}"] == 0.0
    assert not [key for key in scrape(NOW + HOUR) if "judge" in key]


def test_what_the_verdict_says_of_its_judges(database, scrape, judged):
    summary = JudgeSeen("strict", "summary", untrusted="it passed 7 of 20 wrong answers")
    conclude(database, said=judged_by(STRICT, summary, unscored=0.035))
    assert of_judges(scrape(NOW + HOUR, judged)) == {
        "shift_points{judge=strict, rubric=tone}": -2.5,
        "trusted{judge=strict, rubric=tone}": 1.0,
        "trusted{judge=strict, rubric=summary}": 0.0,
        f"unscored_ratio{{{FT}}}": 0.035,
    }


def test_judges_that_could_not_be_asked_are_neither_trusted_nor_distrusted(database, scrape, judged):
    halted = (Cause(CauseKind.JUDGE, "[judges.strict]: overloaded"),)
    said = replace(MEASURED, level=Level.INCONCLUSIVE, causes=halted, judged=Judged((JudgeSeen("strict", "tone"),)))
    conclude(database, said=said)
    assert of_judges(scrape(NOW + HOUR, judged)) == {}


def test_suites_that_share_a_judge_make_one_sample_each(database, scrape, judged):
    for number, (suite, at, points, untrusted) in enumerate(
        [("support", NOW + HOUR, 1.5, "it passed wrong answers"), ("general", NOW + 2 * HOUR, -2.5, None)], 1
    ):
        seen = replace(STRICT, points=points, untrusted=untrusted)
        said = replace(judged_by(seen, unscored=0.0), suite=suite, finished_at=at)
        conclude(database, number, said=said, at=at, suite=suite)
    found = of_judges(scrape(NOW + 3 * HOUR, judged))
    # The newest verdict's shift; but a judge that cannot be trusted with one suite stays in sight.
    assert found == {
        "shift_points{judge=strict, rubric=tone}": -2.5,
        "trusted{judge=strict, rubric=tone}": 0.0,
        f"unscored_ratio{{{FT}}}": 0.0,
        "unscored_ratio{target=ft, suite=general}": 0.0,
    }
    # A newer verdict that does not know leaves the one before.
    said = replace(judged_by(JudgeSeen("strict", "tone")), finished_at=NOW + WEEK)
    conclude(database, 3, said=said, at=NOW + WEEK, slot=NOW + WEEK)
    assert of_judges(scrape(NOW + WEEK, judged))["shift_points{judge=strict, rubric=tone}"] == -2.5


def test_gauges_are_about_the_judges_that_are_configured_now_and_verdicts_that_count(
    database, scrape, judged, tmp_path
):
    gone, other = replace(STRICT, judge="gone"), replace(STRICT, rubric="groundedness")
    conclude(database, said=judged_by(STRICT, gone, other, unscored=0.01))
    assert set(of_judges(scrape(NOW + HOUR, judged))) == {
        "shift_points{judge=strict, rubric=tone}",
        "trusted{judge=strict, rubric=tone}",
        f"unscored_ratio{{{FT}}}",
    }
    assert of_judges(scrape(NOW + HOUR + timedelta(days=8, seconds=1), judged)) == {}
    assert of_judges(scrape(NOW + HOUR, panels(tmp_path, rubrics=("general",)))) == {}


def test_a_verdict_of_an_earlier_version_knows_no_judges(database, scrape, judged):
    conclude(database, said=judged_by(STRICT))
    with database.write() as connection:
        old = {name: value for name, value in MEASURED.as_json().items() if name != "judge"}
        connection.execute(verdict.update().values(payload=old))
    assert of_judges(scrape(NOW + HOUR, judged)) == {}


def test_kappa_of_the_newest_calibration_the_lowest_of_several_suites(database, scrape, judged, tmp_path):
    tone, summary = (rubric_scorers(judged.suites["support"], judged)[name].key for name in ("tone", "summary"))
    with database.write() as connection:
        calibrations.add(
            connection,
            [
                calibration(0.7, scorer=tone),
                calibration(0.9, scorer=tone, calibrated_at=NOW - WEEK),
                calibration(0.5, scorer=tone, suite="general"),
                calibration(0.1, scorer=tone, suite="not configured"),
                calibration(0.2, scorer="tone@of another model"),
                calibration(None, scorer=summary),
            ],
        )
    assert of_judges(scrape(NOW, judged)) == {"kappa{judge=strict, rubric=tone}": 0.5}
    # Another model has not been calibrated.
    other = panels(tmp_path, text=JUDGES.replace("judge-1", "judge-9"))
    assert of_judges(scrape(NOW, other)) == {}


def test_kappa_of_a_panel_and_of_each_of_its_judges(database, scrape, tmp_path):
    config = panels(tmp_path, text=JUDGES.replace('["strict"]', '["strict", "kind", "third"]'))
    key = rubric_scorers(config.suites["support"], config)["tone"].key
    with database.write() as connection:
        calibrations.add(connection, [calibration(0.8, scorer=key), calibration(0.6, scorer=key, judge="kind")])
    assert of_judges(scrape(NOW, config)) == {
        "kappa{judge=strict+kind+third, rubric=tone}": 0.8,
        "kappa{judge=kind, rubric=tone}": 0.6,
    }


def test_what_judges_use_is_counted_apart_and_its_cost_is_the_judges(database, scrape, judged):
    week, looked = run(), run(2, slot=None, kind=RunKind.JUDGE)
    with database.write() as connection:
        assert all(runs.begin(connection, one) for one in (week, looked))
        answers.add(connection, [answer("a", usd=0.5, input_tokens=7, output_tokens=2)], [{}])
        lost = [failure("b", kind="judge_timeout", attempts=2, usd=0.125), failure("c", usd=0.25)]
        answers.add_failures(connection, lost)
        of_week = judgement("m-1", attempts=3, input_tokens=900, output_tokens=80, usd=0.25)
        of_look = judgement("m-1", run_id="run-2", occasion="run-2", input_tokens=100, output_tokens=20, usd=1.0)
        judgements.add(connection, [of_week, of_look])
    before = scrape(NOW, judged)
    with database.write() as connection:
        for one in (week, looked):
            runs.finish(connection, replace(one, state=RunState.DONE), NOW)
    page = scrape(NOW, judged)
    assert {key: value for key, value in page.items() if "_total" in key} == {
        key: value for key, value in before.items() if "_total" in key
    }
    assert named(page, "heldout_cost_usd_total") == {
        "heldout_cost_usd_total{target=ft, purpose=week}": 0.75,
        "heldout_cost_usd_total{target=ft, purpose=judge}": 1.375,
    }
    assert page["heldout_month_cost_usd"] == 2.125
    calls = {key.partition("outcome=")[2]: value for key, value in page.items() if "calls_total{target=ft" in key}
    assert calls == {"answered}": 1.0, "retried}": 0.0, "judged}": 4.0, "judge_timeout}": 2.0, "timeout}": 3.0}
    tokens = {key.partition("kind=")[2]: value for key, value in page.items() if "tokens_total{target=ft" in key}
    assert tokens == {"input}": 7.0, "output}": 2.0, "judge_input}": 1000.0, "judge_output}": 100.0}
