"""One paying process at a time on a SQLite database: a lock that the operating system frees when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from sqlalchemy.engine import make_url

from monitor.store.database import DatabaseError


class LockedError(Exception):
    """Another process is at work on this database; the message says which."""

    permanent = False


@contextmanager
def sole_runner(url: str) -> Iterator[None]:
    """Hold the right to ask targets on the database at `url`; raises LockedError where another process has it.

    DatabaseError where the lock's file cannot be opened or locked, as when another user made it.

    On PostgreSQL nothing is held here: its runners may be on different machines, where no file is common to them, and
    so they exclude one another by the lease RUNNER in the database itself (`monitor.store.leases`).
    """
    with _sole(url, ".lock", "another heldout run (process {}) is at work on this database"):
        yield


@contextmanager
def sole_daemon(url: str) -> Iterator[None]:
    """Hold the right to be the daemon of the database at `url`; raises LockedError and DatabaseError as above."""
    said = (
        "another `heldout serve` (process {}) serves this database already, and SQLite takes one; stop that one first, "
        "or move to PostgreSQL, where several share the work"
    )
    with _sole(url, ".daemon.lock", said):
        yield


@contextmanager
def _sole(url: str, ending: str, said: str) -> Iterator[None]:
    """Lock the file of that ending; `said`, with the holder's process, is the LockedError.

    It stands beside the database file, because SQLite's own locks are held for single transactions. It stands beside
    the file itself, not beside a link to it: two paths to one database are one lock.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        yield
        return
    database = Path(parsed.database or "").resolve()
    path = Path(f"{database}{ending}")
    with _opened(path, database) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if not isinstance(error, BlockingIOError):
                raise DatabaseError(f"{path}: {error.strerror}; its disk must be one that can lock files") from error
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise LockedError(f"{database}: {said.format(holder)}") from None
        # Who holds it is told to others only: a disk too full for that is no reason to stop. Past the file's buffer,
        # so that nothing is left over that could fail when it is closed.
        with suppress(OSError):
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), str(os.getpid()).encode())
        yield


def _opened(path: Path, database: Path) -> TextIO:
    # A link is not followed: root may be at work in a folder of somebody else, who could lead it to any file.
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        try:
            number = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            number = os.open(path, flags)
        else:
            _give_to_the_owner_of(database, number)
        return os.fdopen(number, "a+", encoding="utf-8", errors="replace")
    except OSError as error:
        raise DatabaseError(
            f"{path}: {error.strerror}; see that this user may write to it, and that its disk is not full"
        ) from error


def _give_to_the_owner_of(database: Path, lock: int) -> None:
    """Where root has made the lock, let those use it who use the database: a service's user must not be shut out.

    SQLite does the same with the files that it puts beside a database.
    """
    if os.geteuid() != 0:
        return
    try:
        found = database.stat()
        os.fchmod(lock, found.st_mode & 0o666)
    except FileNotFoundError:
        found = database.parent.stat()
    os.fchown(lock, found.st_uid, found.st_gid)
