"""A real SMTP server on loopback whose replies a test can script, and one that only plays back lines."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "alerts@example.com", "hunter2 %!"


@dataclass
class Mails:
    """What arrived. `replies` gives an answer of the server's own to a command or an address, once or for good."""

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    replies: dict[str, str] = field(default_factory=dict)
    encrypted: list[bool] = field(default_factory=list)
    logins: list[bool] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    async def handle_EHLO(  # noqa: N802  # the server's name for it
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.commands.append(f"EHLO {hostname}")
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.commands.append("MAIL")
        if "MAIL" in self.replies:
            return self.replies["MAIL"]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.replies:
            return self.replies[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_NOOP(self, server: SMTP, session: Session, envelope: Envelope, arg: str) -> str:  # noqa: N802
        self.commands.append("NOOP")
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if "DATA" in self.replies:
            return self.replies["DATA"]
        assert isinstance(envelope.content, bytes)
        found = message_from_bytes(envelope.content, policy=default)
        assert isinstance(found, EmailMessage)
        self.messages.append(found)
        self.recipients.append(list(envelope.rcpt_tos))
        self.encrypted.append(session.ssl is not None)
        return "250 queued"

    def login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        """Whether the login is the right one."""
        assert isinstance(data, LoginPassword)
        right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        self.logins.append(right)
        return AuthResult(success=right, handled=False)


@asynccontextmanager
async def smtp_server(
    tls: ssl.SSLContext | None = None, *, at_once: bool = False, login: bool = False
) -> AsyncIterator[Mails]:
    """aiosmtpd on a free port: with STARTTLS where there is `tls`, or TLS from the start; `login` wants one."""
    mails, loop = Mails(), asyncio.get_running_loop()
    options: dict[str, Any] = {"hostname": "mail.test", "loop": loop, "timeout": 10}
    if tls is not None and not at_once:
        options |= {"tls_context": tls, "require_starttls": True}
    if login:
        # It warns of logins in the clear, and does not see the TLS that the socket has.
        options |= {"authenticator": mails.login, "auth_require_tls": tls is not None and not at_once}
    sessions: list[SMTP] = []

    def session() -> SMTP:
        sessions.append(SMTP(mails, **options))
        return sessions[-1]

    server = await loop.create_server(session, "127.0.0.1", 0, ssl=tls if at_once else None)
    mails.port = server.sockets[0].getsockname()[1]
    try:
        yield mails
    finally:
        server.close()
        for one in sessions:
            if one.transport is not None:
                one.transport.abort()
        await asyncio.sleep(0.01)  # what was aborted is told so


@asynccontextmanager
async def playback(*lines: str | float, drip: float = 0.0) -> AsyncIterator[Callable[[], int]]:
    """A server that says `lines`, each after the first in answer to one, then hangs up; a number is a wait in seconds.

    With `drip`, so many seconds pass between two characters.
    """

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            for number, line in enumerate(lines):
                if number:
                    await reader.readline()
                if isinstance(line, float):
                    await asyncio.sleep(line)
                    continue
                for piece in line if drip else [line]:
                    writer.write(piece.encode())
                    await writer.drain()
                    await asyncio.sleep(drip)
        writer.close()

    running: set[asyncio.Task[None]] = set()

    async def tracked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await talk(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()

    server = await asyncio.start_server(tracked, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield lambda: port
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
