"""The audit log: who did what, when, and by which way; each row's hash takes in that of the row before it.

A hash chain as in Schneier and Kelsey, "Secure Audit Logs to Support Computer Forensics" (ACM TISSEC 2(2), 1999),
without a key: it shows every change to whoever has kept a later hash elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.domain.text import storable
from monitor.store.bulk import new_ids
from monitor.store.database import alone
from monitor.store.tables import audit

# What the first row follows.
NOTHING = "0" * 64
# So much of one text is kept, in characters: an outside caller may send as many as it likes.
LONGEST = 2_000
_DEEPEST = 20
_PAGE = 1_000  # rows that are read at a time
# What its columns hold, in characters.
_LENGTHS = {"who": 200, "via": 40, "action": 60, "subject": 400}


@dataclass(frozen=True, slots=True)
class Entry:
    """One row; `at` is UTC. `detail` is JSON, and never holds a secret."""

    id: int
    at: datetime
    who: str
    via: str
    action: str
    subject: str
    detail: dict[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Verified:
    """`rows` fit, and `newest` is the hash of the last of them. `fault`: what is wrong with the next; None: nothing."""

    rows: int
    newest: str
    fault: str | None


def append(
    connection: Connection,
    *,
    who: str,
    via: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any],
    now: datetime,
) -> int:
    """Write a row in the caller's transaction, at best as its last step, and return its id.

    All others who want to write one wait until that transaction is over. `detail` is JSON without secrets; a long text
    in it is cut. Raises ValueError or TypeError for what is no JSON, such as a NaN.
    """
    alone(connection, "audit")
    last = connection.execute(sa.select(audit.c.hash).order_by(audit.c.id.desc()).limit(1)).scalar()
    texts = {"who": who, "via": via, "action": action, "subject": subject}
    row: dict[str, Any] = {name: storable(text)[: _LENGTHS[name]] for name, text in texts.items()}
    row |= {
        "id": new_ids(connection, audit.c.id, 1)[0],
        "at": now.astimezone(UTC),
        "detail": json.loads(json.dumps(_kept(detail), allow_nan=False)),
        "previous": last or NOTHING,
    }
    connection.execute(audit.insert(), row | {"hash": _hash(row)})
    return int(row["id"])


def entries(
    connection: Connection, limit: int, before: int | None = None, *, who: str | None = None, action: str | None = None
) -> list[Entry]:
    """The newest rows first, `limit` at the most, with ids below `before`; `action`: those that begin so."""
    query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.id < before)
    if who is not None:
        query = query.where(audit.c.who == who)
    if action is not None:
        query = query.where(audit.c.action.startswith(action, autoescape=True))
    return [Entry(**row._mapping) for row in connection.execute(query)]


def verify(connection: Connection, expect: str | None = None, *, page: int = _PAGE) -> Verified:
    """Read the whole log, and say where it first is not what was written; memory stays flat.

    A gap in the ids is none: a transaction that came to nothing leaves one. `expect`: a hash that was kept elsewhere,
    without which nobody could tell that rows at the end were removed.
    """
    rows, before, newest, seen = 0, None, NOTHING, expect in (None, NOTHING)
    for stored in _stored(connection, page):
        fault = _fault(stored, before, newest)
        if fault is not None:
            return Verified(rows, newest, fault)
        rows, before, newest = rows + 1, stored["id"], stored["hash"]
        seen = seen or newest == expect
    if seen:
        return Verified(rows, newest, None)
    end = "the log is empty" if before is None else f"the last row is {before}, with the hash {newest}"
    return Verified(
        rows, newest, f"no row has the hash {expect}: rows at the end were removed, or all of them replaced; {end}"
    )


def _stored(connection: Connection, page: int) -> Iterator[dict[str, Any]]:
    """Every row as it is in the database, oldest first: what somebody has put there need not be a time, nor JSON.

    Page by page, and so nothing is left open when the reader stops at a fault.
    """
    sqlite = connection.dialect.name == "sqlite"
    at = sa.type_coerce(audit.c.at, sa.Text) if sqlite else audit.c.at
    detail = sa.type_coerce(audit.c.detail, sa.Text) if sqlite else sa.cast(audit.c.detail, sa.Text)
    columns = [audit.c[name] for name in ("id", *_LENGTHS, "previous", "hash")]
    query = sa.select(*columns, at.label("at"), detail.label("detail")).order_by(audit.c.id).limit(page)
    last: int | None = None
    while rows := connection.execute(query if last is None else query.where(audit.c.id > last)).all():
        yield from (dict(row._mapping) for row in rows)
        last = rows[-1].id


def _fault(stored: dict[str, Any], before: int | None, newest: str) -> str | None:
    """What is wrong with a row that is to follow the row `before`, whose hash is `newest`."""
    if stored["previous"] != newest:
        place = "is to be the first" if before is None else f"does not follow row {before}"
        return (
            f"row {stored['id']} {place}: it names {stored['previous']} as the hash before it, and {newest} was "
            "expected; rows between were removed or added, or the one before was changed"
        )
    try:
        at = stored["at"]
        at = datetime.fromisoformat(at).replace(tzinfo=UTC) if isinstance(at, str) else at.astimezone(UTC)
        found = _hash(stored | {"at": at, "detail": json.loads(stored["detail"])})
    except (ValueError, TypeError, AttributeError, RecursionError):
        return f"row {stored['id']} was changed: what it holds cannot be read"
    if found != stored["hash"]:
        return f"row {stored['id']} was changed: its hash is {stored['hash']}, and {found} is that of what it holds"
    return None


def _hash(row: Mapping[str, Any]) -> str:
    """SHA-256, in hexadecimal, over all other fields in one fixed spelling."""
    fields = {name: row[name] for name in ("id", *_LENGTHS, "detail", "previous")}
    fields["at"] = row["at"].isoformat(timespec="microseconds")
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _kept(value: Any, depth: int = 0) -> Any:
    """`value` as both databases hold it, and no longer than is worth keeping."""
    if isinstance(value, str):
        return storable(value[:LONGEST])
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {storable(str(key)[:LONGEST]): _kept(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_kept(one, depth + 1) for one in value]
    return value
