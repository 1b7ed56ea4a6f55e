"""Who asks, and what they may: bearer tokens with roles, and sessions of people who signed in with one."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from monitor.web.service import Token

# Headers that a proxy adds: who comes through one is not on this machine, whatever the connection's address says.
_OF_PROXIES = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"})
_READING = frozenset({"GET", "HEAD"})
# What carries its own proof, which its route looks at: Flagger's token in the path, a hook's in its address, Slack's
# signature.
_LOOKS_AFTER_ITSELF = re.compile(r"/flagger/.+|/api/v1/hooks/[^/]+/result|/slack/interactions", re.DOTALL)


# What a person's session may do, and only by a form of a page of ours.
_FORMS = re.compile(r"/incidents/[^/]+/(?:ack|silence|resolve|approve|reject)")


class How(Enum):
    """By what somebody is known."""

    NOTHING = auto()
    WRONG_TOKEN = auto()
    TOKEN = auto()
    SESSION = auto()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; `name` and `role` are the token's. `nonce` is the session's."""

    how: How
    name: str | None = None
    role: str | None = None
    nonce: str | None = None


ANONYMOUS = Caller(How.NOTHING)


class Need(Enum):
    """What a route asks of its caller; `FORM` a session whose token may act."""

    NOTHING = auto()
    VERDICTS = auto()
    READ = auto()
    ACT = auto()
    FORM = auto()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody may not: the status (401 who are you, 403 not with this) and a sentence."""

    status: int
    message: str


def need_of(method: str, path: str) -> Need:
    """What a request needs. What is not named here needs `read`, and `act` where it could change something."""
    if path in ("/healthz", "/readyz"):
        return Need.NOTHING
    if path in ("/login", "/logout") or (method == "POST" and _LOOKS_AFTER_ITSELF.fullmatch(path)):
        return Need.NOTHING
    if method == "POST" and _FORMS.fullmatch(path):
        return Need.FORM
    if method not in _READING:
        return Need.ACT
    if path == "/api/v1/verdicts" or path.startswith("/api/v1/verdicts/"):
        return Need.VERDICTS
    return Need.READ


def refusal(need: Need, caller: Caller, *, open_to_read: bool) -> Refusal | None:
    """Why `caller` may not do what needs `need`; None where it may. `open_to_read`: here, reading needs no token."""
    if need is Need.NOTHING:
        return None
    if caller.how is How.WRONG_TOKEN:
        return Refusal(401, "This token is not known: see [web.tokens] in the configuration.")
    if need is Need.ACT:
        return _may_act(caller)
    if need is Need.FORM:
        return _may_fill_in(caller)
    if caller.how is How.NOTHING:
        if open_to_read:
            return None
        return Refusal(401, "This needs a token: send it as `Authorization: Bearer …`; see [web.tokens].")
    if caller.role == "gate" and need is Need.READ:
        return Refusal(403, f'The token "{caller.name}" has the role gate, which may only ask for verdicts.')
    return None


def _may_act(caller: Caller) -> Refusal | None:
    if caller.how is How.SESSION:
        return Refusal(403, "A session may only look: send a token with the role act as `Authorization: Bearer …`.")
    if caller.how is How.NOTHING:
        return Refusal(401, "This needs a token with the role act: send it as `Authorization: Bearer …`.")
    if caller.role != "act":
        return Refusal(403, f'The token "{caller.name}" has the role {caller.role}; this needs one with the role act.')
    return None


def _may_fill_in(caller: Caller) -> Refusal | None:
    """Forms of pages are for people who have signed in; each route looks whose form it is."""
    if caller.how is How.NOTHING:
        return Refusal(401, "Sign in with a token of the role act first: your session is over, or there was none.")
    if caller.how is not How.SESSION:
        return Refusal(403, "This is a page's form: programs send their token to /api/v1/incidents/….")
    if caller.role != "act":
        return Refusal(
            403, f'You signed in with the token "{caller.name}", which may only look: it is not of the role act.'
        )
    return None


def by_token(authorization: Iterable[bytes], tokens: Mapping[str, Token]) -> Caller:
    """Who the Authorization headers say it is."""
    given = list(authorization)
    if not given:
        return ANONYMOUS
    scheme, _, secret = given[0].partition(b" ")
    found = find_token(secret.strip(), tokens) if len(given) == 1 and scheme.lower() == b"bearer" else None
    return Caller(How.WRONG_TOKEN) if found is None else Caller(How.TOKEN, found.name, found.role)


def find_token(secret: bytes, tokens: Mapping[str, Token]) -> Token | None:
    """The token with this secret. All are compared, each in the same time, so that time tells nothing about them."""
    given = hashlib.sha256(secret).digest()
    found = None
    for token in tokens.values():
        if hmac.compare_digest(given, hashlib.sha256(token.secret.encode()).digest()):
            found = token
    return found


def came_by_proxy(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a proxy passed this request on, as far as its headers say."""
    return any(name in _OF_PROXIES for name, _ in headers)
