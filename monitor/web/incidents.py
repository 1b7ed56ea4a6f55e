"""Incidents over the API: which there are, what has happened, and what people do about them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from alerts.incident import Incident
from monitor.incidents.actions import Actions
from monitor.incidents.office import Actor
from monitor.web import incident_schemas as schemas
from monitor.web import told
from monitor.web.acting import Acting, by_token
from monitor.web.api import AWAY, NOT_FOUND, TOO_OFTEN, duration
from monitor.web.errors import RefusedError
from monitor.web.frontdoor import CALLER
from monitor.web.render import json_answer
from monitor.web.schemas import Error
from monitor.web.service import Service

logger = logging.getLogger("monitor.web")

_CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": Error, "description": "It cannot be done as the incident stands now; the sentence says why"}
}
_NO_REASON = schemas.Acknowledgement()
_UNDECIDED = schemas.Decision()

All = Annotated[bool, Query(alias="all", description="Those that are over, too: the newest hundred.")]


class Incidents:
    """The routes under /api/v1/incidents."""

    def __init__(self, service: Service, acting: Acting) -> None:
        self._service = service
        self._acting = acting

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix="/api/v1/incidents", responses=AWAY, tags=["incidents"])
        router.add_api_route("", self.incidents, response_model=schemas.Incidents)
        router.add_api_route("/{incident}", self.incident, response_model=schemas.OneStory, responses=NOT_FOUND)
        steps: dict[str, Callable[..., Any]] = {
            "ack": self.acknowledge,
            "silence": self.silence,
            "resolve": self.resolve,
            "approve": self.approve,
            "reject": self.reject,
        }
        refusals = NOT_FOUND | _CONFLICT | TOO_OFTEN
        for name, step in steps.items():
            router.add_api_route(
                f"/{{incident}}/{name}", step, methods=["POST"], response_model=schemas.OneIncident, responses=refusals
            )
        return router

    def incidents(self, every: All = False) -> Response:
        """Those that are open, the newest first."""
        found = self._service.actions().list(every=every)
        return json_answer({"schema": 1, "incidents": [told.incident(one) for one in found]})

    def incident(self, incident: str) -> Response:
        """One with its steps and its hooks, by its id or an unambiguous beginning of it."""
        actions = self._service.actions()
        return json_answer({"schema": 1, "incident": told.story(actions.story(actions.find(incident).id))})

    async def acknowledge(
        self, request: Request, incident: str, said: Annotated[schemas.Acknowledgement, Body()] = _NO_REASON
    ) -> Response:
        """Say that somebody sees to it: it is not repeated any more."""
        return await self._take(
            request, incident, "acknowledged", lambda actions, one, actor: actions.acknowledge(one, actor, said.why)
        )

    async def silence(self, request: Request, incident: str, said: Annotated[schemas.Silence, Body()]) -> Response:
        """Hear nothing more of it for a while, but that it got worse, or is over."""
        until = self._until(said)
        return await self._take(
            request, incident, "silenced", lambda actions, one, actor: actions.silence(one, actor, until, said.why)
        )

    async def resolve(self, request: Request, incident: str, said: Annotated[schemas.Resolution, Body()]) -> Response:
        """Close it, for a reason."""
        return await self._take(
            request, incident, "resolved", lambda actions, one, actor: actions.resolve(one, actor, said.why)
        )

    async def approve(
        self, request: Request, incident: str, said: Annotated[schemas.Decision, Body()] = _UNDECIDED
    ) -> Response:
        """Let a hook go out that waits for it; the guard looks once more, and may refuse."""
        return await self._take(
            request,
            incident,
            "approved a hook of",
            lambda actions, one, actor: actions.approve(one, actor, hook=said.hook, why=said.why),
        )

    async def reject(
        self, request: Request, incident: str, said: Annotated[schemas.Decision, Body()] = _UNDECIDED
    ) -> Response:
        """Decide that a hook that waits is not asked for."""
        return await self._take(
            request,
            incident,
            "rejected a hook of",
            lambda actions, one, actor: actions.reject(one, actor, hook=said.hook, why=said.why),
        )

    def _until(self, said: schemas.Silence) -> datetime:
        now = self._service.clock()
        if said.given != 1:
            raise RefusedError(422, 'body: give either {"for": "7d"} or {"until": "2026-11-30T06:00:00Z"}.')
        until = now + duration(said.for_ or "", "for") if said.until is None else said.until.astimezone(UTC)
        if until <= now:
            raise RefusedError(422, "body: a silence has to end later than now.")
        return until

    async def _take(
        self, request: Request, prefix: str, done: str, step: Callable[[Actions, str, Actor], Incident]
    ) -> Response:
        """One step of one incident by whoever asks."""
        actor = by_token(request.scope[CALLER])
        self._acting.count(actor.name)

        def take() -> Incident:
            actions = self._service.actions()
            return step(actions, actions.find(prefix).id, actor)

        after = await run_in_threadpool(take)
        logger.info("%s %s incident %s", actor.name, done, after.id, extra={"by": actor.name, "incident": after.id})
        return json_answer({"schema": 1, "incident": told.incident(after)})
