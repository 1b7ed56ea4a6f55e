"""Judges, the panel and the rubrics of suites: what loads, and each fault by its whole text."""

# ruff: noqa: E501 a message stands on one line, as it is shown

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from judges.rubric_file import bundled, bundled_names
from monitor.config.judges import Judging
from monitor.config.models import SuiteConfig
from monitor.config.secrets import missing_secrets, references
from monitor.config.tables import Price

TARGET = """
[targets.bot]
provider = "openai"
model = "m"
suites = ["support"]
"""
SUITE = """
[suites.support]
cases = "support.jsonl"
rubrics = ["support_answer"]
"""
JUDGES = """
[judges.strict]
provider = "anthropic"
model = "claude-x"
api_key = { env = "JUDGE_KEY" }

[judges.kind]
provider = "openai"
model = "gpt-x"

[judges.third]
provider = "openai"
model = "gpt-y"
"""
PANEL = """
[judging]
panel = ["strict"]
"""
RUBRIC = """
name = "{name}"
version = "1"
description = "How refunds are explained."

[[criteria]]
id = "days"
question = "{question}"
"""
SAYS = "Does the answer say within how many days a refund is paid?"


@pytest.fixture
def rubric(folder: Path) -> Path:
    path = folder / "refunds.toml"
    path.write_text(RUBRIC.format(name="refunds", question=SAYS), "utf-8")
    return path


def test_a_rubric_is_a_scorer_beside_the_metrics(load, rubric):
    text = """
[suites.support]
cases = "support.jsonl"
metrics = ["f1"]
rubrics = ["refunds.toml", "tone"]
headline = { refunds = 3, f1 = 1 }
"""
    config = load(text + TARGET + JUDGES + PANEL)
    suite = config.suites["support"]
    assert suite.scorers == ("f1", "refunds", "tone")
    assert suite.weights == {"refunds": 0.75, "f1": 0.25}
    assert suite.judged_in_headline == ("refunds",)
    assert [(ref.given, ref.path) for ref in suite.rubrics] == [("refunds.toml", rubric), ("tone", None)]
    assert config.rubric("refunds").criteria[0].question == SAYS
    assert config.rubric("tone") == bundled("tone")
    with pytest.raises(KeyError):
        config.rubric("support_answer")
    assert "refunds" in config.model_dump_json()


def test_the_only_scorer_may_be_a_rubric(load):
    suite = load(SUITE + TARGET + JUDGES + PANEL).suites["support"]
    assert (suite.metrics, suite.weights) == ((), {"support_answer": 1.0})
    assert suite.judged_in_headline == ("support_answer",)


def test_a_rubric_that_two_suites_name_is_the_same_one(load, folder, rubric):
    other = SUITE.replace("support]", "other]").replace('"support_answer"', f'"{rubric}"')
    config = load(SUITE.replace('"support_answer"', '"refunds.toml"') + other + TARGET + JUDGES + PANEL)
    assert config.rubric("refunds") == config.suites["other"].rubrics[0].rubric


def test_what_a_judge_and_judging_have(load):
    config = load(
        SUITE + TARGET + JUDGES + 'price = { input = 1.0, output = 2.0, cached_input = 0.1 }\ntimeout = "9s"\n' + PANEL
    )
    judge = config.judges["third"]
    assert (judge.provider, judge.model, judge.concurrency) == ("openai", "gpt-y", 8)
    assert judge.price == Price(input=1.0, output=2.0, cached_input=0.1)
    assert judge.timeout.total_seconds() == 9.0
    assert config.judging == Judging(panel=("strict",), anchors=8, min_kappa_for_rollback=0.4, canaries=60)


def test_judges_that_no_panel_names_and_suites_without_rubrics_are_allowed(load):
    suite = SUITE.replace('rubrics = ["support_answer"]', 'metrics = ["f1"]')
    assert load(suite + TARGET + JUDGES).judging.panel == ()
    assert load(suite + TARGET).judges == {}
    assert (
        len(load(SUITE + TARGET + JUDGES + PANEL.replace('"strict"', '"third", "strict", "kind"')).judging.panel) == 3
    )


def test_the_secrets_of_judges_are_known(load):
    config = load(SUITE + TARGET + JUDGES + PANEL)
    assert [place for place, _ in references(config)] == [("judges", "strict", "api_key")]
    (fault,) = missing_secrets(config, {})
    assert (fault.table, fault.key) == ("judges.strict", "api_key")


def test_a_suite_built_without_a_file_reads_rubrics_too():
    suite = SuiteConfig.model_validate({"cases": "a.jsonl", "rubrics": ["tone"]})
    assert suite.rubrics[0].rubric == bundled("tone")


CHANGED: list[tuple[str, str, str]] = [
    (
        "panel = ['strict']",
        "panel = ['strct']",
        '[judging] panel item 1: there is no judge "strct", as [judges.strct] would be; did you mean "strict"?',
    ),
    (
        "panel = ['strict']",
        "panel = ['strict', 'kind']",
        "[judging] panel: must be an odd number of judges, so that one side always wins: it has 2",
    ),
    ("panel = ['strict']", "panel = ['kind', 'kind', 'strict']", '[judging] panel item 2: "kind" is listed twice'),
    ("panel = ['strict']", "panel = []", "[judging] panel: must not be empty"),
    ("panel = ['strict']", "panel = 'strict'", '[judging] panel: must be a list, such as ["…"]'),
    ("panel = ['strict']", "panel = [3]", "[judging] panel item 1: must be text in quotes"),
    (
        "panel = ['strict']",
        "anchors = 9",
        '[judging] panel: is missing, and suite "support" has rubrics: name the judges here, such as panel = ["strict"]',
    ),
    ("panel = ['strict']", "panel = ['strict']\nanchors = 0", "[judging] anchors: must be at least 1"),
    ("panel = ['strict']", "panel = ['strict']\nanchors = 1001", "[judging] anchors: must be at most 1000"),
    ("panel = ['strict']", "panel = ['strict']\nanchors = 2.5", "[judging] anchors: must be a whole number"),
    ("panel = ['strict']", "panel = ['strict']\ncanaries = 19", "[judging] canaries: must be at least 20"),
    ("panel = ['strict']", "panel = ['strict']\ncanaries = 201", "[judging] canaries: must be at most 200"),
    (
        "panel = ['strict']",
        "panel = ['strict']\nmin_kappa_for_rollback = 1.5",
        "[judging] min_kappa_for_rollback: must be at most 1",
    ),
    (
        "panel = ['strict']",
        "panel = ['strict']\nmin_kapa_for_rollback = 1",
        '[judging] min_kapa_for_rollback: unknown key; did you mean "min_kappa_for_rollback"?',
    ),
    (
        'provider = "anthropic"',
        "provider = 'antropic'",
        '[judges.strict] provider: must be one of "openai", "anthropic"; did you mean "anthropic"?',
    ),
    ('provider = "anthropic"', "provider = 'http'", '[judges.strict] provider: must be one of "openai", "anthropic"'),
    ('provider = "anthropic"', "", '[judges.strict] provider: is missing: one of "openai", "anthropic"'),
    ('model = "claude-x"', "", "[judges.strict] model: is missing: the model's name as the provider knows it"),
    ('model = "claude-x"', "model = 'm'\nmodle = 'x'", '[judges.strict] modle: unknown key; did you mean "model"?'),
    (
        'model = "claude-x"',
        "model = 'm'\nsystem = 'Be strict.'",
        "[judges.strict] system: belongs to a target, and this is a judge: leave it out",
    ),
    (
        'model = "claude-x"',
        "model = 'm'\nsuites = ['support']",
        "[judges.strict] suites: belongs to a target, and this is a judge: leave it out",
    ),
    (
        'model = "claude-x"',
        "model = 'm'\nprice = { input = 1.0, output = 1.0, cached_inputs = 0.1 }",
        '[judges.strict] price.cached_inputs: unknown key; did you mean "cached_input"?',
    ),
    (
        'model = "claude-x"',
        "model = 'm'\nparams = { system = 'Be strict.' }",
        "[judges.strict] params.system: is set by heldout itself: leave it out of params",
    ),
    (
        'model = "claude-x"',
        "model = 'm'\nparams = { output_config = { effort = 'low', format = {} } }",
        "[judges.strict] params.output_config.format: is set by heldout itself: leave it out of params",
    ),
    (
        'model = "gpt-x"',
        "model = 'm'\nparams = { response_format = { type = 'text' } }",
        "[judges.kind] params.response_format: is set by heldout itself: leave it out of params",
    ),
    (
        'model = "gpt-x"',
        "model = 'm'\napi_key = 'hunter2'",
        '[judges.kind] api_key: must be a reference, never the secret itself: { env = "…" }, { file = "…" } or { credential = "…" }',
    ),
    (
        'model = "gpt-x"',
        "model = 'm'\nparams = { x-api-key = 'hunter2' }",
        "[judges.kind] params.x-api-key: looks like a credential: a secret does not belong in this file; use api_key = "
        '{ env = "…" }, { file = "…" } or { credential = "…" }',
    ),
    (
        "[judges.third]",
        "[judges.'a b']",
        '[judges."a b"]: a judge\'s name must begin with a letter or digit and go on with letters, digits, dots, hyphens and underscores (100 at most)',
    ),
    ("rubrics =", "rubrics = []", "[suites.support] rubrics: must not be empty"),
    ("rubrics =", "rubrics = 'tone'", '[suites.support] rubrics: must be a list, such as ["…"]'),
    (
        "rubrics =",
        "rubrics = [3]",
        "[suites.support] rubrics item 1: must be a bundled rubric's name or a path in quotes",
    ),
    (
        "rubrics =",
        'rubrics = ["a\\u0000/b"]',
        "[suites.support] rubrics item 1: must be a bundled rubric's name or a path in quotes",
    ),
    (
        "rubrics =",
        "rubrics = ['tone', 'tone']\nheadline = { tone = 1 }",
        '[suites.support] rubrics item 2: the rubric "tone" is listed twice, or a metric has its name: a scorer is known by its name',
    ),
    (
        "rubrics =",
        "rubrics = ['ton']",
        f'[suites.support] rubrics item 1: is not one of the bundled rubrics ({", ".join(f"{chr(34)}{name}{chr(34)}" for name in bundled_names())}); did you mean "tone"?; a rubric of your own is named by its path, which ends in .toml',
    ),
    (
        "rubrics =",
        "rubrics = ['tone']\nheadline = { tune = 1 }",
        '[suites.support] headline.tune: is not a scorer of this suite: its scorers are "tone"; did you mean "tone"?',
    ),
    (
        "rubrics =",
        "metrics = ['f1']\nrubrics = ['tone']",
        '[suites.support] headline: is missing, and there are 2 scorers ("f1", "tone"): say which ones the thresholds are about and how much each weighs, such as headline = { f1 = 1.0 }',
    ),
    ("rubrics =", "", '[suites.support] metrics: is missing: how answers are scored, such as ["exact_match"]'),
]


@pytest.mark.parametrize(("begins", "line", "fault"), CHANGED)
def test_a_line_that_is_changed(faults_of, begins, line, fault):
    text = (SUITE + TARGET + JUDGES + PANEL).replace('panel = ["strict"]', "panel = ['strict']")
    assert sum(old.startswith(begins) for old in text.splitlines()) == 1
    changed = [line if old.startswith(begins) else old for old in text.splitlines()]
    assert faults_of("\n".join(changed)) == [f"config.toml: {fault}"]
    assert "hunter2" not in fault


@pytest.mark.parametrize(
    ("judges", "remedy"),
    [
        ("", 'add a judge as [judges.NAME], and panel = ["NAME"] here'),
        (JUDGES, 'name the judges here, such as panel = ["strict"]'),
    ],
)
def test_rubrics_without_a_panel(faults_of, judges, remedy):
    other = SUITE.replace("support]", "other]")
    assert faults_of(SUITE + other + TARGET + judges) == [
        f'config.toml: [judging] panel: is missing, and suites "support", "other" have rubrics: {remedy}'
    ]


def test_everything_that_is_wrong_with_a_rubrics_file_is_told_where_it_is_named(faults_of, folder):
    (folder / "bad.toml").write_text('name = "Bad Name"\nversoin = "1"\n', "utf-8")
    faults = faults_of(
        SUITE.replace('"support_answer"', '"bad.toml", "none.toml"')
        + "headline = { bad = 1 }\n"
        + TARGET
        + JUDGES
        + PANEL
    )
    bad = [fault for fault in faults if "rubrics item 1" in fault]
    assert len(bad) >= 3
    assert all(fault.startswith("config.toml: [suites.support] rubrics item 1: bad.toml: ") for fault in bad)
    missing = [fault for fault in faults if "rubrics item 2" in fault]
    assert len(missing) == 1
    assert missing[0].startswith("config.toml: [suites.support] rubrics item 2: none.toml: there is no such file: ")
    assert faults == bad + missing  # nothing about a headline whose scorers nobody knows


def test_a_rubric_is_not_called_as_a_metric_or_as_another_rubric(faults_of, folder, rubric):
    (folder / "f1.toml").write_text(RUBRIC.format(name="f1", question=SAYS), "utf-8")
    (folder / "again.toml").write_text(RUBRIC.format(name="refunds", question="Is the refund's amount given?"), "utf-8")
    first = SUITE.replace('"support_answer"', '"refunds.toml"')
    second = (
        SUITE.replace("support]", "other]").replace('"support_answer"', '"f1.toml", "again.toml"')
        + "headline = { f1 = 1 }\n"
    )
    assert faults_of(first + second + TARGET + JUDGES + PANEL) == [
        'config.toml: [suites.other] rubrics item 1: the rubric "f1" has the name of a metric: give it another in its file',
        'config.toml: [suites.other] rubrics item 2: another rubric is called "refunds" too, that of [suites.support]: give one of them another name',
    ]


def test_tables_that_are_none(faults_of):
    assert faults_of("judges = 3\njudging = 4\n" + SUITE + TARGET) == [
        "config.toml: [judges]: must be a table",
        "config.toml: [judging]: must be a table",
    ]


def test_no_judges_code_is_imported_where_no_suite_has_a_rubric(folder):
    path = folder / "config.toml"
    path.write_text(
        SUITE.replace('rubrics = ["support_answer"]', 'metrics = ["f1"]') + TARGET + JUDGES + PANEL, "utf-8"
    )
    code = (
        "import sys; from pathlib import Path; from monitor.config.load import load_config; "
        "load_config(Path(sys.argv[1]), {}); print(sorted(name for name in sys.modules if name.split('.')[0] == 'judges'))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")
