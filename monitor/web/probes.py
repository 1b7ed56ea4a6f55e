"""Whether the process lives and does its work, and its metrics: what programs ask every few seconds."""

from __future__ import annotations

import asyncio

import anyio
import anyio.to_thread
import sqlalchemy as sa
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from monitor.store.database import DatabaseError
from monitor.web import schemas
from monitor.web.auth import ANONYMOUS, How
from monitor.web.frontdoor import CALLER, OPEN_TO_READ
from monitor.web.render import json_answer, plain
from monitor.web.service import Service

# Seconds: whoever asks whether we are ready gives up after a few.
ANSWERS_WITHIN = 2.0


class Probes:
    """The open routes, and `/metrics`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        # One look at a time, however many ask; one that hangs keeps a single thread, and none of those of requests.
        self._look: asyncio.Task[str | None] | None = None
        self._threads = anyio.CapacityLimiter(1)

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(tags=["probes"])
        router.add_api_route("/healthz", self.alive, response_model=schemas.Alive, summary="Whether the process runs")
        router.add_api_route(
            "/readyz",
            self.ready,
            response_model=schemas.Ready,
            responses={503: {"model": schemas.Ready, "description": "The scheduler or the database does not work"}},
            summary="Whether it does its work",
        )
        router.add_api_route(
            "/metrics",
            self.metrics,
            response_class=Response,
            responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
            summary="Prometheus' metrics",
        )
        return router

    async def alive(self) -> Response:
        """Answers as long as the process runs."""
        return json_answer({"status": "alive"})

    async def ready(self, request: Request) -> Response:
        """200 when the scheduler ticks and the database answers, else 503. A refused configuration is only told."""
        health = self._service.health()
        database = await self._database() or health.database
        ready = health.scheduler is None and database is None
        faults = {"scheduler": health.scheduler, "database": database, "configuration": health.configuration}
        if not _may_know(request):
            # Addresses and paths are for those who may read; a load balancer needs to know no more than this.
            faults = {name: fault and "out of order; who may read is told more" for name, fault in faults.items()}
        told = {name: plain(fault) for name, fault in faults.items()}
        return json_answer({"ready": ready, "role": health.role, **told}, 200 if ready else 503)

    async def _database(self) -> str | None:
        look = self._look
        if look is None or look.done():
            look = self._look = asyncio.create_task(self._ask_once())
        await asyncio.wait({look}, timeout=ANSWERS_WITHIN)
        if not look.done():
            return f"{self._service.database.describe()}: gave no answer within {ANSWERS_WITHIN:.0f} seconds"
        return look.result()

    async def _ask_once(self) -> str | None:
        try:
            await anyio.to_thread.run_sync(self._ask, abandon_on_cancel=True, limiter=self._threads)
        except (DatabaseError, sa.exc.TimeoutError) as error:
            return str(error)
        return None

    def _ask(self) -> None:
        with self._service.database.read() as connection:
            connection.execute(sa.text("SELECT 1"))

    def metrics(self) -> Response:
        """Computed from the database at each scrape."""
        from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

        return Response(self._service.metrics(), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


def _may_know(request: Request) -> bool:
    caller = request.scope.get(CALLER, ANONYMOUS)
    if caller.how is How.NOTHING:
        return bool(request.scope.get(OPEN_TO_READ, False))
    return caller.role in ("read", "act")
