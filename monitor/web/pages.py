"""The pages: how everything stands, and signing in and out."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import time

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from monitor.web import auth, overview, run_view, sessions, words
from monitor.web.errors import RefusedError, too_often
from monitor.web.forms import form_of, key_for, refuse_other_sites
from monitor.web.frontdoor import CALLER, TO, cookie_name, is_secure
from monitor.web.limits import RateLimit, source
from monitor.web.render import Renderer
from monitor.web.service import Service

logger = logging.getLogger("monitor.web")

# Wrong tokens that one client may try at the login form, and the seconds over which the number refills.
ATTEMPTS, PER_SECONDS = 10, 300.0
_FORM_COOKIE = "heldout-form"
_EXPIRED = "This form is too old, or was sent from elsewhere: it was filled in again."


class Pages:
    """The routes for people."""

    def __init__(self, service: Service, render: Renderer, ended: sessions.Ended) -> None:
        self._service = service
        self._render = render
        self._ended = ended
        self._failures = RateLimit(ATTEMPTS, PER_SECONDS)
        # Binds a login form to the browser that got it; forms of an earlier process are filled in again.
        self._form_key = secrets.token_bytes(32)

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route("/", self.overview)
        router.add_api_route("/runs/{run}", self.run)
        router.add_api_route("/login", self.login_form)
        router.add_api_route("/login", self.login, methods=["POST"])
        router.add_api_route("/logout", self.logout, methods=["POST"])
        return router

    def overview(self, request: Request) -> Response:
        """How everything stands."""
        caller: auth.Caller = request.scope[CALLER]
        key = key_for(self._service, caller)
        return self._render.page(
            "overview.html", view=overview.look(self._service), words=words, caller=caller, form_key=key
        )

    def run(self, request: Request, run: str) -> Response:
        """One run: what it found, when, and what it used."""
        caller: auth.Caller = request.scope[CALLER]
        key = key_for(self._service, caller)
        view = run_view.one(self._service, run)
        return self._render.page("run.html", view=view, words=words, caller=caller, form_key=key)

    async def login_form(self, to: str = "") -> Response:
        """The form that takes a token; `to`: the page that it leads to."""
        return self._form(200, "", to)

    def _form(self, status: int, message: str, to: str) -> Response:
        nonce = secrets.token_hex(16)
        tokens = bool(self._service.tokens())
        answer = self._render.page(
            "login.html", status, message=message, form_key=self._key_of(nonce), has_tokens=tokens, to=_within(to)
        )
        self._set(answer, _FORM_COOKIE, nonce, 3600)
        return answer

    def _key_of(self, nonce: str) -> str:
        return hmac.new(self._form_key, nonce.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    async def login(self, request: Request) -> Response:
        """Take a token, and begin a session with it."""
        form = await form_of(request)
        nonce, to = request.cookies.get(_FORM_COOKIE, ""), form.get("to", "")
        web = self._service.config().web
        if not nonce or not sessions.same(form.get("form_key", ""), self._key_of(nonce)):
            return self._form(403, _EXPIRED, to)
        refuse_other_sites(request, web)
        client, now = source(request.client.host if request.client else None), time.monotonic()
        wait = self._failures.wait(client, now)
        if wait > 0:
            raise too_often("Too many wrong tokens from this address; wait a little.", wait)
        token = auth.find_token(form.get("token", "").strip().encode(), self._service.tokens())
        if token is None or token.role == "gate":
            self._failures.take(client, now)
            name = "" if token is None else token.name
            logger.warning("a login from %s was refused", client, extra={"client": client, "by": name or None})
            return self._form(403, "This token is not known." if token is None else _gate_only(name), to)
        logger.info("%s signed in from %s", token.name, client, extra={"client": client, "by": token.name})
        answer = RedirectResponse(_within(to) or "/", 303)
        value = sessions.begin(token, self._service.clock(), secrets.token_hex(16))
        self._set(answer, cookie_name(web), value, int(sessions.LASTS.total_seconds()))
        return answer

    async def logout(self, request: Request) -> Response:
        """End the session, here and for whoever has a copy of its cookie."""
        caller: auth.Caller = request.scope[CALLER]
        form = await form_of(request)
        web = self._service.config().web
        key = key_for(self._service, caller)
        if key and caller.nonce is not None:
            refuse_other_sites(request, web)
            if not sessions.same(form.get("form_key", ""), key):
                raise RefusedError(403, "This form is too old, or was sent from elsewhere: go back and try again.")
            self._ended.add(caller.nonce, self._service.clock())
            logger.info("%s signed out", caller.name, extra={"by": caller.name})
        answer = RedirectResponse("/login", 303)
        self._set(answer, cookie_name(web), "", 0)
        return answer

    def _set(self, answer: Response, name: str, value: str, seconds: int) -> None:
        secure = is_secure(self._service.config().web)
        answer.set_cookie(name, value, max_age=seconds, httponly=True, samesite="strict", secure=secure)


def _within(to: str) -> str:
    """`to` where it is one of our own pages; a form must lead nowhere else."""
    return to if TO.fullmatch(to) else ""


def _gate_only(name: str) -> str:
    return f'The token "{name}" has the role gate, which may only ask for verdicts; sign in with one that may read.'
