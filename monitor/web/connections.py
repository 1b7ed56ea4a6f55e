"""Connections that cannot be held for ever: uvicorn itself waits without end for a request that never comes.

Each connection has one deadline at a time. When there are too many, the one that has waited longest makes room.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 256
# Seconds for a whole request to come in, headers and body; uvicorn closes an idle connection before that.
REQUEST_WITHIN = 10.0
# Seconds for its answer to be made and taken: a scrape may wait for a busy database.
ANSWER_WITHIN = 60.0
KEEP_ALIVE = 5  # seconds

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 by h11, with a time for everything."""

    _turned_away = False
    _deadline: asyncio.TimerHandle | None = None
    # When this connection began to wait for its next request, by the loop's clock.
    waiting_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, if need be in the place of another."""
        if len(self.connections) >= MOST_CONNECTIONS and not self._make_room():
            self._turned_away = True
            transport.write(_BUSY)
            transport.close()
            return
        # Addresses hold tokens of hooks and of Flagger: whoever listens to the server's own log hears none of them.
        self.access_log = False
        super().connection_made(transport)
        self._wait()

    def _make_room(self) -> bool:
        """Close the connection that has waited longest for a request; False where each is being answered."""
        waiting = [one for one in cast("set[BoundedProtocol]", self.connections) if not one.is_answering]
        if not waiting:
            return False
        oldest = min(waiting, key=lambda one: one.waiting_since)
        self.connections.discard(oldest)
        oldest.transport.abort()
        return True

    @property
    def is_answering(self) -> bool:
        """Whether a whole request has come in, and its answer has not gone out."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def data_received(self, data: bytes) -> None:
        """Take what came; once the request is whole, the time for the answer begins."""
        if self._turned_away:
            return
        answering = self.is_answering
        super().data_received(data)
        if self.is_answering and not answering:
            self._within(ANSWER_WITHIN)

    def on_response_complete(self) -> None:
        """The answer is out; the time for the next request begins."""
        self._wait()
        super().on_response_complete()
        if self.is_answering:
            # The next request had come in already.
            self._within(ANSWER_WITHIN)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, and its deadline with it."""
        self._cancel()
        if not self._turned_away:
            super().connection_lost(exc)

    def _wait(self) -> None:
        self.waiting_since = self.loop.time()
        self._within(REQUEST_WITHIN)

    def _within(self, seconds: float) -> None:
        self._cancel()
        if not self.transport.is_closing():
            self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def pause_writing(self) -> Any:
        """The client does not read as fast as we write; the deadline of its answer holds."""
        if not self._turned_away:
            super().pause_writing()

    def resume_writing(self) -> Any:
        """The client reads again."""
        if not self._turned_away:
            super().resume_writing()
