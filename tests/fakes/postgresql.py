"""A real PostgreSQL of its own for tests: in a temporary folder, on a loopback port, ended by its process.

`empty()` and `filled()` make a database in a server that is started when first asked for and shared by the session.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

HOW_TO_INSTALL = "PostgreSQL's programs are not installed: apt-get install postgresql"
# Nobody mourns what a test stored: no fsync; the rest keeps a small machine small.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}


def programs() -> Path | None:
    """The folder with initdb and postgres; of several versions the newest."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return versions[-1].parent if versions else None


class Server:
    """One server; `settings` are added to the usual ones."""

    def __init__(self, **settings: str) -> None:
        bin_folder = programs()
        if bin_folder is None:
            raise RuntimeError(HOW_TO_INSTALL)
        self._bin = bin_folder
        self._settings = {**_SETTINGS, **settings}
        # Not below pytest's folder, which the server's own user may not enter.
        self._folder = Path(tempfile.mkdtemp(prefix="heldout-pg-"))
        # The server refuses to be root.
        self._user = pwd.getpwnam("postgres").pw_name if os.getuid() == 0 else None
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        options = ["-D", str(self._data), "-U", "heldout", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        done = self._run("initdb", *options)
        if done.returncode != 0:
            raise RuntimeError(f"initdb: {done.stdout}{done.stderr}")
        self.port = _free_port()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {**self._settings, "listen_addresses": "127.0.0.1", "port": str(self.port)}
        settings["unix_socket_directories"] = str(self._folder)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(self._data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                user=self._user,
                # A Ctrl-C of whoever runs the tests is for the tests; where those are killed, the server goes, too.
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - it calls one system call, which takes no lock
            )
        until = time.monotonic() + 30.0
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                alive = self._process.poll() is None
                if not alive or time.monotonic() > until:
                    raise RuntimeError(f"the server did not start: {(self._folder / 'log').read_text()}") from None
                time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT ends all sessions first, SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30.0)
            self._process = None

    def close(self) -> None:
        """End it, and remove what it stored."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """Where a database is."""
        return f"postgresql://heldout@127.0.0.1:{self.port}/{database}"

    def do(self, statement: str) -> None:
        """A statement about the server's databases."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self._bin / program), *arguments],
            capture_output=True,
            text=True,
            cwd=self._folder,
            user=self._user,
            timeout=60,
        )


def _die_with_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGQUIT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
