"""Copying all that is stored from one database into another, of either kind, in batches: memory stays flat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.domain.text import storable
from monitor.store.bulk import insert_many
from monitor.store.tables import metadata

_BATCH = 1000

Watch = Callable[[str, int], None]


def copy_rows(source: Connection, target: Connection, watch: Watch) -> dict[str, int]:
    """Copy every row of every table that `source` has; returns how many, by table.

    The tables are there in `target` and empty. `watch` hears of each table when it is done.
    """
    copied = {}
    inspector = sa.inspect(source)
    there = set(inspector.get_table_names())
    # Sorted so that what is referred to comes first.
    for table in metadata.sorted_tables:
        if table.name in there:
            names = {column["name"] for column in inspector.get_columns(table.name)}
            copied[table.name] = _copy(table, [c for c in table.columns if c.name in names], source, target)
            watch(table.name, copied[table.name])
    return copied


def count_rows(connection: Connection) -> dict[str, int]:
    """How many rows each of heldout's tables has, as far as it is there."""
    there = set(sa.inspect(connection).get_table_names())
    return {
        table.name: int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
        for table in metadata.sorted_tables
        if table.name in there
    }


def hold_all(connection: Connection) -> None:
    """Let nobody else write until the transaction is over; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        quote = connection.dialect.identifier_preparer.quote
        tables = ", ".join(quote(table.name) for table in metadata.sorted_tables)
        connection.exec_driver_sql(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")


def set_sequences(connection: Connection) -> None:
    """Let PostgreSQL number new rows from behind those that were copied; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    there = set(sa.inspect(connection).get_table_names())
    for table in metadata.sorted_tables:
        key = table.autoincrement_column
        if key is not None and table.name in there:
            sequence = sa.func.pg_get_serial_sequence(
                connection.dialect.identifier_preparer.quote(table.name), key.name
            )
            newest = sa.select(sa.func.max(key)).scalar_subquery()
            # A sequence without a row yet begins with 1 itself.
            connection.execute(sa.select(sa.func.setval(sequence, newest)).where(newest.is_not(None)))


def _copy(table: sa.Table, columns: list[sa.Column[Any]], source: Connection, target: Connection) -> int:
    query = sa.select(*columns).order_by(*table.primary_key.columns).execution_options(yield_per=_BATCH)
    texts = [c.name for c in columns if isinstance(c.type, sa.String)]
    total = 0
    for batch in source.execute(query).partitions():
        rows = [dict(row._mapping) for row in batch]
        if target.dialect.name == "postgresql":
            for row in rows:
                # SQLite holds a NUL inside a text, and PostgreSQL does not.
                row.update({name: storable(row[name]) for name in texts if row[name] is not None})
        insert_many(target, table, rows)
        total += len(rows)
    return total
