"""The dead-man's switch: an address outside that is told of each round's start and end, and alarms at silence.

As Healthchecks expects it: POST URL/start, URL and URL/fail with the same `rid` for one round; URL/log only
takes a note.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

logger = logging.getLogger(__name__)

_HEADERS = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "heldout"}
TRIES = 2
LARGEST_BODY = 9_000  # bytes; Healthchecks keeps 10 kB of its own accord, and 100 kB where it is hosted
_CANCELLED_WITHIN = 1.0  # seconds that closing a connection may take
# Healthchecks answers 200 to these as well, and then nobody is told of anything.
_NOT_COUNTED = ("not found", "rate limited")


class Switch(Protocol):
    """What is told of a round. No method raises, and only `ended` waits, for `Patience.within` at most."""

    def started(self, body: str) -> None:
        """The work begins."""
        ...

    async def ended(self, ok: bool, body: str) -> None:
        """The work is over; `ok`: it did what was due."""
        ...

    async def abandoned(self) -> None:
        """Somebody stopped the work, and the next round goes on with it: neither a success nor a failure."""
        ...


class AddressError(ValueError):
    """The secret is no web address; the message does not repeat it."""


class Silent:
    """Nothing is configured, so nobody is told."""

    def started(self, body: str) -> None:
        """Nothing."""

    async def ended(self, ok: bool, body: str) -> None:
        """Nothing."""

    async def abandoned(self) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each part may take, in seconds."""

    timeout: float = 10.0  # one request
    pause: float = 1.0  # before the second one
    start: float = 5.0  # a start that is still under way when the round ends: they must not overtake one another

    @property
    def within(self) -> float:
        """The most that `ended` takes, and so the most by which a round's end is delayed."""
        return self.start + _CANCELLED_WITHIN + TRIES * self.timeout + (TRIES - 1) * self.pause


class Deadman:
    """Tells an address of one round; raises AddressError for what is no address. `lookup` finds hosts."""

    def __init__(
        self, url: str, patience: Patience | None = None, lookup: Callable[..., Any] = socket.getaddrinfo
    ) -> None:
        self._parts = urlsplit(_checked(url))
        self._patience = patience or Patience()
        self._lookup = lookup
        self._round = str(uuid4())
        self._start: asyncio.Task[str | None] | None = None

    @property
    def place(self) -> str:
        """The address without what makes it a secret."""
        return f"{self._parts.scheme}://{self._parts.netloc.rpartition('@')[2]}"

    def started(self, body: str) -> None:
        """Send it while the work goes on; call it in an event loop."""
        self._start = asyncio.create_task(self._tell("/start", body))

    async def ended(self, ok: bool, body: str) -> None:
        """Send success or failure; returns when it is told, or given up."""
        await self._let_start_end(self._patience.start)
        await self._tell("" if ok else "/fail", body)

    async def abandoned(self) -> None:
        """Let go of a start that is still under way."""
        await self._let_start_end(0.0)

    async def noted(self, body: str) -> str | None:
        """Send a note, which changes nothing there; None where it was taken, else why not."""
        return await self._tell("/log", body)

    async def _let_start_end(self, seconds: float) -> None:
        task, self._start = self._start, None
        if task is not None:
            await asyncio.wait([task], timeout=seconds)
            task.cancel()
            await asyncio.wait([task], timeout=_CANCELLED_WITHIN)

    async def _tell(self, path: str, body: str) -> str | None:
        fault: str | None = None
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(self._patience.pause)
            fault, again = await self._post(path, body)
            if fault is None:
                return None
            if not again:
                break
        logger.warning("dead-man not told", extra={"place": self.place, "ping": path or "/", "why": fault})
        return fault

    async def _post(self, path: str, body: str) -> tuple[str | None, bool]:
        """(None, _) where it was taken; else why not, and whether trying again may help."""
        import aiohttp
        from yarl import URL

        from monitor.names import Names

        data = body.encode("utf-8", "replace")[:LARGEST_BODY].decode("utf-8", "ignore").encode()
        url = URL(self._url(path), encoded=True)
        wait = aiohttp.ClientTimeout(total=self._patience.timeout)
        try:
            # Verified TLS, no proxies and no .netrc of the environment: aiohttp's defaults.
            async with (
                aiohttp.ClientSession(
                    timeout=wait,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    connector=aiohttp.TCPConnector(resolver=Names(self._lookup)),
                ) as session,
                session.post(url, data=data, headers=_HEADERS, allow_redirects=False) as response,
            ):
                said = (await response.content.read(200)).decode("utf-8", "replace").lower()
                return _fault(response.status, said)
        except TimeoutError:
            return f"no answer within {self._patience.timeout:g} s", True
        # The errors' own words may repeat the address.
        except aiohttp.ClientConnectorCertificateError:
            return "its certificate is not valid for it", False
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return f"no connection ({type(error).__name__})", True

    def _url(self, path: str) -> str:
        query = "&".join(part for part in (self._parts.query, f"rid={self._round}") if part)
        return urlunsplit((self._parts.scheme, self._parts.netloc, self._parts.path.rstrip("/") + path, query, ""))


def _fault(status: int, said: str) -> tuple[str | None, bool]:
    if 200 <= status < 300:
        ignored = next((why for why in _NOT_COUNTED if f"({why})" in said), None)
        return (f"it answers {status} and does not count it: {ignored}", False) if ignored else (None, False)
    if 300 <= status < 400:
        return f"it answers {status}, a redirect, which is not followed: configure where it leads", False
    return f"it answers {status}", status >= 500 or status in (408, 429)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or not url.isprintable() or " " in url:
        raise AddressError("holds no address: it must be as https://hc-ping.com/… is")
    return url
