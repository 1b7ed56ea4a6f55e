"""Alerts as they were written: what people were told, when, and with which picture."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from alerts.channel import Picture
from monitor.store.tables import alert, picture


def payload(connection: Connection, alert_id: str) -> dict[str, Any] | None:
    """An alert as it was written."""
    found = connection.execute(sa.select(alert.c.payload).where(alert.c.id == alert_id)).first()
    return None if found is None else dict(found.payload)


def illustrate(connection: Connection, alert_id: str, drawn: Picture) -> None:
    """Keep the picture that goes with an alert."""
    connection.execute(picture.insert(), {"alert_id": alert_id, "png": drawn.png, "alt": drawn.alt})


def picture_of(connection: Connection, alert_id: str) -> Picture | None:
    """The picture that goes with an alert."""
    found = connection.execute(sa.select(picture.c.png, picture.c.alt).where(picture.c.alert_id == alert_id)).first()
    return None if found is None else Picture(found.png, found.alt)


def told_at(connection: Connection, incident_id: str, ways: Sequence[str]) -> datetime | None:
    """When people were last told of an incident in one of these ways (`alerts.route.Way`)."""
    newest = sa.func.max(alert.c.created_at, type_=alert.c.created_at.type)
    key = (alert.c.incident_id == incident_id) & alert.c.route.in_(ways)
    found: datetime | None = connection.execute(sa.select(newest).where(key)).scalar_one()
    return found
