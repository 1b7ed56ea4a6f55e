"""Chat completions, of OpenAI or of any server that speaks like it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from monitor.domain.answer import Reply
from monitor.domain.case import Case
from monitor.domain.text import storable
from monitor.targets.chat import ChatSettings, ChatTarget
from monitor.targets.wire import count_or_none, error_inside, object_or_empty, text_of_parts, text_or_none

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI


# Set by heldout itself, or changing what a reply looks like.
RESERVED_PARAMS = frozenset({"model", "messages", "stream", "stream_options", "n"})
SCHEMA_NAME = "verdicts"
OWN_DOMAIN = "api.openai.com"  # and those of its regions


def caching_params(settings: ChatSettings) -> dict[str, Any]:
    """What helps OpenAI to find a cached prompt: one key for all calls that begin with the same system prompt.

    It caches prefixes by itself, and the key only brings such calls to the same machine. Compatible servers may refuse
    what they do not know, and are sent none.
    """
    host = urlsplit(settings.base_url).hostname or ""
    official = host == OWN_DOMAIN or host.endswith(f".{OWN_DOMAIN}")
    if not (settings.cache_system and settings.system and official):
        return {}
    digest = hashlib.sha256(settings.system.encode("utf-8", "surrogatepass")).hexdigest()
    return {"prompt_cache_key": f"heldout-{digest[:24]}"}


class OpenAIChat(ChatTarget):
    """A model asked by chat completions."""

    provider = "openai"
    reserved_params = RESERVED_PARAMS

    def __init__(self, settings: ChatSettings) -> None:
        super().__init__(settings)
        self._sdk: AsyncOpenAI | None = None
        self._caching = caching_params(settings)

    async def aclose(self) -> None:
        """Close connections; safe to call twice."""
        sdk, self._sdk = self._sdk, None
        if sdk is not None:
            await sdk.close()

    def _body(self, case: Case, schema: Mapping[str, Any] | None) -> dict[str, Any]:
        settings = self._settings
        messages = [{"role": turn.role, "content": turn.content} for turn in case.messages]
        if settings.system:
            messages.insert(0, {"role": "system", "content": settings.system})
        own: dict[str, Any] = {"model": settings.model, "messages": messages}
        if schema is not None:
            form = {"name": SCHEMA_NAME, "strict": True, "schema": schema}
            own["response_format"] = {"type": "json_schema", "json_schema": form}
        return {**self._caching, **settings.params, **own}

    async def _send(self, body: dict[str, Any]) -> httpx2.Response:
        import httpx2

        sdk = self._client()
        return await sdk.post("/chat/completions", body=body, cast_to=httpx2.Response)

    def _client(self) -> AsyncOpenAI:
        if self._sdk is None:
            from openai import AsyncOpenAI, DefaultAioHttpClient

            self._sdk = AsyncOpenAI(
                # The SDK would otherwise take whatever key and address the environment holds.
                api_key=self._settings.key or "none",
                base_url=self._settings.base_url,
                timeout=self._settings.timeout,
                max_retries=0,
                http_client=self._http_client(DefaultAioHttpClient),
            )
        return self._sdk

    def _sdk_error(self) -> type[Exception]:
        from openai import OpenAIError

        return OpenAIError

    def _reply(self, body: dict[str, Any]) -> Reply:
        choices = body.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            raise self._malformed("without choices")
        fault = error_inside(self._endpoint, {}, choice)
        if fault is not None:
            raise fault
        message = choice.get("message")
        if not isinstance(message, dict):
            raise self._malformed("a choice without a message")
        content = message.get("content")
        if isinstance(content, list):
            content = text_of_parts(content)
        if content is not None and not isinstance(content, str):
            raise self._malformed("content that is neither text nor a list of parts")
        refused = not content and bool(message.get("refusal"))
        usage = object_or_empty(body.get("usage"))
        of_input = object_or_empty(usage.get("prompt_tokens_details"))
        return Reply(
            text=storable(content or ""),
            model=text_or_none(body.get("model")),
            fingerprint=text_or_none(body.get("system_fingerprint")),
            finish_reason="refusal" if refused else text_or_none(choice.get("finish_reason")),
            input_tokens=count_or_none(usage.get("prompt_tokens")),
            output_tokens=count_or_none(usage.get("completion_tokens")),
            cached_input_tokens=count_or_none(of_input.get("cached_tokens")),
            cache_write_tokens=count_or_none(of_input.get("cache_write_tokens")),
        )
