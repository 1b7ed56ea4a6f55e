"""Pictures of alerts, as they were drawn when the alert was written."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.store.tables import picture


def of_alert(connection: Connection, alert_id: str) -> tuple[bytes, str] | None:
    """The PNG of an alert, and what it shows in words; None where it has none."""
    query = sa.select(picture.c.png, picture.c.alt).where(picture.c.alert_id == alert_id)
    row = connection.execute(query).first()
    return None if row is None else (bytes(row.png), str(row.alt))
