"""What each request passes before it reaches a route: the Host check, who asks, what they may, and how much they send.

Whatever has no route yet is behind the same door: a new route is closed until `auth.need_of` opens it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.config.listening import is_loopback
from monitor.web import auth, host, sessions
from monitor.web.render import Renderer, is_for_programs
from monitor.web.service import Service

if TYPE_CHECKING:
    from monitor.config.models import Config, Web

LARGEST_BODY = 65_536  # bytes
LARGEST_HEAD = 16_384  # bytes of address and headers
# Where the caller is found in a request's scope.
CALLER = "heldout.caller"
OPEN_TO_READ = "heldout.open_to_read"


def cookie_name(web: Web) -> str:
    """The session cookie's name. The prefix binds it to this host, and only a cookie of https may have it."""
    return "__Host-heldout" if is_secure(web) else "heldout"


def is_secure(web: Web) -> bool:
    """Whether people reach heldout by https."""
    return (web.public_url or "").startswith("https:")


class FrontDoor:
    """An ASGI layer. `ended`: sessions that were signed out of."""

    def __init__(self, app: ASGIApp, service: Service, render: Renderer, ended: sessions.Ended) -> None:
        self._app = app
        self._service = service
        self._render = render
        self._ended = ended
        # Where the process listens is settled when it starts: a reload of the configuration does not move it.
        self._listens_on_loopback = is_loopback(service.config().web.listen)
        self._config: Config | None = None
        self._names: frozenset[str] = frozenset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, or answer why not."""
        if scope["type"] != "http":
            return
        scope[CALLER], scope[OPEN_TO_READ] = auth.ANONYMOUS, False
        headers = Headers(scope=scope)
        refused = None if scope["path"] == "/healthz" else self._refused(scope, headers)
        if refused is not None:
            status, message = refused
            if status == 401 and _is_page(scope):
                await RedirectResponse(_sign_in(scope["path"]), 303)(scope, receive, send)
                return
            extra = {"WWW-Authenticate": 'Bearer realm="heldout"'} if status == 401 else {}
            await self._render.error(scope["path"], status, message, headers=extra)(scope, receive, send)
            return
        await self._app(scope, _bounded(headers, receive), send)

    def _refused(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        if _head_of(scope) > LARGEST_HEAD:
            return 431, f"The request's address and headers are larger than {LARGEST_HEAD // 1024} kB."
        web = self._current_web()
        named = headers.getlist("host")
        fault = host.fault(named[0] if len(named) == 1 else None, self._names)
        if fault is not None:
            return fault
        caller = self._caller(web, headers)
        scope[CALLER] = caller
        scope[OPEN_TO_READ] = self._is_local(scope, named[0])
        need = auth.need_of(scope["method"], scope["path"])
        refusal = auth.refusal(need, caller, open_to_read=scope[OPEN_TO_READ])
        if refusal is not None:
            return refusal.status, refusal.message
        length = headers.get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length) > LARGEST_BODY:
            return 413, _TOO_LARGE
        return None

    def _current_web(self) -> Web:
        config = self._service.config()
        if config is not self._config:
            self._config, self._names = config, host.names_of(config.web)
        return config.web

    def _is_local(self, scope: Scope, named: str) -> bool:
        """Whether the caller is on this machine: then reading needs no token. A proxy's callers are not."""
        server = scope.get("server")
        reached = host.is_local(server[0]) if server else False
        called = host.is_local(host.host_of(named) or "")
        return self._listens_on_loopback and reached and called and not auth.came_by_proxy(scope["headers"])

    def _caller(self, web: Web, headers: Headers) -> auth.Caller:
        tokens = self._service.tokens()
        given = [value.encode("latin-1") for value in headers.getlist("authorization")]
        if given:
            return auth.by_token(given, tokens)
        value = _cookies(headers).get(cookie_name(web))
        session = None if value is None else sessions.read(value, tokens, self._service.clock())
        return auth.ANONYMOUS if session is None or session.nonce in self._ended else session


def _head_of(scope: Scope) -> int:
    lines = sum(len(name) + len(value) for name, value in scope["headers"])
    return lines + len(scope.get("raw_path") or b"") + len(scope["query_string"])


def _is_page(scope: Scope) -> bool:
    """Whether somebody without a token is looking for a page: they are shown where to sign in."""
    return scope["method"] == "GET" and scope[CALLER].how is auth.How.NOTHING and not is_for_programs(scope["path"])


# Messages lead to these pages, and whoever follows one wants to be there after signing in.
TO = re.compile(r"/incidents(?:/[A-Za-z0-9-]{1,64}(?:/approve)?)?|/runs/[A-Za-z0-9-]{1,64}")


def _sign_in(path: str) -> str:
    return f"/login?to={path}" if TO.fullmatch(path) else "/login"


_TOO_LARGE = f"The request's body is larger than {LARGEST_BODY // 1024} kB, and nothing that heldout takes is."


def _cookies(headers: Headers) -> Mapping[str, str]:
    return cookie_parser("; ".join(headers.getlist("cookie")))


def _bounded(headers: Headers, receive: Receive) -> Receive:
    """`receive`, but for a body that turns out to be too large: what reads it gets an error, which becomes a 413."""
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > LARGEST_BODY:
            raise HTTPException(413, _TOO_LARGE)
        return message

    return bounded
