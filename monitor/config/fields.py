"""Kinds of value that config.toml has beside TOML's own: durations, paths and references to secrets."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d+)([smhd])", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('must be a duration such as "90s", "15m", "6h" or "7d"')
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


Duration = Annotated[timedelta, BeforeValidator(_duration)]


def resolve_input_path(value: Path, folder: Path) -> Path:
    """`value` made absolute against the folder of the configuration file."""
    return value if value.is_absolute() else folder / value


InputPath = Path


class Secret(BaseModel):
    """Where a secret is to be found: an environment variable, a file, or a systemd credential; never the secret itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    env: str | None = None
    file: Path | None = None
    credential: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Secret:
        if sum(part is not None for part in (self.env, self.file, self.credential)) != 1:
            raise ValueError('must name exactly one of { env = "…" }, { file = "…" } or { credential = "…" }')
        return self
