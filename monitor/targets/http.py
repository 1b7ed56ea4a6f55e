"""Any endpoint that takes a JSON body by POST and answers JSON: a template for the one, a path into the other."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from monitor import __version__
from monitor.domain.answer import ErrorKind, Reply, TargetError
from monitor.domain.case import Case
from monitor.domain.text import storable
from monitor.targets.chat import CONNECTIONS, KEEP_ALIVE
from monitor.targets.port import Account
from monitor.targets.wire import (
    LARGEST,
    Endpoint,
    error_inside,
    json_or_text,
    parse_object,
    status_error,
    too_large,
)

if TYPE_CHECKING:
    import aiohttp
    from jinja2 import Template

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


class PathError(ValueError):
    """A path into a reply that cannot be read, or that leads nowhere; the message says where it ends."""


@dataclass(frozen=True)
class HttpSettings:
    """Everything an http target needs: `headers` with their secrets, also alone in `secrets`; `timeout` in seconds."""

    url: str
    body: str
    answer: str
    account: Account
    contexts: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    key_name: str | None = None
    timeout: float = 60.0

    @cached_property
    def endpoint(self) -> Endpoint:
        """The address in words fit for a message."""
        return Endpoint(self.url, None, self.key_name, self.secrets)


class HttpEndpoint:
    """An endpoint asked once a case. It follows no redirects (they could carry a secret away) and uses no proxy."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._endpoint = settings.endpoint
        self._answer = parse_path(settings.answer)
        self._contexts = parse_path(settings.contexts) if settings.contexts else None
        self._session: aiohttp.ClientSession | None = None

    @property
    def account(self) -> Account:
        """The account that pays for an answer."""
        return self._settings.account

    async def ask(self, case: Case) -> Reply:
        """Ask once; raises `TargetError` and nothing else."""
        status, headers, content = await self._post(self._body(case))
        if not 200 <= status < 300:
            raise status_error(self._endpoint, status, headers, json_or_text(content))
        body = parse_object(self._endpoint, content)
        try:
            answer = follow(body, self._answer)
        except PathError as error:
            fault = error_inside(self._endpoint, headers, body)
            if fault is not None:
                raise fault from None
            message = f'{self._endpoint.place} answered without "{self._settings.answer}": {error}'
            raise TargetError(ErrorKind.MALFORMED, message, permanent=True) from None
        try:
            text = as_text(answer)
        except RecursionError:  # JSON may nest as deeply as it could just be read
            message = f'{self._endpoint.place} answered with "{self._settings.answer}" nested too deeply'
            raise TargetError(ErrorKind.MALFORMED, message, permanent=True) from None
        return Reply(text=storable(text), contexts=self._sources(body))

    async def aclose(self) -> None:
        """Close connections; safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @cached_property
    def _template(self) -> Template:
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        return ImmutableSandboxedEnvironment().from_string(self._settings.body)

    def _body(self, case: Case) -> bytes:
        """The rendered template; it is given what is asked, and never what is expected or meant for the judge."""
        from jinja2 import TemplateError

        try:
            body = self._template.render(
                id=case.id,
                input=case.question,
                question=case.question,
                messages=[{"role": turn.role, "content": turn.content} for turn in case.messages],
                choices=list(case.choices),
            )
            json.loads(body)
            return body.encode("utf-8")
        # Jinja lets through whatever an expression of the template raises.
        except (
            TemplateError,
            ArithmeticError,
            AttributeError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            said = f"{type(error).__name__}: {self._endpoint.quote(error)}"
            message = f"the template in `body` makes no JSON of this case ({said}). Write {{{{ input | tojson }}}}."
            raise TargetError(ErrorKind.REFUSED_REQUEST, message, permanent=True) from None

    async def _post(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        import aiohttp

        place = self._endpoint.place
        try:
            async with self._client().post(self._settings.url, data=body, allow_redirects=False) as response:
                return response.status, response.headers, await self._read(response)
        except TimeoutError:
            message = f"{place} gave no answer within {self._settings.timeout:g} s"
            raise TargetError(ErrorKind.TIMEOUT, message) from None
        except (aiohttp.ClientError, OSError) as error:
            said = self._endpoint.quote(f"{type(error).__name__}: {error}")
            raise TargetError(ErrorKind.CONNECTION, f"no connection with {place}: {said}") from None

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > LARGEST:
                raise too_large(self._endpoint)
        return bytes(content)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={
                    "User-Agent": f"heldout/{__version__}",
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                    **self._settings.headers,
                },
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout),
            )
        return self._session

    def _sources(self, body: dict[str, Any]) -> tuple[str, ...]:
        """The passages that the endpoint says it used; none where the reply has no list there."""
        if self._contexts is None:
            return ()
        try:
            found = follow(body, self._contexts)
        except PathError:
            return ()
        items = found if isinstance(found, list) else [found]
        texts = (item.get("text") if isinstance(item, dict) else item for item in items)
        return tuple(storable(text) for text in texts if isinstance(text, str))


def parse_path(path: str) -> tuple[str, ...]:
    """The steps of a path such as `result.items[0].text` or `result.items.0.text`; raises `PathError`."""
    steps, at = [], 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or (at == 0 and path[0] == "."):
            raise PathError(f'"{path}" is not a path: write it as result.items[0].text')
        steps.append(match[1] or match[2])
        at = match.end()
    if not steps:
        raise PathError("a path needs at least one name: write it as result.text")
    return tuple(steps)


def follow(body: object, steps: tuple[str, ...]) -> object:
    """What stands at the end of `steps`: names lead into objects, numbers into lists; raises `PathError`."""
    here = body
    for i, step in enumerate(steps):
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and step.isdecimal() and len(step) < 10 and int(step) < len(here):
            here = here[int(step)]
        else:
            before = ".".join(steps[:i]) or "the reply"
            raise PathError(f'{before} has no "{step}"')
    return here


def as_text(answer: object) -> str:
    """A string as it is, null as the empty answer, any other JSON value as compact JSON."""
    if answer is None:
        return ""
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
