"""An SMTP server's refusals: which pass by themselves, and what to do about the others; pure."""

from __future__ import annotations

import re
from base64 import b64encode
from enum import StrEnum

from alerts.channel import TransportError
from alerts.channels.email_letter import flat
from alerts.channels.smtp_server import SmtpServer

AGAIN = "; it will be tried again"
_MOST_SAID = 200
_LOGIN = "check the user and password in the address that alerts.email.smtp points to"


class Stage(StrEnum):
    """How far a conversation has come, as it reads after "while"."""

    CONNECTING = "connecting"
    GREETING = "greeting"
    ENCRYPTING = "switching to TLS"
    LOGIN = "logging in"
    SENDER = "naming the sender"
    RECIPIENT = "naming a recipient"
    CONTENT = "sending the message"
    ASKING = "asking whether it is there"


# What the operator can do about a permanent refusal at each stage. The reply codes are those of RFC 5321 and RFC 4954.
_ADVICE = {
    Stage.GREETING: "it does not take mail from this machine: name another server in alerts.email.smtp",
    Stage.ENCRYPTING: "it offers TLS and cannot do it: use smtps:// or another port in alerts.email.smtp",
    Stage.LOGIN: _LOGIN,
    Stage.SENDER: "check alerts.email.from: the server must accept this sender for this user",
    Stage.RECIPIENT: "check alerts.email.to: the mailbox may not exist, or the server may not deliver there",
}


def refusal(server: SmtpServer, stage: Stage, code: int, said: bytes | str) -> TransportError:
    """The error for the reply `code` with the text `said`, which is shown cut and without the login."""
    if not 200 <= code <= 599:
        advice = "check the address that alerts.email.smtp points to"
        return TransportError(f"what answers at {server} does not speak SMTP: {advice}{AGAIN}", permanent=False)
    what = f"{server} answered {code} while {stage.value}{_quoted(said, server)}"
    if not 500 <= code <= 599:
        return TransportError(f"{what}{AGAIN}", permanent=False)
    if stage is Stage.CONTENT or (code == 552 and stage is Stage.SENDER):
        return TransportError(f"{what}; the server does not take this message", permanent=True, this_message=True)
    advice = _ADVICE.get(stage, "check the address that alerts.email.smtp points to")
    if code == 530 and stage in (Stage.SENDER, Stage.RECIPIENT):
        advice = "it wants a login or TLS first: put user and password into what alerts.email.smtp points to"
    return TransportError(f"{what}: {advice}", permanent=True)


def nobody_took_it(server: SmtpServer, refused: dict[str, tuple[int, bytes]]) -> TransportError:
    """The error where every recipient was refused; it passes as soon as one of them may be taken later."""
    address, (code, said) = min(refused.items(), key=lambda item: item[1][0])
    error = refusal(server, Stage.RECIPIENT, code, said)
    which = f"{address} was refused" if len(refused) == 1 else f"all {len(refused)} recipients were refused"
    return TransportError(f"{which}: {error.message}", permanent=error.permanent)


def redacted(text: str, server: SmtpServer) -> str:
    """`text` without the user and the password, also as they are sent."""
    secrets = [part for part in (server.password, server.user) if part]
    if len(secrets) == 2:
        forms = [f"\0{server.user}\0{server.password}", *secrets]
        secrets += [b64encode(form.encode()).decode() for form in forms]
    for secret in sorted(secrets, key=len, reverse=True):
        text = re.sub(re.escape(secret), "[…]", text, flags=re.IGNORECASE)
    return text


def _quoted(said: bytes | str, server: SmtpServer) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    # Once more after cleaning, which could put together what stood apart; only then is it cut.
    shown = redacted(flat(redacted(text[:20_000], server), 20_000, ""), server)
    return f" (“{flat(shown, _MOST_SAID)}”)" if shown else ""
