"""`heldout audit`: read the append-only log of who did what, and see that nothing in it was changed."""

from __future__ import annotations

import json as text
import os
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor import session
from monitor.exits import FAILED, PASS
from monitor.options import CONFIG, AsJson, ConfigPath

if TYPE_CHECKING:
    from monitor.store.audit import Entry

app = typer.Typer(no_args_is_help=True, help="The append-only log of who did what.")


@app.command("show", epilog="Examples: heldout audit show · heldout audit show --who ada --action incident")
def show_log(
    config: ConfigPath = CONFIG,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many, the newest first.")] = 50,
    who: Annotated[str | None, typer.Option("--who", help="Only what this person, or token, did.")] = None,
    action: Annotated[str | None, typer.Option("--action", help="Only actions that begin so.")] = None,
    before: Annotated[int | None, typer.Option("--before", help="Only rows with a lower number than this.")] = None,
    json: AsJson = False,
) -> None:
    """Show who did what, when, and by which way."""
    from monitor import show
    from monitor.store import audit

    database = session.open_existing(session.load(config))
    found: list[Entry] = []
    if database is not None:
        try:
            with database.read() as connection:
                found = audit.entries(connection, limit, before, who=who, action=action)
        finally:
            database.close()
    if json:
        show.json_out({"schema": 1, "entries": [_as_json(one) for one in found]})
        return
    for one in found:
        typer.echo(_line(one))
    if not found:
        show.line("Nothing stands in the log.", err=True)


@app.command("verify", epilog="Example: heldout audit verify --expect 6b86b273ff34fce1…")
def verify_log(
    config: ConfigPath = CONFIG,
    expect: Annotated[
        str | None, typer.Option("--expect", help="The newest hash that an earlier `audit verify` has told.")
    ] = None,
    json: AsJson = False,
) -> None:
    """See that no row was changed, added or removed; exit 1 and say where, if one was."""
    from monitor import show, wiring
    from monitor.store import audit

    if expect is not None and not re.fullmatch("[0-9a-f]{64}", expect):
        raise typer.BadParameter("a hash is 64 digits and letters from a to f", param_hint="--expect")
    database = wiring.open_store(session.load(config), os.environ, create=False)
    try:
        with database.read() as connection:
            found = audit.verify(connection, expect)
    finally:
        database.close()
    if json:
        show.json_out({"schema": 1, **asdict(found)})
    elif found.fault is not None:
        show.line(f"The log is not whole: {found.fault}.", colour="red")
        show.line(f"Rows that fit before that: {found.rows:,}.")
    else:
        show.line(f"The log is whole. Rows: {found.rows:,}. The newest hash: {found.newest}")
        show.line("Kept elsewhere, it shows later, with --expect, whether rows at the end were removed.", err=True)
    raise typer.Exit(PASS if found.fault is None else FAILED)


def _as_json(one: Entry) -> dict[str, Any]:
    return asdict(one) | {"at": one.at.isoformat(timespec="microseconds").replace("+00:00", "Z")}


def _line(one: Entry) -> str:
    """One row as one line, whatever an outside caller has put into it."""
    from monitor import show
    from monitor.domain.words import stamp

    detail = text.dumps(one.detail, ensure_ascii=False) if one.detail else ""
    said = f"{one.id:>5}  {stamp(one.at)}  {one.who} ({one.via})  {one.action}  {one.subject}  {detail}"
    return show.plain(" ".join(said.split("\n"))).rstrip()
