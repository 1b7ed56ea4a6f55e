"""A resolver for aiohttp that hands out a host's addresses only when a hook may reach every one of them."""

from __future__ import annotations

import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from alerts.hooks.address import fault


class RefusedAddressError(OSError):
    """A host has an address that no hook may reach; the message names host and address."""


class VettedResolver(AbstractResolver):
    """Asks `inner` and vets its answer. aiohttp connects to these very addresses; nothing is looked up twice."""

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of `host`; raises RefusedAddressError where one of them is bad, and OSError where none is."""
        found = await self._inner.resolve(host, port, family)
        if not found:
            raise OSError(f"{host} has no address")
        for one in found:
            # One bad address spoils them all: whoever answers for the name chooses which of them is tried.
            why = fault(one["host"])
            if why is not None:
                raise RefusedAddressError(f"{host} leads to {one['host']}, {why}")
        return found

    async def close(self) -> None:
        """Let go of what `inner` holds."""
        await self._inner.close()
