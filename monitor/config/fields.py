"""Kinds of value that config.toml has beside TOML's own: durations, paths, addresses, prompts, secret references."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    model_validator,
)

from monitor.config.addresses import looks_like_secret, web_address_fault

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# Beyond this a date minus a duration may leave the calendar.
_LONGEST = timedelta(days=3650)
HOW_TO_REFER = '{ env = "…" }, { file = "…" } or { credential = "…" }'

Text = Annotated[str, Field(min_length=1)]
Flag = Annotated[bool, Field(strict=True)]
Positive = Annotated[float, Field(strict=True, gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0.0, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=1)]


def parse_duration(value: Any) -> timedelta:
    """The duration that a text such as "90s" or "7d" says; raises ValueError."""
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('must be a duration such as "90s", "15m", "6h" or "7d"')
    duration = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if duration > _LONGEST:
        raise ValueError(f'must be at most "{_LONGEST.days}d"')
    return duration


def _some_time(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError('must be longer than nothing, such as "60s"')
    return value


def _model_name(value: str) -> str:
    if len(value) > 200 or not value.isprintable():
        raise ValueError("must be printable, and at most 200 characters long")
    return value


ModelName = Annotated[Text, AfterValidator(_model_name)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
PositiveDuration = Annotated[Duration, AfterValidator(_some_time)]


def _repeats(value: Any) -> Any:
    if value == "auto" or (type(value) is int and 1 <= value <= 128):
        return value
    raise ValueError('must be "auto" or a whole number from 1 to 128')


Repeats = Annotated[Literal["auto"] | int, BeforeValidator(_repeats)]


def resolve_input_path(value: Path, folder: Path) -> Path:
    """`value` made absolute against the folder of the configuration file; a leading `~` is the user's home."""
    return folder / value.expanduser()


def _folder(info: ValidationInfo) -> Path | None:
    """The configuration's folder while a file is being loaded; None where a model is built in code."""
    folder = (info.context or {}).get("folder")
    return folder if isinstance(folder, Path) else None


def _path(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str) and ("\0" in value or not value.strip()):
        raise ValueError("must be a path in quotes")
    if not isinstance(value, str | Path):
        raise ValueError("must be a path in quotes")
    folder = _folder(info)
    if folder is None:
        return Path(value)
    try:
        return resolve_input_path(Path(value), folder)
    except RuntimeError:
        raise ValueError("begins with ~, but whose home that is cannot be found: write the path in full") from None


def _existing(path: Path, info: ValidationInfo, *, directory: bool) -> Path:
    if _folder(info) is None:
        return path
    try:
        found = path.is_dir() if directory else path.is_file()
        other = path.exists()
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be looked at: {_reason(error)}") from None
    if found:
        return path
    if other:
        raise ValueError(f"{path} is {'not a folder' if directory else 'not a file'}")
    kind = "folder" if directory else "file"
    raise ValueError(f"there is no {kind} {path} (a relative path starts at the configuration's folder)")


def _file(value: Path, info: ValidationInfo) -> Path:
    return _existing(value, info, directory=False)


def _directory(value: Path, info: ValidationInfo) -> Path:
    return _existing(value, info, directory=True)


InputPath = Annotated[Path, BeforeValidator(_path)]
InputFile = Annotated[InputPath, AfterValidator(_file)]
InputFolder = Annotated[InputPath, AfterValidator(_directory)]


def _web_address(value: str) -> str:
    fault = web_address_fault(value)
    if fault is not None:
        raise ValueError(fault)
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]


def _mail_address(value: str) -> str:
    from alerts.channels.email_settings import mailbox

    mailbox(value)
    return value


MailAddress = Annotated[str, AfterValidator(_mail_address)]


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _prompt(value: Any, info: ValidationInfo) -> Any:
    """A prompt as it stands, or the text of `{ file = "…" }`."""
    if isinstance(value, str) and value.strip():
        return value
    if not (isinstance(value, dict) and set(value) == {"file"}):
        raise ValueError('must be the prompt in quotes, or { file = "…" }')
    path = _file(_path(value["file"], info), info)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 (byte {error.start + 1}): save it as UTF-8") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {_reason(error)}") from None
    if not text.strip():
        raise ValueError(f"{path} is empty: leave the key out if there is no system prompt")
    return text


Prompt = Annotated[str, BeforeValidator(_prompt)]


class Secret(BaseModel):
    """Where a secret is found: an environment variable, a file, or a systemd credential; never the secret itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    env: str | None = None
    file: InputPath | None = None
    credential: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Secret:
        if sum(part is not None for part in (self.env, self.file, self.credential)) != 1:
            raise ValueError(f"must name exactly one of {HOW_TO_REFER}")
        if self.env is not None and (looks_like_secret(self.env) or not re.fullmatch(r"[A-Za-z_]\w*", self.env, re.A)):
            raise ValueError('env must be the name of an environment variable, such as "OPENAI_API_KEY"')
        if self.credential is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", self.credential):
            raise ValueError("credential must be the name that LoadCredential= gives it, without slashes")
        return self

    def __str__(self) -> str:
        if self.env is not None:
            return f"environment variable {self.env}"
        return f"file {self.file}" if self.file is not None else f"systemd credential {self.credential}"


def _sendable(params: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(params, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError("holds a date, nan or inf: only what JSON has can be sent") from None
    return params


Params = Annotated[dict[str, Any], AfterValidator(_sendable)]


def _kind(value: Any) -> str:
    return "<text>" if isinstance(value, str) else "<reference>"


# The tags are spelt so that no key of a table can be mistaken for them in the path of an error.
TextOrSecret = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[Secret, Tag("<reference>")],
    Discriminator(_kind),
]
