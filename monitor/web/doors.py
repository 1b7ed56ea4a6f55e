"""Doors that are open because what comes through them proves itself: results of hooks, and buttons in Slack."""

from __future__ import annotations

import logging
import time
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from monitor.incidents.office import Actor, WrongTokenError
from monitor.incidents.results import Came
from monitor.web import auth
from monitor.web import incident_schemas as schemas
from monitor.web.acting import Acting
from monitor.web.api import AWAY
from monitor.web.errors import RefusedError, too_often
from monitor.web.frontdoor import CALLER
from monitor.web.limits import RateLimit, source
from monitor.web.render import json_answer
from monitor.web.schemas import Error
from monitor.web.service import Service

logger = logging.getLogger("monitor.web")

# What one address may send in a minute.
REQUESTS, PER_SECONDS = 60, 60.0

Token = Annotated[str | None, Query(max_length=200, description="As it stands in the event's `result_url`.")]


def _errors(**said: str) -> dict[int | str, dict[str, Any]]:
    return {int(status[1:]): {"model": Error, "description": text} for status, text in said.items()}


_OF_RESULTS = _errors(
    _401="Neither the hook's token nor one that may act",
    _403="The token is not this hook's, or is not valid any more",
    _404="There is no such hook",
    _409="Another result is known already, or none is awaited",
    _422="The body is no result",
    _429="Too many requests from this address",
)
_OF_SLACK = _errors(
    _400="It cannot be read",
    _401="The signature is not Slack's, or too old",
    _404="Slack is not configured for buttons",
    _429="Too many requests from this address",
)


class Doors:
    """The routes for tools and for Slack."""

    def __init__(self, service: Service, acting: Acting) -> None:
        self._service = service
        self._acting = acting
        self._limit = RateLimit(REQUESTS, PER_SECONDS)

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(responses=AWAY)
        add = router.add_api_route
        add(
            "/api/v1/hooks/{hook}/result",
            self.result,
            methods=["POST"],
            response_model=schemas.Taken,
            responses=_OF_RESULTS,
            tags=["hooks"],
        )
        add(
            "/slack/interactions",
            self.interaction,
            methods=["POST"],
            response_model=schemas.SlackMessage,
            responses=_OF_SLACK,
            tags=["slack"],
        )
        return router

    async def result(
        self, request: Request, hook: str, said: Annotated[schemas.Result, Body()], token: Token = None
    ) -> Response:
        """What a tool says came of a hook; the same again is 200 and changes nothing.

        The token of the event's address is the credential: it is good for one result, until the hook expires. Who sends
        a token with the role act as `Authorization: Bearer …` may leave it out.
        """
        if token is None:
            refused = auth.refusal(auth.Need.ACT, request.scope[CALLER], open_to_read=False)
            if refused is not None:
                raise RefusedError(refused.status, refused.message)
            actor: Actor | None = Actor(str(request.scope[CALLER].name), "api")
            self._acting.count(str(request.scope[CALLER].name))
        else:
            actor = None
            self._count(request)
        try:
            came = await run_in_threadpool(self._take, hook, said, token, actor)
        except WrongTokenError:
            client = source(request.client.host if request.client else None)
            logger.warning("a result with a wrong token came from %s", client, extra={"client": client})
            raise
        if not came.again:
            # What serves now is to be measured.
            self._service.wake()
        incident = came.incident
        state = {"incident": None if incident is None else incident.id}
        state |= {"state": None if incident is None else incident.state.value}
        return json_answer({"schema": 1, "hook": hook, "status": said.status, "again": came.again, **state})

    def _take(self, hook: str, said: schemas.Result, token: str | None, actor: Actor | None) -> Came:
        actions = self._service.actions()
        if actor is None:
            row = actions.hook(hook)
            actor = Actor("hook" if row is None else f"hook {row.name}", "hook")
        return actions.result(hook, said.status, said.now_serving, actor, token=token)

    async def interaction(self, request: Request) -> Response:
        """A button that somebody pressed in Slack; Slack signs it, and the configuration says who may press which."""
        self._count(request)
        if self._service.slack is None:
            raise RefusedError(404, "Buttons in Slack are not configured: see signing_secret under [alerts.slack].")
        body = await request.body()
        # Names in lower case, as the server has made them.
        answer = await run_in_threadpool(self._service.slack, dict(request.headers), body)
        if answer.status != 200:
            raise RefusedError(answer.status, answer.text)
        return json_answer({"response_type": "ephemeral", "replace_original": False, "text": answer.text})

    def _count(self, request: Request) -> None:
        client = source(request.client.host if request.client else None)
        wait = self._limit.take(client, time.monotonic())
        if wait > 0:
            raise too_often(f"{client} has sent {REQUESTS} requests in a minute; wait.", wait)
