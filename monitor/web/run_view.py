"""What the page of one run shows: the API's object, with its times read and its drop drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor.web import chart, names, runs, words
from monitor.web.service import Service

_TIMES = {"slot": "Slot", "created_at": "Recorded", "due_at": "Due", "finished_at": "Finished"}


@dataclass(frozen=True, slots=True)
class RunView:
    """`run` is the API's object; `times` are labels with moments in UTC."""

    run: Mapping[str, Any]
    times: Sequence[tuple[str, datetime]]
    chart: chart.Chart | None

    @property
    def verdict(self) -> Mapping[str, Any] | None:
        """The contract's object, once there is one."""
        found: Mapping[str, Any] | None = self.run["verdict"]
        return found

    @property
    def progress(self) -> Mapping[str, Any] | None:
        """How far it has come, while it is being asked."""
        found: Mapping[str, Any] | None = self.run["progress"]
        return found


def one(service: Service, prefix: str) -> RunView:
    """The page of one run, by its id or an unambiguous beginning of it; raises RefusedError, DatabaseError."""
    with service.database.read() as connection:
        (told,) = runs.told(connection, [names.one_run(connection, prefix)])
    moments = ((label, words.moment(told[name])) for name, label in _TIMES.items())
    drawn = None if told["verdict"] is None else chart.drop_chart(told["verdict"])
    return RunView(told, [(label, at) for label, at in moments if at is not None], drawn)
