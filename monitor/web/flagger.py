"""Flagger's two questions: may this go out, and must it come back. It reads only the status, and sends no headers.

So the token stands in the path, and every answer but the one that is asked for is a 4xx: Flagger takes a success of the
rollback check for "roll back", whatever its body says.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from monitor import standing
from monitor.domain.verdict import Level, Stage
from monitor.web import auth, names, schemas
from monitor.web.api import MAX_AGE, duration
from monitor.web.errors import RefusedError
from monitor.web.frontdoor import CALLER
from monitor.web.limits import RateLimit, source
from monitor.web.render import json_answer
from monitor.web.service import Service

logger = logging.getLogger("monitor.web")

# Wrong tokens that one client may try, and the seconds over which the number refills.
ATTEMPTS, PER_SECONDS = 10, 300.0
# What is asked for is not so (now): a 4xx, and not 429, which would only be asked again.
NOT_NOW = 412

Standings = list[standing.Standing]
_ANSWERS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Error, "description": said}
    for status, said in {
        403: "The token in the path is not known",
        404: "There is no such target, or suite",
        NOT_NOW: "Not so, or not known to be so; the sentence says why",
        422: "The body names no target",
        503: "The database is away",
    }.items()
}


class Flagger:
    """The routes under /flagger."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._failures = RateLimit(ATTEMPTS, PER_SECONDS)

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix="/flagger", tags=["flagger"], responses=_ANSWERS)
        for path, asked in (("gate", self.gate), ("rollback-check", self.rollback_check)):
            # A secret may hold a slash, and keeps it where it is written as %2F.
            router.add_api_route(
                f"/{{token:path}}/{path}", asked, methods=["POST"], response_model=schemas.Verdict, name=path
            )
        return router

    async def gate(self, request: Request, token: str, call: Annotated[schemas.FlaggerCall, Body()]) -> Response:
        """200 where every suite of `metadata.target` (or `metadata.suite` alone) stands at `pass`; else a 4xx."""
        return await self._answer(request, token, call, _may_go_out)

    async def rollback_check(
        self, request: Request, token: str, call: Annotated[schemas.FlaggerCall, Body()]
    ) -> Response:
        """200 only where a rollback of `metadata.target` is confirmed, and that verdict counts; else a 4xx."""
        return await self._answer(request, token, call, _must_come_back)

    async def _answer(
        self,
        request: Request,
        secret: str,
        call: schemas.FlaggerCall,
        rule: Callable[[Standings], standing.Standing],
    ) -> Response:
        self._known(request, secret)
        found = await run_in_threadpool(self._standings, call.metadata)
        return json_answer(rule(found).payload)

    def _known(self, request: Request, secret: str) -> None:
        """Refuse a token that is not known; nothing of it is told or logged."""
        client, now = source(request.client.host if request.client else None), time.monotonic()
        if self._failures.wait(client, now) > 0:
            raise RefusedError(403, "Too many wrong tokens from this address; wait a few minutes.", permanent=False)
        token = auth.find_token(secret.encode("utf-8", "replace"), self._service.tokens())
        if token is None:
            self._failures.take(client, now)
            logger.warning("a wrong token came from %s, as Flagger's", client, extra={"client": client})
            raise RefusedError(403, "The token in the path is not known: see [web.tokens] in the configuration.")
        request.scope[CALLER] = auth.Caller(auth.How.TOKEN, token.name, token.role)

    def _standings(self, metadata: schemas.FlaggerMetadata) -> Standings:
        config, now = self._service.config(), self._service.clock()
        pairs = names.pairs_of(config, metadata.target, metadata.suite or None)
        age = duration(metadata.max_age or MAX_AGE, "metadata.max_age")
        return standing.of(self._service.database, config, pairs, now, age)


def _may_go_out(found: Standings) -> standing.Standing:
    worst = max(found, key=lambda one: one.level.rank)
    if worst.level is not Level.PASS:
        raise RefusedError(NOT_NOW, _said(worst), permanent=False)
    return worst


def _must_come_back(found: Standings) -> standing.Standing:
    for one in found:
        if one.level is Level.ROLLBACK and one.payload["stage"] == Stage.CONFIRMED.value and not one.payload["stale"]:
            return one
    worst = max(found, key=lambda one: one.level.rank)
    raise RefusedError(NOT_NOW, f"No rollback is required. {_said(worst)}", permanent=False)


def _said(one: standing.Standing) -> str:
    reasons = one.payload.get("reasons") or [""]
    return f"{one.target} · {one.suite} is at {one.level.value}: {str(reasons[0])[:500]}".rstrip(": ")
