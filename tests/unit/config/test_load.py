"""Reading config.toml as a whole: what a good one becomes, what cannot be read, and many faults in one go."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.config.faults import ConfigError
from monitor.config.load import load_config
from monitor.config.models import Budget, Decision, OpenAITarget, RagTarget, Schedule, SuiteConfig, ThresholdTable

GOOD = """
[schedule]
catch_up = "36h"

[suites.support]
cases = "support.jsonl"
metrics = ["exact_match", { name = "numeric", tolerance = 0.01 }, "f1"]
headline = { exact_match = 3, f1 = 1 }

[targets.bot]
provider = "openai"
model = "m"
api_key = { file = "key" }
system = { file = "prompt.txt" }
params = { temperature = 0, stop = ["\\n"], max_tokens = 400 }
suites = ["support"]
timeout = "90s"

[targets.books]
provider = "rag"
documents = "docs"
generator = "writer"
suites = ["support"]
role = "candidate"
against = "bot"

[targets.writer]
provider = "anthropic"
model = "m"
"""

FIFTEEN = """
[databas]
[schedule]
cron = "0 6 * * 1"
timezone = "Mars/Olympus"
[thresholds]
investigate = 6
unit = "percents"
[decision]
stage_gap = "1 hour"
[budget]
usd_per_run = "ten"
[suites.support]
cases = "nope.jsonl"
metrics = ["exact_mach", "f1"]
[targets.bot]
provider = "openai"
modle = "m"
api_key = "hunter2"
suites = ["suport"]
[targets.other]
provider = "opnai"
timeout = "soon"
suites = ["support"]
[alerts.slack]
token = { env = "TOKEN" }
[reports]
listen = "127.0.0.1:8787"
"""


def test_paths_are_absolute_prompts_are_read_and_defaults_are_filled_in(load, folder):
    config = load(GOOD)
    bot, books = config.targets["bot"], config.targets["books"]
    assert isinstance(bot, OpenAITarget)
    assert isinstance(books, RagTarget)
    assert config.path == folder / "config.toml"
    assert config.suites["support"].cases == folder / "support.jsonl"
    assert books.documents == folder / "docs"
    assert bot.system == "Answer briefly.\n"
    assert bot.api_key is not None
    assert bot.api_key.file == folder / "key"
    assert bot.params == {"temperature": 0, "stop": ["\n"], "max_tokens": 400}
    assert (bot.timeout, config.schedule.catch_up) == (timedelta(seconds=90), timedelta(hours=36))
    assert (config.thresholds, config.decision, config.budget) == (ThresholdTable(), Decision(), Budget())
    assert config.schedule.cron == Schedule().cron


def test_metrics_keep_their_options_and_weights_add_up_to_one(load):
    suite = load(GOOD).suites["support"]
    assert [(metric.name, metric.options) for metric in suite.metrics] == [
        ("exact_match", {}),
        ("numeric", {"tolerance": 0.01}),
        ("f1", {}),
    ]
    assert suite.weights == {"exact_match": 0.75, "f1": 0.25}


def test_without_a_headline_the_only_scorer_counts_alone():
    suite = SuiteConfig.model_validate({"cases": "a.jsonl", "metrics": ["bleu"]})
    assert suite.weights == {"bleu": 1.0}
    assert suite.cases == Path("a.jsonl")


def test_a_relative_name_of_the_file_gives_absolute_paths(folder, monkeypatch):
    (folder / "config.toml").write_text(GOOD, "utf-8")
    monkeypatch.chdir(folder.parent)
    config = load_config(Path(folder.name, "config.toml"), {})
    assert config.path == folder / "config.toml"
    assert config.suites["support"].cases == folder / "support.jsonl"


def test_a_byte_order_mark_and_windows_line_ends_are_read(folder):
    (folder / "config.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert set(load_config(folder / "config.toml", {}).targets) == {"bot", "books", "writer"}


def test_everything_that_is_wrong_is_listed_at_once_in_the_order_of_the_file(faults_of):
    places = [
        "[databas]: unknown table",
        "[schedule] cron: has a digit",
        "[schedule] timezone: is not a time zone",
        "[thresholds] investigate: rollback (5) must be larger than investigate (6)",
        "[thresholds] unit: must be one of",
        "[decision] stage_gap: must be a duration",
        "[budget] usd_per_run: must be a number",
        "[suites.support] cases: there is no file",
        "[suites.support] metrics item 1: unknown metric",
        "[suites.support] headline: is missing, and there are 2 scorers",
        "[targets.bot] modle: unknown key",
        "[targets.bot] api_key: must be a reference",
        "[targets.bot] suites item 1: there is no suite",
        "[targets.bot] model: is missing",
        "[targets.other] provider: must be one of",
        "[targets.other] timeout: must be a duration",
        "[alerts.slack] channel: is missing",
        "[reports]: not in this version",
    ]
    faults = faults_of(FIFTEEN)
    assert [fault for fault, place in zip(faults, places, strict=True) if f"config.toml: {place}" not in fault] == []
    assert not any("hunter2" in fault for fault in faults)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"[schedule]\ncron = = 3", "config.toml:2:8: is not valid TOML: invalid value"),
        (b"[schedule]\ncron = '", 'config.toml: is not valid TOML: expected "\'" at the end of the file'),
        (b"a = 1\na = 2\n", "config.toml:2:6: is not valid TOML: cannot overwrite a value"),
        (b"a = 1\nb = 'Gr\xfc\xdfe'", "config.toml:2: is not UTF-8 here: save the file as UTF-8"),
        (b"a = " + b"[" * 5000, "config.toml: is nested too deeply"),
        (b".".join([b"a"] * 3000) + b" = 1", "config.toml: is nested too deeply"),
        (b"#" * 4_000_001, "config.toml: is larger than 4000000 bytes: is it a configuration?"),
    ],
)
def test_what_is_not_toml(folder, content, fault):
    path = folder / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    assert [str(found).replace(f"{folder}/", "") for found in caught.value.faults] == [fault]


def test_a_number_with_more_digits_than_can_be_read_is_a_fault(faults_of):
    (fault,) = faults_of("a = " + "9" * 5000)
    assert fault.startswith("config.toml: is not valid TOML: ")


def test_a_file_that_is_not_there_says_how_to_write_one(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "none.toml", {})
    remedy = "there is no such file: write one with `heldout init`, or name another with --config"
    assert str(caught.value) == f"{tmp_path}/none.toml: {remedy}"
    assert caught.value.permanent


def test_a_folder_is_not_a_configuration(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path, {})


def test_reading_a_configuration_imports_nothing_heavy(folder):
    path = folder / "config.toml"
    path.write_text(GOOD, "utf-8")
    code = (
        "import sys; from pathlib import Path; from monitor.config.load import load_config; "
        "load_config(Path(sys.argv[1]), {}); "
        "heavy = {'aiohttp', 'anthropic', 'jinja2', 'numpy', 'openai', 'pandas', 'sacrebleu', 'scipy'}; "
        "heavy |= {'slack_sdk', 'sqlalchemy'}; "
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
