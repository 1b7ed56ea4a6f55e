"""The outermost layer: headers that every answer has, HEAD as GET, and a line of the log for each request."""

from __future__ import annotations

import logging
import re
import time
from email.utils import formatdate

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.web import auth
from monitor.web.frontdoor import CALLER

logger = logging.getLogger("monitor.web")

# Flagger cannot send headers, so its token stands in the path.
# A token that holds a slash is hidden to its end, and so is everything where the address is not quite right.
_TOKEN_IN_PATH = re.compile(r"((?:^|/)flagger/+).+?(/+(?:gate|rollback-check)/*)?$", re.DOTALL | re.IGNORECASE)
_PROBES = ("/healthz", "/readyz")
# Somebody who is refused is worth a line; an address that does not exist is not.
_REFUSALS = (401, 403, 413, 421, 429)


class Observe:
    """An ASGI layer; `policy` is the Content-Security-Policy of every answer."""

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._headers = [
            (name.encode(), value.encode())
            for name, value in {
                "content-security-policy": policy,
                "x-content-type-options": "nosniff",
                # Not no-referrer: with it browsers send no Origin, by which a form of another site is known.
                "referrer-policy": "same-origin",
                "x-frame-options": "DENY",
                "cross-origin-opener-policy": "same-origin",
                "cross-origin-resource-policy": "same-origin",
                "cache-control": "no-store",
            }.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and say what came of it."""
        if scope["type"] != "http":
            return
        began, status = time.perf_counter(), 500
        # The server leaves the body out by its own copy of the scope, so that HEAD has GET's headers.
        inner: Scope = {**scope, "method": "GET" if scope["method"] == "HEAD" else scope["method"]}

        async def with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                date = (b"date", formatdate(usegmt=True).encode())
                message = {**message, "headers": [date, *message.get("headers", ()), *self._headers]}
            await send(message)

        try:
            await self._app(inner, receive, with_headers)
        finally:
            _log(scope["method"], scope["path"], status, 1000 * (time.perf_counter() - began), inner.get(CALLER))


def _log(method: str, path: str, status: int, milliseconds: float, caller: auth.Caller | None) -> None:
    level = level_of(method, path, status)
    if logger.isEnabledFor(level):
        said = {"method": method, "path": shown(path), "status": status, "milliseconds": round(milliseconds, 1)}
        by = {"by": caller.name} if caller is not None and caller.name is not None else {}
        logger.log(level, "%(method)s %(path)s %(status)d in %(milliseconds).1f ms", said, extra=said | by)


def level_of(method: str, path: str, status: int) -> int:
    """How much a request matters: probes and looking least, then refusals and changes, most of all our own faults."""
    if path in _PROBES:
        return logging.DEBUG
    if status >= 500:
        return logging.WARNING
    if status in _REFUSALS or (method not in ("GET", "HEAD") and status < 400):
        return logging.INFO
    return logging.DEBUG


def shown(path: str) -> str:
    """A path for the log: without a token in it, on one line and not too long."""
    return _TOKEN_IN_PATH.sub(r"\1…\2", path)[:200].encode("unicode_escape").decode().replace("\\u2026", "…")
