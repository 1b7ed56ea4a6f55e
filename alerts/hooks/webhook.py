"""A hook as a signed HTTP request, by Standard Webhooks 1.0; the only file that imports standardwebhooks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from standardwebhooks import Webhook

from alerts.channel import TransportError
from alerts.hooks.settings import WebhookSettings
from alerts.retry_after import http_date, retry_after_seconds

if TYPE_CHECKING:
    import ssl

    from aiohttp import ClientResponse, ClientSession
    from aiohttp.abc import AbstractResolver

_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")  # without a full stop, which separates what is signed
_LARGEST = 64 * 1024  # bytes of an answer that are read: nothing in it matters, but a connection can be used again
_DRAIN = 1.0  # seconds for them, once the status has said all there is to say
_IDLE = 2.0  # seconds an unused connection is kept: less than any usual server keeps it
_OF_EVENT = frozenset({400, 409, 413, 415, 422})  # the fault lies in this one event
_PASSING = frozenset({408, 421, 425, 429})


class GoneError(TransportError):
    """410: the receiver wants no more events, so that its hook is to be switched off until somebody acts."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receiver took the event: HTTP `status` 200 to 299. What it did will be told by its result."""

    status: int


class WebhookSender:
    """Sends the events of one hook, for one pass of delivery: `async with` opens and closes its connections.

    `names` looks hosts up (its answers are vetted); `tls` is for receivers with a certificate of a private authority.
    Connections are kept for two idle seconds. No redirects, no proxies or .netrc of the environment, no cookies.
    """

    def __init__(
        self, settings: WebhookSettings, names: AbstractResolver | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._settings = settings
        self._names = names
        self._tls = tls
        self._signers = [Webhook(secret) for secret in settings.secret.split()]
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        import aiohttp

        from alerts.hooks.resolver import VettedResolver

        connector = aiohttp.TCPConnector(
            resolver=VettedResolver(self._names), ssl=self._tls or True, limit=0, keepalive_timeout=_IDLE
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, event_id: str, body: bytes, now: datetime) -> Accepted:
        """Send one event once; raises TransportError. `event_id` is the same over all attempts, `now` is not.

        The status decides; a body that drips or never ends changes nothing about it. ValueError: a naive `now`, or an
        id with other characters than letters, digits, - and _.
        """
        headers = self._signed(event_id, body, now)
        try:
            status, answer = await self._post(headers, body)
        except _failures() as error:
            raise self._unreachable(error) from None
        if 200 <= status < 300:
            return Accepted(status)
        # The answer's own date is the better reference for a Retry-After date: this machine's clock may be off.
        wait = retry_after_seconds(answer.get("Retry-After"), http_date(answer.get("Date")) or now)
        raise _refusal(status, self._who, wait)

    @property
    def _who(self) -> str:
        return f"hook {self._settings.name} ({self._settings.place})"

    def _signed(self, event_id: str, body: bytes, now: datetime) -> dict[str, str]:
        if now.tzinfo is None:
            raise ValueError("now must say its time zone")
        if not _ID.fullmatch(event_id):
            raise ValueError("an event's id must be of letters, digits, - and _")
        now = now.astimezone(UTC)  # the library takes the clock's figures for UTC, whatever zone they are in
        text = body.decode("utf-8")
        return {
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signer.sign(event_id, now, text) for signer in self._signers),
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "heldout",
        }

    async def _post(self, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str]]:
        from yarl import URL

        if self._session is None:
            raise RuntimeError("a WebhookSender is used within `async with`")
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._settings.timeout
        url = URL(self._settings.url, encoded=True)  # as the operator wrote it: a path may be signed or secret
        async with asyncio.timeout_at(deadline):
            response = await self._session.post(url, data=body, headers=headers, allow_redirects=False)
        try:
            async with asyncio.timeout_at(min(deadline, clock() + _DRAIN)):
                await _drain(response)
        except _failures():
            pass
        finally:
            response.release()  # which closes the connection where there is more to come
        return response.status, response.headers

    def _unreachable(self, error: Exception) -> TransportError:
        """The error in our words alone: the library's own texts may hold the address with its secret path."""
        import aiohttp

        from alerts.hooks.resolver import RefusedAddressError

        cause = getattr(error, "os_error", None)
        if isinstance(cause, RefusedAddressError):
            advice = f"no hook may go there: correct the name's addresses, or hooks.{self._settings.name}.url"
            return TransportError(f"{self._who}: {cause}; {advice}", permanent=True)
        if isinstance(error, TimeoutError):
            said = f"did not answer within {self._settings.timeout:g} s"
        elif isinstance(error, aiohttp.ClientConnectorCertificateError):
            said = "shows a certificate that is not valid for it"
        elif isinstance(error, aiohttp.ClientConnectorDNSError):
            said = "has a host name that was not found"
        elif isinstance(error, aiohttp.ClientConnectorError):
            said = f"cannot be reached ({error.os_error.strerror or type(error.os_error).__name__})"
        elif isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
            said = "closed the connection without an answer"
        elif isinstance(error, aiohttp.ClientResponseError):
            said = "answered with something that is not HTTP"
        else:
            said = f"broke the connection ({type(error).__name__})"
        return TransportError(f"{self._who} {said}; it will be tried again", permanent=False)


async def _drain(response: ClientResponse) -> None:
    left = _LARGEST
    while left > 0 and (chunk := await response.content.read(left)):
        left -= len(chunk)


def _refusal(status: int, who: str, wait: float | None) -> TransportError:
    """The error for an answer outside of 2xx."""
    said = f"{who} answered {status}"
    if status == 410:
        return GoneError(f"{said}: it wants no more events; change its url, or take the hook out", permanent=True)
    if 300 <= status < 400:
        said += ", a redirect, which is never followed: if it has moved for good, configure where it is now"
        return TransportError(said, permanent=False, retry_after=wait)
    if status in _PASSING or not 400 <= status < 500:
        return TransportError(f"{said}; it will be tried again", permanent=False, retry_after=wait)
    if status in _OF_EVENT:
        return TransportError(f"{said}: it refuses this event; its log says why", permanent=True, this_message=True)
    if status in (401, 403):
        advice = "it does not accept the signature or this sender: compare the secret, and both clocks"
    elif status in (404, 405):
        advice = "nothing takes events at this address: correct its url"
    else:
        advice = "it refuses events: its log says why"
    return TransportError(f"{said}: {advice}", permanent=True)


def _failures() -> tuple[type[Exception], ...]:
    """What aiohttp raises for a call that brought no answer."""
    from aiohttp import ClientError

    return (ClientError, OSError, ValueError)
