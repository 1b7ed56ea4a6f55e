"""How often somebody may do something: a bucket a key that refills evenly."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

# More keys than this are only ever seen under attack; the oldest are forgotten first.
_MOST_KEYS = 4_096


class RateLimit:
    """`most` times at once, refilled over `seconds`. `now` is in seconds of a monotonic clock."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = float(most)
        self._each = seconds / most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Seconds until `key` may do it again; 0 where it may now. Nothing is taken."""
        return max(0.0, 1.0 - self._left(key, now)) * self._each

    def take(self, key: str, now: float) -> float:
        """Take one where there is one; returns the seconds to wait, 0 where it was taken."""
        left = self._left(key, now)
        if left < 1.0:
            return (1.0 - left) * self._each
        self._buckets[key] = (left - 1.0, now)
        self._buckets.move_to_end(key)
        while len(self._buckets) > _MOST_KEYS:
            self._buckets.popitem(last=False)
        return 0.0

    def _left(self, key: str, now: float) -> float:
        left, since = self._buckets.get(key, (self._most, now))
        return min(self._most, left + max(0.0, now - since) / self._each)


def source(client: str | None) -> str:
    """What counts as one client: an IPv4 address, or the /64 that an IPv6 address lies in."""
    try:
        address = ipaddress.ip_address((client or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
