"""From whom, to whom and by which server alerts are mailed; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alerts.channels.smtp_server import SmtpServer

if TYPE_CHECKING:
    import ssl

MOST_RECIPIENTS = 20
_ATOM = r"[A-Za-z0-9!#$%&'*+/=^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = rf"(?=[^@]{{1,64}}@.{{1,190}}\Z){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*"
_BARE = re.compile(_ADDRESS)
# Letters, digits and a few signs that need no quotes; nothing of what makes or ends a header, an address or a word.
_NAMED = re.compile(r"(?P<name>\w[\w .'&+/-]{0,99})<(?P<address>[^<>]+)>")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address, with the name that stands before it or ""."""

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        """What stands after the @."""
        return self.address.rpartition("@")[2]


def mailbox(text: str) -> Mailbox:
    """The one address in `text`, as `a@b.example` or `Name <a@b.example>`; raises ValueError.

    Quoted names, comments, groups, and addresses beyond ASCII (RFC 5322, RFC 6531) are refused: nothing that could
    say more than one address goes through.
    """
    named = _NAMED.fullmatch(text)
    address = named["address"] if named else text
    if not _BARE.fullmatch(address):
        raise ValueError(
            'must be one address, such as "oncall@example.com" or "Name <oncall@example.com>", without quotes or '
            "other signs around the name (a domain beyond ASCII as xn--…)"
        )
    return Mailbox(address, named["name"].strip() if named else "")


@dataclass(frozen=True, slots=True)
class EmailSettings:
    """Between whom, and by what; a list that is empty or too long raises ValueError.

    `show_cases`: whether the texts of cases may be mailed. In seconds: `timeout` is for one step of the conversation
    with the server, `limit` for all of it. `context` says which certificates are trusted; None: those that the system
    trusts, or SSL_CERT_FILE.
    """

    to: tuple[Mailbox, ...]
    sender: Mailbox
    server: SmtpServer
    show_cases: bool = False
    timeout: float = 15.0
    limit: float = 30.0
    context: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.to) <= MOST_RECIPIENTS:
            raise ValueError(f"alerts.email.to must have 1 to {MOST_RECIPIENTS} addresses")
