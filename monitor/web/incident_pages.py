"""The pages of incidents, and their forms: for people who signed in with a token that may act."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from monitor.web import auth, words
from monitor.web import incident_view as view
from monitor.web.acting import Acting, by_session
from monitor.web.errors import RefusedError
from monitor.web.forms import filled_in, key_for
from monitor.web.frontdoor import CALLER
from monitor.web.render import Renderer
from monitor.web.service import Service

if TYPE_CHECKING:
    from alerts.incident import Approval, Incident
    from monitor.incidents.actions import Actions
    from monitor.incidents.office import Actor

logger = logging.getLogger("monitor.web")

A_WEEK = timedelta(days=7)
_LONGEST_WHY = 1000

Form = dict[str, str]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A step that somebody wants to take now."""

    actions: Actions
    incident: str
    actor: Actor
    form: Form
    now: datetime

    @property
    def why(self) -> str:
        return self.form.get("why", "").strip()[:_LONGEST_WHY]

    @property
    def nonce(self) -> str:
        """Which offer the form was about: what is offered by now may be another."""
        nonce = self.form.get("offer", "")
        if not nonce:
            raise RefusedError(422, "The form does not say what it is about: go back and try again.")
        return nonce


class IncidentPages:
    """The routes under /incidents."""

    def __init__(self, service: Service, render: Renderer, acting: Acting) -> None:
        self._service = service
        self._render = render
        self._acting = acting

    def router(self) -> APIRouter:
        """The routes. Looking changes nothing: every step is a form that is sent."""
        router = APIRouter(include_in_schema=False, prefix="/incidents")
        router.add_api_route("", self.all)
        router.add_api_route("/{incident}", self.one)
        router.add_api_route("/{incident}/approve", self.confirm)
        router.add_api_route("/{incident}/{step}", self.take, methods=["POST"])
        return router

    def all(self, request: Request) -> Response:
        """Those that are open, and the last of those that are over."""
        return self._page(request, "incidents.html", view=view.everything(self._service))

    def one(self, request: Request, incident: str) -> Response:
        """One with its numbers, its story, and what can be done about it."""
        found = view.one(self._service, incident)
        return self._page(request, "incident.html", view=found, why_not=_why_not(request))

    def confirm(self, request: Request, incident: str, hook: str = "") -> Response:
        """What an approval would do, before it is given."""
        found = view.one(self._service, incident)
        offer = _offer(found.incident, hook)
        row = next((one for one in found.story.hooks if one.id == offer.hook), None)
        fallback = None if row is None else row.fallback
        steps = view.consequences(self._service.config(), found.incident, offer, fallback)
        why_not = _why_not(request)
        return self._page(request, "approve.html", view=found, offer=offer, consequences=steps, why_not=why_not)

    async def take(self, request: Request, incident: str, step: str) -> Response:
        """A step that somebody has asked for by a form."""
        if step not in _STEPS:
            raise RefusedError(404, "There is nothing at this address.")
        form = await filled_in(self._service, request)
        actor = by_session(request.scope[CALLER])
        self._acting.count(actor.name)

        def take() -> Incident:
            actions = self._service.actions()
            return _STEPS[step](_Wanted(actions, actions.find(incident).id, actor, form, self._service.clock()))

        after = await run_in_threadpool(take)
        logger.info("%s: %s of incident %s", actor.name, step, after.id, extra={"by": actor.name, "incident": after.id})
        return RedirectResponse(f"/incidents/{quote(after.id, safe='')}", 303)

    def _page(self, request: Request, template: str, **values: Any) -> Response:
        caller: auth.Caller = request.scope[CALLER]
        key = key_for(self._service, caller)
        return self._render.page(template, words=words, caller=caller, form_key=key, **values)


def _resolve(it: _Wanted) -> Incident:
    if not it.why:
        raise RefusedError(422, "Say why it is over: who reads the story later has nothing else to go by.")
    return it.actions.resolve(it.incident, it.actor, it.why)


_STEPS: dict[str, Callable[[_Wanted], Incident]] = {
    "ack": lambda it: it.actions.acknowledge(it.incident, it.actor, it.why),
    "silence": lambda it: it.actions.silence(it.incident, it.actor, it.now + A_WEEK, it.why),
    "resolve": _resolve,
    "approve": lambda it: it.actions.approve(it.incident, it.actor, nonce=it.nonce, why=it.why),
    "reject": lambda it: it.actions.reject(it.incident, it.actor, nonce=it.nonce, why=it.why),
}


def _offer(incident: Incident, hook: str) -> Approval:
    for offer in incident.approvals:
        if hook in ("", offer.hook):
            return offer
    raise RefusedError(409, "Nothing waits for this approval any more: see the incident for how it stands.")


def _why_not(request: Request) -> str:
    """Why whoever looks cannot act; empty for who can."""
    caller: auth.Caller = request.scope[CALLER]
    if caller.how is auth.How.NOTHING:
        return "To act on it, sign in with a token of the role act."
    refused = auth.refusal(auth.Need.FORM, caller, open_to_read=False)
    return "" if refused is None else refused.message
