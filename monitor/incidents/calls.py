"""The calls of hooks as a way out of the outbox: looked at again before each attempt, then sent, or run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy.engine import Connection

from alerts.channel import Health, Outgoing, Receipt, TransportError, WithdrawnError
from alerts.failpoint import reached
from alerts.hooks.event import encode
from alerts.outbox import OutboxRow, State
from monitor.incidents import hooks as asking
from monitor.incidents import results
from monitor.incidents.office import Office
from monitor.store import hooks, incidents
from monitor.store.database import Database
from monitor.store.hooks import HookRow, HookState

if TYPE_CHECKING:
    from alerts.hooks.command import CommandRunner
    from alerts.hooks.webhook import WebhookSender

PREFIX = "hook:"
# What a deadline leaves to the other end's own: a program that has to be killed, a connection that has to be closed.
_SLACK = timedelta(seconds=10)


class HookChannel:
    """One hook. `way` sends or runs; `timeout` is that of one attempt."""

    def __init__(
        self,
        name: str,
        way: WebhookSender | CommandRunner,
        timeout: timedelta,
        database: Database,
        office: Callable[[], Office],
    ) -> None:
        self._hook = name
        self._way = way
        self._timeout = timeout
        self._database = database
        self._office = office
        self._entered = False

    @property
    def name(self) -> str:
        """`hook:NAME`."""
        return f"{PREFIX}{self._hook}"

    @property
    def pace(self) -> timedelta:
        """Tools take as many as come."""
        return timedelta(0)

    @property
    def at_once(self) -> int:
        """Of programs one at a time: two rollbacks of one machine at once would be in each other's way."""
        return 32 if hasattr(self._way, "send") else 1

    @property
    def longest(self) -> timedelta:
        """One attempt with its end."""
        return self._timeout + _SLACK

    async def send(self, outgoing: Outgoing) -> Receipt:
        """Send a request, or run its program, if it is still wanted; raises TransportError and WithdrawnError."""
        row = self._wanted(outgoing.id)
        body = encode(row.event or {})
        now: datetime = self._office().now
        if hasattr(self._way, "run"):
            ended = await self._way.run(row.id, body, now)
            reached("hook.accepted")
            status = results.DONE if ended.done else results.FAILED
            return Receipt(result={"status": status, "now_serving": ended.now_serving, "why": ended.why})
        if not self._entered:
            await self._way.__aenter__()
            self._entered = True
        answer = await self._way.send(row.id, body, now)
        reached("hook.accepted")
        return Receipt(f"HTTP {answer.status}")

    async def verify(self) -> Health:
        """Only a request would tell, and that would be one."""
        return Health(None, "a hook shows whether it works only when it is asked for something")

    async def aclose(self) -> None:
        """Close its connections."""
        if self._entered and not hasattr(self._way, "run"):
            self._entered = False
            await self._way.__aexit__(None, None, None)

    def _wanted(self, hook_id: str) -> HookRow:
        """The request, if nothing speaks against it by now."""
        with self._database.read() as connection:
            row = hooks.get(connection, hook_id)
            if row is None or row.state is not HookState.ASKED:
                raise WithdrawnError(f"it is {row.state.value if row is not None else 'gone'}")
            if row.incident_id is None:
                if self._office().now >= row.expires_at:
                    raise WithdrawnError("it expired before it could be delivered")
                return row
            incident = incidents.get(connection, row.incident_id)
            if incident is None:
                raise WithdrawnError("its incident is gone")
            ruling = asking.ruling_of(connection, self._office(), incident, row)
        if not ruling.allowed and ruling.passing:
            raise TransportError(f"it waits: {ruling.reason}", permanent=False)
        if not ruling.allowed:
            raise WithdrawnError(ruling.reason)
        return row


class HookObserver:
    """Writes what became of a call in the transaction that settles its row."""

    def __init__(self, office: Callable[[], Office]) -> None:
        self._office = office

    def sent(self, connection: Connection, row: OutboxRow, receipt: Receipt, now: datetime) -> None:
        """The other side has it."""
        results.accepted(connection, self._office(), row.subject, receipt)

    def put_off(self, connection: Connection, row: OutboxRow, error: str, state: State | None, now: datetime) -> None:
        """It was not delivered."""
        results.troubled(connection, self._office(), row.subject, error, state)

    def dropped(self, connection: Connection, row: OutboxRow, why: str, now: datetime) -> None:
        """It is not wanted any more."""
        results.withdrawn(connection, self._office(), row.subject, why)
