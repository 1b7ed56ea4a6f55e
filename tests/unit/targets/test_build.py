"""Targets out of the configuration's tables: what is built, what identifies it, what a program gets to see."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from monitor.config.fields import Secret
from monitor.config.judges import JudgeConfig
from monitor.config.models import Config, TargetConfig
from monitor.config.secrets import SecretError
from monitor.targets.build import (
    TargetConfigError,
    build_judge,
    build_target,
    configuration_fingerprint,
    is_local,
    judge_fingerprint,
    program_environment,
    requested_model,
)

CHAT = {
    "provider": "openai",
    "model": "gpt-x",
    "api_key": {"env": "KEY_A"},
    "system": "Be brief.",
    "params": {"seed": 1},
}
HTTP = {
    "provider": "http",
    "url": "https://rag.internal/answer",
    "body": '{"q": {{ input | tojson }}}',
    "answer": "result.text",
    "headers": {"Authorization": {"env": "KEY_A"}, "X-Version": "1"},
}
COMMAND = {"provider": "command", "command": ["./answer", "--fast"]}
ENVIRON = {
    "KEY_A": "secret-a",
    "KEY_B": "secret-b",
    "DATABASE": "postgresql://x",
    "PATH": "/bin",
    "NOTIFY_SOCKET": "/s",
}


def config(**targets: dict[str, Any]) -> Config:
    adapter: TypeAdapter[TargetConfig] = TypeAdapter(TargetConfig)
    tables = {name.replace("_", "-"): adapter.validate_python(table) for name, table in targets.items()}
    path = Path("/srv/heldout/config.toml")
    return Config.model_construct(
        path=path, suites={}, targets=tables, database=Config.model_fields["database"].default
    )


JUDGE = {"provider": "openai", "model": "gpt-x", "api_key": {"env": "KEY_A"}, "params": {"seed": 1}}


def judged(targets: dict[str, dict[str, Any]] | None = None, **judges: dict[str, Any]) -> Config:
    tables = {name: JudgeConfig.model_validate(table) for name, table in judges.items()}
    return config(**targets or {}).model_copy(update={"judges": tables})


def fingerprint(table: dict[str, Any]) -> str:
    return configuration_fingerprint("one", config(one=table))


@pytest.mark.parametrize(
    ("table", "start"),
    [
        (CHAT, "openai https://api.openai.com/v1 "),
        ({**CHAT, "provider": "anthropic"}, "anthropic https://api.anthropic.com "),
        ({**CHAT, "base_url": "http://127.0.0.1:8000/v1/"}, "openai http://127.0.0.1:8000/v1 "),
        (HTTP, "http https://rag.internal/answer "),
        (COMMAND, "command ./answer "),
    ],
)
def test_each_kind_is_built_with_its_account_and_limits(table: dict[str, Any], start: str) -> None:
    account = build_target("one", config(one={**table, "requests_per_minute": 60.0}), ENVIRON).account
    assert account.key.startswith(start)
    assert account.requests_per_minute == 60.0
    assert "secret" not in account.key


def test_an_account_is_told_by_its_key() -> None:
    both = config(a=CHAT, b={**CHAT, "api_key": {"env": "KEY_B"}}, c={**CHAT, "model": "gpt-y"})
    a, b, c = (build_target(name, both, ENVIRON).account.key for name in "abc")
    assert a == c != b


def test_a_missing_secret_is_named() -> None:
    with pytest.raises(SecretError, match="KEY_A"):
        build_target("one", config(one=CHAT), {})


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("param", ["model", "messages", "stream"])
def test_parameters_that_heldout_sets_are_refused(provider: str, param: str) -> None:
    with pytest.raises(TargetConfigError, match=rf"\[targets.one\] params.{param}"):
        build_target("one", config(one={**CHAT, "provider": provider, "params": {param: 1}}), ENVIRON)


@pytest.mark.parametrize("key", ["answer", "contexts"])
def test_a_path_that_cannot_be_read_is_refused(key: str) -> None:
    with pytest.raises(TargetConfigError, match=r"\[targets.one\] answer or contexts"):
        build_target("one", config(one={**HTTP, key: "a..b"}), ENVIRON)


@pytest.mark.parametrize(
    ("table", "change"),
    [
        (CHAT, {"provider": "anthropic"}),
        (CHAT, {"model": "gpt-y"}),
        (CHAT, {"base_url": "http://127.0.0.1:8000/v1"}),
        (CHAT, {"system": "Be long."}),
        (CHAT, {"params": {"seed": 2}}),
        (HTTP, {"url": "https://rag.internal/other"}),
        (HTTP, {"body": '{"q": {{ question | tojson }}}'}),
        (HTTP, {"answer": "result.best"}),
        (HTTP, {"headers": {"X-Version": "2"}}),
        (COMMAND, {"command": ["./answer"]}),
    ],
)
def test_what_can_change_answers_changes_the_fingerprint(table: dict[str, Any], change: dict[str, Any]) -> None:
    assert fingerprint({**table, **change}) != fingerprint(table)


@pytest.mark.parametrize("table", [CHAT, HTTP, COMMAND])
def test_what_cannot_change_answers_does_not(table: dict[str, Any]) -> None:
    other = {
        **table,
        "concurrency": 32,
        "requests_per_minute": 5.0,
        "tokens_per_minute": 5.0,
        "timeout": "5s",
        "retry_for": "1m",
        "price": {"input": 1.0, "output": 2.0},
        "role": "candidate",
        "suites": ["support"],
    }
    if "api_key" in table:
        other["api_key"] = {"env": "KEY_B"}
    if "headers" in table:
        other["headers"] = {**table["headers"], "Authorization": {"env": "KEY_B"}}
    assert fingerprint(other) == fingerprint(table)
    assert len(fingerprint(table)) == 16


def test_a_fingerprint_is_the_same_tomorrow() -> None:
    code = "from tests.unit.targets.test_build import CHAT, fingerprint; print(fingerprint(CHAT))"
    other = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        check=True,
    )
    assert other.stdout.strip() == fingerprint(CHAT)


def test_the_rag_target_is_identified_by_its_documents_and_its_generator(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Returns\n\nGift cards are final sale.\n")

    def seen(generator: str = "extract", model: str = "gpt-x", **more: Any) -> str:
        table = {"provider": "rag", "documents": tmp_path, "generator": generator, **more}
        return configuration_fingerprint("rag", config(rag=table, one={**CHAT, "model": model}))

    first = seen()
    assert first == seen(concurrency=2)
    assert len({first, seen("one"), seen("one", "gpt-y"), seen(passages=2)}) == 4
    (tmp_path / "a.md").write_text("# Returns\n\nGift cards can be returned.\n")
    assert seen() != first


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_judge_shares_the_account_of_targets_with_its_key(provider: str) -> None:
    tables = {"one": {**CHAT, "provider": provider}, "two": {**CHAT, "provider": provider, "api_key": {"env": "KEY_B"}}}
    made = judged(tables, strict={**JUDGE, "provider": provider, "tokens_per_minute": 9.0})
    account = build_judge("strict", made, "You judge.", {"type": "object"}, ENVIRON).account
    one, two = (build_target(name, made, ENVIRON).account for name in ("one", "two"))
    assert account.key == one.key != two.key
    assert account.tokens_per_minute == 9.0


def test_a_judges_table_that_cannot_be_used() -> None:
    made = judged(strict={**JUDGE, "params": {"stream": True}})
    with pytest.raises(TargetConfigError, match=r"\[judges.strict\] params.stream: heldout sets this itself"):
        build_judge("strict", made, "You judge.", {}, ENVIRON)
    with pytest.raises(SecretError, match="KEY_A"):
        build_judge("strict", judged(strict=JUDGE), "You judge.", {}, {})


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"provider": "anthropic"}, False),
        ({"model": "gpt-y"}, False),
        ({"base_url": "http://127.0.0.1:8000/v1"}, False),
        ({"params": {"seed": 2}}, False),
        ({"base_url": "https://api.openai.com/v1/"}, True),
        ({"api_key": {"env": "KEY_B"}}, True),
        ({"concurrency": 2, "timeout": "5s", "price": {"input": 1.0, "output": 2.0}}, True),
    ],
)
def test_a_judge_is_another_one_when_what_it_says_may_be(change: dict[str, Any], same: bool) -> None:
    made = judged(a=JUDGE, b={**JUDGE, **change})
    assert (judge_fingerprint("a", made) == judge_fingerprint("b", made)) is same
    assert len(judge_fingerprint("b", made)) == 16


async def test_the_rag_target_is_built_with_its_generator(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Returns\n\nGift cards are final sale.\n")
    rag = {"provider": "rag", "documents": tmp_path}
    built = config(
        extract=rag,
        written={**rag, "generator": "one"},
        one=CHAT,
        bad={**rag, "generator": "extract2"},
        deep={**rag, "generator": "written"},
    )
    extract, written = (build_target(name, built, ENVIRON) for name in ("extract", "written"))
    assert written.account == build_target("one", built, ENVIRON).account
    assert extract.account != written.account
    await extract.aclose()
    await written.aclose()
    for name in ("bad", "deep"):
        with pytest.raises(TargetConfigError, match=rf"\[targets.{name}\] generator"):
            build_target(name, built, ENVIRON)


def test_which_answers_are_made_on_this_machine(tmp_path: Path) -> None:
    rag = {"provider": "rag", "documents": tmp_path}
    tables = {
        "far": CHAT,
        "near": {**CHAT, "base_url": "http://localhost:8000/v1"},
        "six": {**CHAT, "base_url": "http://[::1]:8000/v1"},
        "four": {**HTTP, "url": "http://127.0.0.9/x"},
        "lookalike": {**HTTP, "url": "http://localhost.example.com/x"},
        "http": HTTP,
        "program": COMMAND,
        "extract": rag,
        "written": {**rag, "generator": "far"},
    }
    made = config(**tables)
    assert {name for name in tables if is_local(name, made)} == {"near", "six", "four", "program", "extract"}
    assert {requested_model(made.targets[name]) for name in ("far", "http", "program", "extract")} == {"gpt-x", None}


def test_a_program_sees_the_models_keys_and_not_heldouts_own() -> None:
    made = config(one=CHAT, two=COMMAND)
    own = made.model_copy(update={"database": made.database.model_copy(update={"url": Secret(env="DATABASE")})})
    with_judge = own.model_copy(
        update={"judges": {"j": JudgeConfig.model_validate({**JUDGE, "api_key": {"env": "DATABASE"}})}}
    )
    assert "DATABASE" in program_environment(with_judge, ENVIRON)
    assert program_environment(own, ENVIRON) == {"KEY_A": "secret-a", "KEY_B": "secret-b", "PATH": "/bin"}
    both = own.model_copy(update={"database": own.database.model_copy(update={"url": Secret(env="KEY_A")})})
    assert "KEY_A" in program_environment(both, ENVIRON)


def test_no_sdk_is_imported_before_the_first_question() -> None:
    code = (
        "import sys; from tests.unit.targets.test_build import *\n"
        "for table in (CHAT, {**CHAT, 'provider': 'anthropic'}, HTTP, COMMAND):\n"
        "    build_target('one', config(one=table), ENVIRON); fingerprint(table)\n"
        "made = judged(a=JUDGE, b={**JUDGE, 'provider': 'anthropic'})\n"
        "for name in made.judges: build_judge(name, made, 'You judge.', {}, ENVIRON); judge_fingerprint(name, made)\n"
        "print(sorted({'openai', 'anthropic', 'aiohttp', 'httpx2', 'scipy', 'sqlalchemy'} & set(sys.modules)))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == "[]"
