"""Sessions of people: a signed cookie, and forms that another site cannot send in their name.

Nothing is stored. A cookie is signed with a key derived from its token's secret, so it dies with that token.
"""

from __future__ import annotations

import hmac
import re
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from monitor.web.auth import Caller, How
from monitor.web.service import Token

LASTS = timedelta(hours=12)
_VALUE = re.compile(
    r"(?P<signed>(?P<began>[0-9]{1,12})\.(?P<nonce>[0-9a-f]{32})\.(?P<name>[^;\s]{1,100}))\.(?P<by>[0-9a-f]{64})"
)
# Two daemons on one database may have clocks that differ.
_CLOCKS_DIFFER = timedelta(minutes=5)
_MOST_ENDED = 10_000


def begin(token: Token, now: datetime, nonce: str) -> str:
    """The cookie's value for a session that begins now; `nonce` is 32 random hexadecimal digits."""
    signed = f"{int(now.timestamp())}.{nonce}.{token.name}"
    return f"{signed}.{_signature(token.secret, 'session', signed)}"


def read(value: str, tokens: Mapping[str, Token], now: datetime) -> Caller | None:
    """Whose session it is; None where it is not one, is over, or its token was changed or removed."""
    match = _VALUE.fullmatch(value)
    token = tokens.get(match["name"]) if match else None
    if match is None or token is None:
        return None
    if not hmac.compare_digest(match["by"], _signature(token.secret, "session", match["signed"])):
        return None
    age = now.timestamp() - int(match["began"])
    if not -_CLOCKS_DIFFER.total_seconds() <= age < LASTS.total_seconds():
        return None
    return Caller(How.SESSION, token.name, token.role, match["nonce"])


def form_key(token: Token, nonce: str) -> str:
    """What a form of this session must carry; another session's, or another site's, has a different one."""
    return _signature(token.secret, "form", nonce)


def same(given: str, expected: str) -> bool:
    """Whether two texts are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _signature(secret: str, purpose: str, text: str) -> str:
    key = hmac.digest(secret.encode(), f"heldout {purpose} 1".encode(), "sha256")
    return hmac.digest(key, text.encode("utf-8", "replace"), "sha256").hex()


def from_here(headers: Mapping[str, str], public_url: str | None) -> bool:
    """Whether a browser says that its form was on a page of heldout; what is no browser says nothing, and passes."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is None:
        return True
    # A proxy may have changed Host; the browser's own address is then the public one.
    places = {headers.get("host", "").lower(), urlsplit(public_url or "").netloc.lower()}
    return urlsplit(origin).netloc.lower() in places - {""}


class Ended:
    """Sessions that were signed out of before their time; those of the last 12 hours at most, in this process."""

    def __init__(self) -> None:
        self._until: OrderedDict[str, datetime] = OrderedDict()

    def add(self, nonce: str, now: datetime) -> None:
        """This session is over."""
        self._until[nonce] = now + LASTS + _CLOCKS_DIFFER
        while self._until and (next(iter(self._until.values())) < now or len(self._until) > _MOST_ENDED):
            self._until.popitem(last=False)

    def __contains__(self, nonce: object) -> bool:
        return nonce in self._until
