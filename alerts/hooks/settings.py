"""How hooks are set up: where to send and how to sign, or what to run; every fault is named at once; pure."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from alerts.hooks.address import host_fault

PLACEHOLDERS = ("target", "fallback", "action", "hook", "expires_at")
PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PREFIX = "whsec_"
_BYTES = (24, 64)  # of a secret: the standard's bounds


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where to send and how to sign; ValueError names every fault at once, and no part of a secret.

    `secret` is `whsec_` and base64 of 24 to 64 bytes; several, separated by spaces, while it is rotated: each signs.
    The path of `url` may be a secret too: only its host is ever shown. `timeout` is in seconds, over everything.
    """

    name: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    timeout: float = 20.0

    def __post_init__(self) -> None:
        faults = [f"hooks.{self.name}.url {fault}" for fault in _url_faults(self.url)]
        faults += [f"hooks.{self.name}.secret {fault}" for fault in _secret_faults(self.secret)]
        if not self.timeout > 0:
            faults.append(f"hooks.{self.name}: the time-out must be more than 0 s")
        if faults:
            raise ValueError("; ".join(faults))

    @property
    def place(self) -> str:
        """The host, with its port where one is given: what may be shown of the address."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """What to run; ValueError names every fault at once.

    In each argument {target}, {fallback}, {action}, {hook} and {expires_at} are replaced; other braces are themselves.
    `timeout` and `grace` are in seconds: at the one the process group is asked to end, after the other it is killed.
    """

    name: str
    command: tuple[str, ...]
    timeout: float = 600.0
    grace: float = 5.0

    def __post_init__(self) -> None:
        place = f"hooks.{self.name}.command"
        faults = [f"{place} is empty"] if not self.command or not self.command[0] else []
        faults += [f"{place}[{i}] holds a NUL" for i, part in enumerate(self.command) if "\0" in part]
        if self.command and PLACEHOLDER.search(self.command[0]):
            faults.append(f"{place}[0] must be a program, without a placeholder")
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        for i, part in enumerate(self.command):
            unknown = [name for name in PLACEHOLDER.findall(part) if name not in PLACEHOLDERS]
            faults += [f"{place}[{i}]: {{{name}}} is unknown; known are {known}" for name in unknown]
        if not (self.timeout > 0 and self.grace >= 0):
            faults.append(f"{place}: the time-out must be more than 0 s, and its grace no less than 0 s")
        if faults:
            raise ValueError("; ".join(faults))


def _url_faults(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return ["is no address"]
    if parts.scheme not in ("http", "https") or not host:
        return ["must be an http or https address"]
    if not url.isascii() or not url.isprintable() or not {" ", "\\"}.isdisjoint(url):
        return ["holds a space or another character that an address writes as %…, or a name as xn--…"]
    fault = host_fault(host)
    return [f"names {host}, {fault}"] if fault else []


def _secret_faults(secret: str) -> list[str]:
    if not secret.split():
        return ["is empty"]
    return list(dict.fromkeys(fault for part in secret.split() if (fault := _secret_fault(part)) is not None))


def _secret_fault(secret: str) -> str | None:
    key: bytes | None = None
    if secret.startswith(_PREFIX):
        coded = secret.removeprefix(_PREFIX)
        with contextlib.suppress(binascii.Error, ValueError):
            key = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
    how = (
        f'must be {_PREFIX} and base64 of {_BYTES[0]} to {_BYTES[1]} bytes: echo "{_PREFIX}$(openssl rand -base64 32)"'
    )
    if key is None:
        return how
    return None if _BYTES[0] <= len(key) <= _BYTES[1] else f"holds {len(key)} bytes; it {how}"
