"""Whatever stands in a file, the loaders of suites and configurations give a value or the error that lists faults."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from monitor.config.faults import ConfigError
from monitor.config.load import load_config
from monitor.domain.case import Suite
from monitor.suites.load import SuiteError, load_suite

SCRATCH = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SECRET = "sk-hunter2hunter2hunter2"

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(SECRET)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
TURNS = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": st.text(max_size=5)}
    ),
    max_size=3,
)
CASES = st.dictionaries(
    st.sampled_from(["id", "input", "expected", "choices", "tags", "cluster", "context", "tag"]),
    JSON | TURNS,
    max_size=7,
)
PROPER = st.fixed_dictionaries(
    {
        "id": st.text("abcdef0123456789-", min_size=1, max_size=12),
        "input": st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(str.strip),
    },
    optional={
        "expected": st.text("abc ", max_size=5) | st.lists(st.text("abc", max_size=5), min_size=1, max_size=3),
        "tags": st.lists(st.text("abc", min_size=1, max_size=5), max_size=3),
        "cluster": st.text("abc", min_size=1),
    },
)


def suite_of(content: bytes, name: str) -> Suite | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        try:
            return load_suite("s", path)
        except SuiteError as error:
            faults = error.faults
    assert faults
    for fault in faults:
        assert str(fault).startswith(str(path))
        assert "\n" not in str(fault)
        str(fault).encode("utf-8")
    return None


@SCRATCH
@given(st.binary(max_size=200), st.sampled_from(["s.jsonl", "s.csv"]))
@example(b"\xef\xbb\xbf", "s.csv")
@example(b'id,input\n"', "s.csv")
@example(b"id,input\r\ra,b", "s.csv")
@example(b"id,input\na,\0", "s.csv")
def test_any_bytes(content, name):
    suite_of(content, name)


@SCRATCH
@given(st.lists(CASES, max_size=4))
def test_any_json_in_the_fields_of_cases(lines):
    suite = suite_of("\n".join(json.dumps(line) for line in lines).encode(), "s.jsonl")
    if suite is not None:
        assert [case.id for case in suite.cases] == [line["id"] for line in lines]
        assert len({case.id for case in suite.cases}) == len(suite.cases)
        assert suite.fingerprint
        json.dumps([case.as_json() for case in suite.cases], allow_nan=False).encode()


@SCRATCH
@given(st.lists(st.lists(st.text(max_size=6), max_size=4), max_size=4))
def test_any_cells_under_a_proper_header(rows):
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["id", "input", "expected", "tags"], *rows])
    suite_of(out.getvalue().encode("utf-8", "surrogatepass"), "s.csv")


@SCRATCH
@given(st.lists(PROPER, min_size=1, max_size=5, unique_by=lambda case: case["id"]))
def test_what_is_proper_comes_back_as_it_was(lines):
    suite = suite_of("\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode(), "s.jsonl")
    assert suite is not None
    for case, line in zip(suite.cases, lines, strict=True):
        tags = {"tags": sorted(set(line["tags"]))} if line.get("tags") else {}
        assert case.as_json() == {key: value for key, value in line.items() if key != "tags"} | tags


NAMES = (
    "database schedule thresholds decision budget suites targets alerts slack url cron timezone investigate "
    "rollback unit cases metrics headline rubrics provider model base_url api_key system params suites role against "
    "generator documents headers body answer command price timeout token channel webhook_url "
    "name env file path judges web x.y"
)
KEYS = st.sampled_from(sorted(NAMES.split())) | st.text(max_size=4)
WORDS = st.sampled_from(
    [
        "openai",
        "anthropic",
        "http",
        "command",
        "rag",
        "candidate",
        "f1",
        "s",
        "t",
        "extract",
        "https://a/b",
        "0 6 * * mon",
        SECRET,
    ]
)


def as_toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {as_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_toml(item) for item in value) + "]"
    return (
        json.dumps(value).lower()
        if isinstance(value, bool)
        else json.dumps(value)
        if isinstance(value, str)
        else repr(value)
    )


VALUES = st.recursive(
    WORDS | st.integers(-5, 10**19) | st.floats() | st.booleans() | st.text("ab {}%", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)
TARGETS = st.dictionaries(st.sampled_from(["t", "u"]), st.dictionaries(KEYS, VALUES, max_size=8), max_size=2)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=6) | st.fixed_dictionaries(
    {"suites": TARGETS, "targets": TARGETS, "alerts": VALUES}
)


def config_of(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.toml")
        path.write_bytes(content)
        try:
            load_config(path, {})
        except ConfigError as error:
            faults = error.faults
        else:
            return
    assert faults
    for fault in faults:
        text = str(fault)
        assert "hunter2" not in text
        assert "Input should" not in text
        assert "Value error" not in text
        text.encode("utf-8")


@SCRATCH
@given(st.binary(max_size=100) | st.text("[]{}=.'\"\n#ab1-:", max_size=60).map(str.encode))
def test_any_bytes_as_a_configuration(content):
    config_of(content)


@SCRATCH
@given(DOCUMENTS)
def test_any_tables_as_a_configuration_and_no_secret_or_jargon_is_told(document):
    text = "\n".join(f"{json.dumps(name)} = {as_toml(value)}" for name, value in document.items())
    config_of(text.encode("utf-8", "surrogatepass"))
