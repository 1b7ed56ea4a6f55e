"""PostgreSQL as the database: connections that notice a dead server, waits that end, and its errors in plain words."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from monitor.store.database import BUSY_TIMEOUT, DatabaseError, Trouble

_CONNECT_TIMEOUT = 10  # seconds
# A statement of heldout's takes milliseconds; one that takes this long, in seconds, hangs. Migrations are exempt.
_STATEMENT_TIMEOUT = 300
# A process that froze inside a transaction gives its locks back after so many seconds, so that another can take over.
_IDLE_TIMEOUT = 20
_SETTINGS = {
    "lock_timeout": f"{BUSY_TIMEOUT:.0f}s",
    "statement_timeout": f"{_STATEMENT_TIMEOUT}s",
    "idle_in_transaction_session_timeout": f"{_IDLE_TIMEOUT}s",
    "timezone": "UTC",
}
# What libpq is told unless the address says otherwise: a server that vanished without a word is noticed within 30 s.
_DEFAULTS = {
    "application_name": "heldout",
    "connect_timeout": str(_CONNECT_TIMEOUT),
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",  # milliseconds
}

_AWAY = "the database server is away or busy; see that it runs, and try again"
_WAIT = "another program holds what is needed; try again when it is done"
_ADDRESS = "see that [database] url names the right server, user and database, and that the server lets this user in"
_RIGHTS = "give this user the rights: it must own the database, or may create and change tables in its schema"
_CONTRADICTS = "what was to be written contradicts what is stored; none of it was kept, and what is stored is intact"
_FULL = "free some space on the server's disk and run the same command again: what is stored is intact"
_STANDBY = "this server only answers questions, as a standby does; let [database] url name the primary server"
_BROKEN = "see the server's log"

# By SQLSTATE, or the class that it begins with: what to do, and whether it may pass by itself.
_REMEDIES: Mapping[str, tuple[str, bool]] = {
    "08": (_AWAY, True),
    "23": (_CONTRADICTS, False),
    "25006": (_STANDBY, False),
    "25P03": (_AWAY, True),  # this process was silent inside a transaction for too long
    "28": (_ADDRESS, False),
    "3D000": (_ADDRESS, False),
    "3F000": (_RIGHTS, False),
    "40": (_WAIT, True),  # deadlock, or two writers that cannot be put in an order
    "42501": (_RIGHTS, False),
    "53": (_AWAY, True),  # no memory, too many connections
    "53100": (_FULL, False),
    "55P03": (_WAIT, True),
    "57": (_AWAY, True),  # shutting down, starting up, or a statement that took too long
    "57P04": (_ADDRESS, False),  # the database was dropped
}
# How the server refuses a connection for good; it comes without a SQLSTATE.
_REFUSALS = (
    "authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
    "is not permitted to log in",
    "permission denied for database",
    "does not support SSL",
    "certificate",
    "invalid",
)


def engine(url: URL) -> Engine:
    """Connections to the server; none is made yet. Raises DatabaseError where psycopg cannot be what connects."""
    if url.drivername == "postgres":
        raise DatabaseError("postgres:// is an old spelling; write postgresql://USER@HOST/DATABASE")
    if url.drivername not in ("postgresql", "postgresql+psycopg"):
        raise DatabaseError(f"{url.drivername}:// is not in this version; write postgresql://USER@HOST/DATABASE")
    settings = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
    # What the address says comes last, and so it holds.
    options = f"{settings} {_one(url.query.get('options'))}".strip()
    defaults = {name: value for name, value in _DEFAULTS.items() if name not in url.query}
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={**defaults, "options": options},
        isolation_level="READ COMMITTED",
        # A connection whose server was restarted meanwhile is noticed before it is used.
        pool_pre_ping=True,
        pool_size=2,
        max_overflow=8,
        pool_timeout=BUSY_TIMEOUT,
        pool_use_lifo=True,
        # What a model wrote may be private, and an error's text ends in logs.
        hide_parameters=True,
    )


def describe(url: URL) -> str:
    """The address without a password, wherever it stands in it; of the options only which server is meant."""
    others = [key for key in url.query if key != "host"]
    return url.difference_update_query(others).render_as_string(hide_password=True)


def trouble(error: sa.exc.DBAPIError, url: URL) -> Trouble:
    """What the server said, without values of rows and without the password, and what to do."""
    said, state = _said(error.orig)
    for secret in (url.password, *(_one(url.query[key]) for key in _secret_keys(url))):
        if secret:
            said = said.replace(str(secret), "***")
    if state is not None:
        remedy, passes = _REMEDIES.get(state) or _REMEDIES.get(state[:2]) or (_BROKEN, False)
    elif isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
        passes = not any(refusal in said for refusal in _REFUSALS)
        remedy = _AWAY if passes else _ADDRESS
    else:
        remedy, passes = _ADDRESS, False
    return Trouble(said, remedy, passes)


def _said(error: BaseException | None) -> tuple[str, str | None]:
    """The server's first sentence, because what comes after it quotes rows; and the SQLSTATE."""
    state: str | None = getattr(error, "sqlstate", None)
    if state is not None and state.startswith("22"):
        # Such a sentence may quote the value itself.
        return f"a value does not fit its column (SQLSTATE {state})", state
    sentence = getattr(getattr(error, "diag", None), "message_primary", None)
    if sentence is None and isinstance(error, UnicodeError | ValueError):
        return "a value cannot be sent to the server", state
    text = sentence or str(error).strip() or type(error).__name__
    return " ".join(text.split()), state


def _secret_keys(url: URL) -> list[str]:
    return [key for key in url.query if key.endswith("password")]


def _one(value: str | tuple[str, ...] | None) -> str:
    return " ".join(value) if isinstance(value, tuple) else value or ""
