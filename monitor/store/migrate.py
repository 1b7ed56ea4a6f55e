"""Bringing a database to the newest schema with Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory

from monitor.store.database import Database, DatabaseError, revision


def upgrade(database: Database, to: str = "head") -> tuple[str | None, str]:
    """Apply all migrations that are missing up to `to` in one transaction; returns the revision before and after.

    Raises DatabaseError.
    """
    before = revision(database)
    script = ScriptDirectory.from_config(_alembic())
    known = {step.revision for step in script.walk_revisions()}
    if before is not None and before not in known:
        raise DatabaseError(
            f"{database.describe()}: its schema ({before}) is newer than this version of heldout knows; "
            "nothing was changed"
        )
    with database.change_schema() as connection:
        config = _alembic()
        config.attributes["connection"] = connection
        command.upgrade(config, to)
    after = script.get_current_head() if to == "head" else to
    assert after is not None  # noqa: S101 - the package ships at least one migration
    return before, after


def _alembic() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
