"""Messages, of Anthropic or of any server that speaks like it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from monitor.domain.answer import Reply
from monitor.domain.case import Case
from monitor.domain.text import storable
from monitor.targets.chat import ChatSettings, ChatTarget
from monitor.targets.wire import count_or_none, object_or_empty, text_of_parts, text_or_none

if TYPE_CHECKING:
    import httpx2
    from anthropic import AsyncAnthropic


DEFAULT_MAX_TOKENS = 1024  # the API has no default of its own and refuses a request without it
RESERVED_PARAMS = frozenset({"model", "messages", "stream", "system"})
_INPUT_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class AnthropicMessages(ChatTarget):
    """A model asked by messages. System turns of a case follow the configured system prompt in the `system` field."""

    provider = "anthropic"
    reserved_params = RESERVED_PARAMS

    def __init__(self, settings: ChatSettings) -> None:
        super().__init__(settings)
        self._sdk: AsyncAnthropic | None = None

    async def aclose(self) -> None:
        """Close connections; safe to call twice."""
        sdk, self._sdk = self._sdk, None
        if sdk is not None:
            await sdk.close()

    def _body(self, case: Case, schema: Mapping[str, Any] | None) -> dict[str, Any]:
        settings, turns = self._settings, case.messages
        body: dict[str, Any] = {
            "max_tokens": DEFAULT_MAX_TOKENS,
            **settings.params,
            "model": settings.model,
            "messages": [{"role": turn.role, "content": turn.content} for turn in turns if turn.role != "system"],
        }
        system = self._system([turn.content for turn in turns if turn.role == "system"])
        if system:
            body["system"] = system
        if schema is not None:
            form = {"type": "json_schema", "schema": schema}
            body["output_config"] = {**object_or_empty(body.get("output_config")), "format": form}
        return body

    def _system(self, turns: list[str]) -> str | list[dict[str, Any]]:
        """The system prompt with a case's own `turns`; in blocks where the first is to be cached."""
        prompt = self._settings.system
        if prompt and self._settings.cache_system:
            kept = {"type": "text", "text": prompt, "cache_control": {"type": "ephemeral"}}
            return [kept, *({"type": "text", "text": turn} for turn in turns)]
        return "\n\n".join([prompt, *turns] if prompt else turns)

    async def _send(self, body: dict[str, Any]) -> httpx2.Response:
        import httpx2

        sdk = self._client()
        return await sdk.post("/v1/messages", body=body, cast_to=httpx2.Response)

    def _client(self) -> AsyncAnthropic:
        if self._sdk is None:
            from anthropic import AsyncAnthropic, DefaultAioHttpClient

            self._sdk = AsyncAnthropic(
                # The SDK would otherwise take whatever key, profile and address it finds on the machine.
                api_key=self._settings.key or "none",
                base_url=self._settings.base_url,
                timeout=self._settings.timeout,
                max_retries=0,
                http_client=self._http_client(DefaultAioHttpClient),
            )
        return self._sdk

    def _sdk_error(self) -> type[Exception]:
        from anthropic import AnthropicError

        return AnthropicError

    def _reply(self, body: dict[str, Any]) -> Reply:
        content = body.get("content")
        if not isinstance(content, list):
            raise self._malformed("without a list of content")
        usage = object_or_empty(body.get("usage"))
        given = [count_or_none(usage[name]) for name in _INPUT_COUNTS if usage.get(name) is not None]
        counts = [count for count in given if count is not None]
        reason = text_or_none(body.get("stop_reason"))
        return Reply(
            # What a refused answer began with is no answer.
            text="" if reason == "refusal" else storable(text_of_parts(content)),
            model=text_or_none(body.get("model")),
            finish_reason=reason,
            # A part that is no count makes the sum unknown, not smaller.
            input_tokens=count_or_none(sum(counts)) if counts and len(counts) == len(given) else None,
            output_tokens=count_or_none(usage.get("output_tokens")),
            cached_input_tokens=count_or_none(usage.get("cache_read_input_tokens")),
            cache_write_tokens=count_or_none(usage.get("cache_creation_input_tokens")),
        )
