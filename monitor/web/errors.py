"""What goes wrong becomes a status and a sentence: never a traceback, and never silence about whether to try again."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from alerts.incident import NotAllowedError
from monitor.incidents import office
from monitor.store.database import DatabaseError
from monitor.web.render import Renderer

# Seconds: a lock is let go soon, what a person has to mend takes longer.
_SOON, _LATER = 5, 60
_SENTENCES = {
    400: "The request cannot be read: its body must be JSON in UTF-8.",
    404: "There is nothing at this address.",
    405: "This address knows other methods; the Allow header names them.",
}


# Where the framework's own words would not say what to do.
_OF_THE_BODY = "body: must be a JSON object, sent with the header Content-Type: application/json"
# What an incident does not allow, with whether it may allow it later.
_OF_INCIDENTS: dict[type[Exception], tuple[int, bool]] = {
    office.UnknownError: (404, True),
    office.ConflictError: (409, True),
    NotAllowedError: (409, True),
    office.RefusedError: (409, False),
    office.WrongTokenError: (403, True),
}
_FAULTS = {"json_invalid": "this is no valid JSON", "extra_forbidden": "this key is not known", "missing": "is missing"}


class RefusedError(Exception):
    """A request that is not answered: a status, a sentence, and whether the same request may be answered later."""

    def __init__(
        self, status: int, message: str, *, permanent: bool = True, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.permanent = permanent
        self.headers = dict(headers or {})


def too_often(message: str, seconds: float) -> RefusedError:
    """429, with when to come again."""
    return RefusedError(429, message, permanent=False, headers={"Retry-After": str(max(1, math.ceil(seconds)))})


def handle_errors(app: FastAPI, render: Renderer) -> None:
    """Have `app` answer every error by `render`."""

    async def answer(request: Request, error: Exception) -> Response:
        told = explain(error)
        return render.error(request.url.path, told.status, str(told), permanent=told.permanent, headers=told.headers)

    framework = (HTTPException, RequestValidationError, PoolTimeoutError, Exception)
    for kind in (RefusedError, DatabaseError, *_OF_INCIDENTS, *framework):
        app.add_exception_handler(kind, answer)


def explain(error: Exception) -> RefusedError:
    """What is said about `error`; a mistake of our own is left to the log."""
    if isinstance(error, RefusedError):
        return error
    for kind, (status, permanent) in _OF_INCIDENTS.items():
        if isinstance(error, kind):
            return RefusedError(status, f"{str(error).removesuffix('.')}.", permanent=permanent)
    if isinstance(error, RequestValidationError):
        return RefusedError(422, _faults(error))
    if isinstance(error, DatabaseError):
        wait = _LATER if error.permanent else _SOON
        return RefusedError(503, str(error), permanent=error.permanent, headers={"Retry-After": str(wait)})
    if isinstance(error, PoolTimeoutError):
        message = "The database has too much to do; try again."
        return RefusedError(503, message, permanent=False, headers={"Retry-After": str(_SOON)})
    if isinstance(error, HTTPException):
        headers = dict(error.headers or {})
        if "GET" in headers.get("Allow", ""):
            headers["Allow"] += ", HEAD"
        return RefusedError(error.status_code, _SENTENCES.get(error.status_code, error.detail), headers=headers)
    return RefusedError(500, "heldout has a fault of its own, and its log says which; the schedule goes on.")


def _faults(error: RequestValidationError) -> str:
    """Every fault in one sentence each, without what was sent."""
    said = []
    for fault in error.errors():
        place = ".".join(str(part)[:40] for part in fault["loc"] if part not in ("query", "path"))
        said.append(_OF_THE_BODY if place == "body" else f"{place}: {_FAULTS.get(fault['type'], fault['msg'])}")
    return f"{'; '.join(said[:10]).removesuffix('.')}."
