"""`heldout db`: bring the database to this version's schema, back it up, and restore it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor import session
from monitor.options import CONFIG, AsJson, ConfigPath

if TYPE_CHECKING:
    from monitor.store.backup import Copied

app = typer.Typer(no_args_is_help=True, help="Look after the database.")


@app.command("upgrade", epilog="Example: heldout db upgrade")
def upgrade_database(config: ConfigPath = CONFIG, json: AsJson = False) -> None:
    """Bring the database to the schema of this version."""
    from monitor import show
    from monitor.config.outputs import database_url
    from monitor.store.database import connect
    from monitor.store.migrate import upgrade

    database = connect(database_url(session.load(config), os.environ))
    before, after = upgrade(database)
    if json:
        show.json_out({"schema": 1, "before": before, "after": after})
        return
    change = "already at" if before == after else f"{before or 'empty'} →"
    typer.echo(f"{database.describe()}: {change} {after}")


@app.command("backup", epilog="Example: heldout db backup heldout-2026-11-16.backup")
def back_up_database(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist yet.")],
    config: ConfigPath = CONFIG,
    json: AsJson = False,
) -> None:
    """Write all that is stored into one file, while others go on working; `db restore` reads it on either database."""
    from monitor.config.outputs import database_url
    from monitor.store.backup import back_up
    from monitor.store.database import connect

    database = connect(database_url(session.load(config), os.environ), create=False)
    try:
        done = back_up(database, file, _watch)
    finally:
        database.close()
    _tell(done, file, f"{database.describe()} is backed up in {file}", as_json=json)


@app.command("restore", epilog="Example: heldout db restore heldout-2026-11-16.backup")
def restore_database(
    file: Annotated[Path, typer.Argument(help="What `db backup` wrote, on SQLite or PostgreSQL.")],
    config: ConfigPath = CONFIG,
    json: AsJson = False,
) -> None:
    """Write a backup into the configured database, SQLite or PostgreSQL, which must be empty or absent."""
    from monitor import wiring
    from monitor.config.outputs import database_url
    from monitor.store import audit
    from monitor.store.backup import restore
    from monitor.store.database import connect

    url = database_url(session.load(config), os.environ)
    done = restore(file, url, _watch)
    database = connect(url, create=False)
    try:
        with database.write() as connection:
            audit.append(
                connection,
                who=session.user(),
                via="command",
                action="db restore",
                subject=file.name,
                detail={"revision": done.revision, "bytes": done.size, "rows": done.rows},
                now=wiring.clock(),
            )
    finally:
        database.close()
    _tell(done, file, f"{file} is restored into {database.describe()}", as_json=json)


def _watch(table: str, rows: int) -> None:
    """On a terminal, say what is done: a large database takes minutes."""
    if sys.stderr.isatty():
        typer.echo(f"{table}: {rows:,} rows", err=True)


def _tell(done: Copied, file: Path, what: str, *, as_json: bool) -> None:
    from monitor import show

    if as_json:
        parts = {"file": str(file), "bytes": done.size, "revision": done.revision, "rows": done.rows}
        show.json_out({"schema": 1, **parts})
        return
    runs, answers = done.rows.get("run", 0), done.rows.get("answer", 0)
    typer.echo(f"{what}: {runs:,} runs, {answers:,} answers, {done.size / 1e6:,.1f} MB.")
