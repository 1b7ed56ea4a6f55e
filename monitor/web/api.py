"""The API: verdicts for deployment tooling, runs for people's programs, and asking for a run."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from monitor import standing
from monitor.config.fields import parse_duration
from monitor.store import audit
from monitor.store import runs as stored
from monitor.web import names, runs, schemas
from monitor.web.acting import Acting
from monitor.web.errors import RefusedError
from monitor.web.frontdoor import CALLER
from monitor.web.render import json_answer
from monitor.web.service import Service
from monitor.web.words import counted

logger = logging.getLogger("monitor.web")

# As `heldout gate` and `heldout status` have it.
MAX_AGE = "8d"

MaxAge = Annotated[str, Query(max_length=20, description="A verdict older than this is stale, and so inconclusive.")]
Suite = Annotated[str | None, Query(max_length=200, description="Only this suite.")]
Target = Annotated[str | None, Query(max_length=200, description="Only this target.")]
Limit = Annotated[int, Query(ge=1, le=100, description="How many runs at the most.")]
Before = Annotated[str | None, Query(max_length=36, description="The `next` of the page before.")]

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Error, "description": "No such name"}}
AWAY: dict[int | str, dict[str, Any]] = {503: {"model": schemas.Error, "description": "The database is away"}}
TOO_OFTEN: dict[int | str, dict[str, Any]] = {429: {"model": schemas.Error, "description": "Too many requests"}}


class Api:
    """The routes under /api/v1."""

    def __init__(self, service: Service, acting: Acting) -> None:
        self._service = service
        self._acting = acting

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix="/api/v1", responses=AWAY)
        add = router.add_api_route
        add("/verdicts", self.verdicts, response_model=schemas.Verdicts, tags=["verdicts"])
        add("/verdicts/{target}", self.verdict, response_model=schemas.Verdict, responses=NOT_FOUND, tags=["verdicts"])
        add("/runs", self.runs, response_model=schemas.Runs, responses=NOT_FOUND, tags=["runs"])
        add("/runs/{run}", self.run, response_model=schemas.OneRun, responses=NOT_FOUND, tags=["runs"])
        add(
            "/runs",
            self.request,
            methods=["POST"],
            status_code=202,
            response_model=schemas.Requested,
            responses=TOO_OFTEN,
            tags=["runs"],
        )
        return router

    def verdicts(self, max_age: MaxAge = MAX_AGE) -> Response:
        """How every configured target stands with each of its suites."""
        found = self._standing(self._service.config().pairs, max_age)
        return json_answer({"schema": 1, "verdicts": [one.payload for one in found]})

    def verdict(self, target: str, suite: Suite = None, max_age: MaxAge = MAX_AGE) -> Response:
        """How one target stands: the worst over its suites, or with one suite. Every computed verdict is 200."""
        found = self._standing(names.pairs_of(self._service.config(), target, suite), max_age)
        return json_answer(max(found, key=lambda one: one.level.rank).payload)

    def _standing(self, pairs: list[names.Pair], max_age: str) -> list[standing.Standing]:
        now = self._service.clock()
        return standing.of(self._service.database, self._service.config(), pairs, now, duration(max_age, "max_age"))

    def runs(self, target: Target = None, suite: Suite = None, limit: Limit = 20, before: Before = None) -> Response:
        """Runs of every kind, the newest first."""
        with self._service.database.read() as connection:
            found = names.page_after(connection, before, limit, target, suite)
            told = runs.told(connection, found[:limit])
        if not found and before is None:
            names.known_or_stored(self._service.config(), target, suite)
        following = found[limit - 1].id if len(found) > limit else None
        return json_answer({"schema": 1, "runs": told, "next": following})

    def run(self, run: str) -> Response:
        """One run, by its id or an unambiguous beginning of it."""
        with self._service.database.read() as connection:
            (told,) = runs.told(connection, [names.one_run(connection, run)])
        return json_answer({"schema": 1, "run": told})

    async def request(self, request: Request, wanted: Annotated[schemas.RunRequest, Body()]) -> Response:
        """Ask for replays outside the schedule; they are made at once, and raise no alert.

        The same request while its run is not over is answered with that run.
        """
        by = str(request.scope[CALLER].name)
        self._acting.count(by)
        pairs = names.requested(self._service.config(), wanted.target, wanted.suite)
        told = await run_in_threadpool(self._record, pairs, by)
        self._service.wake()
        ids = [run["id"] for run in told]
        what = f"{counted(len(ids), 'run')}: {', '.join(ids)}"
        logger.info("%s asked for %s", by, what, extra={"by": by, "runs": ids})
        return json_answer({"schema": 1, "runs": told}, 202)

    def _record(self, pairs: list[names.Pair], by: str) -> list[dict[str, Any]]:
        now = self._service.clock()
        with self._service.database.write() as connection:
            asked = [
                stored.request(connection, self._service.new_id(now), target, suite, by, now) for target, suite in pairs
            ]
            found = runs.told(connection, asked)
            which = ", ".join(dict.fromkeys(target for target, _ in pairs))
            audit.append(
                connection,
                who=by,
                via="api",
                action="run request",
                subject=which,
                detail={"runs": [run["id"] for run in found]},
                now=now,
            )
            return found


def duration(text: str, name: str) -> timedelta:
    """The span that `text` says; refuses what says none, by the parameter's `name`."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise RefusedError(422, f"{name}: {error}.") from None
