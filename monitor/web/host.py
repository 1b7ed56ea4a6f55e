"""By which names heldout may be called: a page of another site must not reach it through a name of its own."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from monitor.config.listening import split_listen

if TYPE_CHECKING:
    from monitor.config.models import Web

_HEADER = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]{1,254}))(?::[0-9]{1,5})?")


def host_of(header: str) -> str | None:
    """The name or address in a Host header, in lower case and without port and last dot; None where it is malformed."""
    match = _HEADER.fullmatch(header)
    if match is None:
        return None
    if match["six"] is not None:
        try:
            return ipaddress.IPv6Address(match["six"]).compressed
        except ValueError:
            return None
    return match["name"].lower().removesuffix(".") or None


def is_local(host: str) -> bool:
    """Whether `host` (as `host_of` gives it) is a name or address of this machine for itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def names_of(web: Web) -> frozenset[str]:
    """The names of `[web]` by which heldout may be called, besides those of loopback."""
    names = {name.removesuffix(".") for name in web.hosts}
    if web.public_url is not None:
        names.add(_plain(urlsplit(web.public_url).hostname or ""))
    address, _ = split_listen(web.listen)
    if address != "localhost" and not ipaddress.ip_address(address).is_unspecified:
        names.add(_plain(address))
    return frozenset(names - {""})


def _plain(host: str) -> str:
    try:
        return ipaddress.ip_address(host).compressed
    except ValueError:
        return host.lower().removesuffix(".")


def fault(header: str | None, names: frozenset[str]) -> tuple[int, str] | None:
    """Why a request with this Host header is refused, as a status and a sentence; None where it is welcome."""
    if header is None:
        return 400, "The request has no Host header, which every client of HTTP/1.1 sends."
    host = host_of(header)
    if host is None:
        return 400, "The Host header is malformed: it must be a name or an address, with a port where it is not 80."
    if is_local(host) or host in names:
        return None
    return 421, (
        f'heldout is not known as "{host[:100]}" here. If that is its name, add it to hosts under [web] in the '
        "configuration; names that are not listed are refused, because any site could use one to reach it by a browser."
    )
