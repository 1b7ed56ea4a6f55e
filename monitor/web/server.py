"""uvicorn inside a loop that is not its own: no signal handlers, no tick ten times a second, no log of its own."""

from __future__ import annotations

import errno
import os
import socket

import anyio.to_thread
import uvicorn
from starlette.types import ASGIApp

from monitor.config.listening import split_listen
from monitor.exits import FAILED, USAGE
from monitor.web.connections import KEEP_ALIVE, BoundedProtocol
from monitor.web.frontdoor import LARGEST_HEAD

# Requests that may be at the database at the same time; fewer than its pool has connections.
THREADS = 8
_BACKLOG = 128
_REASONS = {
    errno.EADDRINUSE: "another program listens there already; stop it, or choose another port",
    errno.EACCES: "this user may not listen on this port; choose one above 1023",
    errno.EADDRNOTAVAIL: "this machine has no such address; name one that it has",
}


class ListenError(Exception):
    """Nobody can be listened to: where, why, and which key to change. Trying again helps only if the port is freed."""

    permanent = True

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Server:
    """One listener of `app` at `listen`, an address and a port as `[web] listen` has them."""

    def __init__(self, app: ASGIApp, listen: str) -> None:
        self._listen = listen
        config = uvicorn.Config(
            app,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            # Whoever is behind a proxy is told from others by headers that we do not believe.
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            h11_max_incomplete_event_size=LARGEST_HEAD,
        )
        self._config = config
        self._server: uvicorn.Server | None = None
        self._sockets: list[socket.socket] = []

    async def start(self) -> tuple[str, int]:
        """Listen, and return the address and port; with port 0 the system chooses one. Raises ListenError."""
        sockets = _bind(self._listen)
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        if not self._config.loaded:
            self._config.load()
        server = uvicorn.Server(self._config)
        # What uvicorn's own `serve` does, without its signal handlers and its loop: an idle daemon shall be idle.
        server.lifespan = self._config.lifespan_class(self._config)
        await server.startup(sockets)
        self._server, self._sockets = server, sockets
        host, port = sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def stop(self, grace: float) -> None:
        """Take no more requests, and give those under way `grace` seconds; what is left then is cut off."""
        server, self._server = self._server, None
        if server is None:
            return
        # uvicorn's type says whole seconds, and hands it to asyncio, which takes any.
        self._config.timeout_graceful_shutdown = grace  # type: ignore[assignment]
        await server.shutdown(self._sockets)
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        self._sockets = []


def _bind(listen: str) -> list[socket.socket]:
    """Sockets that are bound to `listen`: of "localhost", both of its addresses where there are two."""
    address, port = split_listen(listen)
    addresses = ("127.0.0.1", "::1") if address == "localhost" else (address,)
    bound: list[socket.socket] = []
    for one in addresses:
        try:
            bound.append(_bound(one, bound[0].getsockname()[1] if bound else port))
        except OSError as error:
            if bound and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                continue
            for other in bound:
                other.close()
            why = _REASONS.get(error.errno or 0, os.strerror(error.errno or 0))
            code = FAILED if error.errno == errno.EADDRINUSE else USAGE
            raise ListenError(f"cannot listen on {listen}: {why} ([web] listen in the configuration)", code) from None
    return bound


def _bound(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # "[::]" is IPv6 alone, whatever the system's default, so that a rule for one family is not got round.
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((address, port))
        made.listen(_BACKLOG)
    except OSError:
        made.close()
        raise
    made.setblocking(False)
    return made
