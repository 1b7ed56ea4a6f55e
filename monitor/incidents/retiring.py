"""What was rolled back, and so is not measured any more, in words."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.engine import Connection

from monitor.domain.words import stamp
from monitor.store import incidents


def retired(connection: Connection, targets: Sequence[str]) -> list[str]:
    """A sentence for each of `targets` that was rolled back and has no newer baseline."""
    return [
        f"{target} was rolled back on {stamp(since)} and is not measured any more, until a baseline is pinned; see to "
        'it that what serves instead has role = "production" and a baseline of its own'
        for target, since in incidents.retired(connection, targets).items()
    ]
