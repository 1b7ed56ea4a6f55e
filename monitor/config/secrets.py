"""Turns a reference to a secret into the secret, at the moment it is needed and not before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from monitor.config.fields import Secret

if TYPE_CHECKING:
    from monitor.config.faults import Fault
    from monitor.config.models import Config

_LARGEST = 65_536  # bytes; a longer file is surely not a key


class SecretError(Exception):
    """A secret cannot be had; the message names the reference and the remedy. Trying again does not help."""

    permanent = True


def resolve(secret: Secret, environ: Mapping[str, str]) -> str:
    """The secret that `secret` refers to, without one newline at its end; raises `SecretError`."""
    if secret.env is not None:
        if secret.env not in environ:
            raise SecretError(f"{secret} is not set: set it where heldout runs")
        return _checked(secret, environ[secret.env])
    if secret.file is not None:
        return _checked(secret, _read(secret, secret.file))
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise SecretError(
            f"{secret} is not here, because CREDENTIALS_DIRECTORY is not set: start heldout as a systemd service "
            f"with LoadCredential={secret.credential}:PATH"
        )
    return _checked(secret, _read(secret, Path(folder, str(secret.credential))))


def _read(secret: Secret, path: Path) -> str:
    remedy = "" if secret.file is not None else f": add LoadCredential={secret.credential}:PATH to the service"
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise SecretError(f"{secret} does not exist{remedy or ': write the secret into it'}") from None
    except OSError as error:
        raise SecretError(f"{secret} cannot be read: {error.strerror or error}") from None
    if len(content) > _LARGEST:
        raise SecretError(f"{secret} is larger than {_LARGEST} bytes: it must hold the secret and nothing else")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretError(f"{secret} is not UTF-8 text: it must hold the secret and nothing else") from None


def _checked(secret: Secret, value: str) -> str:
    """`value` without its last newline, when it can be sent in a header: clients repeat in their errors what cannot."""
    value = value.removesuffix("\n").removesuffix("\r")
    if not value.strip():
        raise SecretError(f"{secret} is empty: it must hold the secret")
    if not value.isprintable():
        raise SecretError(f"{secret} holds a line break or another unprintable character: it must hold one line")
    return value


def resolve_at(config: Config, place: tuple[str | int, ...], secret: Secret, environ: Mapping[str, str]) -> str:
    """As `resolve`; the `SecretError` also says where in which file the secret is wanted."""
    from monitor.config.places import fault_at

    try:
        return resolve(secret, environ)
    except SecretError as error:
        raise SecretError(str(fault_at(config.path, place, str(error)))) from None


def references(config: Config) -> Iterator[tuple[tuple[str | int, ...], Secret]]:
    """Every reference to a secret, with its place as a path of tables, keys and indices."""
    yield from _walk((), config)


def _walk(place: tuple[str | int, ...], value: Any) -> Iterator[tuple[tuple[str | int, ...], Secret]]:
    if isinstance(value, Secret):
        yield place, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _walk((*place, name), getattr(value, name))
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _walk((*place, name), item)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _walk((*place, index), item)


def missing_secrets(config: Config, environ: Mapping[str, str]) -> tuple[Fault, ...]:
    """A fault for every secret of the configuration that cannot be had here, in the order of the tables."""
    from monitor.config.places import fault_at

    faults = []
    for place, secret in references(config):
        try:
            resolve(secret, environ)
        except SecretError as error:
            faults.append(fault_at(config.path, place, str(error)))
    return tuple(faults)
