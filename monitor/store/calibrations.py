"""What people said of answers, and how judges agree with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.store.database import alone
from monitor.store.tables import calibration, label

# The judge's name in the row of a whole panel.
PANEL = ""


@dataclass(frozen=True, slots=True)
class StoredLabel:
    """What one person said of one answer: a `verdict` on a criterion or, with an empty `criterion`, its score `value`.

    `answer_hash`: of the answer's text.
    """

    suite: str
    rubric: str
    case_id: str
    answer_hash: str
    criterion: str
    verdict: str | None
    value: float | None
    labelled_by: str
    labelled_at: datetime


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a panel (`judge` is empty), or one judge, agreed with people. `scorer`: the key of rubric and panel then."""

    suite: str
    scorer: str
    rubric: str
    judge: str
    labels: int
    kappa: float | None
    payload: dict[str, Any]
    calibrated_by: str
    calibrated_at: datetime


def add_labels(connection: Connection, labels: Sequence[StoredLabel]) -> None:
    """Write labels; what the same person said of the same before is replaced."""
    alone(connection, "labels")
    for one in labels:
        row = {name: getattr(one, name) for name in StoredLabel.__dataclass_fields__}
        key = [label.c[name] == row[name] for name in ("suite", "rubric", "case_id", "answer_hash", "criterion")]
        connection.execute(label.delete().where(*key, label.c.labelled_by == one.labelled_by))
        connection.execute(label.insert(), row)


def labels(connection: Connection, suite: str, rubric: str) -> list[StoredLabel]:
    """All that people said of answers to a suite by a rubric, oldest first."""
    columns = [label.c[name] for name in StoredLabel.__dataclass_fields__]
    query = sa.select(*columns).where((label.c.suite == suite) & (label.c.rubric == rubric)).order_by(label.c.id)
    return [StoredLabel(*row) for row in connection.execute(query)]


def add(connection: Connection, calibrations: Sequence[Calibration]) -> None:
    """Write what a set of labels has told."""
    if calibrations:
        rows = [{name: getattr(one, name) for name in Calibration.__dataclass_fields__} for one in calibrations]
        for row in rows:
            # PostgreSQL would store a NaN; a kappa that is no number is one that is not known.
            row["kappa"] = row["kappa"] if row["kappa"] is not None and math.isfinite(row["kappa"]) else None
        connection.execute(calibration.insert(), rows)


def newest(connection: Connection, suite: str, scorer: str, judge: str = PANEL) -> Calibration | None:
    """The newest calibration of a scorer on a suite."""
    columns = [calibration.c[name] for name in Calibration.__dataclass_fields__]
    key = (calibration.c.suite == suite) & (calibration.c.scorer == scorer) & (calibration.c.judge == judge)
    newest_first = (calibration.c.calibrated_at.desc(), calibration.c.id.desc())
    row = connection.execute(sa.select(*columns).where(key).order_by(*newest_first).limit(1)).first()
    return None if row is None else Calibration(*row)


def kappas(connection: Connection) -> dict[tuple[str, str, str], float | None]:
    """The kappa of every newest calibration, by (suite, scorer, judge)."""
    key = (calibration.c.suite, calibration.c.scorer, calibration.c.judge)
    newest_last = sa.select(*key, calibration.c.kappa).order_by(calibration.c.calibrated_at, calibration.c.id)
    return {(suite, scorer, judge): kappa for suite, scorer, judge, kappa in connection.execute(newest_last)}
