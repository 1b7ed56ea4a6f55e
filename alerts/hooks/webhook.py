"""A hook as a signed HTTP request, by Standard Webhooks 1.0; the only file that imports standardwebhooks."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from standardwebhooks import Webhook

from alerts.channel import TransportError
from alerts.hooks.address import host_fault
from alerts.retry_after import http_date, retry_after_seconds

if TYPE_CHECKING:
    import ssl

    from aiohttp import ClientResponse, ClientSession
    from aiohttp.abc import AbstractResolver

_PREFIX = "whsec_"
_BYTES = (24, 64)  # of a secret: the standard's bounds
_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")  # without a full stop, which separates what is signed
_LARGEST = 64 * 1024  # bytes of an answer that are read: nothing in it matters, but a connection can be used again
_DRAIN = 1.0  # seconds for them, once the status has said all there is to say
_IDLE = 2.0  # seconds an unused connection is kept: less than any usual server keeps it
_OF_EVENT = frozenset({400, 409, 413, 415, 422})  # the fault lies in this one event
_PASSING = frozenset({408, 421, 425, 429})


class GoneError(TransportError):
    """410: the receiver wants no more events, so that its hook is to be switched off until somebody acts."""


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where to send and how to sign; ValueError names every fault at once, and no part of a secret.

    `secret` is `whsec_` and base64 of 24 to 64 bytes; several, separated by spaces, while it is rotated: each signs.
    The path of `url` may be a secret too: only its host is ever shown. `timeout` is in seconds, over everything.
    """

    name: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    timeout: float = 20.0

    def __post_init__(self) -> None:
        faults = [f"hooks.{self.name}.url {fault}" for fault in _url_faults(self.url)]
        faults += [f"hooks.{self.name}.secret {fault}" for fault in _secret_faults(self.secret)]
        if not self.timeout > 0:
            faults.append(f"hooks.{self.name}: the time-out must be more than 0 s")
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def place(self) -> str:
        """The host, with its port where one is given: what may be shown of the address."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


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
            response.close() if not response.content.at_eof() else response.release()
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


def _url_faults(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return ["is no address"]
    if parts.scheme not in ("http", "https") or not host:
        return ["must be an http or https address"]
    if not url.isascii() or not url.isprintable() or " " in url:
        return ["holds a space or another character that an address writes as %…, or a name as xn--…"]
    fault = host_fault(host)
    return [f"names {host}, {fault}"] if fault else []


def _secret_faults(secret: str) -> list[str]:
    if not secret.split():
        return ["is empty"]
    return list(dict.fromkeys(fault for part in secret.split() if (fault := _secret_fault(part)) is not None))


def _secret_fault(secret: str) -> str | None:
    key: bytes | None = None
    if secret.startswith(_PREFIX):
        coded = secret.removeprefix(_PREFIX)
        with contextlib.suppress(binascii.Error, ValueError):
            key = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
    how = (
        f'must be {_PREFIX} and base64 of {_BYTES[0]} to {_BYTES[1]} bytes: echo "{_PREFIX}$(openssl rand -base64 32)"'
    )
    if key is None:
        return how
    return None if _BYTES[0] <= len(key) <= _BYTES[1] else f"holds {len(key)} bytes; it {how}"
