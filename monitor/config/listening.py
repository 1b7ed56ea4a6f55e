"""Where the daemon listens, and by which names it may be called."""

from __future__ import annotations

import ipaddress
import re

_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\.?")


def split_listen(listen: str) -> tuple[str, int]:
    """(address, port) of `"127.0.0.1:8787"` or `"[::1]:8787"`; raises ValueError."""
    match = re.fullmatch(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[^:\[\]]+)):(?P<port>[0-9]{1,5})", listen)
    if match is None:
        raise ValueError('must be an address and a port, such as "127.0.0.1:8787" or "[::1]:8787"')
    port = int(match["port"])
    if port > 65_535:
        raise ValueError("names a port above 65535")
    address = match["six"] or match["four"]
    if address != "localhost":
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise ValueError('must name an IP address of this machine, such as "127.0.0.1" or "0.0.0.0"') from None
    return address, port


def checked_listen(listen: str) -> str:
    """`listen` when it is an address and a port; else ValueError."""
    split_listen(listen)
    return listen


def is_loopback(listen: str) -> bool:
    """Whether only this machine can reach it. Raises ValueError for what `checked_listen` refuses."""
    address, _ = split_listen(listen)
    return address == "localhost" or ipaddress.ip_address(address).is_loopback


def checked_host(name: str) -> str:
    """A host's name without port, as it stands in a Host header; else ValueError."""
    if name.startswith("*"):
        raise ValueError("must be a whole name: any site could use a wildcard to reach heldout through a browser")
    lower = name.lower()
    try:
        return ipaddress.ip_address(lower.strip("[]")).compressed
    except ValueError:
        if not _NAME.fullmatch(lower):
            raise ValueError('must be a host\'s name without port or path, such as "heldout.internal"') from None
    return lower
