"""A local inbox that takes what heldout would post to Slack's incoming webhook: for `heldout demo`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue

_LARGEST = 1_000_000  # bytes; no message is near it


class Inbox:
    """Where to post to, and what has arrived."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._arrived: SimpleQueue[str] = SimpleQueue()

    def put(self, message: str) -> None:
        """A message has come."""
        self._arrived.put(message)

    def take(self) -> list[str]:
        """What has come since the last time, in its order."""
        return [self._arrived.get() for _ in range(self._arrived.qsize())]


@contextmanager
def inbox() -> Iterator[Inbox]:
    """An inbox on this machine, for as long as this lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.daemon_threads = True
    box = Inbox(f"http://127.0.0.1:{server.server_address[1]}/inbox")

    class Handler(BaseHTTPRequestHandler):
        """Takes a message and answers as Slack does."""

        timeout = 10

        def do_POST(self) -> None:
            """Keep the message's text, which says the same as its blocks."""
            length = int(self.headers.get("Content-Length") or 0)
            try:
                text = json.loads(self.rfile.read(min(length, _LARGEST)))["text"]
            except (ValueError, KeyError, TypeError):
                self.send_error(400, "invalid_payload")
                return
            box.put(str(text))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name for it
            """Say nothing: the demo prints what it wants to show."""

    server.RequestHandlerClass = Handler
    thread = threading.Thread(target=server.serve_forever, name="inbox", daemon=True)
    thread.start()
    try:
        yield box
    finally:
        server.shutdown()
        server.server_close()
