"""Which SMTP server, how to encrypt and as whom to log in: read from one address; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_FORM = (
    "is not an SMTP address: write it as smtp://user:password@host:587 or smtps://user:password@host, with what is "
    "not a letter or digit in user and password percent-encoded (an @ as %40)"
)
_QUERY = "may end in ?starttls=require or ?starttls=never, and in nothing else"
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?")


class Tls(StrEnum):
    """When a connection is encrypted."""

    AT_ONCE = "at once"
    REQUIRED = "required"  # by STARTTLS, or not at all
    OFFERED = "offered"  # by STARTTLS where the server offers it
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A server to send by. `user` and `password` are both there or both None, and not part of the representation."""

    host: str
    port: int
    tls: Tls
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def smtp_server(url: str) -> SmtpServer:
    """The server of `smtp://[user:password@]host[:port]` or `smtps://…`; raises ValueError, which never repeats `url`.

    Ports are 465 for smtps, 587 for smtp with a user, else 25. `?starttls=` is `require` or `never`; without it, an
    smtp connection must be encrypted where a password crosses the network, is encrypted where the server offers it,
    and is not on this machine, which often has a certificate that nobody could check.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # its text may hold the part of a password that was taken for a port
        raise ValueError(_FORM) from None
    if re.search(r"\s", url) or parts.scheme not in ("smtp", "smtps") or not host or port == 0 or not _is_host(host):
        raise ValueError(_FORM)
    if parts.path not in ("", "/") or parts.fragment:
        raise ValueError(_FORM)
    user, password = _login(parts)
    tls = _tls(parts, local=is_loopback(host), secret=user is not None)
    default = 465 if tls is Tls.AT_ONCE else 587 if user is not None else 25
    return SmtpServer(host, port or default, tls, user, password)


def is_loopback(host: str) -> bool:
    """Whether what is sent to `host` stays on this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".") == "localhost"


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            return ip_address(host).version == 6
        except ValueError:
            return False
    return _HOST.fullmatch(host) is not None


def _login(parts: SplitResult) -> tuple[str | None, str | None]:
    if "@" not in parts.netloc:
        return None, None
    if not parts.username or not parts.password:
        raise ValueError("must have both a user and a password before the @, or neither")
    try:
        user, password = (unquote(part, errors="strict") for part in (parts.username, parts.password))
    except UnicodeDecodeError:
        raise ValueError(_FORM) from None
    if not all(re.fullmatch(r"[ -~]+", part) for part in (user, password)):
        raise ValueError("has a user or password with characters beyond ASCII: most servers take none, set other ones")
    return user, password


def _tls(parts: SplitResult, *, local: bool, secret: bool) -> Tls:
    query = parse_qsl(parts.query, keep_blank_values=True)
    if parts.query and query not in ([("starttls", "require")], [("starttls", "never")]):
        raise ValueError(_QUERY)
    if parts.scheme == "smtps":
        if query:
            raise ValueError("has ?starttls, which smtps:// has no use for: it is encrypted at once")
        return Tls.AT_ONCE
    wanted = query[0][1] if query else None
    if wanted == "never" and secret and not local:
        raise ValueError("would send the password over the network unencrypted: leave ?starttls=never out")
    if wanted == "require" or (secret and not local):
        return Tls.REQUIRED
    return Tls.NEVER if wanted == "never" or local else Tls.OFFERED
