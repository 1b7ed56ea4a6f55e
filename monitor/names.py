"""Looks up hosts' names in threads that nobody waits for at a program's end.

The event loop's own lookups run in threads that it joins before it ends, and a name server that is gone holds each for
half a minute: longer than what waits for the answer may take.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from monitor.threads import in_thread

Lookup = Callable[..., list[tuple[Any, ...]]]


class Names(AbstractResolver):
    """A resolver for aiohttp; `lookup` is what `socket.getaddrinfo` is."""

    def __init__(self, lookup: Lookup = socket.getaddrinfo) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """All addresses of `host`; raises OSError."""
        try:
            found = await in_thread(partial(self._lookup, host, port, family=family, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            raise OSError(f"{type(error).__name__}: {host} was not found") from None
        return [
            ResolveResult(
                hostname=host, host=address[0], port=address[1], family=kind, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""
