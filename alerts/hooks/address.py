"""Which addresses a hook may never reach, although its URL is the operator's own; pure."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

# Metadata services of clouds that lie outside of the link-local ranges; the others are refused as link-local.
_METADATA = frozenset(
    map(ip_address, ("169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"))
) | {ip_address("fd20:ce::254"), ip_address("fd00:42::42")}
_REFUSED = {
    ip_network("0.0.0.0/8"): "an unspecified address",
    ip_network("169.254.0.0/16"): "a link-local address, where clouds keep their metadata",
    ip_network("192.0.0.0/24"): "a reserved address",
    ip_network("224.0.0.0/4"): "a multicast address",
    ip_network("255.255.255.255/32"): "the broadcast address",
    ip_network("240.0.0.0/4"): "a reserved address",
    ip_network("::/128"): "an unspecified address",
    ip_network("fe80::/10"): "a link-local address",
    ip_network("fec0::/10"): "a site-local address",
    ip_network("ff00::/8"): "a multicast address",
}
# Prefixes that carry an IPv4 address through a translator or tunnel. All of NAT64, 6to4 and Teredo is refused: what
# lies behind is decided elsewhere, and no deployment tool has such an address of its own.
_TRANSLATED = {
    IPv6Network("64:ff9b::/96"): "NAT64",
    IPv6Network("64:ff9b:1::/48"): "NAT64",
    IPv6Network("2002::/16"): "6to4",
    IPv6Network("2001::/32"): "Teredo",
}
_GLOBAL = IPv6Network("2000::/3")
_UNIQUE_LOCAL = IPv6Network("fc00::/7")
_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


def fault(ip: IPv4Address | IPv6Address | str) -> str | None:
    """Why a hook may not connect to `ip`, or None where it may; private and loopback addresses are allowed.

    Raises ValueError for a text that is no address.
    """
    address = ip_address(ip) if isinstance(ip, str) else ip
    if isinstance(address, IPv6Address):
        address = IPv6Address(int(address))  # without its zone, which would keep it from being compared
        if address.ipv4_mapped is not None:
            return fault(address.ipv4_mapped)
    if address in _METADATA:
        return "an address where a cloud keeps its metadata"
    for network, why in _REFUSED.items():
        if address.version == network.version and address in network:
            return why
    return _fault_of_6(address) if isinstance(address, IPv6Address) else None


def host_fault(host: str) -> str | None:
    """Why the host of a URL, a name or an address, cannot be a hook's; names are vetted when they are resolved."""
    if ":" not in host and _NUMERIC.fullmatch(host.rstrip(".").rpartition(".")[2]):
        # Old ways to write an address (2130706433, 127.1, 0x7f.1) mean different things to different programs.
        try:
            return fault(IPv4Address(host))
        except ValueError:
            return "an address in a form that is not four decimal numbers"
    if ":" not in host:
        return None
    try:
        return fault(IPv6Address(host))
    except ValueError:
        return "not an address"


def _fault_of_6(address: IPv6Address) -> str | None:
    for network, name in _TRANSLATED.items():
        if address in network:
            return f"a {name} address, which stands for another one"
    if address.is_loopback or address in _GLOBAL or address in _UNIQUE_LOCAL:
        return None
    return "a reserved address"
