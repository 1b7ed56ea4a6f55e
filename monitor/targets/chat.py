"""What the chat providers share: their settings, one request within its time-out, the SDKs' errors put into ours."""

from __future__ import annotations

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case
from monitor.targets.port import Account
from monitor.targets.wire import LARGEST, Endpoint, error_inside, parse_object, status_error, too_large

if TYPE_CHECKING:
    import httpx2

CONNECTIONS = 1024  # what the configuration allows at most: who asks bounds how many are asked, never the pool
SHORTEST_SECRET = 8  # characters; a placeholder such as "none" may well be a word of an answer
KEEP_ALIVE = 15.0  # seconds; below the usual 20 to 75 of servers, so that a reused connection is rarely a dead one


@dataclass(frozen=True)
class ChatSettings:
    """Everything a chat target needs; `key_name` says where the key came from, `timeout` is in seconds.

    `schema`: the JSON schema, in the strict form of the providers, that every answer is to have. `cache_system`: the
    system prompt is the same for very many calls, and is to be cached by the provider.
    """

    model: str
    base_url: str
    key: str | None = field(default=None, repr=False)
    key_name: str | None = None
    system: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 60.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    schema: Mapping[str, Any] | None = None
    cache_system: bool = False


def account_key(provider: str, base_url: str, key: str | None) -> str:
    """Who pays: provider, address, and the first 12 hex digits of the key's SHA-256."""
    digest = hashlib.sha256((key or "").encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{provider} {base_url.rstrip('/')} {digest}"


class ChatTarget(ABC):
    """A chat model behind a vendor's SDK, which is imported at the first question.

    The SDKs' low-level `post` is used in place of their `create`: it keeps their authentication, TLS and connections,
    and leaves out the typed models on both ways, which cost half of the CPU time of a call.
    """

    provider: str
    reserved_params: frozenset[str]

    def __init__(self, settings: ChatSettings) -> None:
        self._settings = settings
        self._endpoint = Endpoint(
            settings.base_url, settings.model, settings.key_name, (settings.key,) if settings.key else ()
        )
        key = account_key(self.provider, settings.base_url, settings.key)
        self._account = Account(key, settings.requests_per_minute, settings.tokens_per_minute)
        self._takes_schema: bool | None = None  # None: not known yet

    @property
    def account(self) -> Account:
        """The account that pays for an answer."""
        return self._account

    async def ask(self, case: Case) -> Reply:
        """Ask once; raises `TargetError` and nothing else.

        A server that refuses a request with a schema is asked again without: many compatible ones know no schemas. Once
        that has been answered, and no request with a schema ever was, it is no longer asked with one.
        """
        schema = None if self._takes_schema is False else self._settings.schema
        try:
            reply = await self._ask(case, schema)
        except TargetError as error:
            if schema is None or error.kind is not ErrorKind.REFUSED_REQUEST or error.fatal:
                raise
        else:
            self._takes_schema = self._takes_schema or schema is not None
            return reply
        try:
            reply = await self._ask(case, None)
        except TargetError as error:
            error.calls = 2
            raise
        self._takes_schema = self._takes_schema or False
        return replace(reply, calls=2)

    async def _ask(self, case: Case, schema: Mapping[str, Any] | None) -> Reply:
        response = await self._post(self._body(case, schema))
        body = parse_object(self._endpoint, response.content)
        fault = error_inside(self._endpoint, response.headers, body)
        if fault is not None:
            raise fault
        return self._without_key(self._reply(body))

    def _without_key(self, reply: Reply) -> Reply:
        """The reply without the key that it was asked with, should the provider repeat it; for it is kept and shown."""
        key = self._settings.key
        if not key or len(key) < SHORTEST_SECRET:
            return reply
        parts = {name: getattr(reply, name) for name in ("text", "model", "fingerprint", "finish_reason")}
        return replace(
            reply, **{name: part.replace(key, "[secret]") for name, part in parts.items() if part is not None}
        )

    @abstractmethod
    async def aclose(self) -> None:
        """Close connections; safe to call twice."""

    @abstractmethod
    def _body(self, case: Case, schema: Mapping[str, Any] | None) -> dict[str, Any]:
        """The request's JSON; `schema` is the answer's, None where none is asked for."""

    @abstractmethod
    def _reply(self, body: dict[str, Any]) -> Reply:
        """The reply in a body that holds no error."""

    @abstractmethod
    async def _send(self, body: dict[str, Any]) -> httpx2.Response:
        """One request by the SDK, with the SDK's errors."""

    @abstractmethod
    def _sdk_error(self) -> type[Exception]:
        """The base of the SDK's errors."""

    def _http_client(self, kind: type[httpx2.AsyncClient]) -> httpx2.AsyncClient:
        """A client of the SDK's `kind` that follows no redirects and stops reading a reply that is too large."""
        import httpx2

        endpoint = self._endpoint

        class Client(kind):  # type: ignore[valid-type, misc] # each SDK has a class of its own for this
            async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
                return await _read_whole(await super().send(request, **{**options, "stream": True}), endpoint)

        limits = httpx2.Limits(
            max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=KEEP_ALIVE
        )
        # The SDKs would follow a redirect, and so carry the cases to whatever host it names.
        return Client(limits=limits, timeout=self._settings.timeout, follow_redirects=False)

    async def _post(self, body: dict[str, Any]) -> httpx2.Response:
        import aiohttp
        import httpx2

        try:
            async with asyncio.timeout(self._settings.timeout):
                return await self._send(body)
        # The SDKs let some of their transports' errors through as they are.
        except (self._sdk_error(), httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
            raise self._read(error) from None
        except UnicodeEncodeError:
            message = "the case or the key holds characters that cannot be sent"
            raise TargetError(ErrorKind.REFUSED_REQUEST, message, permanent=True) from None

    def _read(self, error: Exception) -> TargetError:
        status = getattr(error, "status_code", None)
        response: httpx2.Response | None = getattr(error, "response", None)
        if status is not None and response is not None:
            return status_error(self._endpoint, status, response.headers, getattr(error, "body", None))
        # openai's transport reports a closed connection as a time-out; only a real one has a TimeoutError beneath it.
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, TargetError):  # ours, raised beneath the SDK
                return cause
            if isinstance(cause, TimeoutError):
                message = f"{self._endpoint.place} gave no answer within {self._settings.timeout:g} s"
                return TargetError(ErrorKind.TIMEOUT, message)
            last, cause = cause, cause.__cause__
        said = self._endpoint.quote(f"{type(last).__name__}: {last}")
        return TargetError(ErrorKind.CONNECTION, f"no connection with {self._endpoint.place}: {said}")

    def _malformed(self, what: str) -> TargetError:
        return TargetError(ErrorKind.MALFORMED, f"{self._endpoint.place} answered {what}")


async def _read_whole(response: httpx2.Response, endpoint: Endpoint) -> httpx2.Response:
    """`response` with its body read and decoded; `TargetError` as soon as that is more than LARGEST bytes."""
    import httpx2

    content = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > LARGEST:
                raise too_large(endpoint)
    finally:
        await response.aclose()
    response.headers.pop("content-encoding", None)
    return httpx2.Response(
        response.status_code, headers=response.headers, content=bytes(content), request=response.request
    )
