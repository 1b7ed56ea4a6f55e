"""Forms on pages: what was filled in, by whom, and whether it was on a page of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.requests import Request

from monitor.web import auth, sessions
from monitor.web.errors import RefusedError
from monitor.web.frontdoor import CALLER
from monitor.web.service import Service

if TYPE_CHECKING:
    from monitor.config.models import Web

_FOREIGN = "This form is too old, or was sent from elsewhere: go back and try again."


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; refuses what has too many to be one of ours."""
    try:
        return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), max_num_fields=10))
    except ValueError:
        raise RefusedError(400, "This is none of heldout's forms: it has too many fields.") from None


def refuse_other_sites(request: Request, web: Web) -> None:
    """Refuse a form that a browser says was on another site's page."""
    if not sessions.from_here(request.headers, web.public_url):
        raise RefusedError(403, "This form was sent from another site, and was not taken.")


def key_for(service: Service, caller: auth.Caller) -> str:
    """What each form of this caller's session carries; empty for who has not signed in."""
    token = service.tokens().get(caller.name or "")
    if caller.how is not auth.How.SESSION or token is None or caller.nonce is None:
        return ""
    return sessions.form_key(token, caller.nonce)


async def filled_in(service: Service, request: Request) -> dict[str, str]:
    """A form that this very session was given on a page of ours; refuses any other."""
    form = await form_of(request)
    refuse_other_sites(request, service.config().web)
    key = key_for(service, request.scope[CALLER])
    if not key or not sessions.same(form.get("form_key", ""), key):
        raise RefusedError(403, _FOREIGN)
    return form
