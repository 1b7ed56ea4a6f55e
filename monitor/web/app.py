"""The HTTP side put together: layers outside, routes inside, and what OpenAPI says of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp

from monitor import __version__
from monitor.web import schemas
from monitor.web.acting import Acting
from monitor.web.api import Api
from monitor.web.auth import Need, need_of
from monitor.web.doors import Doors
from monitor.web.errors import handle_errors
from monitor.web.flagger import Flagger
from monitor.web.frontdoor import FrontDoor
from monitor.web.incident_pages import IncidentPages
from monitor.web.incidents import Incidents
from monitor.web.observe import Observe
from monitor.web.pages import Pages
from monitor.web.probes import Probes
from monitor.web.render import Renderer
from monitor.web.service import Service
from monitor.web.sessions import Ended

_REFUSALS = {
    "400": "The request is malformed",
    "401": "No token, or one that is not known",
    "403": "The token's role does not suffice",
    "413": "The body is too large",
    "421": "heldout is not known by this name; see hosts under [web]",
    "422": "A parameter is wrong",
}


def create_app(service: Service) -> ASGIApp:
    """The application; rate limits and ended sessions live in it. Call it once, when the process begins to listen."""
    render, ended, acting = Renderer(), Ended(), Acting()
    # What the environment says about telemetry concerns other programs.
    quiet: Any = {"telemetry": {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}}
    app = FastAPI(
        title="heldout",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        **quiet,
    )
    parts = (
        Probes(service),
        Api(service, acting),
        Incidents(service, acting),
        Doors(service, acting),
        Flagger(service),
        Pages(service, render, ended),
        IncidentPages(service, render, acting),
    )
    for part in parts:
        app.include_router(part.router())
    handle_errors(app, render)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return Observe(FrontDoor(app, service, render, ended), render.policy)


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document: what FastAPI knows, with what the front door asks of each request and may answer."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
        parts = document.setdefault("components", {})
        parts.setdefault("schemas", {}).setdefault("Error", schemas.Error.model_json_schema())
        for name in ("HTTPValidationError", "ValidationError"):
            parts["schemas"].pop(name, None)
        scheme = {"type": "http", "scheme": "bearer", "description": "A secret of [web.tokens]."}
        parts["securitySchemes"] = {"token": scheme}
        for method, path, operation in _operations(document):
            _describe(operation, need_of(method, path))
        app.openapi_schema = document
    return app.openapi_schema


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _describe(operation: dict[str, Any], need: Need) -> None:
    closed: list[dict[str, list[str]]] = [{"token": []}]
    # On loopback, looking needs no token.
    operation["security"] = {Need.NOTHING: [], Need.ACT: closed}.get(need, [*closed, {}])
    possible = {"400", "421"} if need is Need.NOTHING else set(_REFUSALS)
    if operation["operationId"].startswith("alive"):
        possible = set()
    answers = operation["responses"]
    answers.pop("422", None)
    for status in sorted(possible):
        error = {"schema": {"$ref": "#/components/schemas/Error"}}
        answers.setdefault(status, {"description": _REFUSALS[status], "content": {"application/json": error}})


_ABOUT = (
    "How production LLMs stand on their held-out test sets. Roles of tokens: `gate` may ask for verdicts, `read` may "
    "look at everything, `act` may also ask for runs and act on incidents. On loopback, looking needs no token."
)
