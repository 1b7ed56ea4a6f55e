"""Makes targets of their tables in the configuration, and tells without asking them what they are."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from monitor.config.secrets import references, resolve
from monitor.targets.port import Account, Target

if TYPE_CHECKING:
    from monitor.config.fields import Secret
    from monitor.config.judges import JudgeConfig
    from monitor.config.models import (
        AnthropicTarget,
        CommandTarget,
        Config,
        HttpTarget,
        OpenAITarget,
        RagTarget,
        TargetConfig,
    )
    from monitor.targets.chat import ChatSettings, ChatTarget

    ModelConfig = OpenAITarget | AnthropicTarget | JudgeConfig

DEFAULT_URLS = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
EXTRACT = "extract"
JUDGE_MAX_TOKENS = 2000  # of a judge's answer, every criterion's verdict and quote, where the API wants a bound
_PROGRAMS_TOO = ("targets", "judges")  # the tables whose secrets the programs of targets may need as well


class TargetConfigError(ValueError):
    """A target's or judge's table cannot be used; the message names table, key and remedy."""

    permanent = True


def build_target(name: str, config: Config, environ: Mapping[str, str] | None = None) -> Target:
    """The target that `[targets.NAME]` describes, with its secrets out of `environ` (the process's own by default).

    Raises `TargetConfigError` for what cannot be used and `monitor.config.secrets.SecretError` for a missing secret.
    Nothing is connected before the first question.
    """
    table = config.targets[name]
    return BUILDERS[table.provider](name, config, os.environ if environ is None else environ)


def build_judge(
    name: str, config: Config, prefix: str, schema: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> Target:
    """What asks `[judges.NAME]` about one rubric: `prefix` is its system prompt, `schema` the form of each answer.

    Raises as `build_target` does. Its account is that of all that share its provider, address and key.
    """
    table = config.judges[name]
    settings = _chat_settings(f"judges.{name}", table, os.environ if environ is None else environ)
    params = {"max_tokens": JUDGE_MAX_TOKENS, **table.params} if table.provider == "anthropic" else table.params
    settings = replace(settings, system=prefix, schema=schema, cache_system=True, params=params)
    return _chat_kind(table)(settings)


def judge_fingerprint(name: str, config: Config) -> str:
    """Hash (hex, 16 digits) of what in `[judges.NAME]` can change a verdict: provider, model, address and params."""
    return _hash(_model_identity(config.judges[name]))


def configuration_fingerprint(name: str, config: Config) -> str:
    """Hash (hex, 16 digits) of all that can change a target's answers; keys, limits, prices and time-outs cannot.

    Raises `TargetConfigError` where a rag target's documents cannot be read.
    """
    return _hash(_identity(name, config))


def _hash(identity: dict[str, Any]) -> str:
    text = json.dumps(identity, ensure_ascii=True, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def requested_model(table: TargetConfig) -> str | None:
    """The model that the table names, or None where the provider knows none."""
    return table.model if table.provider in ("openai", "anthropic") else None


def is_local(name: str, config: Config) -> bool:
    """Whether the answers are made on this machine: a program, an extract, a loopback address."""
    table = config.targets[name]
    if table.provider == "command":
        return True
    if table.provider == "rag":
        return table.generator == EXTRACT or is_local(_generator(name, table, config), config)
    if table.provider == "http":
        return _is_loopback(table.url)
    return _is_loopback(_base_url(table))


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _base_url(table: ModelConfig) -> str:
    return table.base_url or DEFAULT_URLS[table.provider]


def _model_identity(table: ModelConfig) -> dict[str, Any]:
    parts = {"provider": table.provider, "model": table.model, "base_url": _base_url(table).rstrip("/")}
    return parts | {"params": table.params}


def _identity(name: str, config: Config) -> dict[str, Any]:
    table = config.targets[name]
    seen: dict[str, Any] = {"provider": table.provider}
    if table.provider == "http":
        plain = {key: value for key, value in table.headers.items() if isinstance(value, str)}
        return seen | {"url": table.url, "body": table.body, "answer": table.answer, "headers": plain}
    if table.provider == "command":
        return seen | {"command": table.command}
    if table.provider == "rag":
        generator = _generator(name, table, config)
        model = EXTRACT if generator == EXTRACT else configuration_fingerprint(generator, config)
        documents = _documents(name, table)
        return seen | {"documents": documents, "passages": table.passages, "generator": model}
    return _model_identity(table) | {"system": table.system}


def _documents(name: str, table: RagTarget) -> str:
    from monitor.targets.passages import PassageIndex

    try:
        index = PassageIndex.from_folder(table.documents)
    except ValueError as error:
        raise TargetConfigError(f"[targets.{name}] documents: {error}") from None
    try:
        return index.fingerprint
    finally:
        index.close()


def _generator(name: str, table: RagTarget, config: Config) -> str:
    """The generator's name, checked: it exists, and no rag target generates with another."""
    generator = table.generator
    if generator == EXTRACT:
        return generator
    if generator not in config.targets:
        raise TargetConfigError(
            f'[targets.{name}] generator: there is no target "{generator}"; name one, or "{EXTRACT}"'
        )
    if config.targets[generator].provider == "rag":
        message = f'[targets.{name}] generator: "{generator}" is itself a rag target; name one that answers by itself'
        raise TargetConfigError(message)
    return generator


def _name_of(secret: Secret) -> str:
    return f"${secret.env}" if secret.env is not None else f"the {secret}"


def _chat_kind(table: ModelConfig) -> type[ChatTarget]:
    if table.provider == "openai":
        from monitor.targets.openai import OpenAIChat

        return OpenAIChat
    from monitor.targets.anthropic import AnthropicMessages

    return AnthropicMessages


def _chat_settings(place: str, table: ModelConfig, environ: Mapping[str, str]) -> ChatSettings:
    from monitor.targets.chat import ChatSettings

    for param in sorted(_chat_kind(table).reserved_params & set(table.params)):
        raise TargetConfigError(f"[{place}] params.{param}: heldout sets this itself; take it out of params")
    return ChatSettings(
        model=table.model,
        base_url=_base_url(table),
        key=resolve(table.api_key, environ) if table.api_key is not None else None,
        key_name=_name_of(table.api_key) if table.api_key is not None else None,
        params=table.params,
        timeout=table.timeout.total_seconds(),
        requests_per_minute=table.requests_per_minute,
        tokens_per_minute=table.tokens_per_minute,
    )


def _chat(name: str, config: Config, environ: Mapping[str, str]) -> Target:
    table = cast("OpenAITarget | AnthropicTarget", config.targets[name])
    return _chat_kind(table)(replace(_chat_settings(f"targets.{name}", table, environ), system=table.system))


def _http(name: str, config: Config, environ: Mapping[str, str]) -> Target:
    from monitor.targets.chat import account_key
    from monitor.targets.http import HttpEndpoint, HttpSettings, PathError

    table = cast("HttpTarget", config.targets[name])
    named = {key: value for key, value in table.headers.items() if not isinstance(value, str)}
    secrets = {key: resolve(value, environ) for key, value in named.items()}
    account = Account(
        account_key("http", table.url, "\n".join(secrets.values())), table.requests_per_minute, table.tokens_per_minute
    )
    settings = HttpSettings(
        url=table.url,
        body=table.body,
        answer=table.answer,
        account=account,
        contexts=table.contexts,
        headers={key: value for key, value in table.headers.items() if isinstance(value, str)} | secrets,
        secrets=tuple(secrets.values()),
        key_name=" and ".join(_name_of(value) for value in named.values()) or None,
        timeout=table.timeout.total_seconds(),
    )
    try:
        return HttpEndpoint(settings)
    except PathError as error:
        raise TargetConfigError(f"[targets.{name}] answer or contexts: {error}") from None


def _command(name: str, config: Config, environ: Mapping[str, str]) -> Target:
    from monitor.targets.chat import account_key
    from monitor.targets.command import Command, CommandSettings

    table = cast("CommandTarget", config.targets[name])
    key = account_key("command", table.command[0], "\0".join(table.command))
    return Command(
        CommandSettings(
            command=table.command,
            account=Account(key, table.requests_per_minute, table.tokens_per_minute),
            environ=program_environment(config, environ),
            folder=config.path.parent.absolute(),
            timeout=table.timeout.total_seconds(),
        )
    )


def program_environment(config: Config, environ: Mapping[str, str]) -> dict[str, str]:
    """What a target's program sees: the environment without what concerns heldout alone.

    Left out are systemd's variables for the daemon, and the variables that hold secrets of tables other than targets
    and judges (the database's, Slack's): a program that asks a model needs the model's key and nothing beyond.
    """
    from monitor.targets.command import KEPT_BACK

    named = [(place[0], secret.env) for place, secret in references(config) if secret.env is not None]
    needed = {variable for table, variable in named if table in _PROGRAMS_TOO}
    hidden = {variable for _, variable in named} - needed
    return {key: value for key, value in environ.items() if key not in hidden | KEPT_BACK}


def _rag(name: str, config: Config, environ: Mapping[str, str]) -> Target:
    from monitor.targets.passages import PassageIndex
    from monitor.targets.rag import RagTarget as BuiltInRag

    table = cast("RagTarget", config.targets[name])
    generator = _generator(name, table, config)
    writer = None if generator == EXTRACT else build_target(generator, config, environ)
    try:
        index = PassageIndex.from_folder(table.documents)
    except ValueError as error:
        raise TargetConfigError(f"[targets.{name}] documents: {error}") from None
    return BuiltInRag(index, table.passages, writer)


BUILDERS: dict[str, Callable[[str, Config, Mapping[str, str]], Target]] = {
    "openai": _chat,
    "anthropic": _chat,
    "http": _http,
    "command": _command,
    "rag": _rag,
}
