"""What an acceptance test needs: a folder with a configuration, fake servers as processes, and `heldout` as a process.

Nothing here imports heldout: the tests see what a user sees (exit codes, output, messages) and, read-only, the
database, which is SQLite or PostgreSQL (tests/fakes/databases.py). Every wait is bounded, every process that is started
is ended, and every port is the system's choice.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from tests.fakes import databases

REPOSITORY = Path(__file__).resolve().parents[2]
FAKES = REPOSITORY / "tests" / "fakes"
HELDOUT = Path(sys.executable).with_name("heldout")

API_KEY = "sk-acceptance-0123456789"
SLACK_TOKEN = "xoxb-acceptance-0123456789"
CHANNEL = "C0123456789"

# Long past Mondays, so that every one of them is a slot that can be filled in.
MONDAYS = [datetime(2025, 1, 6, 6, tzinfo=UTC) + timedelta(weeks=i) for i in range(20)]

PASS, FAILED, USAGE, INVESTIGATE, INCONCLUSIVE, ROLLBACK = range(6)

Case = dict[str, Any]


def slot(week: int) -> str:
    """The slot of that week (from 0), as a user writes it."""
    return MONDAYS[week].strftime("%Y-%m-%dT%H:%MZ")


# --- cases -----------------------------------------------------------------------------------------------------------


def cases(right: int, wrong: int, *, between: int = 0, p: float = 0.8, drop: float = 0.0) -> list[Case]:
    """Cases with the chance of a right answer that the fake model is to have: 1, 0 or, for `between` of them, `p`.

    `drop`, in points of the score, multiplies every chance by the same factor, as a model that became worse would.
    """
    chances = [1.0] * right + [p] * between + [0.0] * wrong
    mean = sum(chances) / len(chances)
    factor = 1.0 - drop / (100.0 * mean)
    return [
        {"id": f"c{i:04d}", "input": f"What is the number {i}?", "expected": f"It is {i}.", "p": chance * factor}
        for i, chance in enumerate(chances)
    ]


def fallen(known: Sequence[Case], count: int) -> list[Case]:
    """The same cases, of which `count` that were always answered right are now always answered wrong."""
    good = [case["id"] for case in known if case["p"] == 1.0][:count]
    assert len(good) == count
    return [{**case, "p": 0.0} if case["id"] in good else case for case in known]


# --- servers ---------------------------------------------------------------------------------------------------------


class Fake:
    """A fake server in a process of its own; `url` is its root."""

    def __init__(self, program: str, log: Path, *options: str, port: int = 0) -> None:
        command = [sys.executable, str(FAKES / program), "--port", str(port), *options]
        with log.open("ab") as err:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True, env=environment())
        self._log = log
        self.port = self._listens()
        self.url = f"http://127.0.0.1:{self.port}"

    def begin_anew(self) -> None:
        """Become a server that nobody has spoken to yet, at the same address; quicker than another process."""
        self._process.send_signal(signal.SIGHUP)
        assert self._listens() == self.port

    def _listens(self) -> int:
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert said.startswith("port "), f"it does not listen: {self._log.read_text()}"
        return int(said.split()[1])

    def tell(self) -> dict[str, Any]:
        """What it has seen."""
        with urllib.request.urlopen(f"{self.url}/control", timeout=30) as answer:
            told: dict[str, Any] = json.load(answer)
        return told

    def control(self, **wanted: Any) -> None:
        """Change how it behaves."""
        body = json.dumps(wanted).encode()
        request = urllib.request.Request(f"{self.url}/control", data=body, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert json.load(answer) == {"ok": True}

    def received(self, count: int, process: subprocess.Popen[str]) -> None:
        """Wait until `count` requests have come in all, for as long as `process` lives."""
        until = time.monotonic() + 60.0
        while self.tell()["count"] < count:
            assert process.poll() is None, "it ended before it had asked so much"
            assert time.monotonic() < until, "nothing is asked"
            time.sleep(0.02)

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10.0)
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def provider(folder: Path, known: Sequence[Case], *, seed: int = 1, judge: bool = False) -> Iterator[Fake]:
    """A provider whose model knows these cases; with `judge` it rules on answers as well."""
    options = ("--judge",) if judge else ()
    server = Fake("provider_server.py", folder / "provider.log", "--seed", str(seed), *options)
    try:
        server.control(cases=list(known))
        yield server
    finally:
        server.stop()


@contextmanager
def slack(folder: Path, *, port: int = 0, token: str = SLACK_TOKEN) -> Iterator[Fake]:
    """A Slack."""
    server = Fake("slack_server.py", folder / "slack.log", "--token", token, port=port)
    try:
        yield server
    finally:
        server.stop()


def environment(**more: str) -> dict[str, str]:
    """A clean environment: nothing of whoever runs the tests, one thread for the arithmetic."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **more}


# --- a user's folder -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """How a command ended; a traceback is never a way to end."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which is JSON and nothing else."""
        return json.loads(self.out)

    @property
    def said(self) -> str:
        """Both outputs in one line each, so that a sentence is found wherever it was wrapped."""
        return " ".join(self.out.split()) + "\n" + " ".join(self.err.split())


@dataclass
class Home:
    """A folder with config.toml and a suite, where `heldout` runs as a user would run it."""

    folder: Path
    secrets: dict[str, str] = field(default_factory=lambda: {"API_KEY": API_KEY, "SLACK_TOKEN": SLACK_TOKEN})

    @property
    def database(self) -> Path:
        """The database's file, where it is SQLite."""
        return self.folder / "heldout.db"

    @property
    def url(self) -> str:
        """The database's address as the configuration has it; it begins empty."""
        return databases.empty(self.folder) if databases.POSTGRESQL else "sqlite:///heldout.db"

    def configure(
        self, known: Sequence[Case], server: Fake, chat: Fake | None = None, **changes: dict[str, Any]
    ) -> None:
        """Write the suite and a configuration for `server`'s model; `changes` are keys by table, as TOML values."""
        lines = [json.dumps({key: value for key, value in case.items() if key != "p"}) for case in known]
        (self.folder / "support.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        tables: dict[str, dict[str, Any]] = {
            "database": {"url": f'"{self.url}"'},
            "suites.support": {"cases": '"support.jsonl"', "metrics": '["exact_match"]'},
            "targets.bot": {
                "provider": '"openai"',
                "model": '"fake-1"',
                "base_url": f'"{server.url}/v1"',
                "api_key": '{ env = "API_KEY" }',
                "suites": '["support"]',
                "concurrency": 16,
                "timeout": '"10s"',
                "retry_for": '"10s"',
            },
        }
        if chat is not None:
            tables["alerts.slack"] = {
                "token": '{ env = "SLACK_TOKEN" }',
                "channel": f'"{CHANNEL}"',
                "base_url": f'"{chat.url}/api/"',
            }
        for name, keys in changes.items():
            table = {"bot": "targets.bot", "support": "suites.support", "slack": "alerts.slack"}.get(name, name)
            tables.setdefault(table, {}).update(keys)
        text = "\n\n".join(f"[{name}]\n" + "\n".join(f"{k} = {v}" for k, v in t.items()) for name, t in tables.items())
        (self.folder / "config.toml").write_text(text + "\n", encoding="utf-8")

    def run(self, *arguments: str, code: int | None = None, timeout: float = 100.0, **more: str) -> Result:
        """Run `heldout` to its end; with `code`, that is how it must end."""
        done = subprocess.run(
            [str(HELDOUT), *arguments],
            cwd=self.folder,
            env=self._environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return self._result(done.returncode, done.stdout, done.stderr, code)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `heldout`, in a process group of its own."""
        return subprocess.Popen(
            [str(HELDOUT), *arguments],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: subprocess.Popen[str], code: int | None = None, *, by: int | None = None) -> Result:
        """Wait for the end of what `start` gave, after the signal `by`; it is killed where it does not end."""
        if by is not None and process.poll() is None:
            process.send_signal(by)
        try:
            out, err = process.communicate(timeout=60.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return self._result(process.returncode, out, err, code)

    def kill(self, process: subprocess.Popen[str]) -> None:
        """SIGKILL, as an oom-killer would."""
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60.0)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the database, read without a lock on it; a value stands in the query as `?`."""
        if databases.POSTGRESQL:
            with self._postgresql() as connection:
                return connection.execute(query.replace("?", "%s").encode(), values).fetchall()
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30.0)) as connection:
            return connection.execute(query, values).fetchall()

    def count(self, query: str, *values: Any) -> int:
        """The number that `query` gives."""
        (found,) = self.rows(query, *values)
        return int(found[0])

    def change(self, statement: str, *values: Any) -> None:
        """Change the database behind heldout's back: let time pass, or break it."""
        if databases.POSTGRESQL:
            with self._postgresql() as connection:
                connection.execute(statement.replace("?", "%s").encode(), values)
            return
        with closing(sqlite3.connect(self.database, timeout=30.0)) as connection, connection:
            connection.execute(statement, values)

    def tables(self) -> set[str]:
        """The names of its tables; none where there is no database yet."""
        if databases.POSTGRESQL:
            return {name for (name,) in self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        return {name for (name,) in self.rows("SELECT name FROM sqlite_master")} if self.database.exists() else set()

    def content(self) -> Any:
        """All that is stored, to be compared later: SQLite's file as it is, PostgreSQL's rows."""
        if not databases.POSTGRESQL:
            return self.database.read_bytes()
        return {name: sorted(map(repr, self.rows(f"SELECT * FROM {name}"))) for name in self.tables()}

    def is_sound(self) -> bool:
        """Whether nothing in it is broken; one that is not there yet is sound."""
        if not self.tables():
            return True
        if not databases.POSTGRESQL:
            return self.rows("PRAGMA integrity_check") == [("ok",)]
        # Reads every row and every index.
        for table in self.tables():
            self.change(f"REINDEX TABLE {table}")
        return len(self.content()) == len(self.tables())

    def let_an_hour_pass(self) -> None:
        """Every message that waits is due, and nobody holds a lease on one."""
        past = "2000-01-01 00:00:00.000000"
        self.change("UPDATE outbox SET due_at = ? WHERE state != 'sent'", past)
        self.change("UPDATE outbox SET leased_until = ? WHERE leased_until IS NOT NULL", past)

    def let_silence_pass(self, name: str) -> None:
        """Who held this lease, and was killed, has been silent for long enough: the next one need not watch for it."""
        if "lease" in self.tables():
            self.change("UPDATE lease SET holder = NULL WHERE name = ?", name)

    def _postgresql(self) -> AbstractContextManager[psycopg.Connection[tuple[Any, ...]]]:
        return psycopg.connect(self.url, connect_timeout=10)

    def _environment(self, **more: str) -> dict[str, str]:
        return environment(HOME=str(self.folder), **{**self.secrets, **more})

    def _result(self, found: int, out: str, err: str, code: int | None) -> Result:
        shown = f"exit {found}\n--- out\n{out}\n--- err\n{err}"
        assert "Traceback" not in out + err, shown
        assert code is None or found == code, shown
        for secret in self.secrets.values():
            assert secret not in out + err, "a secret was printed"
        return Result(found, out, err)


def posts(chat: Fake) -> list[dict[str, Any]]:
    """Every message that Slack took, in the order they came; without the details that follow one in its thread."""
    return [message for message in chat.tell()["messages"] if not message["text"].startswith("Details: ")]


def headlines(chat: Fake) -> list[str]:
    """The first line of every message."""
    return [message["text"].splitlines()[0] for message in posts(chat)]


def alert_ids(chat: Fake) -> list[str]:
    """The id of every message's alert."""
    return [message["metadata"]["event_payload"]["alert"] for message in posts(chat)]
