"""A first configuration loads as it stands, tells the truth about the defaults, and is never written over anything."""

from __future__ import annotations

import re

import pytest

from judges.rubric_file import bundled_names
from monitor.config.faults import ConfigError
from monitor.config.fields import Secret
from monitor.config.init import KINDS, first_suite, render, write_initial
from monitor.config.judges import Judging
from monitor.config.load import load_config
from monitor.config.models import Budget, Config, Database, Decision, RagTarget, Schedule, ThresholdTable
from monitor.metrics import METRICS, build_metric
from monitor.suites.load import load_suite

PROVIDERS = {"openai": "openai", "anthropic": "anthropic", "http": "http", "sample": "rag"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_loads_without_faults_and_its_values_are_the_defaults(tmp_path, kind):
    written = write_initial(tmp_path / "new" / "folder", kind)
    assert [path.name for path in written] == (
        ["config.toml"] if kind == "sample" else ["config.toml", "support.jsonl"]
    )
    config = load_config(written[0], {})
    assert [target.provider for target in config.targets.values()] == [PROVIDERS[kind]]
    assert (config.database, config.schedule) == (Database(), Schedule())
    assert (config.thresholds, config.decision, config.budget) == (ThresholdTable(), Decision(), Budget())
    (target,) = config.targets.values()
    for name, value in type(target).model_fields.items():
        if not value.is_required() and name not in ("suites", "api_key"):
            assert getattr(target, name) == value.get_default(call_default_factory=True), name


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is_commented_out_is_valid_when_it_is_not(tmp_path, kind):
    path, *_ = write_initial(tmp_path, kind)
    text = re.sub(r"^# (?=\[|[a-z_]+ = )", "", path.read_text("utf-8"), flags=re.MULTILINE)
    assert "\n[alerts.slack]\ntoken = " in text
    path.write_text(text, "utf-8")
    config = load_config(path, {})
    assert config.alerts.slack is not None
    assert config.alerts.slack.token == Secret(env="SLACK_BOT_TOKEN")
    assert config.alerts.email is not None
    assert config.alerts.email.smtp == Secret(env="SMTP_URL")
    assert config.judging == Judging(panel=("strict",))
    assert config.suites["support"].scorers[-1] == "support_answer"


def test_the_first_suite_loads_and_says_that_it_is_to_be_replaced(tmp_path):
    path = tmp_path / "support.jsonl"
    path.write_text(first_suite(), "utf-8")
    suite = load_suite("support", path)
    assert len(suite.cases) >= 3
    assert all("replace me" in case.messages[0].content.lower() for case in suite.cases)
    assert all(build_metric("exact_match", {}).fault(case) is None for case in suite.cases)


def test_the_sample_is_answered_from_the_bundled_handbook(tmp_path):
    (path,) = write_initial(tmp_path, "sample")
    config = load_config(path, {})
    (target,) = config.targets.values()
    assert isinstance(target, RagTarget)
    assert (target.generator, target.role, target.suites) == ("extract", "production", ("support",))
    assert list(target.documents.glob("*.md"))
    assert config.suites["support"].weights == {"contains": 1.0}
    assert len(load_suite("support", config.suites["support"].cases).cases) == 200


def test_every_metric_is_named_in_the_comments():
    (line,) = re.findall(r"^# How answers are scored: ((?:.|\n# )*?)\. One", render("openai"), flags=re.MULTILINE)
    assert set(re.split(r",\s*(?:# )?", line)) == set(METRICS)


def test_every_bundled_rubric_is_named_in_the_comments():
    (line,) = re.findall(r"about each answer: ((?:.|\n# )*?), or the path", render("openai"))
    assert set(re.split(r",\s*(?:# )?", line)) == set(bundled_names())


def test_nothing_is_written_over_and_nothing_is_written_beside_what_is_there(tmp_path):
    (tmp_path / "support.jsonl").write_text("mine", "utf-8")
    with pytest.raises(ConfigError) as caught:
        write_initial(tmp_path, "openai")
    remedy = "exists already: it is left as it is; name another folder, or move it away first"
    assert str(caught.value) == f"{tmp_path}/support.jsonl: {remedy}"
    assert [(path.name, path.read_text("utf-8")) for path in tmp_path.iterdir()] == [("support.jsonl", "mine")]
    write_initial(tmp_path, "sample")
    with pytest.raises(ConfigError) as both:
        write_initial(tmp_path, "http")
    assert [fault.file.name for fault in both.value.faults] == ["config.toml", "support.jsonl"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(ConfigError, match=r"file/new/config\.toml: cannot be written: Not a directory"):
        write_initial(tmp_path / "file" / "new", "openai")


def test_a_kind_that_does_not_exist(tmp_path):
    with pytest.raises(ValueError, match=r'"opnai" is not one of "openai", .*; did you mean "openai"'):
        write_initial(tmp_path, "opnai")
    assert list(tmp_path.iterdir()) == []


def test_every_key_that_a_user_may_write_stands_in_some_template():
    texts = "\n".join(render(kind) for kind in KINDS)
    keys = {name for name in Config.model_fields if name not in ("path", "suites", "targets")}
    for section in (Database, Schedule, ThresholdTable, Decision, Budget, Judging):
        keys |= set(section.model_fields)
    assert {key for key in keys if not re.search(rf"^(?:# )?(?:\[{key}[.\]]|{key} = )", texts, re.MULTILINE)} == set()
