"""An example of what takes heldout's rollback hook: checks who sent it, does it once, and posts what came of it.

    HOOK_SECRET=whsec_… python receiver.py --port 9000 --state /var/lib/rollback -- /usr/local/bin/switch-to

The command is run without a shell, with the target and the fallback as its last two arguments. Needs Python 3.11 and
nothing else. Put it behind TLS where others share the network.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOLERANCE = 300  # seconds: an older request may be one that somebody recorded
LARGEST = 64 * 1024
# Once it is accepted, heldout waits for the result alone: it is worth some patience.
RETRIES = (0, 2, 10, 60, 300, 900)
DEADLINE = 600  # seconds for the command


def signed(secrets: str, headers: dict[str, str], body: bytes, now: float) -> bool:
    """Whether a signature of Standard Webhooks 1.0 is right and fresh; `secrets`: one, or several while they change."""
    event, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not event or not stamp.isascii() or not stamp.isdigit() or abs(now - int(stamp)) > TOLERANCE:
        return False
    text = f"{event}.{stamp}.".encode() + body
    given = [one.partition(",")[2] for one in headers.get("webhook-signature", "").split() if one.startswith("v1,")]
    for secret in secrets.split():
        key = base64.b64decode(secret.removeprefix("whsec_"))
        right = base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()
        if any(hmac.compare_digest(right.encode(), one.encode()) for one in given):
            return True
    return False


class Book:
    """What was taken and what came of it, by webhook-id: a file, so that a restart forgets nothing."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(folder / "taken.db", check_same_thread=False, isolation_level=None)
        self._lock = threading.Lock()
        self._database.execute("pragma synchronous = full")
        self._database.execute(
            "create table if not exists taken (id text primary key, event text not null, result text, told integer)"
        )

    def take(self, event_id: str, event: str) -> bool:
        """Whether it is new; it is written before anything is done."""
        with self._lock:
            made = self._database.execute("insert or ignore into taken values (?, ?, null, 0)", (event_id, event))
            return made.rowcount == 1

    def done(self, event_id: str, result: str) -> None:
        """What came of it."""
        with self._lock:
            self._database.execute("update taken set result = ? where id = ?", (result, event_id))

    def told(self, event_id: str) -> None:
        """That heldout knows of it."""
        with self._lock:
            self._database.execute("update taken set told = 1 where id = ?", (event_id,))

    def unfinished(self) -> list[tuple[str, str, str | None]]:
        """What an earlier process has left: id, event, and the result where there is one already."""
        with self._lock:
            return self._database.execute("select id, event, result from taken where told = 0").fetchall()


def expired(data: dict[str, str], now: datetime) -> bool:
    """Whether what was right when it was asked for may be wrong by now."""
    return datetime.fromisoformat(data["expires_at"]) <= now


def finish(book: Book, event_id: str, event: str, result: str | None, command: list[str]) -> None:
    """Do what was taken, and tell heldout; after a restart again, so that the command must bear a repetition."""
    data = json.loads(event)["data"]
    if result is None:
        result = json.dumps(act(data, command))
        book.done(event_id, result)
    if data["result_url"] is None or tell(data["result_url"], result):
        book.told(event_id)


def act(data: dict[str, str], command: list[str]) -> dict[str, str]:
    """Roll back, and say what serves now."""
    if expired(data, datetime.now(UTC)):
        return {"status": "failed"}
    try:
        subprocess.run([*command, data["target"], data["fallback"]], check=True, timeout=DEADLINE)  # noqa: S603
    except (subprocess.SubprocessError, OSError) as error:
        print(f"the rollback of {data['target']} failed: {type(error).__name__}", file=sys.stderr)
        return {"status": "failed"}
    return {"status": "done", "now_serving": data["fallback"]}


def tell(url: str, result: str) -> bool:
    """Post the result until it is taken; the address holds a token, and is not printed."""
    for seconds in RETRIES:
        time.sleep(seconds)
        request = urllib.request.Request(url, result.encode(), {"Content-Type": "application/json"})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=20):  # noqa: S310 - heldout's own, and signed by it
                return True
        except urllib.error.HTTPError as error:
            print(f"heldout did not take the result: {error.code}", file=sys.stderr)
            if error.code < 500 and error.code != 429:
                return True
        except OSError as error:
            print(f"heldout cannot be reached: {type(error).__name__}", file=sys.stderr)
    return False


def server(port: int, secrets: str, book: Book, command: list[str]) -> ThreadingHTTPServer:
    """Listens on loopback."""

    class Receiver(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isascii() or not length.isdigit() or int(length) > LARGEST:
                self.answer(413)
                return
            body = self.rfile.read(int(length))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if not signed(secrets, headers, body, time.time()):
                self.answer(401)
                return
            event = json.loads(body)
            if event["type"] != "heldout.rollback.requested":
                self.answer(204)
            elif expired(event["data"], datetime.now(UTC)):
                # No use to try again.
                self.answer(400)
            else:
                self.take(headers["webhook-id"], body.decode())

        def take(self, event_id: str, event: str) -> None:
            """Accept at once what takes longer than heldout would wait; the same again changes nothing."""
            if book.take(event_id, event):
                threading.Thread(target=finish, args=(book, event_id, event, None, command)).start()
            self.answer(202)

        def answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
            print(f"{self.command} {args[1] if len(args) > 1 else ''}", file=sys.stderr)

    return ThreadingHTTPServer(("127.0.0.1", port), Receiver)


def main() -> None:
    """Take up what was left, and listen."""
    parser = argparse.ArgumentParser(description="Takes heldout's rollback hook.")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--state", type=Path, default=Path("taken"))
    parser.add_argument("command", nargs="+", help="what rolls back; TARGET and FALLBACK are added to it")
    chosen = parser.parse_args()
    book = Book(chosen.state)
    for event_id, event, result in book.unfinished():
        threading.Thread(target=finish, args=(book, event_id, event, result, chosen.command)).start()
    listener = server(chosen.port, os.environ["HOOK_SECRET"], book, chosen.command)
    print(f"port {listener.server_address[1]}", flush=True)
    listener.serve_forever()


if __name__ == "__main__":
    main()
