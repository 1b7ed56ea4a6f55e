"""What the HTTP side is handed by the daemon: nothing here opens, reads or decides anything itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from monitor.store.database import Database

if TYPE_CHECKING:
    from monitor.config.models import Config
    from monitor.incidents.actions import Actions


@dataclass(frozen=True, slots=True)
class Token:
    """Who may do what: `read` looks, `act` also changes, `gate` only asks for verdicts. The secret is never shown."""

    name: str
    secret: str = field(repr=False)
    role: str


@dataclass(frozen=True, slots=True)
class Health:
    """The process's own state; no input or output is needed to read it.

    `role` is "leader" or "standby"; `since` is when this process began, in UTC. The others are a sentence that says
    what is wrong, or None: with the scheduler (it ticks), with the database as of the last look (it answers), with the
    newest configuration file (it was accepted; where it was refused, an older one is in force).
    """

    role: str
    scheduler: str | None
    database: str | None
    configuration: str | None
    since: datetime


@dataclass(frozen=True, slots=True)
class SlackAnswer:
    """What to say to Slack: 200 with a `text` for the person who pressed, else why it was not taken.

    401: the signature is not Slack's, or too old; 400: it cannot be read; 404: buttons are not configured.
    """

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that a request may need.

    `config`, `tokens` and `health` are asked on each request, from any thread, and must answer at once: `config` may
    change at a reload, `tokens` gives the resolved secrets in force by name. `clock` is UTC. `wake` has the schedule
    looked at; it is called on the event loop's own thread. `metrics` gives Prometheus' text; it may read the database,
    is called in a worker thread, and raises DatabaseError where the database is away. `actions` is what people do
    about incidents, as of now; `slack` takes an interaction's headers (names in lower case) and its raw body, in a
    worker thread, and is None where there is no Slack at all.
    """

    database: Database
    config: Callable[[], Config]
    tokens: Callable[[], Mapping[str, Token]]
    clock: Callable[[], datetime]
    new_id: Callable[[datetime], str]
    health: Callable[[], Health]
    wake: Callable[[], None]
    metrics: Callable[[], bytes]
    actions: Callable[[], Actions]
    slack: Callable[[Mapping[str, str], bytes], SlackAnswer] | None = None
